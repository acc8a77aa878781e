package chrome

import (
	"maps"
	"slices"
	"testing"
	"time"
)

// did is what one thread does between two looks. The rest is a pause.
type did struct {
	ran, waited time.Duration // waited: waits that are over
	wants       bool          // at the second look
}

// A renderer is lowered when it is heavy in each of three looks, and raised by one look that finds
// it light. It is heavy if a thread computes for longer than it pauses. To wait for a processor is
// no pause.
func TestARendererIsLowAsLongAsItIsHeavy(t *testing.T) {
	const ms, look = time.Millisecond, weighEvery
	burns, third := did{look, 0, true}, did{look / 3, 0, false}
	ofFour := did{look * 2 / 5, look * 3 / 5, true}
	ofTwenty, starves := did{6 * ms, look - 6*ms, true}, did{2 * ms, 0, true}
	idle, queues := did{}, did{10 * ms, 80 * ms, true}
	heavy := []did{burns, burns, burns, burns, burns, burns}
	for _, c := range []struct {
		says    string
		main    []did
		workers []did // nil: there is none
		low     bool
	}{
		{"two looks", []did{burns, burns}, nil, false},
		{"three", []did{burns, burns, burns}, nil, true},
		{"a pause", []did{burns, burns, third, burns, burns}, nil, false},
		{"four loops on two cores", []did{ofFour, ofFour, ofFour}, nil, true},
		{"forty", []did{ofTwenty, ofTwenty, ofTwenty}, nil, true},
		{"small pages on a busy machine", []did{queues, queues, queues, queues}, nil, false},
		{"a worker", []did{idle, idle, idle}, []did{burns, burns, burns}, true},
		{"one of four workers", []did{idle, idle, idle}, []did{ofFour, ofFour, ofFour}, true},
		{"it stays low", []did{idle, idle, idle, idle, idle, idle},
			[]did{ofFour, ofFour, ofFour, ofFour, ofTwenty, ofTwenty}, true},
		{"a wait that is not over", []did{idle, idle, idle, idle, idle},
			[]did{burns, burns, burns, starves, starves}, true},
		{"that wait is over", []did{idle, idle, idle, idle, idle},
			[]did{burns, burns, burns, starves, {2 * ms, 2*look - 4*ms, true}}, true},
		{"small pages after a heavy one", append(slices.Clip(heavy), third), nil, false},
		{"the same on a busy machine",
			append(slices.Clip(heavy), queues, did{10 * ms, 80 * ms, false}), nil, false},
		{"nothing after the end of a lease", append(slices.Clip(heavy), idle), nil, false},
		{"and again", append(slices.Clip(heavy), idle, burns, burns), nil, false},
	} {
		w, now := new(weight), time.Unix(0, 0)
		r := reading{threads: map[string]times{"main": {}}}
		w.look(r, now)
		for i, main := range c.main {
			now = now.Add(look)
			does, wants := map[string]did{"main": main}, main.wants
			if c.workers != nil {
				does["worker"], wants = c.workers[i], wants || c.workers[i].wants
			}
			r.threads, r.wants = maps.Clone(r.threads), func() bool { return wants }
			for thread, did := range does {
				of := r.threads[thread]
				r.threads[thread] = times{of.ran + did.ran, of.waited + did.waited}
				r.used += did.ran
			}
			w.look(r, now)
		}
		if w.low() != c.low {
			t.Errorf("%s: it is low: %v", c.says, w.low())
		}
	}
}

// Threads that end before a look count too.
func TestARendererOfShortLivedWorkersIsHeavy(t *testing.T) {
	w, now, r := new(weight), time.Unix(0, 0), reading{}
	for range heavyLooks + 1 {
		w.look(r, now)
		now, r.used = now.Add(weighEvery), r.used+weighEvery
	}
	if !w.low() {
		t.Error("it is not low")
	}
}
