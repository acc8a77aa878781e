package properties

import (
	"testing"

	"github.com/pagepool/pagepool/pool/canon"
	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim"
	"github.com/pagepool/pagepool/sim/scheduler"
	"github.com/pagepool/pagepool/sim/search"
)

// walkLength is how many actions a schedule has at most.
const walkLength = 200

// bytesChoose is a source whose choices are bytes, and the default policy when they are used up: so
// a fuzzer that makes its input shorter and its bytes lower removes faults and preemptions.
func bytesChoose(data []byte) scheduler.Source {
	return scheduler.Func(func(n int) int {
		if len(data) == 0 {
			return 0
		}
		choice := int(data[0]) % n
		data = data[1:]
		return choice
	})
}

// The first byte says which scenario, every other one what happens next in it.
func FuzzSchedule(f *testing.F) {
	for i := range sim.Scenarios {
		f.Add([]byte{byte(i)})
		f.Add([]byte{byte(i), 1, 0, 2, 0, 0, 3, 1, 1, 0, 4, 0, 0, 1, 5})
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) == 0 {
			return
		}
		scenario := sim.Scenarios[int(data[0])%len(sim.Scenarios)]
		w, err := scenario.Walk(bytesChoose(data[1:]), walkLength)
		if err != nil {
			t.Fatal(err)
		}
		if v := w.Violation(); v != nil {
			t.Fatalf("%s: %v\n%s", scenario.Name, v, v.Says)
		}
	})
}

// Any settings at all are resolved to ones that keep every rule, or refused by name; and resolving
// twice changes nothing.
func FuzzSettings(f *testing.F) {
	f.Add("MaxPages", "4")
	f.Add("MaxLease", "off")
	f.Add("OrphanCap", "9223372036854775807")
	f.Add("MaxWaiting", "-1")
	f.Fuzz(func(t *testing.T, name, value string) {
		var s core.Settings
		if err := s.Set(name, value); err != nil {
			return
		}
		full, err := s.Resolve()
		if err != nil {
			return
		}
		again, err := full.Resolve()
		if err != nil || again != full {
			t.Fatalf("%s=%s resolves to %+v, and that to %+v, %v", name, value, full, again, err)
		}
		core.New(full).Step(0, core.Event{}, nil)
	})
}

// Random schedules of the worlds that the search visits, by each strategy.
func TestPropertyWalksOfEveryStrategyKeepEveryInvariant(t *testing.T) {
	strategies := map[string]func(seed uint64) scheduler.Source{
		"random": func(seed uint64) scheduler.Source { return scheduler.NewRandom(seed, 0) },
		"PCT-2":  func(seed uint64) scheduler.Source { return scheduler.NewPCT(seed, 2, walkLength) },
		"PCT-3":  func(seed uint64) scheduler.Source { return scheduler.NewPCT(seed, 3, walkLength) },
	}
	for name, source := range strategies {
		var unseen search.Unseen
		for _, scenario := range sim.Scenarios {
			for seed := range uint64(40) {
				w, err := scenario.Walk(source(seed), walkLength)
				if err != nil {
					t.Fatal(err)
				}
				if v := w.Violation(); v != nil {
					t.Fatalf("%s, %s, seed %d: %v\n%s", name, scenario.Name, seed, v, v.Says)
				}
				unseen.Add([]uint64{canon.Outline(&w.Core().Facts)})
			}
		}
		t.Logf("%s: %d schedules ended in %d kinds of state; the next one ends in a new one with a "+
			"probability of %.2g", name, unseen.Samples(), unseen.Kinds(), unseen.Estimate())
	}
}
