package timeline

import (
	"cmp"
	"fmt"

	"github.com/pagepool/pagepool/pool/core"
)

func (t *Timeline) most() int {
	if t.Most > 0 {
		return t.Most
	}
	return MostSlices
}

func (t *Timeline) add(s Slice) { t.Slices = append(t.Slices, s) }

// The first resolution, the factor to the next, and how many of it a merged slice spans at most.
const (
	firstResolution = core.Time(1_000_000)
	coarser         = 4
	mergedSpan      = 8
)

// thin leaves out what is short until half of the room is free, in levels: at each resolution first
// what goes on inside a state or a wait, then leases of affinities, then the states themselves, of
// which runs become one slice that says how many it stands for.
func (t *Timeline) thin() {
	size := func() int { return len(t.Slices) + len(t.Lives) }
	for coarsest := false; size() > t.most()/2 && !coarsest; t.resolution *= coarser {
		coarsest = t.resolution > t.End-t.Begin // then there is nothing left to merge
		t.resolution = max(firstResolution, t.resolution)
		t.dropInside()
		if size() > t.most()/2 {
			t.merge()
		}
		for i := range t.Counters {
			t.Counters[i] = t.thinned(t.Counters[i])
		}
		if size() <= t.most()/2 {
			break
		}
	}
}

func (t *Timeline) dropInside() {
	kept := t.Slices[:0]
	for _, s := range t.Slices {
		if s.Level == 0 || s.End-s.Begin >= t.resolution {
			kept = append(kept, s)
		}
	}
	clear(t.Slices[len(kept):])
	t.Slices = kept
	lives := t.Lives[:0]
	for _, l := range t.Lives {
		if l.End-l.Begin >= t.resolution {
			lives = append(lives, l)
		}
	}
	clear(t.Lives[len(lives):])
	t.Lives = lives
}

type laneOf struct {
	track Track
	lane  int32
}

// merge makes one slice of neighbours that are short, lane by lane. Slices of a lane are in the
// order of their ends.
func (t *Timeline) merge() {
	last := map[laneOf]int{}
	kept := t.Slices[:0]
	for _, s := range t.Slices {
		at := laneOf{s.Track, s.Lane}
		if s.Level > 0 || s.Merged == 0 && s.End-s.Begin >= t.resolution {
			if s.Level == 0 {
				delete(last, at)
			}
			kept = append(kept, s)
			continue
		}
		if i, ok := last[at]; ok && s.Begin-kept[i].End < t.resolution &&
			s.End-kept[i].Begin < mergedSpan*t.resolution {
			kept[i].End = s.End
			kept[i].Merged += max(1, s.Merged)
			continue
		}
		run := Slice{Begin: s.Begin, End: s.End, Name: "short", Lane: s.Lane, Track: s.Track,
			Merged: max(1, s.Merged)}
		last[at] = len(kept)
		kept = append(kept, run)
	}
	clear(t.Slices[len(kept):])
	t.Slices = kept
}

// thinned keeps of a counter what it showed for long, and the highest value in between.
func (t *Timeline) thinned(list []Sample) []Sample {
	kept := list[:0]
	for _, s := range list {
		if n := len(kept); n > 0 && s.At-kept[n-1].At < t.resolution {
			kept[n-1].Value = max(kept[n-1].Value, s.Value)
			continue
		}
		kept = append(kept, s)
	}
	return kept
}

// Thinned says what was left out; empty: nothing was.
func (t *Timeline) Thinned() string {
	text := ""
	if t.resolution > 0 {
		text = fmt.Sprintf("thinned: operations and parts of waits under %v are left out, and runs of "+
			"states under %v are one slice each; counters show the highest value of %v",
			t.resolution.Duration(), t.resolution.Duration(),
			t.resolution.Duration())
	}
	if t.unshown > 0 {
		text += fmt.Sprintf("; %d faults after the first %d are left out", t.unshown, mostInstants)
	}
	return text
}

func byBegin(a, b Slice) int {
	return cmp.Or(cmp.Compare(a.Begin, b.Begin), cmp.Compare(b.End, a.End),
		cmp.Compare(a.Level, b.Level))
}
