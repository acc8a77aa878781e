package sim

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim/scheduler"
	"github.com/pagepool/pagepool/sim/spec"
)

// A ledger that is made of a state alone, as that of a dump is, finds nothing wrong in what comes
// next: it knows of the history what the claims ask for.
func TestClaimsHoldAfterEveryStateThatALedgerIsRestoredFrom(t *testing.T) {
	const steps = 24 // that each restored ledger goes along
	seen := map[string]bool{}
	for _, s := range Scenarios {
		for seed := range uint64(6) {
			w, err := s.World()
			if err != nil {
				t.Fatal(err)
			}
			var restored []*spec.Ledger
			w.observe = func(w *World, event core.Event, effects []core.Effect) {
				for i, l := range restored[max(0, len(restored)-steps):] {
					l.Feed(&w.core.Settings, w.core.Now, event, effects)
					for _, v := range spec.Check(&spec.Transition{Before: w.Before(), After: &w.core,
						Event: event, Effects: effects, Ledger: l}, nil) {
						if !seen[v.Name+s.Name] {
							seen[v.Name+s.Name] = true
							t.Errorf("%s, seed %d, step %d, restored %d steps before: %s: %s", s.Name, seed, w.steps,
								min(steps, len(restored))-i, v.Name, v.What)
						}
					}
				}
				l := new(spec.Ledger)
				l.Restore(&w.core)
				restored = append(restored, l)
			}
			source := scheduler.NewRandom(seed, 1)
			for actions := w.Actions(nil); len(actions) > 0 && w.violation == nil &&
				w.steps < 60; actions = w.Actions(actions[:0]) {
				w.Do(&actions[source.Choose(len(actions))])
			}
		}
	}
}

// These fields are restored to the value that the history has told. The claims alone would take
// long to miss most of them.
func TestALedgerIsRestoredWithWhatTheStateSays(t *testing.T) {
	same := map[string]bool{
		"tabs.stuck": false, "tabs.stuckSince": false, "tabs.heardAt": false, "tabs.memory": false,
		"tabs.uses": false, "tabs.holder": false, "tabs.lost": false,
		"tabs.frozen": false, "tabs.killing": false, "tabs.retireAt": false, "tabs.maxLease": false,
		"contexts.closing": false, "browsers.arrivedAt": false, "browsers.heavy": false,
		"operation": false,
	}
	for _, s := range Scenarios {
		for _, k := range stepsOf(t, s, 6) {
			var restored spec.Ledger
			restored.Restore(&k.after)
			told := map[string]string{}
			eachField(&k.ledger, func(name, of, text string) { told[name+of] = text })
			eachField(&restored, func(name, of, text string) {
				if _, ok := same[name]; !ok {
					return
				}
				if want := told[name+of]; text != want {
					t.Errorf("%s, after %+v: %s of %s is restored as %s, and was %s", s.Name, k.event, name, of,
						text, want)
				}
				same[name] = same[name] || text != "0" && text != "false"
			})
		}
	}
	for name, met := range same {
		if !met {
			t.Errorf("%s was nothing in every state", name)
		}
	}
}

// eachField calls fn with the name and the text of each field of a ledger; of a list of things with
// an id, with each field of each of them.
func eachField(l *spec.Ledger, fn func(name, of, text string)) {
	all := reflect.ValueOf(l).Elem()
	for i := range all.NumField() {
		name, list := all.Type().Field(i).Name, all.Field(i)
		if list.Kind() != reflect.Slice || list.Type().Elem().Kind() != reflect.Struct {
			fn(name, "", fmt.Sprint(list))
			continue
		}
		for j := range list.Len() {
			e := list.Index(j)
			for k := range e.NumField() {
				if id := e.FieldByName("id"); id.IsValid() {
					fn(name+"."+e.Type().Field(k).Name, fmt.Sprint(" ", id), fmt.Sprint(e.Field(k)))
				}
			}
		}
	}
}
