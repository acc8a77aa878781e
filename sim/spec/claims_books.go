package spec

import (
	"fmt"

	"github.com/pagepool/pagepool/pool/core"
)

// The claim that the books agree: the core's index is what its facts say, and what it goes by for
// an affinity is what the ledger says.

func booksAgree(t *Transition) error {
	if err := t.After.BooksAgree(&t.Scratch.books); err != nil {
		return err
	}
	for a := range t.After.Affinities {
		if t.After.Affinities[a].Known {
			if err := t.derived(core.Affinity(a)); err != nil {
				return err
			}
		}
	}
	return nil
}

// derived compares what the core goes by for one affinity with what the ledger says.
func (t *Transition) derived(a core.Affinity) error {
	needs := t.shortageOf(a, nil)
	want := core.Shortage{
		Tabs: needs, Permits: t.wantsPermits(a), Admitted: t.admittedOf(a), Entitled: min(t.entitledNested(a), needs[core.Nested]),
	}
	if is := t.After.Shortage(a); is != want {
		return fmt.Errorf("affinity %d is short of %+v, and the books say %+v", a, want, is)
	}
	return nil
}

// unpromised counts the requests of an affinity, by class, that were promised no tab.
func (t *Transition) unpromised(a core.Affinity) (n [core.Classes]int32) {
	for i := range t.After.Requests {
		if r := &t.After.Requests[i]; r.Used && r.Affinity == a && r.Pin == core.None {
			n[classOf(t.After, r)]++
		}
	}
	return n
}

// admittedOf is how many of the root requests of an affinity that were promised nothing its limits
// let through together.
func (t *Transition) admittedOf(a core.Affinity) int32 {
	n := t.unpromised(a)
	return max(0, min(n[core.Root]+n[core.Urgent], t.roomOf(a, 0)))
}

// roomOf is how many more root leases and tabs RootCap and AffinityTabs leave an affinity that has so
// many tabs more than after the step.
func (t *Transition) roomOf(a core.Affinity, more int32) int32 {
	set := &t.After.Settings
	_, held, bound := t.Ledger.rootsOf(a)
	_, _, openings := owns(t.After, a)
	return min(int32(set.RootCap)-held, int32(set.AffinityTabs)-bound-openings-more)
}
