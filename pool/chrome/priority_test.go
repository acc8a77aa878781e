package chrome

import (
	"testing"
	"time"
)

// A renderer is lowered when it is heavy in each of three looks, and raised when it is light in as
// many. One that waits for a processor is not light, however little it gets.
func TestARendererIsLowAsLongAsItIsHeavy(t *testing.T) {
	const heavy, little = 8 * heavyShare / 5, heavyShare / 2
	for _, c := range []struct {
		says   string
		shares []float64
		runs   bool // in the last looks
		low    bool
	}{
		{"two looks", []float64{heavy, heavy}, true, false},
		{"three", []float64{heavy, heavy, heavy}, true, true},
		{"a pause", []float64{heavy, heavy, little, heavy, heavy}, true, false},
		{"waits", []float64{heavy, heavy, heavy, little, little, little, little}, true, true},
		{"light", []float64{heavy, heavy, heavy, little, little, little}, false, false},
		{"hardly light", []float64{heavy, heavy, heavy, little, little}, false, true},
		{"heavy again", []float64{heavy, heavy, heavy, little, little, heavy, little, little}, false,
			true},
	} {
		w, now, used := new(weight), time.Unix(0, 0), time.Duration(0)
		w.look(used, true, now)
		for _, share := range c.shares {
			now = now.Add(weighEvery)
			used += time.Duration(share * float64(weighEvery))
			w.low = w.look(used, share >= heavyShare || c.runs, now)
		}
		if w.low != c.low {
			t.Errorf("%s: it is low: %v", c.says, w.low)
		}
	}
}
