package pool_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/sim/fakebrowser"
)

// remembering is a launcher that keeps the browser it started last.
type remembering struct {
	*fakebrowser.Launcher
	last pool.Browser[*fakebrowser.Page]
}

func (r *remembering) Launch(ctx context.Context) (pool.Browser[*fakebrowser.Page], error) {
	b, err := r.Launcher.Launch(ctx)
	r.last = b
	return b, err
}

// A browser above MaxBrowserMemory loses its largest idle tab first, and is replaced when none is
// left.
func TestShellABrowserIsHeldToItsMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(strings.Builder)
		launcher := &remembering{Launcher: &fakebrowser.Launcher{Measures: true}}
		p, err := pool.New(launcher, pool.Config{
			MaxPages: 3, Logger: slog.New(slog.NewTextHandler(log, nil)),
			Retire: pool.Retire{MaxBrowserMemory: 100},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		var leases []*pool.Lease[*fakebrowser.Page]
		for affinity, bytes := range map[string]int64{"small": 30, "large": 60, "held": 40} {
			l, err := p.GetPage(t.Context(), affinity)
			if err != nil {
				t.Fatal(err)
			}
			l.Page().Swell(bytes)
			if affinity == "held" {
				leases = append(leases, l)
			} else {
				l.Release()
			}
		}
		<-time.After(1500 * time.Millisecond)
		if warm := strings.Join(p.WarmAffinities(), " "); warm != "held small" {
			t.Errorf("after one measurement the warm affinities are %q; want the largest idle one gone",
				warm)
		}
		<-time.After(10 * time.Second)
		s := p.Stats()
		if warm := strings.Join(p.WarmAffinities(), " "); warm != "held small" ||
			s.Browsers[0].Memory != 70 || s.Tabs.Standby != 1 {
			t.Errorf("below nine tenths: warm are %q, %+v, %d standbys", warm, s.Browsers, s.Tabs.Standby)
		}
		launcher.Leak(launcher.last, 500)
		<-time.After(20 * time.Second)
		if s := p.Stats(); s.Counters.BrowserStarts != 2 || s.Browsers[0].State != "draining" ||
			s.Leases != 1 || s.Tabs.Standby == 0 {
			t.Errorf("a browser that leaks is not replaced: %+v", s)
		}
		if want := `level=WARN msg="browser above MaxBrowserMemory" browser=b1 bytes=130 limit=100`; !strings.Contains(log.String(), want) {
			t.Errorf("%q is missing in the log: %s", want, log)
		}
		leases[0].Release()
		<-time.After(10 * time.Second)
		if s := p.Stats(); len(s.Browsers) != 1 || s.Browsers[0].ID != "b2" {
			t.Errorf("the browsers are %+v", s.Browsers)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// unmeasured is a launcher of browsers whose first measurements fail.
type unmeasured struct {
	pool.Launcher[*fakebrowser.Page]
	pool.MemoryTeller
	fails int // how many of them; only one measurement is under way at a time
}

type unmeasuredBrowser struct {
	pool.Browser[*fakebrowser.Page]
	of *unmeasured
}

func (u *unmeasured) Launch(ctx context.Context) (pool.Browser[*fakebrowser.Page], error) {
	b, err := u.Launcher.Launch(ctx)
	return unmeasuredBrowser{b, u}, err
}

func (b unmeasuredBrowser) Memory(ctx context.Context) (int64, error) {
	if b.of.fails > 0 {
		b.of.fails--
		return 0, errors.New("the machine is busy")
	}
	return b.Browser.(pool.Measurer).Memory(ctx)
}

// A browser of which a measurement has failed is measured again: with a limit a second later,
// without one after 10 s.
func TestShellABrowserThatWasNotMeasuredIsMeasuredAgain(t *testing.T) {
	for _, of := range []struct {
		limit int64
		every time.Duration
	}{{1000, time.Second}, {pool.Off, 10 * time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			fake := &fakebrowser.Launcher{Measures: true}
			launcher := &unmeasured{fake, fake, 2}
			p, err := pool.New(launcher,
				pool.Config{MaxPages: 1, Retire: pool.Retire{MaxBrowserMemory: of.limit}})
			if err != nil {
				t.Fatal(err)
			}
			l, err := p.GetPage(t.Context(), "a")
			if err != nil {
				t.Fatal(err)
			}
			l.Page().Swell(70)
			<-time.After(2*of.every + of.every/2)
			if s := p.Stats(); launcher.fails != 0 || s.Browsers[0].Memory != 0 {
				t.Errorf("%d measurements have still to fail, and Stats say %+v", launcher.fails, s.Browsers)
			}
			<-time.After(of.every)
			if s := p.Stats(); s.Browsers[0].Memory != 70 {
				t.Errorf("the browser uses 70 bytes, and Stats say %+v after two measurements that failed",
					s.Browsers)
			}
			l.Release()
			if err := p.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// Without a limit the memory is shown, and a launcher that cannot measure is refused where there is
// one.
func TestShellMemoryIsShownWithoutALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		launcher := &remembering{Launcher: &fakebrowser.Launcher{Measures: true}}
		p, err := pool.New(launcher, pool.Config{MaxPages: 1})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		launcher.Leak(launcher.last, 500)
		<-time.After(11 * time.Second)
		if s, l := p.Stats(), p.Live(false); s.Browsers[0].Memory != 500 || l.Browsers[0].Memory != 500 ||
			s.Counters.Closes != 0 {
			t.Errorf("the browser uses 500 bytes, and Stats and Live say %+v and %+v", s.Browsers,
				l.Browsers)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	_, err := pool.New(&fakebrowser.Launcher{},
		pool.Config{Retire: pool.Retire{MaxBrowserMemory: 100}})
	if want := "MaxBrowserMemory=100: the launcher cannot measure memory: fakebrowser: Measures is " +
		"false"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("New returned %v; want %q", err, want)
	}
}
