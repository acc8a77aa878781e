package search

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// Samples that are looked at in parts, written, read and joined in any order estimate what they do
// together.
func TestUnseenOfPartsJoinedIsThatOfTheWhole(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var whole, joined Unseen
		parts := make([]Unseen, 1+random.IntN(5))
		for range random.IntN(60) {
			kind := random.Uint64N(20)
			whole.Add([]uint64{kind})
			parts[random.IntN(len(parts))].Add([]uint64{kind})
		}
		for _, i := range random.Perm(len(parts)) {
			data, err := parts[i].MarshalBinary()
			if err != nil {
				t.Fatal(err)
			}
			var read Unseen
			if err := read.UnmarshalBinary(data); err != nil {
				t.Fatal(err)
			}
			joined.Join(&read)
		}
		one, _ := whole.MarshalBinary()
		other, _ := joined.MarshalBinary()
		if !bytes.Equal(one, other) || whole.Estimate() != joined.Estimate() ||
			whole.Samples() != joined.Samples() {
			t.Fatalf(
				"the whole has %d samples, %d kinds, %v; the parts %d, %d, %v",
				whole.Samples(),
				whole.Kinds(),
				whole.Estimate(),
				joined.Samples(),
				joined.Kinds(),
				joined.Estimate(),
			)
		}
	}
}

func TestUnseenRefusesWhatItHasNotWritten(t *testing.T) {
	var u Unseen
	u.Add([]uint64{1, 2, 2, 3})
	good, _ := u.MarshalBinary()
	for name, data := range map[string][]byte{
		"nothing":             {},
		"a byte less":         good[:len(good)-1],
		"a byte more":         append(bytes.Clone(good), 0),
		"too few samples":     append([]byte{3}, good[1:]...),
		"samples of nothing":  {5, 0, 0},
		"counts out of range": {4, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 1},
		"a kind twice": append([]byte{4, 2, 1},
			append(bytes.Clone(good[3:11]), append(bytes.Clone(good[3:11]), good[19:]...)...)...),
	} {
		var read Unseen
		read.Add([]uint64{9})
		if err := read.UnmarshalBinary(data); err == nil || read.Kinds() != 1 {
			t.Errorf("%s: %v, and %d kinds", name, err, read.Kinds())
		}
	}
}
