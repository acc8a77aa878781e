package search

import "math/bits"

// shardBits are how many bits of a fingerprint say which shard it is in. Workers fill different
// shards at a time.
const (
	shardBits = 4
	shards    = 1 << shardBits
)

// place is where a state is among the visited ones: its place in its shard, and the shard.
type place uint32

const nowhere = ^place(0)

func (p place) shard() int { return int(p % shards) }
func (p place) index() int { return int(p / shards) }

// visited is the set of the states that a search has met, each by its fingerprint and how it was
// reached first.
type visited struct{ shards [shards]shard }

// shard is a hash table of open addressing with linear probing (Knuth, The Art of Computer
// Programming, volume 3, 6.4, algorithm L). A slot is an index into keys, plus one, and eight more
// bits of the key, so that a probe seldom looks at a key that is another. It is never more than
// four fifths full, and grows by a quarter, as do the keys by an eighth: that makes 13 to 15 bytes
// for a state, for a little more copying.
type shard struct {
	slots []uint32
	keys  []uint64
	nodes []node
}

// node is how a state was reached first, and what is known of it.
type node struct {
	parent place
	action uint16 // among those of its parent
	depth  uint16
	good   bool
	broken bool // a claim broke on the way to it, so nothing was done in it
	_      [2]byte
}

const (
	indexBits = 24
	indexMask = 1<<indexBits - 1
	smallest  = 8 // slots of a shard
	// MostStates is how many states a search can tell apart, about 267 million.
	MostStates = shards * (indexMask - 1<<16) // no two shards are equally full
)

func shardOf(key uint64) int { return int(key >> (64 - shardBits)) }

func (v *visited) node(p place) *node { return &v.shards[p.shard()].nodes[p.index()] }

func (v *visited) states() int {
	n := 0
	for i := range v.shards {
		n += len(v.shards[i].keys)
	}
	return n
}

// bytes is the memory of the set, without the nodes.
func (v *visited) bytes() int {
	n := 0
	for i := range v.shards {
		n += 4*cap(v.shards[i].slots) + 8*cap(v.shards[i].keys)
	}
	return n
}

// find returns where a state is, and whether it is there.
func (v *visited) find(key uint64) (place, bool) {
	n := shardOf(key)
	s := &v.shards[n]
	if i, ok := s.find(key); ok {
		return place(i*shards + n), true
	}
	return nowhere, false
}

// put enters a state, and says where it is and whether it is new.
func (v *visited) put(key uint64, n node) (place, bool) {
	number := shardOf(key)
	s := &v.shards[number]
	if i, ok := s.find(key); ok {
		return place(i*shards + number), false
	}
	if 5*(len(s.keys)+1) > 4*len(s.slots) {
		s.grow()
	}
	if len(s.keys) == cap(s.keys) {
		s.keys = append(make([]uint64, 0, max(smallest, len(s.keys)+len(s.keys)/8+1)), s.keys...)
	}
	s.keys = append(s.keys, key)
	s.nodes = append(s.nodes, n)
	s.enter(key, uint32(len(s.keys)))
	return place((len(s.keys)-1)*shards + number), true
}

// home is where the probing for a key begins.
func (s *shard) home(key uint64) int {
	hi, _ := bits.Mul64(key<<shardBits, uint64(len(s.slots)))
	return int(hi)
}

func tag(key uint64) uint32 { return uint32(key) &^ indexMask }

func (s *shard) find(key uint64) (int, bool) {
	if len(s.slots) == 0 {
		return 0, false
	}
	for i := s.home(key); s.slots[i] != 0; {
		if slot := s.slots[i]; slot&^indexMask == tag(key) && s.keys[slot&indexMask-1] == key {
			return int(slot&indexMask) - 1, true
		}
		if i++; i == len(s.slots) {
			i = 0
		}
	}
	return 0, false
}

func (s *shard) enter(key uint64, number uint32) {
	i := s.home(key)
	for s.slots[i] != 0 {
		if i++; i == len(s.slots) {
			i = 0
		}
	}
	s.slots[i] = number | tag(key)
}

func (s *shard) grow() {
	s.slots = make([]uint32, max(smallest, len(s.slots)+len(s.slots)/4))
	for i, key := range s.keys {
		s.enter(key, uint32(i+1))
	}
}
