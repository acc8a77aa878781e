package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pagepool/pagepool/pool"
)

// stat is a metric that is read out of a pool's Stats.
type stat struct {
	name, help, label string
	kind              prometheus.ValueType
	read              func(s *pool.Stats, to func(value float64, labels ...string))
}

type metric struct {
	stat
	desc *prometheus.Desc
}

// affinityStat is a metric of one affinity.
type affinityStat struct {
	name, help string
	read       func(*pool.AffinityStats) float64
}

type keyedMetric struct {
	affinityStat
	desc *prometheus.Desc
}

func gauge(name, help string, read func(*pool.Stats) int) stat {
	return stat{name, help, "", prometheus.GaugeValue, func(s *pool.Stats, to func(float64, ...string)) { to(float64(read(s))) }}
}

func counter(name, help string, read func(*pool.Counters) uint64) stat {
	return stat{name, help, "", prometheus.CounterValue, func(s *pool.Stats, to func(float64, ...string)) { to(float64(read(&s.Counters))) }}
}

// stats are the metrics. A test sees to it that every figure of Stats is among them.
var stats = []stat{
	gauge("capacity", "Present size of the pool, in tabs; one spare tab comes on top.", func(s *pool.Stats) int { return s.Capacity }),
	{"tabs", "Tabs alive, by state. Their sum never exceeds capacity + 1.", "state", prometheus.GaugeValue, func(s *pool.Stats, to func(float64, ...string)) {
		t := &s.Tabs
		for _, of := range []struct {
			state string
			count int
		}{
			{"opening", t.Opening}, {"standby", t.Standby}, {"idle", t.Idle}, {"probing", t.Probing}, {"rescuing", t.Rescuing},
			{"resetting", t.Resetting}, {"leased", t.Leased}, {"closing", t.Closing}, {"lost", t.Lost},
		} {
			to(float64(of.count), of.state)
		}
	}},
	gauge("leases", "Leases that are held.", func(s *pool.Stats) int { return s.Leases }),
	gauge("waiting_requests", "Requests that have not been answered.", func(s *pool.Stats) int { return s.Waiting }),
	{"saturation", "Leases and waiting requests together, divided by capacity.", "", prometheus.GaugeValue,
		func(s *pool.Stats, to func(float64, ...string)) { to(s.Saturation) }},
	gauge("contexts", "Browser contexts alive, also while they open or close, or are lost.", func(s *pool.Stats) int { return s.Contexts }),
	gauge("orphans", "Contexts kept without a tab.", func(s *pool.Stats) int { return s.Orphans }),
	gauge("lost_tabs", "Tabs that neither a close nor a kill has ended, and that still take a slot.", func(s *pool.Stats) int { return s.Lost }),
	gauge("lost_contexts", "Contexts without a tab that no close has ended.", func(s *pool.Stats) int { return s.LostContexts }),
	gauge("affinities", "Affinities that the pool knows.", func(s *pool.Stats) int { return len(s.Affinities) }),
	gauge("warm_affinities", "Affinities that own a tab which is not on its way out.", func(s *pool.Stats) int {
		warm := 0
		for i := range s.Affinities {
			if s.Affinities[i].Tabs > 0 {
				warm++
			}
		}
		return warm
	}),
	{"grants_total", "Leases granted, by where the tab came from.", "how", prometheus.CounterValue, func(s *pool.Stats, to func(float64, ...string)) {
		c := &s.Counters
		to(float64(c.Reuses), "reuse")
		to(float64(c.Adoptions), "adoption")
		to(float64(c.InPrimary), "in-primary")
		to(float64(c.Reassignments), "reassignment")
		// Together they are Grants: each has one of these.
	}},
	counter("refusals_total", "Requests refused, those whose caller had gone included.", func(c *pool.Counters) uint64 { return c.Refusals }),
	counter("opens_total", "Tabs asked for.", func(c *pool.Counters) uint64 { return c.Opens }),
	counter("open_failures_total", "Openings that failed or took longer than OpenTimeout.", func(c *pool.Counters) uint64 { return c.OpenFailures }),
	counter("evictions_total", "Idle tabs closed to make room.", func(c *pool.Counters) uint64 { return c.Evictions }),
	{"closes_total", "Tabs that were asked to close, by the reason.", "reason", prometheus.CounterValue, func(s *pool.Stats, to func(float64, ...string)) {
		for reason, n := range s.Closes {
			to(float64(n), reason)
		}
	}},
	counter("close_retries_total", "Tabs or contexts that had to be closed once more.", func(c *pool.Counters) uint64 { return c.CloseRetries }),
	counter("kills_total", "Renderers killed because their tab did not close.", func(c *pool.Counters) uint64 { return c.Kills }),
	counter("lost_total", "Tabs or contexts given up after the last rung.", func(c *pool.Counters) uint64 { return c.Lost }),
	counter("expired_leases_total", "Leases that were held longer than their limit.", func(c *pool.Counters) uint64 { return c.Expired }),
	counter("pages_closed_total", "Pages that somebody else than the pool closed while they were of use.", func(c *pool.Counters) uint64 { return c.PagesClosed }),
	counter("pages_too_large_total", "Pages that used more memory than they may.", func(c *pool.Counters) uint64 { return c.TooLarge }),
	counter("crashes_total", "Pages that crashed while they were of use.", func(c *pool.Counters) uint64 { return c.Crashes }),
	counter("browser_starts_total", "Browser launches asked for.", func(c *pool.Counters) uint64 { return c.BrowserStarts }),
	gauge("browser_memory_bytes", "What the processes of all browsers use together, as last measured; 0 where the driver cannot.", func(s *pool.Stats) int {
		sum := int64(0)
		for i := range s.Browsers {
			sum += s.Browsers[i].Memory
		}
		return int(sum)
	}),
	counter("checks_total", "Browsers asked to do each kind of work once.", func(c *pool.Counters) uint64 { return c.Checks }),
	counter("check_failures_total", "Checks that found work that was not done.", func(c *pool.Counters) uint64 { return c.CheckFailures }),
	counter("probes_total", "Pages asked whether they answer.", func(c *pool.Counters) uint64 { return c.Probes }),
	counter("rescues_total", "Pages whose main thread had to be stopped.", func(c *pool.Counters) uint64 { return c.Rescues }),
	counter("resets_total", "Pages brought back to the standby state after a lease.", func(c *pool.Counters) uint64 { return c.Resets }),
	{"retirements_total", "Tabs that ended though nobody complained of them, by the reason.", "reason", prometheus.CounterValue, func(s *pool.Stats, to func(float64, ...string)) {
		r := &s.Counters.Retirements
		to(float64(r.MaxUses), "max-uses")
		to(float64(r.MaxAge), "max-age")
		to(float64(r.IdleSweep), "idle-sweep")
		to(float64(r.Contraction), "contraction")
		to(float64(r.Drain), "drain")
	}},
}

// affinityStats are the metrics of each affinity, where Options.Affinities is on.
var affinityStats = []affinityStat{
	{"affinity_tabs", "Tabs bound to the affinity.", func(a *pool.AffinityStats) float64 { return float64(a.Tabs) }},
	{"affinity_idle_tabs", "Those of its tabs that are idle.", func(a *pool.AffinityStats) float64 { return float64(a.Idle) }},
	{"affinity_supplementary_tabs", "Those of its tabs whose context is not its primary.", func(a *pool.AffinityStats) float64 { return float64(a.Supplementary) }},
	{"affinity_primary_tabs", "Tabs of its primary that are not yet confirmed closed.", func(a *pool.AffinityStats) float64 { return float64(a.PageCount) }},
	{"affinity_waiting_requests", "Requests of it that have not been answered.", func(a *pool.AffinityStats) float64 { return float64(a.Waiting) }},
	{"affinity_max_waiting_priority", "Highest priority of those requests.", func(a *pool.AffinityStats) float64 { return float64(a.MaxWaitingPriority) }},
	{"affinity_generation", "Its present generation; 0: it is cold.", func(a *pool.AffinityStats) float64 { return float64(a.Generation) }},
}

// waitParts are what a wait is spent on.
var waitParts = []struct {
	name string
	of   func(pool.Waits) time.Duration
}{
	{"admission", func(w pool.Waits) time.Duration { return w.Admission }},
	{"tab", func(w pool.Waits) time.Duration { return w.Tab }},
	{"startup", func(w pool.Waits) time.Duration { return w.Startup }},
	{"probe", func(w pool.Waits) time.Duration { return w.Probe }},
}
