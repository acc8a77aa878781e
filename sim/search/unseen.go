package search

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Unseen estimates how much a random campaign has not met: the probability that what it looks at
// next is of a kind that it has not met before. The estimate is that of Good and Turing (I. J.
// Good, The population frequencies of species and the estimation of population parameters,
// Biometrika 1953): the share of what was met once only.
type Unseen struct {
	met     map[uint64]bool // whether it was met again
	samples int
	once    int
}

// Add takes in what was looked at.
func (u *Unseen) Add(kinds []uint64) {
	if u.met == nil {
		u.met = map[uint64]bool{}
	}
	for _, kind := range kinds {
		u.samples++
		switch again, ok := u.met[kind]; {
		case !ok:
			u.met[kind] = false
			u.once++
		case !again:
			u.met[kind] = true
			u.once--
		}
	}
}

// Kinds is how many kinds were met.
func (u *Unseen) Kinds() int { return len(u.met) }

// Samples is how often was looked.
func (u *Unseen) Samples() int { return u.samples }

// Estimate is the probability; 1 where nothing was looked at.
func (u *Unseen) Estimate() float64 {
	if u.samples == 0 {
		return 1
	}
	return float64(u.once) / float64(u.samples)
}

// Join takes in what another campaign looked at, as if it had been looked at here. In which order
// campaigns are joined makes no difference.
func (u *Unseen) Join(o *Unseen) {
	if u.met == nil {
		u.met = map[uint64]bool{}
	}
	u.samples += o.samples
	for kind, again := range o.met {
		if again {
			u.samples -= 2
			u.Add([]uint64{kind, kind})
		} else {
			u.samples--
			u.Add([]uint64{kind})
		}
	}
}

// MarshalBinary writes everything that Join and Estimate need: how often was looked, how many kinds
// were met once and how many again, as varints, and then those kinds, in order, with 8 bytes each.
func (u *Unseen) MarshalBinary() ([]byte, error) {
	var once, again []uint64
	for kind, more := range u.met {
		if more {
			again = append(again, kind)
		} else {
			once = append(once, kind)
		}
	}
	data := binary.AppendUvarint(nil, uint64(u.samples))
	data = binary.AppendUvarint(data, uint64(len(once)))
	data = binary.AppendUvarint(data, uint64(len(again)))
	for _, kinds := range [][]uint64{once, again} {
		slices.Sort(kinds)
		for _, kind := range kinds {
			data = binary.BigEndian.AppendUint64(data, kind)
		}
	}
	return data, nil
}

// UnmarshalBinary reads what MarshalBinary has written. Anything else is an error, and changes
// nothing.
func (u *Unseen) UnmarshalBinary(data []byte) error {
	var counts [3]uint64 // samples, once, again
	for i := range counts {
		n, size := binary.Uvarint(data)
		if size <= 0 {
			return errors.New("search: the kinds of state are cut off")
		}
		counts[i], data = n, data[size:]
	}
	samples, once, again := counts[0], counts[1], counts[2]
	room := uint64(len(data)) / 8
	if once > room || again > room-once || uint64(len(data)) != 8*(once+again) {
		return fmt.Errorf(
			"search: %d and %d kinds of state do not fit %d bytes",
			once,
			again,
			len(data),
		)
	}
	if samples > math.MaxInt64 || samples < once+2*again || once+again == 0 && samples > 0 {
		return fmt.Errorf(
			"search: %d samples cannot be of %d kinds met once and %d met again",
			samples,
			once,
			again,
		)
	}
	met := make(map[uint64]bool, once+again)
	for i := range once + again {
		met[binary.BigEndian.Uint64(data[8*i:])] = i >= once
	}
	if uint64(len(met)) != once+again {
		return errors.New("search: a kind of state comes twice")
	}
	*u = Unseen{met: met, samples: int(samples), once: int(once)}
	return nil
}
