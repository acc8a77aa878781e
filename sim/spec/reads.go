package spec

import (
	"math/bits"
	"slices"

	"github.com/pagepool/pagepool/pool/core"
)

// What claims look at of a step. Most claims are about the state after a step; where a search has
// been there before, they need not be checked again. A claim looks at a step as well where it
// compares the state before, or reads the event or the effects. It says in Invariants at what it
// looks, and a step that has nothing of that cannot break it in a state that was checked before.
// What a step has is worked out from the facts before and after it, so the core has no say in it.

// reads is a set of such things: of an effect, whether the step has one of its kind, and those that
// follow.
type reads uint64

const (
	owners reads = 1 << (iota + core.EffectKinds) // a tab came, went or moved, or a primary changed
	// a request came or went, or something of it changed
	waiters
	placing                 // it did something for those that wait: see places
	opening                 // an opening was answered
	index                   // every step: the core's index, which is no part of a state
	naming                  // it names an affinity
	pausing                 // it pauses the opening of tabs
	times                   // every step: when things in the state after it are due
	always                  // every step: what time it is, for one
	itself  reads = 1 << 63 // the state alone
)

// did are effects of these kinds.
func did(kinds ...core.EffectKind) (what reads) {
	for _, k := range kinds {
		what |= 1 << k
	}
	return what
}

// Has is what a step has of what claims look at. One that breaks a rule by a single event or effect
// has everything; so has one that is about neither a tab nor a request, or that is taken while the
// pool closes: there are few.
func (t *Transition) Has() (step reads) {
	e := &t.Event
	switch {
	case len(t.Ledger.breaches) > 0:
		return ^reads(0)
	case e.Tab == 0 && e.Request == 0, t.Before.Phase != core.PhaseServing,
		t.After.Phase != core.PhaseServing:
		return ^itself
	}
	for i := range t.Effects {
		step |= 1 << t.Effects[i].Kind
	}
	has := func(is bool, what reads) {
		if is {
			step |= what
		}
	}
	has(true, always|times|index)
	has(t.movesTabs(), owners)
	has(t.changesRequests(), waiters)
	has(t.places(), placing)
	has(t.Ledger.justOpened != 0, opening)
	has(e.Affinity != 0, naming)
	has(t.After.Openings.On && !t.Before.Openings.On, pausing)
	return step
}

// claims is a set of invariants: a bit for each, by its place in Invariants.
type claims uint64

// everyClaim are all of them, and lookers, by thing, those that look at it.
var everyClaim, lookers = func() (every claims, by [64]claims) {
	for i := range Invariants {
		every |= 1 << i
		for what := range by {
			by[what] |= claims(Invariants[i].Reads>>what&1) << i
		}
	}
	return every, by
}()

// lookingAt are the claims that look at something of what a step has.
func lookingAt(step reads) (these claims) {
	for ; step != 0; step &= step - 1 {
		these |= lookers[bits.TrailingZeros64(uint64(step))]
	}
	return these
}

// movesTabs says whether a tab came, went or is in another context, or a primary changed.
func (t *Transition) movesTabs() bool {
	before, after := &t.Before.Facts, &t.After.Facts
	if len(before.Tabs) != len(after.Tabs) || len(before.Affinities) != len(after.Affinities) {
		return true
	}
	for i := range after.Tabs {
		if after.Tabs[i].ID != before.Tabs[i].ID || after.Tabs[i].Context != before.Tabs[i].Context {
			return true
		}
	}
	for a := range after.Affinities {
		if after.Affinities[a].Primary != before.Affinities[a].Primary {
			return true
		}
	}
	return false
}

// changesRequests says whether anything of those that wait changed.
func (t *Transition) changesRequests() bool {
	return !slices.Equal(t.Before.Requests, t.After.Requests) ||
		!slices.Equal(t.Before.Calls, t.After.Calls)
}

// places says whether a step did anything for those that wait, or changed what that depends on but
// the state after it does not show. Where it did not, the plan has to do nothing in that state,
// however it was reached.
func (t *Transition) places() bool {
	before, after := &t.Before.Facts, &t.After.Facts
	if before.Capacity != after.Capacity || before.Contraction != after.Contraction {
		return true
	}
	for i := range t.Effects {
		switch t.Effects[i].Kind {
		case core.Grant, core.Refuse, core.OpenTab, core.ProbeTab, core.CloseTab:
			return true
		}
	}
	for a := range after.Affinities {
		if after.Affinities[a].Stamp != t.affinityBefore(core.Affinity(a)).Stamp {
			return true
		}
	}
	for i := range after.Requests {
		if r := &after.Requests[i]; r.Used && !t.treatsAlike(r, i) {
			return true
		}
	}
	return !t.keepsStandbys()
}

// treatsAlike says whether a request that waits has the promise that it had, of the same tab, and
// was passed by as often; where it is new: whether it has none.
func (t *Transition) treatsAlike(r *core.Request, slot int) bool {
	was := core.Request{Pin: core.None}
	if slot < len(t.Before.Requests) && t.Before.Requests[slot].ID == r.ID {
		was = t.Before.Requests[slot]
	}
	if r.Pin != was.Pin || r.Bypassed != was.Bypassed || r.Pin == core.None {
		return r.Pin == was.Pin && r.Bypassed == was.Bypassed
	}
	tab, before := &t.After.Tabs[r.Pin], &t.Before.Tabs[r.Pin]
	return tab.ID == before.ID && tab.State == before.State && tab.Number == before.Number
}

// keepsStandbys says whether the standbys are those that they were, in the same order.
func (t *Transition) keepsStandbys() bool {
	i, j := t.Before.Standbys, t.After.Standbys
	for i == j && i != core.None && t.Before.Tabs[i].ID == t.After.Tabs[i].ID {
		i, j = t.Before.Tabs[i].Next, t.After.Tabs[i].Next
	}
	return i == core.None && j == core.None
}
