package pool

import (
	"cmp"
	"slices"
	"time"

	"github.com/pagepool/pagepool/pool/core"
)

// Stats is one consistent moment of a pool.
type Stats struct {
	Capacity     int       // the pool's present size; one spare tab comes on top
	Tabs         TabCounts // alive, by state
	Leases       int       // held
	Waiting      int       // requests that have not been answered
	Saturation   float64   // (Leases + Waiting) / Capacity: above 1, requests wait for one another
	Contexts     int       // alive, those that are being opened or closed, and lost ones included
	Orphans      int       // contexts kept without a tab
	Lost         int       // tabs that neither a close nor a kill has ended
	LostContexts int       // contexts without a tab that no close has ended
	Counters     Counters
	// Closes are the tabs of Counters.Closes by the reason of their close, those without one
	// included: eviction, disposal, discard and so on, as in the log.
	Closes     map[string]uint64
	Browsers   []BrowserStats  // alive, oldest first
	Affinities []AffinityStats // those that the pool knows, in the order of their keys
}

// TabCounts is how many tabs are in each state.
type TabCounts struct {
	Opening, Standby, Idle, Probing, Rescuing, Resetting, Leased, Closing, Lost int
}

// Alive is the number of tabs in any state. It never exceeds Capacity + 1.
func (t TabCounts) Alive() int {
	return t.Opening + t.Standby + t.Idle + t.Probing + t.Rescuing + t.Resetting + t.Leased +
		t.Closing + t.Lost
}

// AffinityStats is one affinity. The pool knows those that own a tab or a context, be it closing or
// lost, wait for something, or are being disposed of.
type AffinityStats struct {
	Key           string
	Generation    uint64 // 0: cold
	PageCount     int    // tabs of its primary that are not yet confirmed closed
	Tabs          int    // bound: its own, and not on their way out
	Supplementary int    // those of Tabs whose context is not the primary
	// those of Tabs that are idle; nobody holds those that are probed, rescued or reset either
	Idle               int
	Waiting            int // requests
	MaxWaitingPriority int // of those; 0 where nobody waits
}

// BrowserStats is one browser.
type BrowserStats struct {
	ID       string
	State    string        // starting, ready, draining or closing
	Age      time.Duration // since its launch was asked for
	Evidence int           // doubtful ends and failed openings since its last check
	// what its processes use together, in bytes, as last measured; 0: it was not
	Memory int64
}

// Counters count what has happened since the pool was made. They only grow.
type Counters struct {
	Grants       uint64
	Reuses       uint64 // grants of a tab that the affinity used before
	Adoptions    uint64 // grants of a standby
	Refusals     uint64 // of requests, those whose caller had gone included
	Opens        uint64 // tabs asked for
	OpenFailures uint64 // openings that failed or took longer than OpenTimeout
	Evictions    uint64
	// tabs that were asked to close, for whatever reason; those that went with their browser were not
	Closes        uint64
	CloseRetries  uint64 // the second rung: a tab, or a context without one, closed once more
	Kills         uint64 // the third: the renderer killed
	Lost          uint64 // the last: a tab, or a context without one, given up
	Expired       uint64 // leases held too long
	Crashes       uint64 // pages that crashed while they were of use
	TooLarge      uint64 // pages that used more memory than they may
	PagesClosed   uint64 // pages that somebody else than the pool closed while they were of use
	BrowserStarts uint64 // launches asked for

	// grants of a tab that was opened for the affinity: inside its primary, or in a context made for
	// it
	InPrimary     uint64
	Reassignments uint64 // grants of another affinity's tab
	Probes        uint64 // pages asked whether they answer
	Rescues       uint64 // pages whose main thread had to be stopped
	Resets        uint64 // pages brought back to the standby state after a lease
	Checks        uint64 // browsers asked to do each kind of work once
	CheckFailures uint64 // checks that found work that was not done
	Retirements   Retirements
}

// Retirements count the tabs that ended though nobody complained of them, by the reason.
type Retirements struct {
	MaxUses, MaxAge, IdleSweep, Contraction, Drain uint64
}

// count counts what the core asks for: it asks once for each.
func (c *Counters) count(e *core.Effect) {
	switch e.Kind {
	case core.Grant:
		c.Grants++
		switch e.How {
		case core.Warm:
			c.Reuses++
		case core.Adopted:
			c.Adoptions++
		case core.InPrimary:
			c.InPrimary++
		case core.Reassigned:
			c.Reassignments++
		}
	case core.Refuse:
		c.Refusals++
	case core.EndLease:
		if e.Reason == core.LeaseExpired {
			c.Expired++
		}
	case core.Launch:
		c.BrowserStarts++
	case core.CheckBrowser:
		c.Checks++
	case core.OpenTab:
		c.Opens++
	case core.ProbeTab:
		c.Probes++
	case core.RescueTab:
		if !e.Halt { // the first part of a reset is no rescue of a suspect page
			c.Rescues++
		}
	case core.ResetTab:
		c.Resets++
	case core.CloseAgain:
		c.CloseRetries++
	case core.CloseContext:
		if e.Reason == core.ReasonNone { // the first close has a reason
			c.CloseRetries++
		}
	case core.KillTab:
		c.Kills++
	case core.CloseTab:
		c.Closes++
		switch e.Reason {
		case core.Eviction:
			c.Evictions++
		case core.Crash:
			c.Crashes++
		case core.Memory:
			c.TooLarge++
		case core.MaxUses:
			c.Retirements.MaxUses++
		case core.MaxAge:
			c.Retirements.MaxAge++
		case core.IdleSweep:
			c.Retirements.IdleSweep++
		case core.Contraction:
			c.Retirements.Contraction++
		case core.Drain:
			c.Retirements.Drain++
		case core.OpenFailure, core.OpenTimeout:
			c.OpenFailures++
		}
	}
}

// Stats returns what is true at one moment.
func (p *Pool[P]) Stats() Stats {
	s := p.stats()
	slices.SortFunc(s.Affinities, func(a, b AffinityStats) int { return cmp.Compare(a.Key, b.Key) })
	return s
}

func (p *Pool[P]) stats() Stats {
	p.mu.Lock()
	defer p.unlock()
	c := p.mu.core
	s := Stats{
		Capacity: int(c.Capacity),
		Tabs: TabCounts{
			Opening:   c.Count(core.Opening),
			Standby:   c.Count(core.Standby),
			Idle:      c.Count(core.Idle),
			Probing:   c.Count(core.Probing),
			Rescuing:  c.Count(core.Rescuing),
			Resetting: c.Count(core.Resetting),
			Leased:    c.Count(core.Leased),
			Closing:   c.Count(core.Closing),
			Lost:      c.Count(core.Lost),
		},
		Leases:       c.Leases(),
		Waiting:      c.Waiting(core.Root) + c.Waiting(core.Nested),
		Contexts:     c.ContextCount(),
		Orphans:      c.Orphans(),
		Lost:         c.Count(core.Lost),
		LostContexts: c.LostContexts(),
		Counters:     p.mu.counters,
		Closes:       p.mu.closes.byReason(),
	}
	s.Saturation = float64(s.Leases+s.Waiting) / float64(s.Capacity)
	now := p.nowLocked()
	c.EachBrowser(func(v core.BrowserView) {
		b := BrowserStats{ID: browserName(v.ID), State: v.State, Evidence: v.Doubts}
		if known := p.mu.browsers[v.ID]; known != nil {
			b.Age, b.Memory = (now - known.launched).Duration(), known.memory
		}
		s.Browsers = append(s.Browsers, b)
	})
	at := make([]int, len(p.mu.keys.names)) // by handle: its place in s.Affinities
	c.EachAffinity(func(v core.AffinityView) {
		at[v.Affinity] = len(s.Affinities)
		s.Affinities = append(s.Affinities, AffinityStats{
			Key: p.mu.keys.name(v.Affinity), Generation: uint64(v.Generation), PageCount: v.PageCount,
			Tabs: v.Bound, Idle: v.Idle, Waiting: v.Waiting,
		})
	})
	c.EachTab(func(t core.TabView) {
		if t.Bound() && !t.Primary {
			s.Affinities[at[t.Affinity]].Supplementary++
		}
	})
	met := make([]bool, len(p.mu.keys.names))
	c.EachRequest(func(r core.RequestView) {
		a := &s.Affinities[at[r.Affinity]]
		if priority := int(r.Priority); !met[r.Affinity] || priority > a.MaxWaitingPriority {
			a.MaxWaitingPriority = priority
		}
		met[r.Affinity] = true
	})
	return s
}

// WarmAffinities lists the affinities that own a tab which is not on its way out, in order.
func (p *Pool[P]) WarmAffinities() []string {
	p.mu.Lock()
	warm := p.warmLocked()
	p.unlock()
	keys := make([]string, len(warm))
	for i, a := range warm {
		keys[i] = a.Affinity
	}
	slices.Sort(keys)
	return keys
}

// warmLocked is the warm set, as announcements.
func (p *Pool[P]) warmLocked() []Announcement {
	var warm []Announcement
	p.mu.core.EachAffinity(func(v core.AffinityView) {
		if v.Bound > 0 {
			warm = append(warm, Announcement{p.mu.keys.name(v.Affinity), uint64(v.Generation), true})
		}
	})
	return warm
}
