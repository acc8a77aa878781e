package linear

import (
	"fmt"

	"github.com/anishathalye/porcupine"
)

// Found is a history that is not linearizable.
type Found struct {
	Seed    uint64
	History *History
}

// Hunt plays plans outside bubbles, one seed after the other, until a history is not linearizable;
// nil: all of them are.
func Hunt(plan func(seed uint64) *Plan, first uint64, most int) (*Found, error) {
	for seed := first; seed < first+uint64(most); seed++ {
		h, err := Play(plan(seed), new(Crowd))
		if err != nil {
			return nil, fmt.Errorf("seed %d: %w", seed, err)
		}
		if h.Check() == porcupine.Illegal {
			return &Found{seed, h}, nil
		}
	}
	return nil, nil
}
