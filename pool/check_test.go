package pool_test

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/sim/fakebrowser"
)

// A browser whose check fails is replaced while its leases go on, and the log and Stats say what
// was found.
func TestShellABrowserThatDoesNoWorkIsReplaced(t *testing.T) {
	for name, fate := range map[string]fakebrowser.Fate{
		"fails":  {Result: fakebrowser.Fails},
		"silent": {Hangs: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := new(strings.Builder)
				checks := 0
				launcher := &fakebrowser.Launcher{Checks: true,
					Fate: func(kind fakebrowser.OperationKind, _ uint64) fakebrowser.Fate {
						if kind == fakebrowser.Check {
							if checks++; checks == 1 {
								return fate
							}
						}
						return fakebrowser.Usual(kind)
					}}
				p, err := pool.New(launcher, pool.Config{
					MaxPages: 2, MaxLease: 2 * time.Second, Logger: slog.New(slog.NewTextHandler(log, nil)),
					Retire: pool.Retire{BrowserDoubt: 2, CheckEvery: pool.Off},
				})
				if err != nil {
					t.Fatal(err)
				}
				for _, affinity := range []string{"a", "b"} {
					if _, err := p.GetPage(t.Context(), affinity); err != nil {
						t.Fatal(err)
					}
				}
				<-time.After(2100 * time.Millisecond) // both leases expire, and the check begins
				l, err := p.GetPage(t.Context(), "c")
				if err != nil {
					t.Fatal(err)
				}
				<-time.After(time.Second)
				if name == "silent" {
					<-time.After(9500 * time.Millisecond) // StallTimeout is 10s
				}
				s := p.Stats()
				if s.Counters.Checks != 1 || s.Counters.CheckFailures != 1 || s.Counters.BrowserStarts != 2 {
					t.Errorf("%d checks, %d of them failed, %d launches; want 1, 1 and 2", s.Counters.Checks,
						s.Counters.CheckFailures, s.Counters.BrowserStarts)
				}
				if want := `level=WARN msg="browser check failed" browser=b1`; !strings.Contains(log.String(),
					want) {
					t.Errorf("%q is missing in the log: %s", want, log)
				}
				if last := len(s.Browsers) - 1; last < 0 || s.Browsers[last].ID != "b2" ||
					s.Browsers[last].Age <= 0 {
					t.Errorf("the browsers are %+v", s.Browsers)
				}
				l.Release()
				if err := p.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// Where nobody doubts, a browser is checked every CheckEvery, and one whose checks succeed stays.
func TestShellABrowserIsCheckedNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := pool.New(&fakebrowser.Launcher{Checks: true},
			pool.Config{MaxPages: 1, Retire: pool.Retire{CheckEvery: time.Minute}})
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Hour + time.Second)
		if c := p.Stats().Counters; c.Checks < 59 || c.Checks > 60 || c.BrowserStarts != 1 ||
			c.CheckFailures != 0 {
			t.Errorf("in an hour: %d checks, %d failed, %d launches", c.Checks, c.CheckFailures,
				c.BrowserStarts)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
