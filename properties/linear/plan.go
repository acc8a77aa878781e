package linear

import (
	"math/rand/v2"
	"time"

	"github.com/pagepool/pagepool/pool"
)

// Plan is what is played: everything but the order in which things happen at the same time.
type Plan struct {
	Seed    uint64
	Config  pool.Config
	Clients int
	Calls   int // of all clients together
	Keys    int
	Faults  bool
	Busy    bool // the pool is closed while callers are at work
	Calm    bool // one caller does one thing after the other, and nothing else happens meanwhile
}

// ShortPlan draws settings, callers and faults for a history of 10 to 40 calls.
func ShortPlan(seed uint64) *Plan {
	r := rand.New(rand.NewPCG(seed, 1))
	return &Plan{
		Seed: seed, Config: drawConfig(r), Clients: 3 + r.IntN(4), Calls: 10 + r.IntN(31),
		Keys:   1 + r.IntN(4),
		Faults: r.IntN(5) > 0, Busy: r.IntN(6) == 0,
	}
}

// LongPlan draws a history of some hundred calls.
func LongPlan(seed uint64) *Plan {
	p := ShortPlan(seed)
	p.Clients, p.Calls = 4, 400
	p.Keys = 3 + int(seed%4)
	p.Config.More.AllowReassign = false
	return p
}

// CalmPlan draws what one caller does while nothing goes wrong and nothing else happens: what is
// wrong then has nothing to do with who comes first.
func CalmPlan(seed uint64) *Plan {
	p := ShortPlan(seed)
	p.Clients, p.Faults, p.Busy, p.Calm = 1, false, false, true
	return p
}

// drawConfig draws a small pool, in which callers are in each other's way and every rule is met
// soon. Its times are those of a stage, of some beats.
func drawConfig(r *rand.Rand) pool.Config {
	c := pool.Config{
		MaxPages: 1 + r.IntN(4), MaxLease: 100 * beat,
		Timeouts: pool.Timeouts{
			LaunchTimeout: 100 * beat, OpenGrace: 4 * beat, OpenTimeout: 40 * beat,
			OpenBackoff: 2 * beat, OpenBackoffMax: 8 * beat,
			RescueTimeout: 10 * beat, ProbeBudget: pool.Off,
			CloseGrace: 2 * beat, CloseTimeout: 10 * beat, KillTimeout: 10 * beat,
			StallTimeout: 50 * beat, DrainTimeout: 50 * beat,
			// A browser that is written off may stay for ever, and no operation could say so.
			BrowserCloseTimeout: time.Hour,
		},
		// The specification does not know how leases have ended, so it knows of no doubt.
		Retire: pool.Retire{IdleContraction: 20 * beat, AffinityDoubt: pool.Off},
		More:   pool.More{OrphanCap: pool.Off, RecorderEvents: pool.Off},
	}
	if r.IntN(3) == 0 {
		c.MinPages = 1 + r.IntN(c.MaxPages)
	}
	if r.IntN(2) == 0 {
		c.More.OrphanCap = 1 + r.IntN(3)
		c.More.RetainOnEvict = r.IntN(2) == 0
	}
	if r.IntN(3) == 0 {
		c.More.TabsPerContext = 2
	}
	if r.IntN(2) == 0 {
		c.Timeouts.ProbeBudget, c.Timeouts.ProbeMaxAge = 250*time.Millisecond, beat
	}
	if r.IntN(4) == 0 {
		c.Timeouts.RescueTimeout = pool.Off
	}
	if r.IntN(4) == 0 {
		c.Retire.MaxUses = 1 + r.IntN(4)
	}
	if r.IntN(4) == 0 {
		c.MaxWaiting = 1 + r.IntN(2)
	}
	if r.IntN(4) == 0 {
		c.RootCap, c.AffinityTabs = 1, 1
	}
	c.Reset = r.IntN(4) == 0
	c.More.AllowReassign = r.IntN(8) == 0
	return c
}

// RulesOf are the rules of a pool with these settings, some of which have defaults.
func RulesOf(c pool.Config) Rules {
	or := func(value, otherwise int) int {
		if value == 0 {
			return otherwise
		}
		return value
	}
	most := c.MaxPages
	return Rules{
		MinPages: or(c.MinPages, c.MaxPages), MaxPages: most,
		RootCap:   or(c.RootCap, or(c.AffinityTabs, min(5, most))),
		OrphanCap: or(c.More.OrphanCap, 2*most), TabsPerContext: or(c.More.TabsPerContext, 1),
		Reassign: c.More.AllowReassign,
	}
}
