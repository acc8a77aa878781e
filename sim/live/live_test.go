package live

import (
	"bytes"
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim/fakebrowser"
	"github.com/pagepool/pagepool/sim/follow"
	"github.com/pagepool/pagepool/sim/traffic"
)

// fakeStage is the fake browser as a stage.
type fakeStage struct{ *fakebrowser.Launcher }

func (fakeStage) Work(ctx context.Context, p *fakebrowser.Page, which int) error {
	if which < 2 {
		return p.Hang(ctx)
	}
	return p.Work(ctx)
}

func (fakeStage) Loop(_ context.Context, p *fakebrowser.Page) error {
	p.Loop()
	return nil
}

func (fakeStage) Stall(_ context.Context, p *fakebrowser.Page) error {
	p.Stall()
	return nil
}

func (fakeStage) Crash(_ context.Context, p *fakebrowser.Page) error {
	p.Crash()
	return nil
}

func (s fakeStage) Befall(m traffic.Mishap, _ uint64) bool {
	s.KillOldest()
	return true
}

// weather makes calls slow, and some of them fail.
func weather(seed uint64) func(fakebrowser.OperationKind, uint64) fakebrowser.Fate {
	var mu sync.Mutex
	draw := rand.New(rand.NewPCG(seed, 1))
	return func(kind fakebrowser.OperationKind, _ uint64) fakebrowser.Fate {
		mu.Lock()
		defer mu.Unlock()
		fate := fakebrowser.Usual(kind)
		// A page whose main thread is held says nothing, not even that it failed.
		fails := kind == fakebrowser.Launch || kind == fakebrowser.Open || kind == fakebrowser.Close ||
			kind == fakebrowser.Kill
		switch n := draw.IntN(100); {
		case n < 3 && fails:
			fate.Result = fakebrowser.Fails
		case n < 6:
			fate.After = time.Duration(draw.IntN(6000)) * time.Millisecond
		default:
			fate.After += time.Duration(draw.IntN(20)) * time.Millisecond
		}
		return fate
	}
}

func play(t *testing.T, profile string, seed uint64, lasting time.Duration) *Result {
	t.Helper()
	p := traffic.ProfileNamed(profile)
	callers, err := Profile[*fakebrowser.Page](p, seed, p.Settings, 3)
	if err != nil {
		t.Fatal(err)
	}
	result, err := Run(t.Context(), Options[*fakebrowser.Page]{
		Stage: fakeStage{&fakebrowser.Launcher{Fate: weather(seed)}}, Settings: p.Settings, For: lasting,
		Callers: callers, Keep: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func recorded(t *testing.T, text []byte) *trace.Trace {
	t.Helper()
	tr, err := trace.Read(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func TestLiveRunsHoldEveryClaimOnTheFakeBrowser(t *testing.T) {
	var grants, loops uint64
	for _, profile := range []string{"staging", "nested", "hostile"} {
		for seed := range uint64(6) {
			synctest.Test(t, func(t *testing.T) {
				r := play(t, profile, seed+1, 2*time.Minute)
				for _, v := range r.Violations {
					t.Errorf("%s, seed %d: %v", profile, seed+1, &v)
				}
				if testing.Verbose() {
					t.Logf("%s, seed %d: %d events, %d grants, %+v", profile, seed+1, r.Report.Events,
						r.Report.Grants, r.Tally)
				}
				if _, err := follow.Include(recorded(t, r.Trace)); err != nil {
					t.Errorf("%s, seed %d, read again: %v", profile, seed+1, err)
				}
				if r.Outside != nil {
					t.Logf("before it: %q", r.Outside.Last)
				}
				grants, loops = grants+r.Report.Grants, loops+r.Report.Reached.Map()["looped"]
			})
		}
	}
	if grants < 2000 || loops < 20 {
		t.Errorf("%d grants and %d loops in all: the callers did not play", grants, loops)
	}
}
