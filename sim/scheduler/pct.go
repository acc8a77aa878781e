package scheduler

// Offerer is a source that wants to know, before each choice, whose the choices are: who goes on,
// by a number that stays the same as long as it is the same one.
type Offerer interface {
	Source
	Offer(actors []uint64)
}

// PCT is probabilistic concurrency testing: every actor has a priority, drawn when it is first met,
// and whoever has the highest goes on; at depth-1 moments, drawn beforehand, whoever would go on
// falls behind all others. A bug that needs depth events in a certain order, among n actors and k
// choices, is met with a probability of at least 1/(n*k^(depth-1)) in one schedule (Burckhardt,
// Kothari, Musuvathi and Nagarakatte, A Randomized Scheduler with Probabilistic Guarantees of
// Finding Bugs, ASPLOS 2010).
type PCT struct {
	random     *Random
	priorities map[uint64]uint64
	changes    []int // the moments, in no order
	fallen     uint64
	made       int
	actors     []uint64
}

// NewPCT returns the source of a seed, for schedules of about so many choices.
func NewPCT(seed uint64, depth, choices int) *PCT {
	p := &PCT{random: NewRandom(seed, 1), priorities: map[uint64]uint64{}}
	for range depth - 1 {
		p.changes = append(p.changes, p.random.Choose(max(1, choices)))
	}
	p.fallen = uint64(len(p.changes))
	return p
}

// Offer says whose the next choices are.
func (p *PCT) Offer(actors []uint64) { p.actors = append(p.actors[:0], actors...) }

// Choose returns a choice of the actor with the highest priority: its first.
func (p *PCT) Choose(n int) int {
	if len(p.actors) != n {
		return p.random.Choose(n) // nobody has said whose they are
	}
	for _, actor := range p.actors {
		if _, ok := p.priorities[actor]; !ok {
			p.priorities[actor] = uint64(len(p.changes)) + 1 + uint64(p.random.Choose(1<<31-1))
		}
	}
	chosen := p.first()
	for _, at := range p.changes {
		if at == p.made {
			p.priorities[p.actors[chosen]] = p.fallen
			p.fallen--
			chosen = p.first()
		}
	}
	p.made++
	p.actors = p.actors[:0]
	return chosen
}

func (p *PCT) first() int {
	first := 0
	for i, actor := range p.actors {
		if p.priorities[actor] > p.priorities[p.actors[first]] {
			first = i
		}
	}
	return first
}
