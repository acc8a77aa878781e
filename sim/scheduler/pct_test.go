package scheduler

import "testing"

func TestPCTGoesOnWithOneActorUntilAChange(t *testing.T) {
	twice := 0
	for seed := range uint64(50) {
		p := NewPCT(seed, 2, 10)
		last, turns := -1, 0
		for range 30 {
			p.Offer([]uint64{7, 8, 9})
			if c := p.Choose(3); c != last {
				last = c
				turns++
			}
		}
		if turns > 2 {
			t.Errorf("seed %d: %d turns, and there is one change", seed, turns)
		}
		if turns == 2 {
			twice++
		}
	}
	if twice < 40 { // a change before the first choice shows in none
		t.Errorf("somebody else went on after the change in %d of 50 schedules", twice)
	}
}

func TestPCTGivesEveryActorItsTurnToBeFirst(t *testing.T) {
	first := map[int]int{}
	for seed := range uint64(300) {
		p := NewPCT(seed, 1, 10)
		p.Offer([]uint64{1, 2, 3})
		first[p.Choose(3)]++
	}
	for i := range 3 {
		if first[i] < 60 {
			t.Errorf("actor %d was first %d times in 300", i, first[i])
		}
	}
}
