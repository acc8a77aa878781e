package fleet

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pagepool/pagepool/pool"
)

// fine is a pool with tabs that are of use.
var fine = pool.Stats{Capacity: 4, Tabs: pool.TabCounts{Standby: 4}}

// join joins a balancer as a server, and leaves no goroutine.
func join(t *testing.T, b *balancer, server string, change ...func(*Config)) (*Member, *source) {
	t.Helper()
	config := Config{
		Socket: "unix@" + b.path,
		Map:    theMap,
		Server: server,
		Agent:  "127.0.0.1:0",
		Beat:   5 * time.Millisecond,
	}
	for _, f := range change {
		f(&config)
	}
	s := &source{stats: fine}
	m, err := Join(config, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m, s
}

func TestShellFleetTheMapFollowsThePool(t *testing.T) {
	b := newBalancer(t)
	_, s := join(t, b, "s1")
	odd := "a key; with \"everything\" \\ \n\x00\xff"
	s.say("a", 1, true)
	s.say(odd, 2, true)
	b.until("both are warm", b.has(map[string]string{"a": "s1", odd: "s1"}))
	s.say("a", 1, false)
	b.until("a is cold", b.has(map[string]string{odd: "s1"}))
	s.say("a", 3, true)
	b.until("a is warm again", b.has(map[string]string{"a": "s1", odd: "s1"}))
}

func TestShellFleetLateNewsChangesNothing(t *testing.T) {
	b := newBalancer(t)
	_, s := join(t, b, "s1")
	s.say("a", 7, true)
	b.until("a is warm", b.has(map[string]string{"a": "s1"}))
	s.say("a", 5, false)
	s.say("b", 8, true)
	b.until("a is still warm", b.has(map[string]string{"a": "s1", "b": "s1"}))
	b.change(func() { b.entries = map[string]string{} })
	b.until("a is warm in the whole list as well", b.has(map[string]string{"a": "s1", "b": "s1"}))
}

func TestShellFleetAnEntryOfAnotherServerStays(t *testing.T) {
	b := newBalancer(t)
	_, one := join(t, b, "s1")
	_, two := join(t, b, "s2")
	// Until a server has told its whole list for the first time, that may come after news of another.
	b.until("both have told their lists", func() bool { return b.entries["beat.s1"] != "" && b.entries["beat.s2"] != "" })
	one.say("a", 1, true)
	b.until("s1 has it", b.has(map[string]string{"a": "s1"}))
	two.say("a", 1, true)
	b.until("the last that says so has it", b.has(map[string]string{"a": "s2"}))
	one.say("a", 1, false)
	one.say("b", 2, true)
	b.until("s2 still has it", b.has(map[string]string{"a": "s2", "b": "s1"}))
}

func TestShellFleetTheWholeListComesAgain(t *testing.T) {
	b := newBalancer(t)
	b.entries[Key("stale")] = "s1"
	b.entries[Key("elsewhere")] = "s2"
	_, s := join(t, b, "s1")
	want := map[string]string{"elsewhere": "s2"}
	for i := range 500 { // more than one command holds
		affinity := fmt.Sprint("tenant-", i)
		s.say(affinity, uint64(i+1), true)
		want[affinity] = "s1"
	}
	b.until("what an earlier life has left is gone", b.has(want))

	delete(want, "elsewhere")
	b.change(func() { b.entries = map[string]string{} }) // as after a reload
	b.until("everything is there after a reload", b.has(want))

	b.stop()
	b.change(func() { b.entries = map[string]string{} })
	s.say("tenant-0", 1, false)
	delete(want, "tenant-0")
	b.start()
	b.until("everything is there after a restart", b.has(want))
}

func TestShellFleetAnotherProcessOfTheSameNameIsNoticed(t *testing.T) {
	b := newBalancer(t)
	_, s := join(t, b, "s1")
	s.say("a", 1, true)
	b.until(
		"a is warm",
		func() bool { return b.has(map[string]string{"a": "s1"})() && b.entries["beat.s1"] != "" },
	)
	b.change(func() {
		b.entries[Key("b")] = "s1"
		b.entries["beat.s1"] = "another"
	})
	b.until("what it has left is gone", b.has(map[string]string{"a": "s1"}))
}

func TestShellFleetLeaveIsColdFirstAndThenDrain(t *testing.T) {
	b := newBalancer(t)
	m, s := join(t, b, "s1", func(c *Config) { c.Beat = time.Hour }) // what is told is told at once
	s.say("a", 1, true)
	b.change(func() { b.entries[Key("b")] = "s2" })
	b.until("a is warm", b.has(map[string]string{"a": "s1", "b": "s2"}))
	if line := ask(t, m); line != "up ready 100%" {
		t.Errorf("before: %q", line)
	}
	b.change(func() { b.mute = true })
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := m.Leave(short); err == nil || !strings.Contains(err.Error(), "has not confirmed") {
		t.Errorf("of a balancer that says nothing: %v", err)
	}
	if line := ask(t, m); line != "drain" {
		t.Errorf("after it gave up: %q", line)
	}

	m, s = join(t, newBalancerLike(t, b), "s1")
	s.say("a", 1, true)
	if err := m.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	if line := ask(t, m); line != "drain" {
		t.Errorf("after: %q", line)
	}
	s.say("c", 9, true)
	m.Maintain()
	if line := ask(t, m); line != "maint" {
		t.Errorf("in maintenance: %q", line)
	}
}

// newBalancerLike is one that answers, and has what another has. It wants its map without s1 in the
// end.
func newBalancerLike(t *testing.T, b *balancer) *balancer {
	other := newBalancer(t)
	b.mu.Lock()
	for key, value := range b.entries {
		other.entries[key] = value
	}
	b.mu.Unlock()
	t.Cleanup(
		func() { other.until("nothing of s1 is left", other.has(map[string]string{"b": "s2"})) },
	)
	return other
}

// ask asks the agent as HAProxy does.
func ask(t *testing.T, m *Member) string {
	t.Helper()
	conn, err := net.Dial("tcp", m.agent.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	line, err := io.ReadAll(conn)
	if err != nil || !bytes.HasSuffix(line, []byte("\n")) {
		t.Fatalf("%q, %v", line, err)
	}
	return strings.TrimSpace(string(line))
}

// lines is a log that tests read while it is written.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) count(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), what)
}

func TestShellFleetAnOutageIsLoggedOnce(t *testing.T) {
	b := newBalancer(t)
	var log lines
	_, s := join(
		t,
		b,
		"s1",
		func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) },
	)
	s.say("a", 1, true)
	b.until("a is warm", b.has(map[string]string{"a": "s1"}))
	b.stop()
	b.change(func() { b.entries, b.asked = map[string]string{}, 0 })
	b.start()
	b.until("a is warm again", b.has(map[string]string{"a": "s1"}))
	b.until("it goes on", func() bool { return b.asked > 5 })
	if down, up := log.count("is not told what is warm"), log.count("is told again"); down > 1 ||
		up != down {
		t.Errorf("%d and %d lines", down, up)
	}
}

func TestShellFleetAMapThatIsNotThereIsSaid(t *testing.T) {
	b := newBalancer(t)
	var log lines
	join(t, b, "s1", func(c *Config) {
		c.Map, c.Logger = "/nowhere.map", slog.New(slog.NewTextHandler(&log, nil))
	})
	b.until("it tries again", func() bool { return b.asked > 5 })
	if log.count("get map /nowhere.map: Unknown map identifier") != 1 {
		t.Errorf("the log is %q", log.text.String())
	}
}

// A balancer that hangs holds up neither the pool, nor the agent, nor Close.
func TestShellFleetABalancerThatHangsHoldsUpNothing(t *testing.T) {
	b := newBalancer(t)
	b.change(func() { b.mute = true })
	m, s := join(t, b, "s1", func(c *Config) { c.Limit = time.Hour })
	b.until("it was asked", func() bool { return b.asked > 0 })
	for i := range 1000 {
		s.say(fmt.Sprint(i), uint64(i+1), true)
	}
	if line := ask(t, m); line != "up ready 100%" {
		t.Errorf("the agent says %q", line)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if err := m.Close(); err != nil {
		t.Errorf("twice: %v", err)
	}
}

func TestShellFleetConfigNamesWhatIsWrong(t *testing.T) {
	for says, config := range map[string]Config{
		`Socket="": the rule is a socket or an agent`:      {},
		"Socket=balancer: the rule is host:port or unix@P": {Socket: "balancer", Map: "m", Server: "s"},
		"Socket=unix@: the rule is":                        {Socket: "unix@", Map: "m", Server: "s"},
		`Map="": the rule is letters`:                      {Socket: "b:1", Server: "s"},
		`Server="a b": the rule is letters`:                {Socket: "b:1", Map: "m", Server: "a b"},
		`Server="a;show env": the rule is letters`:         {Socket: "b:1", Map: "m", Server: "a;show env"},
		"Beat=-1ns: the rule is > 0":                       {Agent: "127.0.0.1:0", Beat: -1},
		"Patience=-1s: the rule is > 0":                    {Agent: "127.0.0.1:0", Patience: -time.Second},
		"Agent=nowhere:":                                   {Agent: "nowhere:x"},
	} {
		if m, err := Join(config, &source{}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: %v, %v; want %q", config, m, err, says)
		}
	}
}

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
