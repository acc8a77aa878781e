package spec

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/pagepool/pagepool/pool/core"
)

// How a step is compared with the plan. A claim sees the facts before and after a step, but not
// those at which placement began. They are those after the step, with what it did for those that
// wait undone. From there the plan is made anew, and both have to have done the same, in the same
// order.

// disagreement is the first thing in which a step is not what the plan says.
type disagreement struct {
	did, due move // what the step does next, and what the plan says; of kind 0: nothing
	size     bool // of the pool
	what     error
}

// plan is where a step is not what the plan says; of what nil: nowhere.
func (t *Transition) plan() *disagreement {
	d := &t.Scratch.disagreement
	if t.Scratch.planned {
		return d
	}
	t.Scratch.planned, *d = true, disagreement{}
	if t.After.Phase < core.PhaseEnding { // otherwise nobody waits any more
		p := &t.Scratch.plan
		p.begin(t)
		p.run()
		*d = p.compare()
	}
	return d
}

// planned: what a step does for those that wait, and in which order, is what the plan says.
func planned(t *Transition) error { return t.plan().what }

// run makes the plan.
func (p *plan) run() {
	p.place()
	p.given(core.QueueFull)
	for p.thaw(); p.refuse(); p.thaw() {
		p.place()
	}
	p.given(core.Contraction) // it begins only when nobody waits
	p.Contraction, p.Capacity = p.step.After.Contraction, min(p.Capacity, p.step.After.Capacity)
	p.makeRoom()
	p.thaw()
	p.refill()
	if p.need() == 0 && p.given(core.Drain) {
		p.refill()
	}
}

// given takes from the step what the plan does not decide: who is refused because too many wait,
// which tab a contraction closes (envelope decides), and which a drain does (the contract leaves it
// open).
func (p *plan) given(reason core.Reason) bool {
	found := false
	for i := range p.step.Effects {
		e := &p.step.Effects[i]
		if e.Reason != reason {
			continue
		}
		found = true
		for j := range p.Requests {
			if r := &p.Requests[j]; e.Kind == core.Refuse && r.Used && r.ID == e.Request {
				p.answer(int32(j))
			}
		}
		if j := tabAt(&p.Facts, e.Tab); e.Kind == core.CloseTab && j != core.None {
			p.close(j, reason)
		}
	}
	return found
}

// begin makes the facts those at which placement began.
func (p *plan) begin(t *Transition) {
	p.step, p.moves = t, p.moves[:0]
	tabs, contexts, affinities, requests := p.Tabs, p.Contexts, p.Affinities, p.Requests
	p.Facts = t.After.Facts // the rest is only read
	p.Tabs, p.Contexts = append(tabs[:0], p.Tabs...), append(contexts[:0], p.Contexts...)
	p.Affinities, p.Requests = append(affinities[:0], p.Affinities...),
		append(requests[:0], p.Requests...)
	p.Capacity, p.Contraction = t.Before.Capacity, t.Before.Contraction
	if p.Contraction != 0 && tabAt(&p.Facts, p.Contraction) == core.None {
		p.Capacity, p.Contraction = p.Capacity-1, 0 // what a contraction takes goes with its tab
	}
	for a := range p.Affinities {
		k := &p.Affinities[a]
		k.Stamp = t.affinityBefore(core.Affinity(a)).Stamp // nothing but a grant changes it
		k.Own = k.Own || !k.Known && t.wasOwn(core.Affinity(a))
	}
	for i := len(t.Effects) - 1; i >= 0; i-- {
		p.undo(&t.Effects[i])
	}
	p.listWaiting()
	p.listStandbys()
}

// was is what the tab of a slot was before the step; where it was not there, everything is zero.
func (t *Transition) was(slot int32) (tab core.Tab) {
	if int(slot) < len(t.Before.Tabs) && t.Before.Tabs[slot].ID == t.After.Tabs[slot].ID {
		tab = t.Before.Tabs[slot]
	}
	return tab
}

// affinityBefore is what was known of an affinity before the step.
func (t *Transition) affinityBefore(a core.Affinity) *core.AffinityFacts {
	if int(a) < len(t.Before.Affinities) && t.Before.Affinities[a].Known {
		return &t.Before.Affinities[a]
	}
	return &unknown
}

// unknown is what is known of an affinity of which nothing is.
var unknown = core.AffinityFacts{Primary: core.None}

// undo undoes what an effect did to a tab, if it is a move.
func (p *plan) undo(e *core.Effect) {
	i := tabAt(&p.Facts, e.Tab)
	if i == core.None {
		return
	}
	tab, was := &p.Tabs[i], p.step.was(i)
	switch {
	case e.Kind == core.Grant:
		p.ungrant(tab, &was, e.How)
	case e.Kind == core.ProbeTab && tab.Affinity == 0:
		tab.State = core.Standby
	case e.Kind == core.ProbeTab && warmProbe(tab):
		tab.State = core.Idle
	case e.Kind == core.OpenTab:
		*tab = core.Tab{}
		p.LastTab--
	case p.step.makesRoom(e):
		tab.State = core.Idle
		if e.Reason == core.Wedge {
			tab.State, tab.Overdue, tab.Since = was.State, true, was.Since
		} else if tab.Affinity == 0 {
			tab.State = core.Standby
		}
		p.backToPrimary(tab)
	}
}

// warmProbe says whether a tab is probed because somebody wants it, and not because it is in doubt.
func warmProbe(tab *core.Tab) bool { return !tab.Suspect && !tab.Rescued }

// makesRoom says whether an effect closes a tab that nothing but the need of others, or of the
// pool, ends.
func (t *Transition) makesRoom(e *core.Effect) bool {
	switch {
	case e.Kind != core.CloseTab:
	case e.Reason == core.Eviction, e.Reason == core.Contraction, e.Reason == core.Drain:
		return true
	case e.Reason == core.Wedge &&
		(t.Event.Tab != e.Tab || t.Event.Is(core.Overdue, core.ProbeTab) ||
			t.Event.Is(core.Overdue, core.ResetTab)):
		i := tabAt(&t.Before.Facts, e.Tab)
		return i != core.None && asked(&t.Before.Tabs[i])
	}
	return false
}

func (p *plan) ungrant(tab, was *core.Tab, how core.How) {
	k := &p.Affinities[tab.Affinity]
	tab.State, tab.Holder, tab.Class, tab.Stamp = core.Idle, 0, core.Root, was.Stamp
	tab.Uses--
	p.LastStamp--
	if !gains(how) {
		return
	}
	if k.Primary == tab.Context {
		k.Primary = core.None
	}
	tab.Affinity, p.Contexts[tab.Context].Affinity = was.Affinity, was.Affinity
	if how == core.Adopted {
		tab.State = core.Standby
	}
	p.backToPrimary(tab)
}

// backToPrimary makes the context of a tab its affinity's primary again, if it was before the step
// and no lost tab in it has ended that.
func (p *plan) backToPrimary(tab *core.Tab) {
	lost := slices.ContainsFunc(p.Tabs, func(o core.Tab) bool {
		return o.State == core.Lost && o.Context == tab.Context
	})
	if tab.Affinity != 0 && !lost && p.step.affinityBefore(tab.Affinity).Primary == tab.Context {
		p.Affinities[tab.Affinity].Primary = tab.Context
	}
}

// listWaiting lists those that waited when placement began: who waits after the step and whom it
// has answered. A promise is one that was made before, of a tab to which nothing has happened.
func (p *plan) listWaiting() {
	before := p.step.Before.Requests
	for i := range p.step.Effects {
		if e := &p.step.Effects[i]; e.Kind == core.Grant ||
			e.Kind == core.Refuse && (e.Reason == core.BrowserUnavailable || e.Reason == core.QueueFull) {
			slot, r := p.answered(e)
			p.Requests[slot] = r
		}
	}
	for i := range p.Tabs {
		p.Tabs[i].Pinned = 0
	}
	p.listAll()
	for _, i := range p.order {
		r := &p.Requests[i]
		r.Class, r.Pin, r.Bypassed = classOf(&p.Facts, r), core.None, 0
		if int(i) < len(before) && before[i].ID == r.ID {
			r.Bypassed = before[i].Bypassed
			if pin := before[i].Pin; pin != core.None {
				if was, is := &p.step.Before.Tabs[pin], &p.Tabs[pin]; is.ID == was.ID &&
					is.State == was.State && is.Number == was.Number && !is.Overdue && !is.Doomed {
					p.promise(i, pin)
				}
			}
		}
	}
	slices.SortFunc(p.order, func(i, j int32) int {
		return p.precedes(&p.Requests[i], &p.Requests[j])
	})
}

// listAll lists those that wait, and their affinities, in no order.
func (p *plan) listAll() {
	for _, a := range p.waiters {
		p.of[a] = p.of[a][:0]
	}
	p.order, p.waiters = p.order[:0], p.waiters[:0]
	for len(p.of) < len(p.Affinities) {
		p.of = append(p.of, nil)
	}
	for i := range p.Requests {
		if r := &p.Requests[i]; r.Used {
			if len(p.of[r.Affinity]) == 0 {
				p.waiters = append(p.waiters, r.Affinity)
			}
			p.order, p.of[r.Affinity] = append(p.order, int32(i)), append(p.of[r.Affinity], int32(i))
		}
	}
}

// answered is a request that the step has answered, as it waited, and its slot.
func (p *plan) answered(e *core.Effect) (slot int32, r core.Request) {
	before, event := &p.step.Before.Facts, &p.step.Event
	if slot = requestAt(before, e.Request); slot != core.None {
		return slot, before.Requests[slot]
	}
	slot = int32(len(before.Requests))
	if n := len(before.FreeRequests); n > 0 {
		slot = before.FreeRequests[n-1]
	}
	return slot, core.Request{
		ID: e.Request, Order: ^uint64(0), Arrived: p.Now, Affinity: event.Affinity,
		Priority: event.Priority,
		Class:    event.Class, Rounds: p.Rounds, Used: true,
	}
}

// precedes is the waiting order: higher priority first, first come first served within it; with
// ageing, PriorityAging waited is worth one level.
func (p *plan) precedes(a, b *core.Request) int {
	aging := int64(p.Settings.PriorityAging)
	switch {
	case a.Priority == b.Priority:
		return cmp.Compare(a.Order, b.Order)
	case aging < 0:
		return cmp.Compare(b.Priority, a.Priority)
	}
	// Whether so many levels make up for the lead of b, without a product that could overflow.
	levels, lead := int64(a.Priority)-int64(b.Priority), int64(a.Arrived-b.Arrived)
	return cmp.Or(cmp.Compare(lead/aging, levels), cmp.Compare(lead%aging, 0), cmp.Compare(lead, 0))
}

// listStandbys puts the standbys into their order: as before the step, and then the one that is
// new, but for one of a browser that is being replaced, which is to go first.
func (p *plan) listStandbys() {
	p.standbys = p.standbys[:0]
	before := &p.step.Before.Facts
	for i := before.Standbys; i != core.None; i = before.Tabs[i].Next {
		if p.Tabs[i].ID == before.Tabs[i].ID && p.Tabs[i].State == core.Standby {
			p.standbys = append(p.standbys, i)
		}
	}
	for i := range p.Tabs {
		if tab := &p.Tabs[i]; tab.State == core.Standby && !slices.Contains(p.standbys, int32(i)) {
			at := len(p.standbys)
			if p.drains(tab) {
				at = 0
			}
			p.standbys = slices.Insert(p.standbys, at, int32(i))
		}
	}
}

// compare finds the first thing that the step has done otherwise.
func (p *plan) compare() (d disagreement) {
	due, after := p.moves, p.step.After
	for i := range p.step.Effects {
		m := p.step.moveOf(&p.step.Effects[i])
		switch {
		case m.kind == 0:
			continue
		case len(due) == 0:
			return disagreement{did: m, what: otherwise("nothing more", m)}
		case due[0] != m:
			return disagreement{did: m, due: due[0], what: otherwise(due[0], m)}
		}
		due = due[1:]
	}
	if len(due) > 0 {
		return disagreement{due: due[0], what: otherwise(due[0], "nothing more")}
	}
	if p.Capacity != after.Capacity {
		return disagreement{size: true, what: otherwise(
			fmt.Sprintf("capacity %d", p.Capacity), fmt.Sprintf("capacity %d", after.Capacity))}
	}
	for i := range after.Requests {
		is, want := &after.Requests[i], &p.Requests[i]
		if !is.Used {
			continue
		}
		promised := idOf(after.Tabs, is.Pin) == idOf(p.Tabs, want.Pin)
		if !promised || is.Bypassed != want.Bypassed || is.Class != want.Class {
			d.due.kind, d.due.how = core.Grant, core.Warm
			d.what = otherwise(p.waits(p.Tabs, want), p.waits(after.Tabs, is))
		}
	}
	next := after.Standbys
	for _, i := range p.standbys {
		if idOf(after.Tabs, next) != p.Tabs[i].ID {
			return disagreement{what: otherwise(fmt.Sprintf("t%d is the next standby", p.Tabs[i].ID),
				fmt.Sprintf("t%d is", idOf(after.Tabs, next)))}
		}
		next = after.Tabs[next].Next
	}
	return d
}

// otherwise is a disagreement in words.
func otherwise(expected, found any) error {
	return fmt.Errorf("expected, by the plan of the specification: %v; the pool: %v", expected, found)
}

// waits is how a request waits, in words.
func (p *plan) waits(tabs []core.Tab, r *core.Request) string {
	as := [core.Classes]string{core.Root: "ordinary", core.Nested: "nested",
		core.Urgent: "urgent"}[r.Class]
	promise := "no tab"
	if tab := idOf(tabs, r.Pin); tab != 0 {
		promise = fmt.Sprintf("t%d", tab)
	}
	return fmt.Sprintf("r%d (%s) is promised %s and was overtaken %d times (MaxBypass=%d)", r.ID, as,
		promise, r.Bypassed, p.Settings.MaxBypass)
}

// idOf is the tab of a slot; of None: 0.
func idOf(tabs []core.Tab, slot int32) core.TabID {
	if slot == core.None {
		return 0
	}
	return tabs[slot].ID
}

// moveOf is an effect as a move; of kind 0: it is none.
func (t *Transition) moveOf(e *core.Effect) move {
	switch e.Kind {
	case core.Grant:
		return move{kind: e.Kind, how: e.How, request: e.Request, tab: e.Tab}
	case core.OpenTab:
		if e.Affinity == 0 {
			return move{kind: e.Kind, tab: e.Tab}
		}
		if !slices.ContainsFunc(t.Before.Contexts, func(c core.Context) bool {
			return c.State != 0 && c.ID == e.Context
		}) {
			return move{kind: e.Kind, tab: e.Tab, own: e.Affinity}
		}
		return move{kind: e.Kind, tab: e.Tab, context: e.Context}
	case core.ProbeTab:
		if i := tabAt(&t.After.Facts, e.Tab); i != core.None && warmProbe(&t.After.Tabs[i]) {
			return move{kind: e.Kind, tab: e.Tab}
		}
	case core.Refuse:
		if e.Reason == core.BrowserUnavailable {
			return move{kind: e.Kind, reason: e.Reason, request: e.Request}
		}
	case core.CloseTab:
		if t.makesRoom(e) {
			return move{kind: e.Kind, reason: e.Reason, tab: e.Tab}
		}
	}
	return move{}
}

// String is a move in words.
func (m move) String() string {
	switch m.kind {
	case core.Grant:
		return fmt.Sprintf("grant r%d t%d", m.request, m.tab)
	case core.OpenTab:
		if m.own != 0 {
			return fmt.Sprintf("open t%d in a context of its own for affinity %d", m.tab, m.own)
		}
		return fmt.Sprintf("open t%d in c%d", m.tab, m.context)
	case core.ProbeTab:
		return fmt.Sprintf("probe t%d", m.tab)
	case core.Refuse:
		return fmt.Sprintf("refuse r%d", m.request)
	}
	return fmt.Sprintf("close t%d (%v)", m.tab, m.reason)
}
