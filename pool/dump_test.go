package pool_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim"
	"github.com/pagepool/pagepool/sim/fakebrowser"
	"github.com/pagepool/pagepool/sim/replay"
)

// busy lets callers come and go over a browser that fails now and then, and calls dump once a
// second.
func busy(t *testing.T, seed uint64, cfg pool.Config, dump func(p *pool.Pool[*fakebrowser.Page])) {
	synctest.Test(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(seed, 7))
		launcher := &fakebrowser.Launcher{
			Fate: func(kind fakebrowser.OperationKind, operation uint64) fakebrowser.Fate {
				f := fakebrowser.Usual(kind)
				if o := rand.New(rand.NewPCG(seed, operation)); o.IntN(6) == 0 {
					f.After, f.Result = time.Duration(o.IntN(4000))*time.Millisecond,
						fakebrowser.Outcome(o.IntN(2))
				}
				if kind == fakebrowser.Launch || kind == fakebrowser.CloseBrowser {
					f.Result = fakebrowser.Works
				}
				return f
			}}
		p, err := pool.New(launcher, cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_ = p.Close(ctx)
		}()
		var visits sync.WaitGroup
		defer visits.Wait()
		for i := range 120 {
			at, hold, end := time.Duration(r.IntN(30_000))*time.Millisecond,
				time.Duration(r.IntN(3000))*time.Millisecond, r.IntN(8)
			key := fmt.Sprintf("tenant %d", r.IntN(7))
			visits.Go(func() {
				<-time.After(at)
				visit(p, key, hold, end, i)
			})
		}
		for range 31 {
			<-time.After(time.Second)
			synctest.Wait()
			dump(p)
		}
	})
}

func visit(p *pool.Pool[*fakebrowser.Page], key string, hold time.Duration, end, i int) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if i%15 == 0 {
		_ = p.DisposeAffinity(ctx, key, pool.Retain())
		return
	}
	l, err := p.GetPage(ctx, key, pool.WithPriority(i%3))
	if err != nil {
		return
	}
	<-time.After(hold)
	switch end {
	case 0:
		l.Discard(nil)
	case 1:
		l.Suspect()
	default:
		l.Release()
	}
}

func dumped(t *testing.T, p *pool.Pool[*fakebrowser.Page]) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := p.Dump(&b); err != nil {
		t.Error(err)
	}
	return b.Bytes()
}

func TestShellADumpReplaysToTheVeryStateOfThePool(t *testing.T) {
	for seed := range uint64(6) {
		cfg := pool.Config{
			MaxPages: 3, MinPages: 2, Reset: seed%2 == 0,
			More: pool.More{
				Strict: true, RecorderEvents: []int{0, 7, 60}[seed%3], MaxBypass: 1,
			},
		}
		events := 0
		busy(t, seed, cfg, func(p *pool.Pool[*fakebrowser.Page]) {
			want, text := p.StateLines(), dumped(t, p)
			tr, err := trace.Read(bytes.NewReader(text))
			if err != nil {
				t.Errorf("%v\n%s", err, text) // Fatal would leave the bubble with callers in it
				return
			}
			events = max(events, len(tr.Lines))
			var last *core.State
			report, err := replay.Run(tr, func(told replay.Step) { last = told.State })
			if err != nil || len(report.Failed) > 0 || report.Violation != nil {
				t.Errorf("%v, %v, %v", err, report.Failed, report.Violation)
				return
			}
			var got []string
			n := trace.Snapshot{}
			n.Facts.CopyFrom(&last.Facts)
			n.Lines(nil, func(line string) { got = append(got, line) })
			want = slices.DeleteFunc(want, keyed)
			if got = slices.DeleteFunc(got, keyed); !slices.Equal(got, want) {
				for i := range max(len(got), len(want)) {
					if i >= len(got) || i >= len(want) || got[i] != want[i] {
						t.Errorf("seed %d: the replay ends with\n%s\nand the pool is at\n%s", seed,
							got[min(i, len(got)-1)], want[min(i, len(want)-1)])
						return
					}
				}
			}
		})
		if events < cfg.More.RecorderEvents || cfg.More.RecorderEvents == 0 && events < 200 {
			t.Errorf("no dump told more than %d events", events)
		}
	}
}

// A search goes on from the moment of a dump: what the pool has asked for may answer or fail,
// whoever holds a page gives it back, and a caller comes on top.
func TestShellASearchGoesOnWhereADumpEnds(t *testing.T) {
	for seed := range uint64(3) {
		states := 0
		cfg := pool.Config{MaxPages: 2, More: pool.More{RecorderEvents: 30}, Reset: seed%2 == 0}
		busy(t, seed, cfg, func(p *pool.Pool[*fakebrowser.Page]) {
			text := dumped(t, p)
			tr, err := trace.Read(bytes.NewReader(text))
			if err != nil {
				t.Error(err)
				return
			}
			w, err := replay.Resume(tr, &sim.Scenario{
				Programs: []sim.Program{{{Verb: sim.Get, Affinity: 1}, {Verb: sim.Release}}}, Faults: 1,
				Menu: sim.AllFaults,
			})
			if err != nil {
				t.Errorf("%v\n%s", err, text)
				return
			}
			x, err := sim.ExploreFrom(w, "a dump", sim.ExploreOptions{MaxStates: 200})
			if err != nil || x.Violation != nil {
				t.Errorf("%v, %v after %q\n%s", err, x.Violation, x.Trace, text)
				return
			}
			states += x.States
		})
		if states < 31*60 {
			t.Errorf("seed %d: %d states behind 31 dumps", seed, states)
		}
	}
}

// keyed lines name keys, which a State does not know.
func keyed(line string) bool {
	return strings.HasPrefix(line, "affinity ") || strings.HasPrefix(line, "free-keys")
}

func TestShellADumpThatIsCutOrEditedIsRefusedWithItsLine(t *testing.T) {
	var text []byte
	cfg := pool.Config{MaxPages: 2, More: pool.More{RecorderEvents: 40}}
	busy(t, 1, cfg, func(p *pool.Pool[*fakebrowser.Page]) { text = dumped(t, p) })
	lines := strings.SplitAfter(string(text), "\n")
	lines = lines[:len(lines)-1]
	refused := func(what string, at int, text string) {
		t.Helper()
		tr, err := trace.Read(strings.NewReader(text))
		if err == nil {
			_, err = replay.Run(tr, nil)
		}
		line := new(trace.Error)
		if !errors.As(err, &line) || line.Line != at {
			t.Fatalf("%s: got %v, want an error at line %d", what, err, at)
		}
	}
	for n := 1; n < len(lines); n++ {
		refused("cut", n, strings.Join(lines[:n], ""))
		if n+1 < len(lines) {
			refused("a line lost", n+1, strings.Join(slices.Concat(lines[:n], lines[n+1:]), ""))
		}
		edited := slices.Clone(lines)
		edited[n] = strings.Replace(edited[n], " ", "  ", 1)
		refused("edited", n+1, strings.Join(edited, ""))
		edited[n], _, _ = strings.Cut(lines[n], " #=")
		edited[n] += "\n"
		refused("unsealed", n+1, strings.Join(edited, ""))
	}
	refused("added", len(lines)+1, string(text)+"+1s look\n")
}

func TestShellADumpWithPseudonymsNamesNobody(t *testing.T) {
	cfg := pool.Config{MaxPages: 2, More: pool.More{RecorderEvents: 30, DumpPseudonyms: true}}
	busy(t, 2, cfg, func(p *pool.Pool[*fakebrowser.Page]) {
		text := dumped(t, p)
		if bytes.Contains(text, []byte("tenant")) {
			t.Errorf("the dump names a tenant:\n%s", text)
		}
		tr, err := trace.Read(bytes.NewReader(text))
		if err != nil {
			t.Error(err)
			return
		}
		if report, err := replay.Run(tr, nil); err != nil || len(report.Failed) > 0 ||
			report.Violation != nil {
			t.Errorf("%v, %v, %v", err, report.Failed, report.Violation)
		}
	})
}

func TestShellADumpWithoutARecorderIsThePresentState(t *testing.T) {
	cfg := pool.Config{More: pool.More{RecorderEvents: pool.Off}}
	busy(t, 3, cfg, func(p *pool.Pool[*fakebrowser.Page]) {
		tr, err := trace.Read(bytes.NewReader(dumped(t, p)))
		if err != nil || tr.Snapshot == nil || len(tr.Lines) > 0 {
			t.Errorf("%v, %+v", err, tr)
		}
	})
	if err := new(pool.Pool[*fakebrowser.Page]).Dump(nil); err == nil {
		t.Error("a nil writer is no error")
	}
}

// replays has a dump of the pool gone through, and wants it to end without a broken claim.
func replays(t *testing.T, p *pool.Pool[*fakebrowser.Page]) {
	t.Helper()
	text := dumped(t, p)
	tr, err := trace.Read(bytes.NewReader(text))
	if err != nil {
		t.Errorf("%v\n%s", err, text)
		return
	}
	if report, err := replay.Run(tr, nil); err != nil || len(report.Failed) > 0 ||
		report.Violation != nil {
		t.Errorf("%v, %v, %v\n%s", err, report.Failed, report.Violation, text)
	}
}

// overFake runs fn in a bubble with a pool over a fake browser that does as it is told.
func overFake(t *testing.T, cfg pool.Config,
	fn func(t *testing.T, p *pool.Pool[*fakebrowser.Page])) {
	synctest.Test(t, func(t *testing.T) {
		cfg.More.Strict = true
		p, err := pool.New(&fakebrowser.Launcher{}, cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = p.Close(context.Background()) }()
		fn(t, p)
	})
}

func leased(t *testing.T, p *pool.Pool[*fakebrowser.Page],
	key string) *pool.Lease[*fakebrowser.Page] {
	t.Helper()
	l, err := p.GetPage(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// With a recorder of one event, the next event begins a span. begins makes one happen that changes
// nothing.
func begins(t *testing.T, p *pool.Pool[*fakebrowser.Page]) {
	t.Helper()
	if _, err := p.EvictIdle(time.Hour); err != nil {
		t.Error(err)
	}
}

func TestShellADumpReplaysWhereAForgottenKeysHandleIsGivenAgain(t *testing.T) {
	cfg := pool.Config{More: pool.More{OrphanCap: pool.Off, RecorderEvents: 1}}
	overFake(t, cfg, func(t *testing.T, p *pool.Pool[*fakebrowser.Page]) {
		for _, key := range []string{"a", "b", "c"} {
			leased(t, p, key).Release()
		}
		for _, key := range []string{"c", "b"} { // the highest handles: a snapshot ends before them
			if err := p.DisposeAffinity(t.Context(), key); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(time.Minute)
		begins(t, p)
		l := leased(t, p, "d")
		replays(t, p)
		l.Release()
		replays(t, p)
	})
}

func TestShellADumpThatBeginsDuringAWarmProbeBreaksNoClaim(t *testing.T) {
	cfg := pool.Config{Reset: true, More: pool.More{RecorderEvents: 1}}
	overFake(t, cfg, func(t *testing.T, p *pool.Pool[*fakebrowser.Page]) {
		leased(t, p, "a").Release()
		<-time.After(5 * time.Second) // it was reset, and its last good answer is old
		var l *pool.Lease[*fakebrowser.Page]
		var err error
		probed := make(chan struct{})
		go func() {
			defer close(probed)
			l, err = p.GetPage(t.Context(), "a")
		}()
		synctest.Wait()
		if n := p.Stats().Tabs.Probing; n != 1 {
			t.Errorf("%d tabs are probed, want 1", n)
		}
		begins(t, p)
		<-probed
		if err != nil {
			t.Fatal(err)
		}
		replays(t, p)
		l.Release()
	})
}

func TestShellADumpThatBeginsAfterARescueBreaksNoClaim(t *testing.T) {
	cfg := pool.Config{Reset: true, More: pool.More{RecorderEvents: 1}}
	overFake(t, cfg, func(t *testing.T, p *pool.Pool[*fakebrowser.Page]) {
		l := leased(t, p, "a")
		l.Page().Loop()
		l.Suspect()
		for {
			synctest.Wait()
			if s := p.Stats(); s.Counters.Rescues == 1 && s.Tabs.Probing == 1 {
				break
			}
			<-time.After(time.Millisecond / 4)
		}
		begins(t, p)
		<-time.After(500 * time.Millisecond)
		if n := p.Stats().Tabs.Idle; n != 1 {
			t.Errorf("%d tabs are idle after the rescue, want 1", n)
		}
		l = leased(t, p, "a")
		replays(t, p)
		l.Release()
	})
}

func TestShellADumpOfWhateverNewAcceptsIsReadable(t *testing.T) {
	for _, cfg := range []pool.Config{
		{MaxWaiting: math.MaxInt},
		{Retire: pool.Retire{MaxUses: math.MaxInt}},
		{Retire: pool.Retire{BrowserMaxTabs: math.MaxInt}},
		{More: pool.More{MaxBypass: math.MaxInt}},
		{More: pool.More{OpenRetries: math.MaxInt}},
		{More: pool.More{OrphanCap: math.MaxInt}},
		{More: pool.More{TabsPerContext: math.MaxInt}},
		{ReservedPages: 2, ReservedPriority: math.MaxInt},
	} {
		overFake(t, cfg, func(t *testing.T, p *pool.Pool[*fakebrowser.Page]) {
			l := leased(t, p, "a")
			l.Release()
			if err := p.DisposeAffinity(t.Context(), "a", pool.Retain()); err != nil {
				t.Fatal(err)
			}
			if s := p.Stats(); s.Orphans != 1 {
				t.Errorf("%+v: %d orphans after a disposal with Retain, want 1", cfg, s.Orphans)
			}
			replays(t, p)
		})
	}
}
