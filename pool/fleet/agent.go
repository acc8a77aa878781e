package fleet

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/pagepool/pagepool/pool"
)

// mode is what somebody wants of this server, whatever its pool says. A later one counts for more.
type mode uint8

const (
	serving mode = iota
	draining
	maintenance
)

// agent answers HAProxy's agent checks.
type agent struct {
	source   Source
	patience time.Duration
	listener net.Listener
	ended    sync.WaitGroup

	mu struct {
		sync.Mutex
		mode    mode
		was     progress  // when it was last seen to move, or nothing waited
		moved   time.Time // when that was
		stalled bool      // requests have waited without progress; since moved
		useful  time.Time // when a tab was last seen to be of use; zero: never
	}
}

// progress is what moves in a pool that works: a tab is granted, or another browser is started.
type progress struct{ grants, browsers uint64 }

// stallsLast is after how many times its patience an agent gives a pool that made no progress
// another try. One that has got rid of its callers since looks as if nothing were wrong with it.
const stallsLast = 8

// agentLimit is how long a connection may take: the answer is one line.
const agentLimit = 2 * time.Second

func newAgent(listener net.Listener, source Source, patience time.Duration) *agent {
	a := &agent{source: source, patience: patience, listener: listener}
	a.mu.moved = time.Now()
	a.ended.Go(a.serve)
	return a
}

func (a *agent) serve() {
	for {
		conn, err := a.listener.Accept()
		switch {
		case err == nil:
			_ = conn.SetDeadline(time.Now().Add(agentLimit))
			_, _ = conn.Write([]byte(a.line(time.Now()) + "\n")) // who does not read it asks again
			_ = conn.Close()
		case errors.Is(err, net.ErrClosed):
			return
		default:
			time.Sleep(10 * time.Millisecond) // too many open files, for example
		}
	}
}

func (a *agent) close() error {
	err := a.listener.Close()
	a.ended.Wait()
	return err
}

// want asks for a mode. Nothing leads back from a later one.
func (a *agent) want(m mode) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mu.mode = max(a.mu.mode, m)
}

// line is the answer at a time.
func (a *agent) line(now time.Time) string {
	s := a.source.Stats()
	a.mu.Lock()
	defer a.mu.Unlock()
	is := progress{s.Counters.Grants, s.Counters.BrowserStarts}
	without := now.Sub(a.mu.moved)
	switch {
	case is != a.mu.was, without >= stallsLast*a.patience, s.Waiting == 0 && !a.mu.stalled:
		a.mu.was, a.mu.moved, a.mu.stalled = is, now, false
	case without >= a.patience:
		a.mu.stalled = true
	}
	switch {
	case a.mu.mode == maintenance:
		return "maint"
	case a.mu.mode == draining, a.mu.stalled:
		return "drain"
	}
	if useful(s) {
		a.mu.useful = now
	} else if s.Tabs.Opening > 0 && now.Sub(a.mu.useful) < a.patience {
		return ready(leastWeight) // its last tab is being replaced
	}
	return Line(s)
}

// useful says whether a tab serves somebody, or could.
func useful(s pool.Stats) bool {
	t := s.Tabs
	return t.Standby+t.Idle+t.Probing+t.Rescuing+t.Resetting+t.Leased > 0
}

// leastWeight is the weight of a server that can hardly take anything, in per cent.
const leastWeight = 25

func ready(weight int) string { return fmt.Sprintf("up ready %d%%", weight) }

// Line is what the agent says of a pool: "drain" where no tab is of use, and otherwise "up ready"
// with the weight of the server in per cent. The weight is that of free capacity: 100 % as long as
// nothing has to wait, and then the share of the work that fits into the capacity, less what is
// lost; never less than 25 %, and in quarters, since each change of a weight moves affinities from
// server to server. How full a server is at the moment is seen by the bounded load of the balancer.
func Line(s pool.Stats) string {
	if !useful(s) {
		return "drain"
	}
	weight, lost := 100, s.Tabs.Lost
	if usable, work := s.Capacity-lost, s.Leases+s.Waiting; work > usable || lost > 0 {
		weight = 100 * usable * usable / max(1, s.Capacity*max(work, usable))
		weight = max(leastWeight, weight/25*25)
	}
	return ready(weight)
}
