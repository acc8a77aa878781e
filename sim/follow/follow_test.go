package follow

import (
	"strings"
	"testing"

	"github.com/pagepool/pagepool/pool/canon"
	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim"
)

func follower(t *testing.T) *Follower {
	t.Helper()
	f, err := New(core.Settings{}, true)
	if err != nil {
		t.Fatal(err)
	}
	f.Step(0, "", core.Event{}, 0)
	f.Step(1*sim.Seconds, "", core.Event{Kind: core.Done, Of: core.Launch, Browser: 1}, 0)
	f.Step(2*sim.Seconds, "", core.Event{Kind: core.Done, Of: core.OpenTab, Tab: 1}, 0)
	f.Step(2*sim.Seconds, "a", core.Event{Kind: core.Requested, Request: 1, Affinity: 1}, 0)
	if f.Violation() != nil || f.Outside() != nil {
		t.Fatal(f.Violation(), f.Outside())
	}
	return f
}

func TestAPoolInAnotherStateThanItsFollowerBreaksSameState(t *testing.T) {
	f := follower(t)
	f.Step(3*sim.Seconds, "", core.Event{Kind: core.Done, Of: core.OpenTab, Tab: 2}, 0)
	right := canon.StateHash(&f.Core().Facts)
	f.Step(3*sim.Seconds, "", core.Event{}, right)
	if f.Violation() != nil {
		t.Fatalf("of the same state: %v", f.Violation())
	}
	f.Step(3*sim.Seconds, "", core.Event{}, right+1)
	if v := f.Violation(); v == nil || v.Property != "same-state" {
		t.Errorf("of another state: %v", v)
	}
}

func TestAFollowerSaysWhatBecameOfAPageThatLoops(t *testing.T) {
	for _, saved := range []bool{true, false} {
		f := follower(t)
		if f.Loop(3*sim.Seconds, 2) || !f.Loop(3*sim.Seconds, 1) || f.Loop(3*sim.Seconds, 1) {
			t.Fatal("t1 alone is leased, and loops once")
		}
		if x, ok := f.Fate(1); !ok || x.Ended != 0 || x.Known != 0 {
			t.Errorf("while it is held: %+v, %v", x, ok)
		}
		f.Step(92*sim.Seconds, "", core.Event{Kind: core.Expired, Request: 1}, 0)
		f.Step(92*sim.Seconds+250*sim.Milliseconds, "",
			core.Event{Kind: core.Silent, Of: core.ProbeTab, Tab: 1}, 0)
		if saved {
			f.Step(92*sim.Seconds+300*sim.Milliseconds, "",
				core.Event{Kind: core.Done, Of: core.RescueTab, Tab: 1}, 0)
			f.Step(92*sim.Seconds+310*sim.Milliseconds, "",
				core.Event{Kind: core.Done, Of: core.ProbeTab, Tab: 1}, 0)
		} else {
			f.Step(92*sim.Seconds+500*sim.Milliseconds, "",
				core.Event{Kind: core.Silent, Of: core.RescueTab, Tab: 1}, 0)
			f.Step(92*sim.Seconds+510*sim.Milliseconds, "",
				core.Event{Kind: core.Done, Of: core.CloseTab, Tab: 1, Kept: true}, 0)
		}
		x, _ := f.Fate(1)
		if x.Saved != saved || x.Cold == saved || x.Known == 0 || x.Ended != 92*sim.Seconds ||
			x.Since != 3*sim.Seconds {
			t.Errorf("saved %v: %+v; %v %v", saved, x, f.Violation(), f.Outside())
		}
	}
}

func TestWhatTheFakeBrowserNeverBringsIsNamedWithWhatCameBefore(t *testing.T) {
	f := follower(t)
	f.Step(3*sim.Seconds, "", core.Event{Kind: core.Done, Of: core.ProbeTab, Tab: 1}, 0)
	o := f.Outside()
	if o == nil || o.Line != "probed t1" || o.Step != 5 || len(o.Last) != 4 ||
		!strings.Contains(o.Error(), "nothing was asked") {
		t.Errorf("got %+v", o)
	}
}
