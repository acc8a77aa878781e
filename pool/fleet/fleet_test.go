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

// News is late as well when the cold that came before it has been sent.
func TestShellFleetALateWarmAfterTheColdChangesNothing(t *testing.T) {
	b := newBalancer(t)
	_, s := join(t, b, "s1")
	s.say("a", 7, true)
	b.until("a is warm", b.has(map[string]string{"a": "s1"}))
	s.say("a", 7, false)
	b.until("a is cold", b.has(map[string]string{}))
	s.say("a", 7, true)
	s.say("a", 5, true)
	s.say("b", 8, true)
	b.until("a is still cold", b.has(map[string]string{"b": "s1"}))
	s.say("a", 9, true)
	b.until("a lives again", b.has(map[string]string{"a": "s1", "b": "s1"}))
}

// What the announcer remembers does not grow with the affinities that come and go, whether the
// balancer can be reached or not.
func TestFleetAnAnnouncerRemembersLittle(t *testing.T) {
	a := newAnnouncer(&Config{})
	for i := range uint64(10 * mostCold) {
		affinity := fmt.Sprint(i)
		a.tell(pool.Announcement{Affinity: affinity, Generation: i + 1, Warm: true})
		a.tell(pool.Announcement{Affinity: affinity, Generation: i + 1})
	}
	if len(a.mu.news) > 0 || len(a.mu.warm) > 0 || len(a.mu.cold) > mostCold {
		t.Errorf("news %d, warm %d, cold %d", len(a.mu.news), len(a.mu.warm), len(a.mu.cold))
	}
}

// An operator may have put entries of his own into the file of the map, with any value or none.
func TestShellFleetEntriesOfOthersAreNoObstacle(t *testing.T) {
	b := newBalancer(t)
	b.foreign = []string{"pinned s2 # by hand", "bare", "quoted \"s 1\" > "}
	_, s := join(t, b, "s1")
	s.say("a", 1, true)
	b.until("a is warm", b.has(map[string]string{"a": "s1"}))
}

// News of a conversation that failed is told again: the entry names the server that said so last.
func TestShellFleetNewsOfABrokenConversationIsNotLost(t *testing.T) {
	b := newBalancer(t)
	_, s := join(t, b, "s1")
	b.until("it has told its list", func() bool { return b.entries["beat.s1"] != "" })
	b.change(func() { b.entries[Key("a")], b.breaks = "s2", "set map" })
	s.say("a", 1, true)
	b.until("the conversation broke", func() bool { return b.breaks == "" })
	b.until("s1 was the last to say so", b.has(map[string]string{"a": "s1"}))
}

func TestShellFleetLeaveAfterCloseDoesNotWait(t *testing.T) {
	b := newBalancer(t)
	b.change(func() { b.mute = true })
	m, _ := join(t, b, "s1")
	left := make(chan error)
	go func() { left <- m.Leave(context.Background()) }() // under way when Close is called
	b.until("it was asked", func() bool { return b.asked > 0 })
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		select {
		case err := <-left:
			if err == nil || !strings.Contains(err.Error(), "was closed") {
				t.Errorf("Leave: %v", err)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("Leave waits for a balancer that nobody asks any more")
		}
		go func() { left <- m.Leave(context.Background()) }()
	}
	<-left
}

// A server that has left says nothing more: the next of its name may have begun.
func TestShellFleetAfterLeaveTheNextOfTheNameIsLeftAlone(t *testing.T) {
	b := newBalancer(t)
	m, s := join(t, b, "s1")
	s.say("a", 1, true)
	if err := m.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, next := join(t, b, "s1")
	next.say("a", 1, true)
	b.until("a is warm in the next", b.has(map[string]string{"a": "s1"}))
	quiet := make(chan struct{})
	go func() {
		m.ended.Wait()
		close(quiet)
	}()
	select {
	case <-quiet:
	case <-time.After(20 * time.Second):
		t.Fatal("the one that left goes on")
	}
	if err := m.Leave(t.Context()); err != nil {
		t.Errorf("twice: %v", err)
	}
}

func TestFleetMaintenanceIsNotEndedByALeave(t *testing.T) {
	m, err := Join(Config{Agent: "127.0.0.1:0"}, &source{stats: fine})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	m.Maintain()
	if err := m.Leave(t.Context()); err != nil {
		t.Error(err)
	}
	if line := ask(t, m); line != "maint" {
		t.Errorf("the agent says %q", line)
	}
}

func TestShellFleetAnEntryOfAnotherServerStays(t *testing.T) {
	b := newBalancer(t)
	_, one := join(t, b, "s1")
	_, two := join(t, b, "s2")
	// Until a server has told its whole list for the first time, that may come after news of another.
	b.until("both have told their lists", func() bool {
		return b.entries["beat.s1"] != "" && b.entries["beat.s2"] != ""
	})
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
	var log lines
	b.entries["beat.s1"] = "an earlier life"
	_, s := join(
		t,
		b,
		"s1",
		func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) },
	)
	s.say("a", 1, true)
	b.until(
		"a is warm",
		func() bool {
			return b.has(map[string]string{"a": "s1"})() && b.entries["beat.s1"] != "an earlier life"
		},
	)
	const says = "another process announces under the name of this server"
	if log.count(says) != 0 {
		t.Errorf("it takes its own earlier life for another process")
	}
	for range 2 {
		b.change(func() {
			b.entries[Key("b")] = "s1"
			b.entries["beat.s1"] = "another"
		})
		b.until("what it has left is gone", func() bool {
			return b.has(map[string]string{"a": "s1"})() && b.entries["beat.s1"] != "another"
		})
	}
	if log.count(says) != 1 {
		t.Errorf("%d warnings", log.count(says))
	}
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
		`Server="a;show env": the rule is letters`: {Socket: "b:1", Map: "m",
			Server: "a;show env"},
		"Beat=-1ns: the rule is > 0":    {Agent: "127.0.0.1:0", Beat: -1},
		"Patience=-1s: the rule is > 0": {Agent: "127.0.0.1:0", Patience: -time.Second},
		"Agent=nowhere:":                {Agent: "nowhere:x"},
	} {
		if m, err := Join(config, &source{}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: %v, %v; want %q", config, m, err, says)
		}
	}
}
