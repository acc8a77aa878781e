package properties

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/pagepool/pagepool/pool"
)

// The parts of contractSuite. What a subtest needs of the bench is listed with it.

func contractOpening[P any](t *testing.T, bench contractBench[P]) {
	bench.on(t, "a launched browser answers Ping and holds nothing", nil, func(s *contractStage[P]) {
		s.ok("Ping", s.browser.Ping(s.limit()))
		s.open("Browser.Done", s.browser.Done())
		s.alive(census{})
	})
	bench.alone(t, "a launch whose caller has gone leaves nothing", nil, func(t *testing.T) {
		s := &contractStage[P]{T: t, bench: bench}
		for _, patience := range []time.Duration{0, time.Millisecond, 20 * time.Millisecond,
			100 * time.Millisecond} {
			browser, err := bench.Launcher.Launch(s.in(patience))
			if err == nil {
				s.ok("Browser.Close", browser.Close(s.limit()))
			} else {
				s.fails("Launch", err, context.DeadlineExceeded)
			}
			s.nothingRemains()
		}
	})
	bench.on(t, "what was opened is alive, at its standby state, and answers", nil,
		func(s *contractStage[P]) {
			c := s.context()
			s.alive(census{Contexts: 1})
			first, second := s.tab(c), s.tab(s.context())
			s.alive(census{Contexts: 2, Pages: 2})
			for _, tab := range []pool.Tab[P]{first, second, s.tab(c)} {
				s.ok("Probe", tab.Probe(s.limit()))
				s.standby(tab)
				s.open("Tab.Done", tab.Done())
				s.ok("Tab.Context().Err", tab.Context().Err())
			}
			s.alive(census{Contexts: 2, Pages: 3})
		})
	bench.on(t, "an opening whose caller has gone leaves nothing open", nil,
		func(s *contractStage[P]) {
			gone, cancel := context.WithCancel(context.Background())
			cancel()
			_, err := s.browser.NewContext(gone)
			s.fails("NewContext", err, context.Canceled)
			c, contexts := s.context(), 1
			_, err = c.NewTab(gone)
			s.fails("NewTab", err, context.Canceled)
			s.alive(census{Contexts: contexts})
			for patience := time.Millisecond; patience < 300*time.Millisecond; patience *= 2 {
				if late, err := s.browser.NewContext(s.in(patience / 4)); err == nil {
					s.ok("BrowserContext.Close", late.Close(s.limit()))
				}
				tab, err := c.NewTab(s.in(patience))
				if err == nil {
					s.ok("Tab.Close", tab.Close(s.limit()))
				} else {
					s.fails("NewTab", err, context.DeadlineExceeded)
				}
				s.alive(census{Contexts: contexts})
			}
		})
	bench.on(t, "a context's end takes an opening in it along", nil, func(s *contractStage[P]) {
		for range 5 {
			c := s.context()
			var opened sync.WaitGroup
			opened.Go(func() {
				if tab, err := c.NewTab(s.limit()); err == nil {
					s.closed("Tab.Done", tab.Done())
				}
			})
			s.ok("BrowserContext.Close", c.Close(s.limit()))
			opened.Wait()
			s.alive(census{})
		}
	})
}

func contractClosing[P any](t *testing.T, bench contractBench[P]) {
	bench.on(t, "a closed tab is gone, and its Context ended with a cause", nil,
		func(s *contractStage[P]) {
			c := s.context()
			tab, other := s.tab(c), s.tab(c)
			s.ok("Tab.Close", tab.Close(s.limit()))
			s.alive(census{Contexts: 1, Pages: 1})
			s.ended(tab, nil)
			s.ok("Tab.Close, again", tab.Close(s.limit()))
			s.ok("Tab.Kill, after Close", tab.Kill(s.limit()))
			if tab.Probe(s.limit()) == nil {
				s.Fatal("a closed tab answers Probe")
			}
			s.ok("Probe of the other tab", other.Probe(s.limit()))
			s.open("Done of the other tab", other.Done())
		})
	bench.on(t, "a context's close is idempotent and ends its tabs", nil, func(s *contractStage[P]) {
		c, other := s.context(), s.tab(s.context())
		first, second := s.tab(c), s.tab(c)
		var closes sync.WaitGroup
		for range 3 {
			closes.Go(func() {
				if err := c.Close(s.limit()); err != nil {
					s.Errorf("BrowserContext.Close: %v", err)
				}
			})
		}
		closes.Wait()
		s.alive(census{Contexts: 1, Pages: 1})
		s.ended(first, nil)
		s.ended(second, nil)
		s.ok("BrowserContext.Close, again", c.Close(s.limit()))
		s.ok("Close of a tab of it", first.Close(s.limit()))
		if _, err := c.NewTab(s.limit()); err == nil {
			s.Fatal("a closed context opens a tab")
		}
		s.ok("Probe of another context's tab", other.Probe(s.limit()))
	})
	bench.on(t, "a context without tabs lives until it is closed", nil, func(s *contractStage[P]) {
		c := s.context()
		s.ok("Tab.Close", s.tab(c).Close(s.limit()))
		s.alive(census{Contexts: 1})
		s.ok("Probe of its next tab", s.tab(c).Probe(s.limit()))
		s.ok("BrowserContext.Close", c.Close(s.limit()))
		s.alive(census{})
	})
	bench.on(t, "a page that redirects while it is closed is gone", []string{"Redirect"},
		func(s *contractStage[P]) {
			c := s.context()
			for range 8 {
				tab := s.tab(c)
				s.ok("Redirect", bench.Redirect(s.limit(), tab.Page()))
				s.ok("Tab.Close", tab.Close(s.limit()))
				s.alive(census{Contexts: 1})
				s.ended(tab, nil)
			}
			for range 4 {
				own := s.context()
				tab := s.tab(own)
				s.ok("Redirect", bench.Redirect(s.limit(), tab.Page()))
				s.ok("BrowserContext.Close", own.Close(s.limit()))
				s.alive(census{Contexts: 1})
				s.ended(tab, nil)
			}
		})
	bench.on(t, "a tab takes its popups along", []string{"Popup"}, func(s *contractStage[P]) {
		c := s.context()
		tab := s.tab(c)
		s.ok("Popup", bench.Popup(s.limit(), tab.Page()))
		s.alive(census{Contexts: 1, Pages: 2})
		s.ok("Tab.Close", tab.Close(s.limit()))
		s.alive(census{Contexts: 1})
	})
}

func contractHolding[P any](t *testing.T, bench contractBench[P]) {
	bench.on(t, "the end of a holder's context does not harm the tab", []string{"Work", "Hang"},
		func(s *contractStage[P]) {
			tab := s.tab(s.context())
			for range 3 {
				s.fails("Hang", bench.Hang(s.in(50*time.Millisecond), tab.Page()), context.DeadlineExceeded)
				s.ok("Work", bench.Work(s.limit(), tab.Page()))
			}
			s.ok("Probe", tab.Probe(s.limit()))
			s.open("Tab.Done", tab.Done())
		})
	bench.on(t, "Reset brings a page back to its standby state and closes its popups",
		[]string{"Popup", "Work"}, func(s *contractStage[P]) {
			c := s.context()
			tab, other := s.tab(c), s.tab(c)
			s.ok("Popup", bench.Popup(s.limit(), tab.Page()))
			s.ok("Popup of the other tab", bench.Popup(s.limit(), other.Page()))
			s.reset(tab)
			s.standby(tab)
			s.alive(census{Contexts: 1, Pages: 3})
			s.ok("Work", bench.Work(s.limit(), tab.Page()))
			s.ok("Reset of the other tab", other.Reset(s.limit()))
			s.alive(census{Contexts: 1, Pages: 2})
		})
	bench.on(t, "Reset leaves alone what is opened beside it", nil, func(s *contractStage[P]) {
		c := s.context()
		tab := s.tab(c)
		for range 5 {
			var resets sync.WaitGroup
			resets.Go(func() {
				for range 10 {
					if err := tab.Reset(s.limit()); err != nil {
						s.Errorf("Reset: %v", err)
					}
				}
			})
			other, err := c.NewTab(s.limit())
			resets.Wait()
			s.ok("NewTab", err)
			s.ok("Probe of the new tab", other.Probe(s.limit()))
			s.ok("Tab.Close", other.Close(s.limit()))
		}
	})
	bench.on(t, "a dialog holds nobody up", []string{"Dialog"}, func(s *contractStage[P]) {
		tab := s.tab(s.context())
		s.ok("Dialog", bench.Dialog(s.limit(), tab.Page()))
		s.ok("Probe", tab.Probe(s.limit()))
		s.reset(tab)
		s.standby(tab)
		s.ok("Dialog", bench.Dialog(s.limit(), tab.Page()))
		s.ok("Tab.Close", tab.Close(s.limit()))
	})
	bench.on(t, "a holder that blocks the messages of its page stops itself only", []string{"Block"},
		func(s *contractStage[P]) {
			c := s.context()
			tab, other := s.tab(c), s.tab(s.context())
			release, err := bench.Block(s.limit(), tab.Page())
			s.ok("Block", err)
			defer release()
			if bench.Work != nil {
				s.fails("Work", bench.Work(s.in(50*time.Millisecond), tab.Page()), context.DeadlineExceeded)
			}
			if _, own := tab.(pool.LeaseTab[P]); own {
				s.reset(tab) // what the holder blocks is his own, and ended with his lease
				s.ok("Probe", tab.Probe(s.limit()))
				if bench.Work != nil {
					s.ok("Work of the next holder", bench.Work(s.limit(), tab.Page()))
				}
			} else {
				s.fails("Reset", tab.Reset(s.in(50*time.Millisecond)), context.DeadlineExceeded)
				s.fails("Probe", tab.Probe(s.in(50*time.Millisecond)), context.DeadlineExceeded)
				s.fails("Rescue", tab.Rescue(s.in(50*time.Millisecond)), context.DeadlineExceeded)
			}
			s.ok("Probe of another tab", other.Probe(s.limit()))
			s.ok("Reset of another tab", other.Reset(s.limit()))
			s.ok("NewTab and its Close", s.tab(c).Close(s.limit()))
			s.ok("Ping", s.browser.Ping(s.limit()))
			release()
			s.ok("Tab.Close", tab.Close(s.limit()))
			s.alive(census{Contexts: 2, Pages: 1})
		})
}

func contractWedges[P any](t *testing.T, bench contractBench[P]) {
	const silence = 300 * time.Millisecond
	// silent checks that the tab does not answer and that nobody else minds.
	silent := func(s *contractStage[P], tab, other pool.Tab[P]) {
		s.Helper()
		s.fails("Probe", tab.Probe(s.in(silence)), context.DeadlineExceeded)
		s.open("Tab.Done", tab.Done())
		s.ok("Probe of another tab", other.Probe(s.limit()))
		s.ok("Ping", s.browser.Ping(s.limit()))
	}
	rescues := map[string]func(context.Context, P) error{
		"Loop": bench.Loop, "LoopAgain": bench.LoopAgain, "Flood": bench.Flood,
	}
	for _, kind := range []string{"Loop", "LoopAgain", "Flood"} {
		bench.on(t, "a rescue ends "+kind, []string{kind}, func(s *contractStage[P]) {
			c := s.context()
			tab, other := s.tab(c), s.tab(c)
			for range 2 {
				s.ok(kind, rescues[kind](s.limit(), tab.Page()))
				silent(s, tab, other)
				s.rescue(tab)
				s.standby(tab)
				s.ok("Probe", tab.Probe(s.limit()))
				s.reset(tab)
				if bench.Work != nil {
					s.ok("Work", bench.Work(s.limit(), tab.Page()))
				}
			}
			s.alive(census{Contexts: 1, Pages: 2})
		})
	}
	bench.on(t, "the rescue of a page that is well does no harm", []string{"Work"},
		func(s *contractStage[P]) {
			tab := s.tab(s.context())
			for range 5 {
				s.ok("Work", bench.Work(s.limit(), tab.Page()))
				s.rescue(tab)
				s.standby(tab)
				s.ok("Probe", tab.Probe(s.limit()))
			}
		})
	ends := map[string]func(s *contractStage[P], c pool.BrowserContext[P], tab pool.Tab[P]) error{
		"Close of it": func(s *contractStage[P], _ pool.BrowserContext[P], tab pool.Tab[P]) error {
			return tab.Close(s.limit())
		},
		"Kill": func(s *contractStage[P], _ pool.BrowserContext[P], tab pool.Tab[P]) error {
			return tab.Kill(s.limit())
		},
		"its context's Close": func(s *contractStage[P], c pool.BrowserContext[P], _ pool.Tab[P]) error {
			return c.Close(s.limit())
		},
	}
	wedges := map[string]func(context.Context, P) error{"Loop": bench.Loop, "Wedge": bench.Wedge,
		"Flood": bench.Flood}
	for _, kind := range []string{"Loop", "Wedge", "Flood"} {
		for _, how := range []string{"Close of it", "Kill", "its context's Close"} {
			bench.on(t, how+" ends "+kind, []string{kind}, func(s *contractStage[P]) {
				c, other := s.context(), s.tab(s.context())
				tab := s.tab(c)
				s.ok(kind, wedges[kind](s.limit(), tab.Page()))
				silent(s, tab, other)
				s.ok(how, ends[how](s, c, tab))
				s.ended(tab, nil)
				s.ok("BrowserContext.Close", c.Close(s.limit()))
				s.alive(census{Contexts: 1, Pages: 1})
				s.ok("Probe of another tab", other.Probe(s.limit()))
			})
		}
	}
	bench.on(t, "a rescue that cannot help ends with its ctx", []string{"Wedge"},
		func(s *contractStage[P]) {
			c := s.context()
			tab := s.tab(c)
			s.ok("Wedge", bench.Wedge(s.limit(), tab.Page()))
			s.fails("Rescue", tab.Rescue(s.in(silence)), context.DeadlineExceeded)
			s.fails("Reset", tab.Reset(s.in(silence)), context.DeadlineExceeded)
			s.ok("BrowserContext.Close", c.Close(s.limit()))
			s.alive(census{})
		})
}

func contractEnds[P any](t *testing.T, bench contractBench[P]) {
	bench.on(t, "a crash ends the tab, and no call on it hangs", []string{"Crash"},
		func(s *contractStage[P]) {
			c := s.context()
			tab, other := s.tab(c), s.tab(s.context())
			s.ok("Crash", bench.Crash(s.limit(), tab.Page()))
			s.ended(tab, pool.ErrPageCrashed)
			s.fails("Probe", tab.Probe(s.limit()), pool.ErrPageCrashed)
			s.fails("Reset", tab.Reset(s.limit()), pool.ErrPageCrashed)
			s.fails("Rescue", tab.Rescue(s.limit()), pool.ErrPageCrashed)
			if bench.Work != nil {
				s.fails("Work", bench.Work(s.limit(), tab.Page()), pool.ErrPageCrashed)
			}
			s.ok("Tab.Close", tab.Close(s.limit()))
			s.alive(census{Contexts: 2, Pages: 1})
			s.ended(tab, pool.ErrPageCrashed)
			s.ok("Probe of another tab", other.Probe(s.limit()))
			s.ok("Probe of the context's next tab", s.tab(c).Probe(s.limit()))
		})
	bench.on(t, "a crash ends what a holder waits for", []string{"Crash", "Hang"},
		func(s *contractStage[P]) {
			tab := s.tab(s.context())
			hung := make(chan error, 1)
			go func() { hung <- bench.Hang(s.limit(), tab.Page()) }()
			s.ok("Crash", bench.Crash(s.limit(), tab.Page()))
			s.fails("Hang", <-hung, pool.ErrPageCrashed)
		})
	bench.on(t, "a browser that dies takes everything along, and no call on it hangs",
		[]string{"KillBrowser"}, func(s *contractStage[P]) {
			c, empty := s.context(), s.context()
			tab, other := s.tab(c), s.tab(s.context())
			hung := make(chan error, 1)
			if bench.Hang != nil {
				go func() { hung <- bench.Hang(s.limit(), other.Page()) }()
			} else {
				hung <- pool.ErrBrowserLost
			}
			s.ok("KillBrowser", bench.KillBrowser(s.browser))
			s.ended(tab, pool.ErrBrowserLost)
			s.ended(other, pool.ErrBrowserLost)
			s.closed("Browser.Done", s.browser.Done())
			s.fails("Hang", <-hung, pool.ErrBrowserLost)
			if s.browser.Ping(s.limit()) == nil {
				s.Fatal("a dead browser answers Ping")
			}
			if _, err := s.browser.NewContext(s.limit()); err == nil {
				s.Fatal("a dead browser opens a context")
			}
			if _, err := empty.NewTab(s.limit()); err == nil {
				s.Fatal("a dead browser opens a tab")
			}
			s.fails("Probe", tab.Probe(s.limit()), pool.ErrBrowserLost)
			s.ok("Tab.Close", tab.Close(s.limit()))
			s.ok("Tab.Kill", other.Kill(s.limit()))
			s.ok("BrowserContext.Close", c.Close(s.limit()))
			s.ok("BrowserContext.Close", empty.Close(s.limit()))
			s.ended(tab, pool.ErrBrowserLost)
		})
	bench.on(t, "the Close of a browser ends whatever is in it", nil, func(s *contractStage[P]) {
		c := s.context()
		tabs := []pool.Tab[P]{s.tab(c), s.tab(c), s.tab(s.context())}
		if bench.Wedge != nil {
			s.ok("Wedge", bench.Wedge(s.limit(), tabs[0].Page()))
		}
		s.ok("Browser.Close", s.browser.Close(s.limit()))
		s.closed("Browser.Done", s.browser.Done())
		s.nothingRemains()
		for _, tab := range tabs {
			s.ended(tab, nil)
			if errors.Is(context.Cause(tab.Context()), pool.ErrBrowserLost) {
				s.Fatal("a browser that was closed is said to be lost")
			}
		}
	})
	bench.on(t, "a Close whose ctx has ended kills the browser", nil, func(s *contractStage[P]) {
		tab := s.tab(s.context())
		gone, cancel := context.WithCancel(context.Background())
		cancel()
		s.ok("Browser.Close", s.browser.Close(gone))
		s.closed("Browser.Done", s.browser.Done())
		s.ended(tab, nil)
		s.nothingRemains()
	})
}

func contractProfiles[P any](t *testing.T, bench contractBench[P]) {
	bench.on(t, "what a context remembers only its own tabs know", []string{"Remember", "Recall"},
		func(s *contractStage[P]) {
			knows := func(tab pool.Tab[P], want string) {
				s.Helper()
				got, err := bench.Recall(s.limit(), tab.Page())
				s.ok("Recall", err)
				if got != want {
					s.Fatalf("the tab recalls %q; want %q", got, want)
				}
			}
			first, second := s.context(), s.context()
			tab, other := s.tab(first), s.tab(second)
			s.ok("Remember", bench.Remember(s.limit(), tab.Page(), "one"))
			knows(other, "")
			s.ok("Remember", bench.Remember(s.limit(), other.Page(), "two"))
			knows(tab, "one")
			s.reset(tab)
			knows(tab, "one")
			s.ok("Tab.Close", tab.Close(s.limit()))
			knows(s.tab(first), "one")
			s.ok("BrowserContext.Close", first.Close(s.limit()))
			knows(s.tab(s.context()), "")
			knows(other, "two")
		})
}
