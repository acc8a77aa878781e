package search

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
