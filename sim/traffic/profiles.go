package traffic

import (
	"errors"
	"fmt"
	"time"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim"
	"github.com/pagepool/pagepool/sim/scheduler"
)

// Profile is a kind of traffic, with the weather that it meets.
type Profile struct {
	Name, Says string
	Settings   core.Settings
	Conditions sim.Conditions
	Arrivals   Arrivals
	ClosesBusy bool // the pool is closed in the middle of the traffic, not after everything is quiet
}

// Profiles lists the kinds of traffic.
var Profiles = []*Profile{&staging, &burst, &nested, &hostile}

// ProfileNamed finds a profile; nil where there is none.
func ProfileNamed(name string) *Profile {
	for _, p := range Profiles {
		if p.Name == name {
			return p
		}
	}
	return nil
}

func between(shortest, longest core.Time) sim.Latency {
	return sim.Latency{Shortest: shortest, Longest: longest}
}

// usual are the latencies of a busy but healthy Chrome.
var usual = sim.Conditions{
	Launch:       between(300*sim.Milliseconds, 900*sim.Milliseconds),
	Open:         between(120*sim.Milliseconds, 400*sim.Milliseconds),
	Close:        between(5*sim.Milliseconds, 40*sim.Milliseconds),
	Kill:         between(10*sim.Milliseconds, 60*sim.Milliseconds),
	BrowserClose: between(50*sim.Milliseconds, 300*sim.Milliseconds),
	Probe:        between(1*sim.Milliseconds, 12*sim.Milliseconds),
	Rescue:       between(40*sim.Milliseconds, 90*sim.Milliseconds),
	Reset:        between(20*sim.Milliseconds, 80*sim.Milliseconds),
	Ping:         between(1*sim.Milliseconds, 5*sim.Milliseconds),
	EndSession:   between(1*sim.Milliseconds, 5*sim.Milliseconds),
	BeginSession: between(2*sim.Milliseconds, 20*sim.Milliseconds),
	Check:        between(20*sim.Milliseconds, 200*sim.Milliseconds),
	Slow:         between(500*sim.Milliseconds, 4*sim.Seconds),
	Echo:         5 * sim.Milliseconds,
	Measured:     measured,
}

// with are the usual latencies with these faults.
func with(f sim.Faults) sim.Conditions {
	c := usual
	c.Faults = f
	return c
}

// staging is the container of the incident: four pages, forty tenants.
var staging = Profile{
	Name: "staging",
	Says: "4 pages, 40 affinities, 2 requests a second, faults at realistic rates",
	Conditions: with(sim.Faults{
		LaunchFails: 50, LaunchSlow: 200, OpenFails: 10, OpenLeaves: 5, OpenSlow: 100, OpenHangs: 2,
		CloseFails: 30, CloseFailsAnyway: 20, CloseSlow: 100, CloseHangs: 4, Twice: 5,
		Wedges: 2, Loops: 6000, SilentWedges: 5000, Crashes: 3, ProbeSlow: 10, RescueFails: 500,
		DeathsPerThousandHours: 80, CrashesPerThousandHours: 200, SilencesPerThousandHours: 20,
	}),
	Arrivals: Arrivals{
		Gap: 550 * sim.Milliseconds, Affinities: 40, Skew: 1, Active: 200,
		Render:   between(300*sim.Milliseconds, 1500*sim.Milliseconds),
		Patience: between(30*sim.Seconds, 60*sim.Seconds), Limit: 30 * sim.Seconds,
		Nested: 1000, NestedForeign: 2000, Priorities: 500, Discards: 20,
		DisposeNoWait: 30, DisposeWait: 20, DisposeHeld: 5, Warms: 2, Twice: 10, Late: 10, Limits: 50,
		Sweeps: 5, Retains: 3000,
	},
}

// burst is long silence and then everybody at once.
var burst = Profile{
	Name:     "burst",
	Says:     "6 pages, 12 affinities, more requests at a time than pages",
	Settings: core.Settings{MaxPages: 6, AffinityTabs: 3, RootCap: 2},
	Conditions: with(sim.Faults{
		OpenFails: 50, OpenLeaves: 20, OpenSlow: 200, OpenHangs: 5, CloseFails: 100, CloseSlow: 300,
		CloseHangs: 10, Twice: 20, Wedges: 5, Loops: 5000, SilentWedges: 3000, Crashes: 10, ProbeSlow: 50,
		RescueFails: 1000, DeathsPerThousandHours: 500, CrashesPerThousandHours: 1000,
		SilencesPerThousandHours: 100,
	}),
	Arrivals: Arrivals{
		Gap: 160 * sim.Milliseconds, Affinities: 12, Skew: 1, Active: 60,
		Render:   between(200*sim.Milliseconds, 2*sim.Seconds),
		Patience: between(1*sim.Seconds, 20*sim.Seconds), Limit: 20 * sim.Seconds,
		Nested: 500, NestedForeign: 3000, Priorities: 2000, Discards: 50,
		DisposeNoWait: 50, DisposeWait: 50, DisposeHeld: 20, Warms: 20, Twice: 20, Late: 20, Limits: 100,
		Sweeps: 30, Retains: 4000, Recycles: 2,
	},
}

// nested is the load of the deadlocks: most renders ask for a page of their own.
var nested = Profile{
	Name:     "nested",
	Says:     "4 pages, 8 affinities, most renders ask for a nested page while they hold theirs",
	Settings: core.Settings{MaxPages: 4, AffinityTabs: 2, RootCap: 2},
	Conditions: with(sim.Faults{
		OpenFails: 30, OpenSlow: 200, OpenHangs: 3, CloseFails: 50, CloseSlow: 300, CloseHangs: 10,
		Twice: 10, Wedges: 3, Loops: 5000, SilentWedges: 3000, Crashes: 5, ProbeSlow: 50,
		RescueFails:            1000,
		DeathsPerThousandHours: 300, CrashesPerThousandHours: 500, SilencesPerThousandHours: 100,
	}),
	Arrivals: Arrivals{
		Gap: 900 * sim.Milliseconds, Affinities: 8, Active: 60,
		Render:   between(300*sim.Milliseconds, 1500*sim.Milliseconds),
		Patience: between(20*sim.Seconds, 60*sim.Seconds), Limit: 20 * sim.Seconds,
		Nested: 8000, NestedForeign: 4000, Priorities: 1000, Discards: 50,
		DisposeNoWait: 50, DisposeWait: 50, DisposeHeld: 50, Warms: 10, Twice: 20, Late: 20, Limits: 100,
		Sweeps: 30, Retains: 4000, Recycles: 2,
	},
}

// hostile is everything at once, and every latency around the deadline that it runs into.
var hostile = Profile{
	Name: "hostile",
	Says: "3 pages, every fault often, every slow operation around the deadline that it runs into",
	Settings: core.Settings{
		MaxPages: 3, AffinityTabs: 2, MaxLease: 5 * time.Second, OpenTimeout: 4 * time.Second,
		OpenGrace: 500 * time.Millisecond, LaunchTimeout: 4 * time.Second, CloseTimeout: 2 * time.Second,
		KillTimeout: time.Second, BrowserCloseTimeout: 2 * time.Second, StallTimeout: 3 * time.Second,
		DrainTimeout: 8 * time.Second, IdleContraction: 4 * time.Second,
	},
	Conditions: hostileConditions(),
	Arrivals: Arrivals{
		Gap: 400 * sim.Milliseconds, Affinities: 6, Active: 40,
		Render:   between(20*sim.Milliseconds, 1500*sim.Milliseconds),
		Patience: between(100*sim.Milliseconds, 20*sim.Seconds), Limit: 3 * sim.Seconds,
		Nested: 2500, NestedForeign: 5000, Priorities: 3000, Discards: 300,
		DisposeNoWait: 300, DisposeWait: 300, DisposeHeld: 300, Warms: 200, Twice: 200, Late: 300,
		Limits: 300, Sweeps: 300, Retains: 5000, Recycles: 20,
	},
}

func hostileConditions() sim.Conditions {
	c := with(sim.Faults{
		LaunchFails: 1500, LaunchSlow: 1000, LaunchHangs: 500,
		OpenFails: 300, OpenLeaves: 200, OpenSlow: 500, OpenHangs: 50,
		CloseFails: 500, CloseFailsAnyway: 300, CloseSlow: 500, CloseHangs: 150,
		KillFails: 1500, KillSlow: 1500, KillHangs: 800, BrowserCloseSlow: 1500, BrowserCloseHangs: 1000,
		ProbeFails: 100, ProbeSlow: 500, ProbeHangs: 50, RescueFails: 1500, RescueSlow: 1500,
		ResetFails: 200, ResetSlow: 500, ResetHangs: 50,
		EndFails: 200, EndSlow: 500, EndHangs: 50, BeginFails: 200, BeginSlow: 500, BeginHangs: 50,
		SpoilsTab: 200, SpoilsContext: 200, NavigatesNoMore: 100, LoopsLate: 300,
		Twice: 300, Wedges: 300, Loops: 5000, SilentWedges: 4000, Crashes: 150,
		DeathsPerThousandHours: 20_000, CrashesPerThousandHours: 60_000, SilencesPerThousandHours: 10_000,
	})
	c.Boundaries = true
	return c
}

// Check says which settings contradict the profile's own latencies: no launch or no opening could
// ever work, tabs would retire faster than all of them can be opened, or what hangs would be given
// up after the end of any run. The error joins a *core.SettingError for each.
func (p *Profile) Check(s core.Settings) error {
	s, err := s.Resolve()
	if err != nil {
		return err
	}
	c := &p.Conditions
	var errs []error
	want := func(name string, value time.Duration, holds bool, rule string, bound time.Duration) {
		if !holds {
			errs = append(errs, &core.SettingError{Name: name, Value: value.String(),
				Rule: fmt.Sprintf(rule, bound) + " in the profile " + p.Name})
		}
	}
	above := func(name string, value time.Duration, bound core.Time, what string) {
		want(name, value, value < 0 ||
			core.Time(value) > bound, "more than %v, which "+what+" takes", bound.Duration())
	}
	within := func(name string, value time.Duration) {
		want(name, value, value <= longestHang, "at most %v, since a run waits that long for what hangs",
			longestHang)
	}
	above("LaunchTimeout", s.LaunchTimeout, c.Launch.Longest, "a slow launch")
	above("OpenTimeout", s.OpenTimeout, c.Open.Longest, "a slow opening")
	above("MaxAge", s.MaxAge, core.Time(s.MaxPages+1)*(c.Close.Longest+c.Open.Longest),
		"opening every tab anew")
	within("LaunchTimeout", s.LaunchTimeout)
	within("OpenTimeout", s.OpenTimeout)
	within("CloseTimeout", s.CloseTimeout)
	within("KillTimeout", s.KillTimeout)
	within("BrowserCloseTimeout", s.BrowserCloseTimeout)
	return errors.Join(errs...)
}

const longestHang = 24 * time.Hour

// Draw makes a seed's own variant of a profile: its own settings, its own mix of callers and its
// own subset of faults. Seed 1 of staging is staging itself.
func (p *Profile) Draw(seed uint64) Profile {
	d := *p
	if p == &staging && seed == 1 {
		return d
	}
	r := scheduler.NewRandom(seed, 0x5a)
	pick := func(n int) int { return r.Choose(n) }
	d.Settings = p.drawSettings(pick)
	drawFaults(&d.Conditions.Faults, pick)
	d.Conditions.Sessions = pick(2) == 0
	drawMix(&d.Arrivals, pick)
	d.ClosesBusy = pick(4) == 0
	if most := d.Settings.MaxWaiting; most > 0 {
		d.Settings.AffinityWaiting = 1 + pick(most)
	}
	if pick(2) == 0 {
		drawChecks(&d, pick)
	}
	if pick(2) == 0 {
		f := &d.Conditions.Faults
		f.FreezeFails, f.FreezeSlow, f.FreezeHangs = 500*pick(3), 500*pick(3), 500*pick(2)
		d.Settings.FreezeAfter = []time.Duration{time.Millisecond, time.Second, time.Minute}[pick(3)]
	}
	d.Settings.AffinityDoubt = []int{core.Off, 2, 3}[pick(3)]
	d.Settings.MaxIdle = []time.Duration{core.Off, core.Off, 10 * time.Second, time.Minute}[pick(4)]
	if most := []int64{core.Off, 256 << 20, 2 << 30}[pick(3)]; most > 0 {
		d.Settings.MaxBrowserMemory = most
		d.Conditions.Faults.Swells, d.Conditions.Faults.Leaks = 2000*pick(3), 200*pick(3)
	}
	if pick(3) == 0 {
		d.Arrivals.Owns = 1 + pick(3)
	}
	if pick(3) == 0 {
		drawShared(&d, pick)
	}
	return d
}

// drawShared gives a variant what befalls the things that tabs share.
func drawShared(d *Profile, pick func(int) int) {
	c := &d.Conditions
	if !c.Checks {
		drawChecks(d, pick)
	}
	c.Repairs, c.Clears = pick(3) > 0, d.Settings.Reset && pick(2) == 0
	c.Faults.FloodsPipe = []int{0, 20, 200}[pick(3)]
	c.Faults.SharedPerThousandHours = []int{0, 10_000, 100_000}[pick(3)]
}

// drawChecks gives a variant a driver that checks its browsers, and browsers that draw no more.
func drawChecks(d *Profile, pick func(int) int) {
	c := &d.Conditions
	c.Checks = true
	c.Faults.HangsDrawing = []int{0, 5, 50}[pick(3)]
	c.Faults.CheckFails, c.Faults.CheckSlow, c.Faults.CheckHangs = 100*pick(3), 200*pick(3),
		100*pick(2)
	d.Settings.BrowserDoubt = []int{core.Off, 2, 3, 5}[pick(4)]
	d.Settings.CheckEvery = []time.Duration{core.Off, 5 * time.Second, time.Minute}[pick(3)]
}

func (p *Profile) drawSettings(pick func(int) int) core.Settings {
	s := p.Settings
	full, err := s.Resolve()
	if err != nil {
		panic("traffic: BUG: " + p.Name + ": " + err.Error())
	}
	half := func(d time.Duration) time.Duration { return d * time.Duration(1+pick(8)) / 4 }
	s.CloseGrace = half(100 * time.Millisecond)
	s.CloseTimeout = max(s.CloseGrace, half(full.CloseTimeout))
	s.KillTimeout = half(full.KillTimeout)
	s.OpenGrace = half(full.OpenGrace)
	s.OpenTimeout = max(s.OpenGrace, half(full.OpenTimeout))
	s.OpenRetries = 1 + pick(4)
	s.OpenBackoff = half(500 * time.Millisecond)
	s.OpenBackoffMax = max(s.OpenBackoff, half(4*time.Second))
	if p == &staging {
		return s // MaxLease is what the staging container's render limit is
	}
	drawSizes(&s, full.MaxPages, pick)
	drawRules(&s, pick)
	s.MaxLease = half(full.MaxLease)
	s.BrowserCloseTimeout = half(full.BrowserCloseTimeout)
	s.DrainTimeout = half(full.DrainTimeout)
	s.LaunchTimeout = half(full.LaunchTimeout)
	s.IdleContraction = half(full.IdleContraction)
	for _, d := range []*time.Duration{&s.MaxLease, &s.RescueTimeout, &s.ProbeBudget, &s.StallTimeout,
		&s.PriorityAging} {
		if pick(8) == 0 {
			*d = core.Off
		}
	}
	if s.StallTimeout == 0 {
		s.StallTimeout = half(full.StallTimeout)
	}
	return s
}

// drawSizes draws how large a pool is, and how much of it one affinity may have. In half of the
// cases it grows and shrinks, and in a third of them pages are reserved on top.
func drawSizes(s *core.Settings, most int, pick func(int) int) {
	size := 1 + pick(most+2)
	if pick(2) == 0 {
		s.MinPages = 1 + pick(size)
		s.MinPages += pick(size - s.MinPages + 1)
		size += pick(2)
	}
	if pick(3) == 0 {
		s.ReservedPages, s.ReservedPriority = pick(3), 1+pick(3)
	}
	s.MaxPages = size + s.ReservedPages
	s.AffinityTabs = 1 + pick(min(4, size))
	s.RootCap = 1 + pick(s.AffinityTabs)
}

// drawRules switches rules on and off.
func drawRules(s *core.Settings, pick func(int) int) {
	if pick(2) == 0 {
		s.MaxWaiting = 1 + pick(6)
	}
	if pick(2) == 0 {
		s.MaxUses = 1 + pick(20)
	}
	if pick(2) == 0 {
		s.MaxAge = time.Duration(1+pick(60)) * 5 * time.Second
		s.MaxAgeJitter = s.MaxAge / 8
	}
	if pick(3) == 0 {
		s.OrphanCap = []int{core.Off, 1, 2}[pick(3)]
	}
	if pick(3) == 0 {
		s.TabsPerContext = 2 + pick(2)
	}
	s.RetainOnEvict = pick(3) == 0
	s.AllowReassign = pick(5) == 0
	s.Reset = pick(3) == 0
	if pick(3) == 0 {
		s.ProbeMaxAge = time.Duration(1+pick(40)) * 100 * time.Millisecond
	}
	if pick(3) == 0 {
		s.BrowserMaxAge = time.Duration(1+pick(20)) * 30 * time.Second
	}
	if pick(3) == 0 {
		s.BrowserMaxTabs = 1 + pick(60)
	}
	if pick(3) == 0 {
		s.MaxBypass = []int{core.Off, 1, 2, 8}[pick(4)]
	}
	if pick(3) == 0 {
		s.PriorityAging = time.Duration(1+pick(8)) * time.Second
	}
	if pick(3) == 0 {
		s.RescueTimeout = time.Duration(1+pick(8)) * 250 * time.Millisecond
	}
}

// drawFaults leaves each kind of fault as it is, or switches it off, or makes it rarer or more
// frequent.
func drawFaults(f *sim.Faults, pick func(int) int) {
	for _, chance := range []*int{
		&f.LaunchFails, &f.LaunchSlow, &f.LaunchHangs, &f.OpenFails, &f.OpenLeaves, &f.OpenSlow,
		&f.OpenHangs, &f.CloseFails, &f.CloseFailsAnyway, &f.CloseSlow, &f.CloseHangs, &f.KillFails,
		&f.KillSlow, &f.KillHangs, &f.BrowserCloseSlow, &f.BrowserCloseHangs, &f.Twice, &f.Wedges,
		&f.Crashes, &f.DeathsPerThousandHours, &f.CrashesPerThousandHours, &f.SilencesPerThousandHours,
		&f.Loops, &f.ProbeFails, &f.ProbeSlow, &f.ProbeHangs, &f.RescueFails, &f.RescueSlow,
		&f.ResetFails, &f.ResetSlow, &f.ResetHangs,
		&f.EndFails, &f.EndSlow, &f.EndHangs, &f.BeginFails, &f.BeginSlow, &f.BeginHangs,
		&f.SpoilsTab, &f.SpoilsContext, &f.NavigatesNoMore, &f.LoopsLate,
	} {
		switch pick(4) {
		case 0:
			*chance = 0
		case 1:
			*chance = min(*chance*2, sim.Chances/5)
		}
	}
}

// drawMix changes who comes, and how often.
func drawMix(a *Arrivals, pick func(int) int) {
	a.Affinities = 1 + pick(2*a.Affinities)
	a.Skew = pick(2)
	a.Gap = a.Gap * core.Time(2+pick(7)) / 4
	for _, share := range []*int{
		&a.Nested, &a.Priorities, &a.Discards, &a.DisposeNoWait, &a.DisposeWait, &a.DisposeHeld,
		&a.Warms, &a.Twice, &a.Late, &a.Limits, &a.Sweeps, &a.Retains, &a.Recycles,
	} {
		switch pick(4) {
		case 0:
			*share = 0
		case 1:
			*share = min(*share*2, sim.Chances)
		}
	}
}
