package why

import (
	"fmt"

	"github.com/pagepool/pagepool/pool/core"
)

// A queue is what the waits of one state have in common.
type queue struct {
	s       *core.State
	tabs    []core.TabView // oldest first
	permits int            // how many more root leases the root limit allows
	// and how many of these the reserve leaves to requests that are not urgent
	unreserved int
	standby    bool // one is free, and awake
	leases     map[core.Affinity]int
	held       []core.RequestID // what held the last one back
}

func queueOf(s *core.State, tabs []core.TabView) *queue {
	q := &queue{s: s, tabs: tabs, permits: s.Permits(), leases: map[core.Affinity]int{}}
	q.unreserved = s.Settings.Unreserved() - s.Count(core.Lost)
	for _, t := range tabs {
		q.standby = q.standby || t.State == core.Standby && !t.Frozen
		if t.State != core.Leased || t.Class == core.Nested {
			continue
		}
		q.leases[t.Affinity]++
		if t.Class == core.Root {
			q.unreserved--
		}
	}
	return q
}

// heldBack are the older requests that r may not overtake, because their bypass is used up, though
// a tab is free that could serve r; none: nothing is free, or nobody stops it.
func (q *queue) heldBack(r core.RequestView, before []core.RequestView) []core.RequestID {
	free := q.standby
	for _, t := range q.tabs {
		free = free || t.State == core.Idle && t.Affinity == r.Affinity
	}
	if !free {
		return nil
	}
	var older []core.RequestID
	for _, b := range before {
		if q.competes(r, b) && int(b.Bypassed) >= max(0, q.s.Settings.MaxBypass) {
			older = append(older, b.ID)
		}
	}
	if len(older) > 0 {
		q.held = older
	}
	return q.held // of one of its class that is ahead of it, where it competes with nobody itself
}

// competes says whether a grant to r takes the last permit that b could have had. Room is never
// what they compete for here, since a tab is free.
func (q *queue) competes(r, b core.RequestView) bool {
	left := q.permits
	if b.Class == core.Root {
		left = min(left, q.unreserved)
	}
	lastPermit := r.Class != core.Nested && q.permits == 1
	lastUnreserved := r.Class == core.Root && min(q.permits, q.unreserved) == 1
	takes := b.Class != core.Nested && left > 0 &&
		(lastPermit || lastUnreserved && b.Class == core.Root)
	if b.Promised != 0 {
		own := b.Affinity == r.Affinity && r.Class == core.Urgent
		return takes && !own && q.leases[b.Affinity] < q.s.Settings.RootCap
	}
	return takes && b.Admitted && b.Affinity != r.Affinity
}

func often(bypass int) string {
	if bypass < 0 {
		return "off"
	}
	return fmt.Sprint(bypass)
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
