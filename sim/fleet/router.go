package fleet

import (
	"maps"
	"math"
	"math/rand/v2"
	"sort"

	"github.com/pagepool/pagepool/pool/canon"
)

// Policy is how the balancer chooses a server.
type Policy uint8

// The policies.
const (
	Random      Policy = iota // any server that is up
	Hash                      // the affinity's hash, modulo the servers that are up
	Ring                      // the affinity's place on a ring of servers, with bounded load
	RingAndWarm               // the same, and the map of warm affinities beats it
	policies
)

var policyNames = [policies]string{"random", "plain hash", "ring", "ring and warm map"}

func (p Policy) String() string { return policyNames[p] }

// points is how many places a server has on the ring.
const points = 100

// point is one of them.
type point struct {
	at     uint64
	server int
}

// router is the balancer.
type router struct {
	*Options
	random *rand.Rand
	ring   []point
	isUp   []bool
	under  []int // requests under way, by server
	all    int
	warm   map[int]int // by affinity: the server that said so last
}

func newRouter(o *Options, random *rand.Rand) router {
	r := router{
		Options: o, random: random, isUp: make([]bool, o.Servers), under: make([]int, o.Servers),
		warm: map[int]int{},
	}
	for s := range o.Servers {
		r.isUp[s] = true
		for i := range uint64(points) {
			r.ring = append(r.ring, point{hash(uint64(s)<<32 | i), s})
		}
	}
	sort.Slice(r.ring, func(i, j int) bool { return r.ring[i].at < r.ring[j].at })
	return r
}

// hash is that of an affinity or of a place on the ring.
func hash(of uint64) uint64 {
	var h canon.Hasher
	h.Add(of)
	return h.Sum()
}

func (r *router) load(server, by int) {
	r.under[server] += by
	r.all += by
}

func (r *router) up(server int, up bool) { r.isUp[server] = up }

// tell takes in an announcement. Only the server that an entry names takes it back.
func (r *router) tell(affinity, server int, warm bool) {
	if warm {
		r.warm[affinity] = server
	} else if at, ok := r.warm[affinity]; ok && at == server {
		delete(r.warm, affinity)
	}
}

// forget takes back what an earlier life of a server has left in the map: its next life compares
// the whole of it.
func (r *router) forget(server int) {
	maps.DeleteFunc(r.warm, func(_, at int) bool { return at == server })
}

// alive are the servers that are up.
func (r *router) alive() (servers []int) {
	for s, up := range r.isUp {
		if up {
			servers = append(servers, s)
		}
	}
	return servers
}

// choose returns a server; -1: none is up.
func (r *router) choose(affinity int) int {
	alive := r.alive()
	if len(alive) == 0 {
		return -1
	}
	switch r.Policy {
	case Random:
		return alive[r.random.IntN(len(alive))]
	case Hash:
		return alive[hash(uint64(affinity))%uint64(len(alive))]
	case RingAndWarm:
		if s, ok := r.warm[affinity]; ok && r.isUp[s] && r.under[s] < 2*r.Pages {
			return s // as in haproxy.cfg, unless requests queue for it
		}
	}
	return r.onRing(affinity, len(alive))
}

// onRing goes on from an affinity's place to the first server that is up and has room.
func (r *router) onRing(affinity, alive int) int {
	bound := math.MaxInt
	if r.Bound > 0 {
		bound = int(math.Ceil(r.Bound * float64(r.all+1) / float64(alive)))
	}
	place := hash(uint64(affinity))
	from := sort.Search(len(r.ring), func(i int) bool { return r.ring[i].at >= place })
	for i := range r.ring {
		s := r.ring[(from+i)%len(r.ring)].server
		if r.isUp[s] && r.under[s] < bound {
			return s
		}
	}
	return -1 // cannot be: the mean is below the bound
}
