package sim

import (
	"strings"
	"testing"

	"github.com/pagepool/pagepool/pool/canon"
	"github.com/pagepool/pagepool/pool/core"
)

func follower(t *testing.T) *Follower {
	t.Helper()
	f, err := NewFollower(core.Settings{}, true)
	if err != nil {
		t.Fatal(err)
	}
	f.Step(0, "", core.Event{}, 0)
	f.Step(1*Seconds, "", core.Event{Kind: core.BrowserReady, Browser: 1}, 0)
	f.Step(2*Seconds, "", core.Event{Kind: core.Opened, Tab: 1}, 0)
	f.Step(2*Seconds, "a", core.Event{Kind: core.Requested, Request: 1, Affinity: 1}, 0)
	if f.Violation() != nil || f.Outside() != nil {
		t.Fatal(f.Violation(), f.Outside())
	}
	return f
}

func TestAPoolInAnotherStateThanItsFollowerBreaksSameState(t *testing.T) {
	f := follower(t)
	f.Step(3*Seconds, "", core.Event{Kind: core.Opened, Tab: 2}, 0)
	right := canon.StateHash(&f.Core().Facts)
	f.Step(3*Seconds, "", core.Event{}, right)
	if f.Violation() != nil {
		t.Fatalf("of the same state: %v", f.Violation())
	}
	f.Step(3*Seconds, "", core.Event{}, right+1)
	if v := f.Violation(); v == nil || v.Property != "same-state" {
		t.Errorf("of another state: %v", v)
	}
}

func TestAFollowerSaysWhatBecameOfAPageThatLoops(t *testing.T) {
	for _, saved := range []bool{true, false} {
		f := follower(t)
		if f.Loop(3*Seconds, 2) || !f.Loop(3*Seconds, 1) || f.Loop(3*Seconds, 1) {
			t.Fatal("t1 alone is leased, and loops once")
		}
		if x, ok := f.Fate(1); !ok || x.Ended != 0 || x.Known != 0 {
			t.Errorf("while it is held: %+v, %v", x, ok)
		}
		f.Step(92*Seconds, "", core.Event{Kind: core.Expired, Request: 1}, 0)
		f.Step(92*Seconds+250*Milliseconds, "", core.Event{Kind: core.ProbeSilent, Tab: 1}, 0)
		if saved {
			f.Step(92*Seconds+300*Milliseconds, "", core.Event{Kind: core.Rescued, Tab: 1}, 0)
			f.Step(92*Seconds+310*Milliseconds, "", core.Event{Kind: core.Probed, Tab: 1}, 0)
		} else {
			f.Step(92*Seconds+500*Milliseconds, "", core.Event{Kind: core.RescueSilent, Tab: 1}, 0)
			f.Step(92*Seconds+510*Milliseconds, "", core.Event{Kind: core.Closed, Tab: 1, Kept: true}, 0)
		}
		x, _ := f.Fate(1)
		if x.Saved != saved || x.Cold == saved || x.Known == 0 || x.Ended != 92*Seconds || x.Since != 3*Seconds {
			t.Errorf("saved %v: %+v; %v %v", saved, x, f.Violation(), f.Outside())
		}
	}
}

func TestWhatTheFakeBrowserNeverBringsIsNamedWithWhatCameBefore(t *testing.T) {
	f := follower(t)
	f.Step(3*Seconds, "", core.Event{Kind: core.Probed, Tab: 1}, 0)
	o := f.Outside()
	if o == nil || o.Line != "probed t1" || o.Step != 5 || len(o.Last) != 4 || !strings.Contains(o.Error(), "nothing was asked") {
		t.Errorf("got %+v", o)
	}
}

func TestLatenciesAreReadAsTheyWereWritten(t *testing.T) {
	f := follower(t)
	for id := core.TabID(2); id <= 4; id++ {
		f.Step(core.Time(id)*Seconds, "", core.Event{Kind: core.Opened, Tab: id}, 0)
	}
	text := string(f.Latencies("Measured in a test."))
	if _, err := readLatencies(text); err != nil {
		t.Errorf("%v in %s", err, text)
	}
	if !strings.HasPrefix(text, "# Measured in a test.\n") || !strings.Contains(text, "\nopen 4 1s 1s") {
		t.Errorf("got %s", text)
	}
	for _, bad := range []string{"fly 9 1s", "open many" + strings.Repeat(" 1s", 17), "open 9 2s" + strings.Repeat(" 1s", 16), "open 9 x" + strings.Repeat(" 1s", 16)} {
		if _, err := readLatencies(bad); err == nil || !strings.Contains(err.Error(), "line 1: want") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
