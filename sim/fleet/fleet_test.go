package fleet

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim"
)

var small = Options{
	Policy: RingAndWarm, Servers: 6, Pages: 4, Affinities: 60, Skew: 0.8, Rate: 20,
	Render:   sim.Latency{Shortest: 300 * sim.Milliseconds, Longest: 700 * sim.Milliseconds},
	MapDelay: 50 * sim.Milliseconds, Bound: 1.5, Lasts: core.Time(2 * time.Minute), Seed: 1,
}

func ran(t *testing.T, change func(*Options)) *Report {
	t.Helper()
	o := small
	change(&o)
	r, err := Run(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%v: %+v", o.Policy, *r)
	return r
}

func TestFleetOfOneSeedIsTheSameTwice(t *testing.T) {
	fails := func(o *Options) { o.Fails, o.Down = 10*sim.Seconds, 5*sim.Seconds }
	if a, b := ran(t, fails), ran(t, fails); !reflect.DeepEqual(a, b) || a.Repeated == 0 {
		t.Errorf("%+v, and %+v", a, b)
	}
}

// An affinity that is sent where it is warm finds its tab; by chance it does so less often.
func TestFleetTheRingFindsWarmTabsAndChanceDoesNot(t *testing.T) {
	share := map[Policy]float64{}
	for p := range policies {
		r := ran(t, func(o *Options) { o.Policy = p })
		if r.Grants < r.Requests*9/10 || r.Refused > 0 {
			t.Errorf(
				"%v: %d of %d requests granted, %d refused",
				p,
				r.Grants,
				r.Requests,
				r.Refused,
			)
		}
		share[p] = float64(r.Warm) / float64(r.Grants)
	}
	if share[Ring] < 2*share[Random] || share[RingAndWarm] < share[Ring] {
		t.Errorf("shares of warm grants: %v", share)
	}
}

// Bounded load keeps a popular affinity from having one server for itself.
func TestFleetABoundSpreadsAPopularAffinity(t *testing.T) {
	popular := func(bound float64) *Report {
		return ran(t, func(o *Options) { o.Policy, o.Skew, o.Bound = Ring, 2, bound })
	}
	if with, without := popular(1.5), popular(0); with.Busiest >= without.Busiest ||
		with.P99 >= without.P99 {
		t.Errorf("with %+v, without %+v", with, without)
	}
}

// A server that fails moves its own affinities on a ring, and nearly all of them under a plain
// hash.
func TestFleetAFailureMovesTheRingLess(t *testing.T) {
	moved := func(p Policy) (n int) {
		o := small
		o.Policy, o.Bound = p, 0
		r := newRouter(&o, nil)
		for affinity := range 10_000 {
			r.up(2, true)
			before := r.choose(affinity)
			r.up(2, false)
			if r.choose(affinity) != before && before != 2 {
				n++
			}
		}
		return n
	}
	if ring, plain := moved(Ring), moved(Hash); ring != 0 || plain < 5000 {
		t.Errorf(
			"of 10000 affinities of others, %d move on the ring, %d under a plain hash",
			ring,
			plain,
		)
	}
}

// What a server has said before it failed is taken back once it is up again, as pool/fleet does.
func TestFleetAMapForgetsTheEarlierLifeOfAServer(t *testing.T) {
	o := small
	r := newRouter(&o, nil)
	r.tell(1, 2, true)
	r.tell(3, 4, true)
	r.forget(2)
	if _, ok := r.warm[1]; ok || r.warm[3] != 4 {
		t.Errorf("the map is %v", r.warm)
	}
}

func TestFleetOptionsNameWhatIsWrong(t *testing.T) {
	for says, change := range map[string]func(*Options){
		"Servers=0: the rule is 1 to 1,000": func(o *Options) { o.Servers = 0 },
		"Pages=0: the rule is 1 or more":    func(o *Options) { o.Pages = 0 },
		"Bound=0.5: the rule is more than":  func(o *Options) { o.Bound = 0.5 },
		"Rate=-1: the rule is":              func(o *Options) { o.Rate = -1 },
		"MaxPages=2000: the rule is":        func(o *Options) { o.Pages = 2000 },
	} {
		o := small
		change(&o)
		if r, err := Run(o); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v, %v; want %q", r, err, says)
		}
	}
}
