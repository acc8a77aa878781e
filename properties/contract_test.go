package properties

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/pagepool/pagepool/pool"
)

// contractBench is one implementation of pool.Browser together with the means to bring about what
// the contract speaks of, and to see from outside of it what is really there. A func that is nil
// names a condition that cannot be brought about; Cannot has to list it, so that nothing is skipped
// by mistake. Conditions hold when their func has returned.
type contractBench[P any] struct {
	// Launcher starts the browsers under test.
	Launcher pool.Launcher[P]
	// Cannot lists the fields below that are nil on purpose.
	Cannot []string
	// In runs one subtest, such as in a synctest bubble. Nil: as it is. It is not listed in Cannot.
	In func(t *testing.T, test func(t *testing.T))

	// Census counts what is alive in a browser, as somebody else than the driver sees it.
	Census func(ctx context.Context, browser pool.Browser[P]) (census, error)
	// Remains lists what is left of all browsers of the bench that should have ended: processes,
	// folders.
	Remains func() []string
	// KillBrowser ends a browser from outside.
	KillBrowser func(browser pool.Browser[P]) error

	// AtStandby reports whether the page shows its standby state.
	AtStandby func(ctx context.Context, page P) (bool, error)
	// Work has the page do something that ends at once, bounded by ctx.
	Work func(ctx context.Context, page P) error
	// Hang has the page do something that never ends, bounded by ctx; its main thread stays free.
	Hang func(ctx context.Context, page P) error
	// Loop has a script hold the main thread, until it is rescued.
	Loop func(ctx context.Context, page P) error
	// LoopAgain is Loop with a script that comes back after it was stopped, until the page has gone.
	LoopAgain func(ctx context.Context, page P) error
	// Wedge holds the main thread by something that no rescue can stop.
	Wedge func(ctx context.Context, page P) error
	// Flood is Loop with a script that says more than anybody reads.
	Flood func(ctx context.Context, page P) error
	// Block has the holder of the page block what delivers the page's messages, and has the page send
	// many of them. The returned func ends that.
	Block func(ctx context.Context, page P) (release func(), err error)
	// Dialog has the page open a dialog.
	Dialog func(ctx context.Context, page P) error
	// Crash ends the page's renderer from within.
	Crash func(ctx context.Context, page P) error
	// Redirect has the page go from address to address for as long as it lives.
	Redirect func(ctx context.Context, page P) error
	// Popup has the page open another one.
	Popup func(ctx context.Context, page P) error
	// Remember stores a value in the page's profile, and Recall returns the one stored there ("":
	// none).
	Remember func(ctx context.Context, page P, value string) error
	Recall   func(ctx context.Context, page P) (string, error)
}

// census is what is alive in a browser. Pages include those that nobody asked for.
type census struct{ Contexts, Pages int }

// contractLimit bounds every single step of the contract: what takes longer hangs.
const contractLimit = 20 * time.Second

// contractSuite checks that a driver keeps what the doc comments of pool.Launcher, Browser,
// BrowserContext and Tab promise.
func contractSuite[P any](t *testing.T, bench contractBench[P]) {
	for _, missing := range bench.Cannot {
		if !slices.Contains(bench.nils(), missing) {
			t.Fatalf("the bench lists %s in Cannot, but has it", missing)
		}
	}
	for _, missing := range bench.nils() {
		if !slices.Contains(bench.Cannot, missing) {
			t.Fatalf("the bench has no %s; list it in Cannot if that is meant", missing)
		}
	}
	for _, part := range []func(*testing.T, contractBench[P]){
		contractOpening[P], contractClosing[P], contractHolding[P], contractWedges[P], contractEnds[P],
		contractProfiles[P],
	} {
		part(t, bench)
	}
}

func (b contractBench[P]) nils() []string {
	var nils []string
	for name, missing := range map[string]bool{
		"Census": b.Census == nil, "Remains": b.Remains == nil, "KillBrowser": b.KillBrowser == nil,
		"AtStandby": b.AtStandby == nil, "Work": b.Work == nil, "Hang": b.Hang == nil,
		"Loop":      b.Loop == nil,
		"LoopAgain": b.LoopAgain == nil, "Wedge": b.Wedge == nil, "Flood": b.Flood == nil,
		"Block":  b.Block == nil,
		"Dialog": b.Dialog == nil, "Crash": b.Crash == nil, "Redirect": b.Redirect == nil,
		"Popup":    b.Popup == nil,
		"Remember": b.Remember == nil, "Recall": b.Recall == nil,
	} {
		if missing {
			nils = append(nils, name)
		}
	}
	return nils
}

// contractStage is a browser with what a subtest needs to use it. Its steps fail the test.
type contractStage[P any] struct {
	*testing.T
	bench   contractBench[P]
	browser pool.Browser[P]
}

// on runs one subtest on a browser of its own, which has to leave nothing when it is closed.
func (b contractBench[P]) on(t *testing.T, sentence string, needs []string,
	test func(s *contractStage[P])) {
	t.Helper()
	b.alone(t, sentence, needs, func(t *testing.T) {
		s := &contractStage[P]{T: t, bench: b}
		browser, err := b.Launcher.Launch(s.limit())
		s.ok("Launch", err)
		s.browser = browser
		defer func() {
			s.ok("Browser.Close", browser.Close(s.limit()))
			s.closed("Browser.Done", browser.Done())
			s.nothingRemains()
		}()
		test(s)
	})
}

// alone runs one subtest, unless the bench cannot bring about what it needs.
func (b contractBench[P]) alone(t *testing.T, sentence string, needs []string,
	test func(t *testing.T)) {
	for _, need := range needs {
		if slices.Contains(b.Cannot, need) {
			return // a sentence about what this bench is not: no test, rather than one that is skipped
		}
	}
	t.Run(sentence, func(t *testing.T) {
		if b.In != nil {
			b.In(t, test)
			return
		}
		test(t)
	})
}

func (s *contractStage[P]) limit() context.Context { return s.in(contractLimit) }

func (s *contractStage[P]) in(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	s.Cleanup(cancel)
	return ctx
}

func (s *contractStage[P]) ok(what string, err error) {
	s.Helper()
	if err != nil {
		s.Fatalf("%s: %v", what, err)
	}
}

func (s *contractStage[P]) closed(what string, ch <-chan struct{}) {
	s.Helper()
	select {
	case <-ch:
	case <-s.limit().Done():
		s.Fatalf("%s is still open", what)
	}
}

func (s *contractStage[P]) open(what string, ch <-chan struct{}) {
	s.Helper()
	select {
	case <-ch:
		s.Fatalf("%s is closed", what)
	default:
	}
}

// fails checks that a call failed with want in its error.
func (s *contractStage[P]) fails(what string, err, want error) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Fatalf("%s: %v; want %v", what, err, want)
	}
}

func (s *contractStage[P]) context() pool.BrowserContext[P] {
	s.Helper()
	c, err := s.browser.NewContext(s.limit())
	s.ok("NewContext", err)
	return c
}

func (s *contractStage[P]) tab(c pool.BrowserContext[P]) pool.Tab[P] {
	s.Helper()
	tab, err := c.NewTab(s.limit())
	s.ok("NewTab", err)
	s.begin(tab)
	return tab
}

// begin begins a lease on a tab whose leases have sessions of their own. Page is then its holder's.
func (s *contractStage[P]) begin(tab pool.Tab[P]) {
	s.Helper()
	if leases, ok := tab.(pool.LeaseTab[P]); ok {
		_, _, err := leases.BeginLease(s.limit())
		s.ok("BeginLease", err)
	}
}

// end ends a lease that begin has begun.
func (s *contractStage[P]) end(tab pool.Tab[P]) pool.Left {
	s.Helper()
	left := pool.Clean
	if leases, ok := tab.(pool.LeaseTab[P]); ok {
		var err error
		left, err = leases.EndLease(s.limit())
		s.ok("EndLease", err)
	}
	return left
}

// reset ends a lease, resets the tab and begins the next lease, as a pool does.
func (s *contractStage[P]) reset(tab pool.Tab[P]) {
	s.Helper()
	s.end(tab)
	if halter, ok := tab.(pool.Halter); ok {
		s.ok("Halt", halter.Halt(s.limit()))
	}
	s.ok("Reset", tab.Reset(s.limit()))
	s.begin(tab)
}

// rescue ends a lease, rescues the tab and begins the next lease.
func (s *contractStage[P]) rescue(tab pool.Tab[P]) {
	s.Helper()
	s.end(tab)
	s.ok("Rescue", tab.Rescue(s.limit()))
	s.begin(tab)
}

// alive checks the census, where the bench has one. At once: a call that returned says that it is
// true.
func (s *contractStage[P]) alive(want census) {
	s.Helper()
	if s.bench.Census == nil {
		return
	}
	got, err := s.bench.Census(s.limit(), s.browser)
	s.ok("Census", err)
	if got != want {
		s.Fatalf("alive: %+v; want %+v", got, want)
	}
}

func (s *contractStage[P]) standby(tab pool.Tab[P]) {
	s.Helper()
	if s.bench.AtStandby == nil {
		return
	}
	at, err := s.bench.AtStandby(s.limit(), tab.Page())
	s.ok("AtStandby", err)
	if !at {
		s.Fatal("the page is not at its standby state")
	}
}

func (s *contractStage[P]) nothingRemains() {
	s.Helper()
	if s.bench.Remains == nil {
		return
	}
	if left := s.bench.Remains(); len(left) > 0 {
		s.Fatalf("left of the browser: %q", left)
	}
}

// ended checks that a tab is over, for a reason that is or wraps want (nil: any).
func (s *contractStage[P]) ended(tab pool.Tab[P], want error) {
	s.Helper()
	s.closed("Tab.Done", tab.Done())
	s.closed("Tab.Context().Done", tab.Context().Done())
	cause := context.Cause(tab.Context())
	if want != nil && !errors.Is(cause, want) {
		s.Fatalf("the tab's context ended with %v; want %v", cause, want)
	}
	if cause == context.Canceled {
		s.Fatal("the tab's context ended without a cause of its own")
	}
}
