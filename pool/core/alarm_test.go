package core

import (
	"math/rand/v2"
	"testing"
	"time"
)

// alarm is when whoever drives a state looks at its deadlines next, kept as the shell keeps it: from what the steps
// say that they have armed, and looked up only when it rings.
type alarm struct {
	walk *walk
	at   Time // never: nobody looks
}

// step tells the state of one event, and fails where the alarm would ring too late.
func (a *alarm) step(e Event) {
	w := a.walk
	w.step(e)
	a.at = min(a.at, w.state.Armed())
	if d, ok := w.state.NextDeadline(); ok && d.At < a.at {
		w.t.Fatalf("%s leaves %s armed for %v, and the alarm rings at %v", AppendEvent(nil, e, w.names),
			AppendEvent(nil, d.Event, w.names), d.At.Duration(), a.at.Duration())
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
	a.at = never
	if d, ok := w.state.NextDeadline(); ok {
		a.at = d.At
	}
	return due
}

// TestAnAlarmKeptByWhatStepsArmIsNeverLate also sees to it that the alarm has rung for something, and in vain.
func TestAnAlarmKeptByWhatStepsArmIsNeverLate(t *testing.T) {
	for _, hasty := range []bool{false, true} { // true: deadlines come before their time too, as in a search
		rung, inVain := 0, 0
		for seed := range uint64(80) {
			settings := walkSettings(rand.New(rand.NewPCG(seed, 4)))
			settings.BrowserMaxAge = time.Duration(seed%3) * time.Minute
			if seed%4 == 0 {
				settings.StallTimeout = Off
			}
			a := alarm{newWalk(t, seed, settings), never}
			a.step(Event{})
			for range 500 {
				e := a.walk.any()
				if !hasty && e.Kind.Deadline() {
					e = Event{}
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
		if t.Logf("deadlines early %v: rung %d times, %d in vain", hasty, rung, inVain); rung < 1000 || inVain == 0 {
			t.Errorf("deadlines early %v: the alarm has rung %d times, and %d times in vain", hasty, rung, inVain)
		}
	}
}
