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
	nested, roots := t.shortageOf(a)
	permits := t.wantsPermits(a)
	urgent, unpromised := t.entitledOf(a)
	want := core.Shortage{
		Tabs: [core.Classes]int32{core.Root: roots, core.Nested: nested}, Permits: permits, Admitted: t.admittedOf(a),
		UrgentTabs: min(unpromised[core.Root], roots) + min(unpromised[core.Nested], nested), UrgentPermits: min(urgent, permits),
	}
	if is := t.After.Shortage(a); is != want {
		return fmt.Errorf("affinity %d is short of %+v, and the books say %+v", a, want, is)
	}
	return nil
}

// admittedOf is how many of the root requests of an affinity that were promised nothing its limits
// let through together.
func (t *Transition) admittedOf(a core.Affinity) int32 {
	set := &t.After.Settings
	_, held, bound := t.Ledger.rootsOf(a)
	_, _, openings := owns(t.After, a)
	waiting := int32(0)
	for i := range t.After.Requests {
		if r := &t.After.Requests[i]; r.Used && r.Affinity == a && r.Class == core.Root && r.Pin == core.None {
			waiting++
		}
	}
	return max(0, min(waiting, int32(set.RootCap)-held, int32(set.AffinityTabs)-bound-openings))
}
