package fleet

import (
	"testing"
	"time"

	"github.com/pagepool/pagepool/pool"
)

func TestFleetAgentLineOfAPool(t *testing.T) {
	tabs := func(of func(*pool.TabCounts)) pool.Stats {
		s := pool.Stats{Capacity: 4}
		of(&s.Tabs)
		return s
	}
	busy := func(leases, waiting, lost int) pool.Stats {
		return pool.Stats{
			Capacity: 4,
			Tabs:     pool.TabCounts{Leased: 4 - lost, Lost: lost},
			Leases:   leases,
			Waiting:  waiting,
		}
	}
	for _, c := range []struct {
		stats pool.Stats
		want  string
	}{
		{fine, "up ready 100%"},
		{busy(4, 0, 0), "up ready 100%"},
		{busy(4, 1, 0), "up ready 75%"},
		{busy(4, 4, 0), "up ready 50%"},
		{busy(4, 400, 0), "up ready 25%"},
		{busy(1, 0, 2), "up ready 50%"},
		{busy(2, 2, 2), "up ready 25%"},
		{tabs(func(t *pool.TabCounts) { t.Probing = 1 }), "up ready 100%"},
		{tabs(func(t *pool.TabCounts) { t.Opening, t.Closing, t.Lost = 2, 1, 1 }), "drain"},
		{pool.Stats{Capacity: 4}, "drain"},
	} {
		if got := Line(c.stats); got != c.want {
			t.Errorf("%+v: %q, want %q", c.stats, got, c.want)
		}
	}
}

// A small pool whose last tab is replaced is none that drains: its next tab is opening. One whose
// openings take longer than the patience is, and so is one without a tab on its way.
func TestFleetAgentDoesNotDrainWhileALastTabIsReplaced(t *testing.T) {
	s := &source{}
	start := time.Now()
	a := &agent{source: s, patience: 2 * time.Second}
	one := func(of pool.TabCounts) pool.Stats { return pool.Stats{Capacity: 1, Tabs: of} }
	opening := one(pool.TabCounts{Closing: 1, Opening: 1})
	for _, c := range []struct {
		at    time.Duration
		stats pool.Stats
		want  string
	}{
		{0, opening, "drain"}, // it has had none yet
		{10 * time.Second, one(pool.TabCounts{Idle: 1}), "up ready 100%"},
		{11 * time.Second, opening, "up ready 25%"},
		{12 * time.Second, opening, "drain"},
		{13 * time.Second, one(pool.TabCounts{Standby: 1}), "up ready 100%"},
		{14 * time.Second, one(pool.TabCounts{Closing: 1}), "drain"},
	} {
		s.set(c.stats)
		if got := a.line(start.Add(c.at)); got != c.want {
			t.Errorf("after %v: %q, want %q", c.at, got, c.want)
		}
	}
}

// Requests that wait without progress make a server drain. That they give up is no progress, and
// neither is time, for a while.
func TestFleetAgentDrainsWhileNothingIsGrantedToThoseWhoWait(t *testing.T) {
	s := &source{stats: fine}
	start := time.Now()
	a := &agent{source: s, patience: 2 * time.Second}
	stuck := pool.Stats{Capacity: 4, Tabs: pool.TabCounts{Leased: 4}, Leases: 4, Waiting: 1}
	given, granted, replaced := stuck, stuck, fine
	given.Waiting = 0
	granted.Counters.Grants = 1
	replaced.Counters = pool.Counters{Grants: 1, BrowserStarts: 1}
	for _, c := range []struct {
		at    time.Duration
		stats pool.Stats
		want  string
	}{
		{10 * time.Second, fine, "up ready 100%"},
		{11 * time.Second, stuck, "up ready 75%"},
		{13 * time.Second, stuck, "drain"},
		{14 * time.Second, given, "drain"},
		{15 * time.Second, granted, "up ready 75%"},
		{16 * time.Second, granted, "up ready 75%"},
		{17 * time.Second, granted, "drain"},
		{30 * time.Second, granted, "drain"},
		{31 * time.Second, granted, "up ready 75%"}, // another try
		{33 * time.Second, granted, "drain"},
		{34 * time.Second, replaced, "up ready 100%"},
		{60 * time.Second, replaced, "up ready 100%"},
	} {
		s.set(c.stats)
		if got := a.line(start.Add(c.at)); got != c.want {
			t.Errorf("after %v: %q, want %q", c.at, got, c.want)
		}
	}
}
