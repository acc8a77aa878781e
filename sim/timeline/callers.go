package timeline

import (
	"cmp"
	"maps"
	"slices"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
)

// callerNow is a request from its arrival until its lease ends.
type callerNow struct {
	lane    int32
	key     string
	arrived core.Time
	waits   core.Waits
	granted bool
	at      core.Time // of the grant
	tab     core.TabID
}

// arrivals looks for requests that were not there before. Most steps bring none.
func (t *Timeline) arrivals(s *core.State, names trace.Names, first bool) {
	if !first && s.LastOrder == t.lastOrder {
		return
	}
	before := t.lastOrder
	t.lastOrder = s.LastOrder
	for i := range s.Requests {
		if r := &s.Requests[i]; r.Used && (first || r.Order > before) {
			t.caller(r.ID, names.Key(r.Affinity), r.Arrived)
		}
	}
	if !first {
		return
	}
	for i := range s.Tabs {
		if l := &s.Tabs[i]; l.State == core.Leased {
			c := t.caller(l.Holder, names.Key(l.Affinity), l.LeasedAt)
			c.granted, c.at, c.tab = true, l.LeasedAt, l.ID
		}
	}
}

func (t *Timeline) caller(id core.RequestID, key string, arrived core.Time) *callerNow {
	if c := t.callers[id]; c != nil {
		return c
	}
	lane := slices.Index(t.lanes, false)
	if lane < 0 {
		lane = len(t.lanes)
		t.lanes = append(t.lanes, false)
	}
	t.lanes[lane] = true
	c := &callerNow{lane: int32(lane), key: key, arrived: arrived}
	t.callers[id] = c
	return c
}

// effect takes in what a step tells callers and subscribers.
func (t *Timeline) effect(at core.Time, e *core.Effect, names trace.Names) {
	switch e.Kind {
	case core.Grant:
		c := t.caller(e.Request, names.Key(e.Affinity), at-e.Waits.Total())
		c.waits, c.granted, c.at, c.tab = e.Waits, true, at, e.Tab
		t.addWait(c, e.Request, at, "waits")
	case core.Refuse:
		if c := t.callers[e.Request]; c != nil {
			c.waits = e.Waits
			t.endCaller(c, e.Request, at, "refused: "+e.Reason.String())
		}
	case core.AnnounceWarm:
		if key := names.Key(e.Affinity); key != "" {
			t.warm[key] = at
		}
	case core.AnnounceCold:
		key := names.Key(e.Affinity)
		if since, ok := t.warm[key]; ok {
			t.Lives = append(t.Lives, Life{Begin: since, End: at, Key: key})
			delete(t.warm, key)
		}
	}
}

// addWait adds the slice of a wait, and its parts inside it, one after the other.
func (t *Timeline) addWait(c *callerNow, id core.RequestID, end core.Time, name string) {
	if end <= c.arrived {
		return
	}
	at := c.arrived
	for _, part := range [...]struct {
		name string
		long core.Time
	}{
		{"admission", c.waits.Admission}, {"tab", c.waits.Tab}, {"startup", c.waits.Startup},
		{"probe", c.waits.Probe},
	} {
		if until := min(at+part.long, end); until > at {
			t.add(Slice{Begin: at, End: until, Name: part.name, Request: id, Track: Callers, Lane: c.lane,
				Level: 1})
			at = until
		}
	}
	t.add(Slice{Begin: c.arrived, End: end, Name: name, Key: c.key, Request: id, Track: Callers,
		Lane: c.lane})
}

func (t *Timeline) endLease(id core.RequestID, at core.Time) {
	if c := t.callers[id]; c != nil {
		t.endCaller(c, id, at, "")
	}
}

// endCaller ends a lease, or a wait that nobody granted; why is the name of its slice.
func (t *Timeline) endCaller(c *callerNow, id core.RequestID, at core.Time, why string) {
	switch {
	case !c.granted && why == "":
		t.addWait(c, id, at, "waits")
	case !c.granted:
		t.addWait(c, id, at, why)
	case at > c.at:
		t.add(Slice{Begin: c.at, End: at, Name: "leased", Key: c.key, Tab: c.tab, Request: id,
			Track: Callers, Lane: c.lane})
	}
	t.lanes[c.lane] = false
	delete(t.callers, id)
}

func sorted[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
