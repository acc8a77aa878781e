// Package timeline turns the steps of a pool into lanes over time: what each slot, each browser and
// each caller did, and when. WriteTraceEvents writes them in Chrome's trace-event format, which
// ui.perfetto.dev and other viewers open; package sim/view draws the same lanes on a page.
//
// A Timeline reads the facts of the core after each step and the effects of the step. Its memory is
// bounded: past MostSlices it leaves out what is short, level by level, and Thinned says what.
package timeline

import (
	"slices"
	"strings"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
)

// MostSlices is how many slices a timeline keeps where nothing else is said. A viewer opens a file
// of so many at once.
const MostSlices = 150_000

// Track is a group of lanes.
type Track uint8

// The tracks, in the order in which viewers show them.
const (
	Slots Track = iota
	Browsers
	Callers
	Tracks // how many there are
)

// Slice is a stretch of time in a lane. Slices of a lane and level do not overlap; one of level 1
// lies within one of level 0.
type Slice struct {
	Begin, End core.Time
	Name       string // the state, the operation, or the part of the wait
	Key        string // of the affinity; empty: nobody's
	Tab        core.TabID
	Request    core.RequestID
	Browser    core.BrowserID
	Reason     core.Reason
	Lane       int32
	Merged     int32 // how many short slices this one stands for; 0: it is one itself
	Track      Track
	Level      uint8 // 0: state, wait or lease; 1: what went on inside
}

// Instant is a moment that matters.
type Instant struct {
	At   core.Time
	Kind string // fault, broken or no-return
	Text string
}

// Sample is what a counter shows from an instant on.
type Sample struct {
	At    core.Time
	Value int
}

// Life is a stretch of an affinity: warm, or one of its leases, which overlap.
type Life struct {
	Begin, End core.Time
	Key        string
	Tab        core.TabID
	Request    core.RequestID // of the lease; 0: the affinity is warm
}

// CounterNames are the counters of a timeline.
var CounterNames = [...]string{"capacity", "alive", "waiting", "orphans"}

// Timeline records steps. The zero value is ready.
type Timeline struct {
	Most int // slices to keep; 0: MostSlices

	Slices   []Slice
	Counters [len(CounterNames)][]Sample
	Instants []Instant
	Lives    []Life
	Begin    core.Time
	End      core.Time
	Steps    int

	resolution core.Time // what is shorter was left out or merged
	unshown    int       // instants that were left out
	started    bool
	slots      []slotNow
	callers    map[core.RequestID]*callerNow
	lanes      []bool // of callers: taken
	browsers   map[core.BrowserID]*browserNow
	warm       map[string]core.Time
	lastOrder  uint64
}

// Step takes in one step: the state and the names are those after it.
func (t *Timeline) Step(at core.Time, event string, effects []core.Effect, s *core.State,
	names trace.Names) {
	first := !t.started
	if first {
		t.start(at)
	}
	t.Steps++
	t.End = max(t.End, at)
	if IsFault(event) {
		t.Note(at, "fault", event)
	}
	t.arrivals(s, names, first)
	for i := range effects {
		t.effect(at, &effects[i], names)
	}
	t.stepSlots(at, effects, s, names)
	t.stepBrowsers(at, s)
	for i, value := range [...]int{
		int(s.Capacity), s.Alive(), s.Waiting(core.Root) + s.Waiting(core.Nested), s.Orphans(),
	} {
		t.sample(i, at, value)
	}
	if len(t.Slices)+len(t.Lives) > t.most() {
		t.thin()
	}
}

func (t *Timeline) start(at core.Time) {
	t.started, t.Begin = true, at
	t.callers, t.browsers = map[core.RequestID]*callerNow{}, map[core.BrowserID]*browserNow{}
	t.warm = map[string]core.Time{}
}

// mostInstants bounds the moments that are kept; broken claims are always.
const mostInstants = 20_000

// Note adds a moment that matters: a fault of the world, a broken claim, the point of no return.
func (t *Timeline) Note(at core.Time, kind, text string) {
	if kind == "fault" && len(t.Instants) >= mostInstants {
		t.unshown++
		return
	}
	t.Instants = append(t.Instants, Instant{at, kind, text})
}

// IsFault says whether an event tells of something that went wrong in the browser, by its verb.
func IsFault(event string) bool {
	words := strings.Fields(event)
	if len(words) == 0 {
		return false
	}
	verb := words[0]
	if verb == "browser" && len(words) > 1 {
		return slices.Contains([]string{"failed", "gone", "silent", "stalled", "launch-silent",
			"close-silent", "drain-silent"}, words[1])
	}
	return strings.HasSuffix(verb, "-failed") || strings.HasSuffix(verb, "-silent") ||
		verb == "crash" || verb == "crashed" || verb == "expire"
}

// slotNow is what a slot does now.
type slotNow struct {
	tab       core.TabID
	state     core.TabState
	holder    core.RequestID
	reason    core.Reason
	key       string
	since     core.Time // of the state
	ended     core.Time // of the slice before
	operation string    // that has not been answered; empty: none
	asked     core.Time
	of        core.OperationID
}

func (t *Timeline) stepSlots(at core.Time, effects []core.Effect, s *core.State,
	names trace.Names) {
	for len(t.slots) < len(s.Tabs) {
		t.slots = append(t.slots, slotNow{})
	}
	for i := range s.Tabs {
		tab, now := &s.Tabs[i], &t.slots[i]
		if tab.State == 0 && now.tab == 0 {
			continue
		}
		same := now.tab == tab.ID && now.state == tab.State && now.holder == tab.Holder && tab.State != 0
		if !same {
			t.endSlot(int32(i), now, at)
		}
		if tab.State == 0 {
			*now = slotNow{ended: now.ended}
			continue
		}
		if !same {
			t.beginSlot(now, tab, at, names)
		}
		now.reason = tab.Reason
		t.stepOperation(int32(i), now, tab, effects, at)
	}
}

func (t *Timeline) beginSlot(now *slotNow, tab *core.Tab, at core.Time, names trace.Names) {
	since := at
	if now.tab != tab.ID {
		since = max(min(tab.Since, at), now.ended) // a dump begins in the midst of a state
		now.operation = ""
	}
	now.tab, now.state, now.holder, now.since, now.key = tab.ID, tab.State, tab.Holder, since, ""
	if tab.Affinity != 0 {
		now.key = names.Key(tab.Affinity)
	}
	if now.operation != "" {
		now.asked = at // it goes on inside the next state
	}
}

// stepOperation looks what is outstanding on a tab. An operation ends with its answer, or when
// another takes its place.
func (t *Timeline) stepOperation(lane int32, now *slotNow, tab *core.Tab, effects []core.Effect,
	at core.Time) {
	if now.operation != "" && tab.AskedAt == core.Never {
		t.endOperation(lane, now, at)
	}
	for i := range effects {
		if e := &effects[i]; e.Operation != 0 && e.Tab == tab.ID {
			t.endOperation(lane, now, at)
			now.operation, now.asked, now.of = verb(e), at, e.Operation
		}
	}
}

// verb is the word for an operation in a trace.
func verb(e *core.Effect) string {
	word, _, _ := strings.Cut(string(
		trace.AppendEffect(nil, core.Effect{Kind: e.Kind, Tab: e.Tab}, noNames{})), " ")
	return word
}

type noNames struct{}

func (noNames) Key(core.Affinity) string    { return "" }
func (noNames) Handle(string) core.Affinity { return 0 }

func (t *Timeline) endOperation(lane int32, now *slotNow, at core.Time) {
	if now.operation != "" && at > now.asked {
		t.add(Slice{Begin: now.asked, End: at, Name: now.operation, Tab: now.tab, Lane: lane, Level: 1})
	}
	now.operation = ""
}

func (t *Timeline) endSlot(lane int32, now *slotNow, at core.Time) {
	if now.tab == 0 {
		return
	}
	if op := now.operation; op != "" {
		t.endOperation(lane, now, at)
		now.operation = op
	}
	if at > now.since {
		t.add(Slice{Begin: now.since, End: at, Name: now.state.String(), Key: now.key, Tab: now.tab,
			Request: now.holder, Reason: now.reason, Lane: lane})
		now.ended = at
	}
	if now.state == core.Leased && at > now.since {
		t.Lives = append(t.Lives, Life{now.since, at, now.key, now.tab, now.holder})
	}
	if now.state == core.Leased {
		t.endLease(now.holder, at)
	}
}

type browserNow struct {
	lane  int32
	state string
	since core.Time
}

func (t *Timeline) stepBrowsers(at core.Time, s *core.State) {
	for id, b := range t.browsers {
		state := ""
		s.EachBrowser(func(v core.BrowserView) {
			if v.ID == id {
				state = v.State
			}
		})
		if state != b.state {
			t.endBrowser(id, b, at)
			b.state, b.since = state, at
		}
		if state == "" {
			delete(t.browsers, id)
		}
	}
	s.EachBrowser(func(v core.BrowserView) {
		if t.browsers[v.ID] == nil {
			t.browsers[v.ID] = &browserNow{lane: t.freeBrowserLane(), state: v.State, since: at}
		}
	})
}

func (t *Timeline) freeBrowserLane() (lane int32) {
	taken := func() bool {
		for _, b := range t.browsers {
			if b.lane == lane {
				return true
			}
		}
		return false
	}
	for taken() {
		lane++
	}
	return lane
}

func (t *Timeline) endBrowser(id core.BrowserID, b *browserNow, at core.Time) {
	if at > b.since && b.state != "" {
		t.add(Slice{Begin: b.since, End: at, Name: b.state, Browser: id, Track: Browsers, Lane: b.lane})
	}
}

func (t *Timeline) sample(counter int, at core.Time, value int) {
	list := t.Counters[counter]
	switch n := len(list); {
	case n > 0 && list[n-1].Value == value:
		return
	case n > 0 && list[n-1].At == at:
		list[n-1].Value = value
	default:
		t.Counters[counter] = append(list, Sample{at, value})
	}
}

// Finish ends what still goes on. No step follows it.
func (t *Timeline) Finish() {
	for i := range t.slots {
		now := &t.slots[i]
		if now.tab != 0 {
			t.endSlot(int32(i), now, t.End)
			now.tab = 0
		}
	}
	for _, id := range sorted(t.browsers) {
		t.endBrowser(id, t.browsers[id], t.End)
	}
	for _, id := range sorted(t.callers) {
		t.endCaller(t.callers[id], id, t.End, "")
	}
	for _, key := range sorted(t.warm) {
		t.Lives = append(t.Lives, Life{Begin: t.warm[key], End: t.End, Key: key})
	}
	if len(t.Slices)+len(t.Lives) > t.most() {
		t.thin()
	}
	slices.SortStableFunc(t.Slices, byBegin)
}
