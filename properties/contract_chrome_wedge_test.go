package properties

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
)

// Every way to hold a page's main thread that was measured, and what ends it. The suite has the
// loop that comes back, the flood, and the three ways to close.

// wedges are scripts that begin with the main thread theirs. Those that rescue can stop are
// scripts; a request, a layout or a regular expression is not, though the last ends where it looks
// for a reason to.
var wedges = map[string]struct {
	source  string
	answers bool // the page answers a probe all the same
	rescued bool
}{
	"a loop":     {"for (;;) {}", false, true},
	"microtasks": {"const again = () => { queueMicrotask(again) }; again()", false, true},
	"promises":   {"(async () => { for (;;) await null })()", false, true},
	"a sort": {"const all = Array.from({length: 5e6}, Math.random); for (;;) all.sort(() " +
		"=> Math.random() - 0.5)", false, true},
	"an expression": {"for (;;) /^(a+)+$/.test('a'.repeat(32) + 'b')", false, true},
	"an own exception": {"for (;;) { try { for (;;) {} } catch { } finally { for (;;) {} } }", false,
		true},
	"WebAssembly": {
		`const code = new Uint8Array([0,97,115,109,1,0,0,0,1,4,1,96,0,0,3,2,1,0,7,5,1,1,103,0,0,10,9,1,7,0,3,64,12,0,11,11]);
		new WebAssembly.Instance(new WebAssembly.Module(code)).exports.g()`, false, true},
	"a synchronous request": {"sync('/hang')", false, false},
	"timers": {"const storm = () => { const end = performance.now() + 5; while " +
		"(performance.now() < end); for (let i = 0; i < 2; i++) setTimeout(storm) }; storm()", true,
		true},
	"a worker": {
		"window.worker = new Worker(URL.createObjectURL(new Blob(['for (;;) {}'])))", true, true},
	"the end of its document": {"onpagehide = onunload = () => { for (;;) {} }", true, true},
	"before that end":         {"onbeforeunload = () => { for (;;) {} }", true, true},
}

// run starts one of wedges on a page and returns when it is about to begin.
func (b *chromeBench) wedge(ctx context.Context, p *chrome.Page, source string) error {
	return b.script("sync('/arrived'); "+source)(ctx, p)
}

func TestContractChromeEveryWedgeEndsByTheRungThatIsMadeForIt(t *testing.T) {
	for what, w := range wedges {
		t.Run(what, func(t *testing.T) {
			onBrowser(t, nil, func(s *contractStage[*chrome.Page], b *chromeBench) {
				c, other := s.context(), s.tab(s.context())
				tab := s.tab(c)
				s.ok("wedge", b.wedge(s.limit(), tab.Page(), w.source))
				if w.answers {
					s.ok("Probe", tab.Probe(s.limit()))
				} else {
					s.fails("Probe", tab.Probe(s.in(300*time.Millisecond)), context.DeadlineExceeded)
				}
				s.ok("Ping", s.browser.Ping(s.limit()))
				s.ok("Probe of another tab", other.Probe(s.limit()))
				began := time.Now()
				if w.rescued {
					s.rescue(tab)
					t.Logf("rescued after %v", time.Since(began))
					s.ok("Work", b.work(s.limit(), tab.Page()))
					s.ok("wedge", b.wedge(s.limit(), tab.Page(), w.source))
				} else {
					s.fails("Rescue", tab.Rescue(s.in(300*time.Millisecond)), context.DeadlineExceeded)
				}
				began = time.Now()
				s.ok("Tab.Close", tab.Close(s.limit()))
				t.Logf("closed after %v", time.Since(began))
				s.alive(census{Contexts: 2, Pages: 1})
				tab = s.tab(c)
				s.ok("wedge", b.wedge(s.limit(), tab.Page(), w.source))
				began = time.Now()
				s.ok("BrowserContext.Close", c.Close(s.limit()))
				t.Logf("its context closed after %v", time.Since(began))
				s.alive(census{Contexts: 1, Pages: 1})
				s.ok("Probe of another tab", other.Probe(s.limit()))
			})
		})
	}
}

// consoleWithinTheBudget logs without end, 1,000 times a second at most: more than twice that, and
// the driver stops the script by itself.
const consoleWithinTheBudget = `for (let n = 0; ; n++) {
	console.log(n)
	for (const until = performance.now() + 1; performance.now() < until; );
}`

// Chrome answers a rescue only when it has told of every change that the script made to nodes it
// has handed out.
func TestContractChromeADocumentThatIsRewrittenForEverIsRescuedAtOnce(t *testing.T) {
	for what, source := range map[string]string{
		"its text":       "for (let n = 0; ; n++) document.body.textContent = n",
		"its elements":   "for (;;) document.body.replaceChildren(document.createElement('p'))",
		"its attributes": "for (let n = 0; ; n++) document.documentElement.className = n",
		"its console":    consoleWithinTheBudget,
	} {
		t.Run(what, func(t *testing.T) {
			onBrowser(t, nil, func(s *contractStage[*chrome.Page], b *chromeBench) {
				var err error
				for range 3 { // the machine may be busy; with the body handed out it takes 5 s each time
					tab := s.tab(s.context())
					s.ok("wedge", b.wedge(s.limit(), tab.Page(), source))
					s.fails("Probe", tab.Probe(s.in(time.Second)), context.DeadlineExceeded)
					began := time.Now()
					if err = tab.Rescue(s.in(2 * time.Second)); err == nil {
						t.Logf("rescued after %v", time.Since(began))
						s.next(tab, false) // what chromedp missed of the flood ends with its lease
						s.ok("Work", b.work(s.limit(), tab.Page()))
						return
					}
					s.ok("Close", tab.Close(s.limit()))
				}
				s.ok("Rescue", err)
			})
		})
	}
}

// The pool's ladder on a page that only its end frees: probed, rescued in vain, and closed with its
// context, which it owns alone. Everybody else is served meanwhile, and the slot is back.
func TestContractChromeAWedgedPageIsProbedRescuedAndClosedAndItsSlotComesBack(t *testing.T) {
	for what, want := range map[string]struct{ rescued, closed bool }{"a loop": {true, false},
		"a synchronous request": {false, true}} {
		t.Run(what, func(t *testing.T) {
			cfg := pool.Config{
				MaxPages: 2, MaxLease: time.Second,
				Timeouts: pool.Timeouts{RescueTimeout: 4 * time.Second, OpenGrace: 10 * time.Second,
					ProbeBudget: pool.Off},
			}
			if want.closed {
				cfg.Timeouts.RescueTimeout = 500 * time.Millisecond
			}
			onChrome(t, cfg, func(t *testing.T, b *chromeBench, p *pool.Pool[*chrome.Page]) {
				lease, err := p.GetPage(limited(t), "wedged")
				if err != nil {
					t.Fatal(err)
				}
				tab := lease.TabID()
				if err := b.wedge(limited(t), lease.Page(), wedges[what].source); err != nil {
					t.Fatal(err)
				}
				for range 5 {
					if err := p.Do(limited(t), "other", b.work); err != nil {
						t.Errorf("another affinity: %v", err)
					}
				}
				select {
				case <-lease.Context().Done():
				case <-time.After(contractLimit):
					t.Fatal("the lease goes on")
				}
				if cause := context.Cause(lease.Context()); !errors.Is(cause, pool.ErrLeaseExpired) {
					t.Errorf("the lease ended with %v", cause)
				}
				eventually(t, "the ladder has come to its end", func() bool {
					s := p.Stats()
					done := s.Counters.Rescues > 0
					if want.closed {
						done = s.Counters.Closes > 0
					}
					return done && s.Tabs.Probing+s.Tabs.Rescuing+s.Tabs.Closing == 0
				})
				next, err := p.GetPage(limited(t), "wedged")
				if err != nil {
					t.Fatal(err)
				}
				defer next.Release()
				if err := chromedp.Do(next.Context(), chromedp.Navigate(b.server.URL+"/page")); err != nil {
					t.Errorf("the next holder: %v", err)
				}
				if same := next.TabID() == tab; same != want.rescued {
					t.Errorf("the next holder has the same tab: %v", same)
				}
				if c := p.Stats().Counters; c.Expired == 0 || want.rescued != (c.Closes == 0) {
					t.Errorf("counters: %+v", c)
				}
			})
		})
	}
}
