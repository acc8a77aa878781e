// Package scheduler says who goes next. Everything in a simulated world that could go one way or
// another is one call of Source.Choose; 0 always means the default policy: the oldest thing goes
// on, no fault, the shortest latency. So a schedule is kept as its deviations from the default, and
// whatever shrinks numbers removes faults and preemptions by itself.
package scheduler

import "math/rand/v2"

// Source answers choices.
type Source interface {
	// Choose returns a number from 0 to n-1. n is at least 1. 0 is the default policy.
	Choose(n int) int
}

// Func is a source that is one function, such as a draw of rapid's:
//
//	scheduler.Func(func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "choice") })
type Func func(n int) int

// Choose calls f.
func (f Func) Choose(n int) int { return f(n) }

// Default is the default policy.
type Default struct{}

// Choose returns 0.
func (Default) Choose(int) int { return 0 }

// Random draws every choice, all answers alike, from a seed. The generator is PCG of math/rand/v2,
// whose output for a seed does not change.
type Random struct{ generator rand.PCG }

// NewRandom returns the source of a seed. stream tells apart sources of one seed.
func NewRandom(seed, stream uint64) *Random {
	r := new(Random)
	r.generator.Seed(seed, stream)
	return r
}

// Choose draws a number. The bias of the multiplication is below n / 2^32.
func (r *Random) Choose(n int) int {
	return int(r.generator.Uint64() >> 32 * uint64(n) >> 32)
}

// Deviation is one choice that was not the default.
type Deviation struct {
	At     int    // how many choices were made before it
	Choice int    // what was chosen
	Of     int    // among how many
	Label  string // what that meant, in the world's words
}

// Recorder passes choices on and keeps those that deviate from the default.
type Recorder struct {
	Source     Source
	Label      func(choice int) string // nil: no labels are kept
	Choices    int                     // how many were made
	Deviations []Deviation
}

// Choose asks the source and keeps the answer.
func (r *Recorder) Choose(n int) int {
	choice := r.Source.Choose(n)
	if choice != 0 {
		d := Deviation{At: r.Choices, Choice: choice, Of: n}
		if r.Label != nil {
			d.Label = r.Label(choice)
		}
		r.Deviations = append(r.Deviations, d)
	}
	r.Choices++
	return choice
}

// Replay makes recorded deviations again, and the default choice everywhere else. Diverged is the
// first deviation that was not possible where it stood; it is then left out.
type Replay struct {
	Deviations []Deviation
	Diverged   *Deviation
	choices    int
	next       int
}

// Choose returns what was recorded at this place.
func (r *Replay) Choose(n int) int {
	at := r.choices
	r.choices++
	if r.next == len(r.Deviations) || r.Deviations[r.next].At != at {
		return 0
	}
	d := &r.Deviations[r.next]
	r.next++
	if d.Choice >= n {
		if r.Diverged == nil {
			r.Diverged = d
		}
		return 0
	}
	return d.Choice
}
