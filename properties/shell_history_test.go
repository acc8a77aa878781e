package properties

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/sim/fakebrowser"
)

// The same script is played twice: by real goroutines on a Pool over the fake browser, in a bubble
// of virtual time, and by a loop of a few lines on a bare core. Whatever a caller or a subscriber
// can see, and when, has to be the same.

// shellVisit is one call of a script.
type shellVisit struct {
	at       time.Duration
	patience time.Duration // for GetPage
	hold     time.Duration
	key      string
	nested   bool
	dispose  bool // instead of a lease
	discard  bool
	wedged   bool
	priority int
	retain   bool
}

type shellScript struct {
	seed     uint64
	sessions bool // each lease has a session of its own
	checks   bool // browsers can be checked
	freezes  time.Duration
	owns     bool // the affinities a and b have terms of their own
	cfg      pool.Config
	visits   []shellVisit
	kills    []time.Duration // when the browser dies; of two, the older one
	end      time.Duration   // when Close is called
}

// someTime is a duration that no other one of a script meets by chance: the history of what happens
// at one and the same nanosecond is not determined.
func someTime(r *rand.Rand, most time.Duration) time.Duration {
	return time.Duration(1 + r.Int64N(int64(most)))
}

func newShellScript(seed uint64) shellScript {
	r := rand.New(rand.NewPCG(seed, 1))
	s := shellScript{
		seed: seed, sessions: seed%2 == 1, checks: seed%3 == 0,
		freezes: time.Duration(seed%4) * 700 * time.Millisecond,
		owns:    seed%5 >= 3,
		cfg: pool.Config{
			MaxPages: 1 + r.IntN(4), MaxLease: 20 * time.Second, Reset: r.IntN(3) == 0,
			More: pool.More{
				TabsPerContext: 1 + r.IntN(2), OrphanCap: 1 + r.IntN(3), RetainOnEvict: r.IntN(3) == 0,
				Strict: true,
			},
		},
		end: 4 * time.Minute,
	}
	for range 150 {
		s.visits = append(s.visits, shellVisit{
			at: someTime(r, s.end), patience: someTime(r, 40*time.Second), hold: someTime(r, 8*time.Second),
			key: string(rune('a' + r.IntN(5))), nested: r.IntN(4) == 0, dispose: r.IntN(12) == 0,
			discard: r.IntN(6) == 0, wedged: r.IntN(2) == 0, priority: r.IntN(3), retain: r.IntN(2) == 0,
		})
		if r.IntN(10) == 0 {
			s.visits[len(s.visits)-1].hold += s.cfg.MaxLease
		}
	}
	slices.SortFunc(s.visits, func(a, b shellVisit) int { return int(a.at - b.at) })
	for range r.IntN(3) {
		s.kills = append(s.kills, someTime(r, s.end))
	}
	return s
}

// endsAfter is how long a browser that is killed at an instant goes on ending, when it is known to
// be lost already: not at all, for a moment, or until it was written off.
func endsAfter(at time.Duration) time.Duration {
	return [...]time.Duration{0, 100 * time.Millisecond, 7 * time.Second}[at%3]
}

// own says whether an affinity has terms of its own.
func (s shellScript) own(key string) bool { return s.owns && key <= "b" }

// fate is what becomes of an operation. It depends on its number alone, so both players meet it.
func (s shellScript) fate(kind fakebrowser.OperationKind, operation uint64) fakebrowser.Fate {
	r := rand.New(rand.NewPCG(s.seed, 2+operation))
	f := fakebrowser.Usual(kind)
	f.After += someTime(r, f.After)
	if r.IntN(8) == 0 {
		f.Result = fakebrowser.Fails
	}
	if r.IntN(6) == 0 {
		f.After += someTime(r, 7*time.Second)
	}
	if kind == fakebrowser.CloseBrowser {
		f.Result, f.After = fakebrowser.Works, someTime(r, time.Second)
	}
	return f
}

// shellHistory is what could be seen, and when.
type shellHistory struct {
	mu    sync.Mutex
	began time.Time
	lines []string
}

func (h *shellHistory) add(at time.Duration, format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, fmt.Sprintf("%14d ", at)+fmt.Sprintf(format, args...))
}

func (h *shellHistory) sorted() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	slices.Sort(h.lines) // of one instant, in any order
	return h.lines
}

func TestShellOverTheFakeBrowserHasTheHistoryOfTheBareCore(t *testing.T) {
	reached := map[string]int{}
	for seed := range uint64(25) {
		s := newShellScript(seed)
		var bare, shell []string
		synctest.Test(t, func(t *testing.T) { shell = playShell(t, s) })
		bare = playCore(s)
		for i := range max(len(bare), len(shell)) {
			if i >= len(bare) || i >= len(shell) || bare[i] != shell[i] {
				t.Fatalf("seed %d, line %d:\nbare   %q\nshell  %q", seed, i,
					bare[max(0, i-3):min(i+3, len(bare))], shell[max(0, i-3):min(i+3, len(shell))])
			}
		}
		for _, line := range bare {
			words := strings.Fields(line)
			reached[words[2]]++
		}
	}
	for _, word := range []string{"adopted", "warm", "cold", "refused", "given", "ended", "disposed",
		"closed"} {
		if reached[word] == 0 {
			t.Errorf("no script reached %q: %v", word, reached)
		}
	}
	t.Log(reached)
}

func playShell(t *testing.T, s shellScript) []string {
	h := &shellHistory{began: time.Now()}
	now := func() time.Duration { return time.Since(h.began) }
	launcher := &fakebrowser.Launcher{Fate: s.fate, Sessions: s.sessions, Checks: s.checks,
		FreezeAfter: s.freezes, Owns: s.own}
	p, err := pool.New(launcher, s.cfg)
	if err != nil {
		t.Fatal(err)
	}
	p.Subscribe(func(a pool.Announcement) {
		word := "cold"
		if a.Warm {
			word = "warm"
		}
		h.add(now(), "%s %s %d", a.Affinity, word, a.Generation)
	})
	for _, at := range s.kills {
		time.AfterFunc(at, func() {
			if endsAfter(at) == 0 {
				launcher.KillOldest()
			} else if b := launcher.LoseOldest(); b != nil {
				time.AfterFunc(endsAfter(at), func() { launcher.KillBrowser(b) })
			}
		})
	}
	var clients sync.WaitGroup
	for i, v := range s.visits {
		clients.Go(func() {
			<-time.After(v.at)
			playVisit(p, h, i, v)
		})
	}
	<-time.After(s.end)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := p.Close(ctx); err != nil {
		t.Errorf("seed %d: %v", s.seed, err)
	}
	h.add(now(), "pool closed")
	clients.Wait()
	synctest.Wait()
	if left := launcher.Census(); left != (fakebrowser.Census{}) {
		t.Errorf("seed %d: after Close the fake has %+v", s.seed, left)
	}
	return h.sorted()
}

func playVisit(p *pool.Pool[*fakebrowser.Page], h *shellHistory, i int, v shellVisit) {
	now := func() time.Duration { return time.Since(h.began) }
	ctx, cancel := context.WithTimeout(context.Background(), v.patience)
	defer cancel()
	if v.dispose {
		var opts []pool.DisposeOption
		if v.retain {
			opts = append(opts, pool.Retain())
		}
		if p.DisposeAffinity(ctx, v.key, opts...) == nil {
			h.add(now(), "visit%d disposed", i)
		}
		return
	}
	opts := []pool.GetOption{pool.WithPriority(v.priority)}
	if v.nested {
		opts = append(opts, pool.Nested())
	}
	l, err := p.GetPage(ctx, v.key, opts...)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		h.add(now(), "visit%d given up %v", i, err.(*pool.Error).Waits)
		return
	case err != nil:
		h.add(now(), "visit%d refused %v", i, err.(*pool.Error).Waits)
		return
	case l.Reused():
		h.add(now(), "visit%d warm %s %v", i, l.TabID(), l.Waits())
	default:
		h.add(now(), "visit%d adopted %s %v", i, l.TabID(), l.Waits())
	}
	select {
	case <-time.After(v.hold):
	case <-l.Context().Done():
		h.add(now(), "visit%d ended %v", i, context.Cause(l.Context()))
	}
	switch {
	case v.discard && v.wedged:
		l.Suspect()
	case v.discard:
		l.Discard(nil)
	default:
		l.Release()
	}
}
