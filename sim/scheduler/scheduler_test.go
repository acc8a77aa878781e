package scheduler

import (
	"slices"
	"testing"
)

func TestReplayMakesTheRecordedChoicesAgain(t *testing.T) {
	record := &Recorder{Source: NewRandom(7, 0), Label: func(choice int) string { return "" }}
	var want []int
	for n := 1; n < 200; n++ {
		want = append(want, record.Choose(n))
	}
	replay := &Replay{Deviations: record.Deviations}
	var got []int
	for n := 1; n < 200; n++ {
		got = append(got, replay.Choose(n))
	}
	if !slices.Equal(got, want) || replay.Diverged != nil {
		t.Errorf("replayed %v, recorded %v", got, want)
	}
}

func TestReplaySaysWhereItDiverged(t *testing.T) {
	replay := &Replay{Deviations: []Deviation{{At: 1, Choice: 3}}}
	if replay.Choose(9) != 0 || replay.Choose(3) != 0 || replay.Diverged == nil ||
		replay.Diverged.At != 1 {
		t.Errorf("diverged at %+v", replay.Diverged)
	}
}

func TestRandomIsTheSameForTheSameSeedAndCoversTheRange(t *testing.T) {
	a, b := NewRandom(1, 2), NewRandom(1, 2)
	var seen [5]int
	for range 1000 {
		n := a.Choose(5)
		if n != b.Choose(5) {
			t.Fatal("two sources of one seed differ")
		}
		seen[n]++
	}
	if slices.Min(seen[:]) < 100 {
		t.Errorf("drew %v", seen)
	}
}
