package core_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pagepool/pagepool/pool/core"
)

// alarm is when whoever drives a state looks at its deadlines next, kept as the shell keeps it:
// from what the steps say that they have armed, and looked up only when it rings.
type alarm struct {
	walk *walk
	at   core.Time // core.Never: nobody looks
}

// step tells the state of one event, and fails where the alarm would ring too late, or where one
// would that was right to the instant before.
func (a *alarm) step(e core.Event) {
	w, exact := a.walk, core.Never
	if d, ok := w.state.NextDeadline(); ok {
		exact = d.At
	}
	w.step(e)
	a.at = min(a.at, w.state.Armed())
	rings := max(a.at, min(exact, w.state.Armed()))
	if d, ok := w.state.NextDeadline(); ok && d.At < rings {
		w.t.Fatalf("%s leaves %s armed for %v, and the alarm rings at %v", line(e),
			line(d.Event), d.At.Duration(), rings.Duration())
	}
}

// ring tells of every deadline that is due, at most so many, and says how many there were.
func (a *alarm) ring(most int) int {
	w, due := a.walk, 0
	for ; due < most; due++ {
		d, ok := w.state.NextDeadline()
		if !ok || d.At > w.now {
			break
		}
		a.step(d.Event)
	}
	a.at = core.Never
	if d, ok := w.state.NextDeadline(); ok {
		a.at = d.At
	}
	return due
}

// hurry makes one of the times so short that its deadline is the next as soon as it is armed.
func hurry(settings *core.Settings, seed uint64) {
	switch seed % 6 {
	case 0:
		settings.StallTimeout = core.Off
	case 1:
		settings.DrainTimeout = 100 * time.Millisecond
	case 2:
		settings.BrowserMaxAge = time.Second
	case 3:
		settings.OpenBackoff, settings.OpenBackoffMax = 50*time.Millisecond, time.Second
	case 4:
		settings.IdleContraction = 50 * time.Millisecond
	}
}

// TestAnAlarmKeptByWhatStepsArmIsNeverLate also sees to it that the alarm has rung for something,
// and in vain.
func TestAnAlarmKeptByWhatStepsArmIsNeverLate(t *testing.T) {
	// true: deadlines come before their time too, as in a search
	for _, hasty := range []bool{false, true} {
		rung, inVain := 0, 0
		for seed := range uint64(80) {
			settings := walkSettings(rand.New(rand.NewPCG(seed, 4)))
			hurry(&settings, seed)
			a := alarm{newWalk(t, seed, settings), core.Never}
			a.step(core.Event{})
			for range 500 {
				e := a.walk.any()
				if !hasty && e.Kind.Deadline() {
					e = core.Event{}
				}
				a.step(e)
				if a.at > a.walk.now {
					continue
				}
				if a.ring(1000) == 0 {
					inVain++
				} else {
					rung++
				}
			}
		}
		if t.Logf("deadlines early %v: rung %d times, %d in vain", hasty, rung, inVain); rung < 1000 ||
			inVain == 0 {
			t.Errorf("deadlines early %v: the alarm has rung %d times, and %d times in vain", hasty, rung,
				inVain)
		}
	}
}
