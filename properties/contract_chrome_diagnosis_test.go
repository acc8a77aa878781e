package properties

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
)

// What a page has said, and what it was doing when its lease left a suspect tab.

// troubled is a page of the test's own, with what may go wrong in it.
const troubled = `<title>troubled</title><script>
function complain() { console.error("bad", {code: 7}, 3) }
function again() { for (let i = 0; i < 50; i++) complain() }
async function reject() { throw new TypeError("rejected") }
function spin() { for (;;) { } }
function sort() { const all = Array.from({length: 2e5}, Math.random); for (;;) all.sort(function order() { return Math.random() - 0.5 }) }
function match() { /^(a+)+$/.test('a'.repeat(60) + 'b') }
function layout() { document.body.innerHTML = "<div style='display:flex'>".repeat(300); for (;;) { document.body.style.width = Math.random() * 1000 + "px"; document.body.offsetHeight } }
function parse() { const text = JSON.stringify(Array.from({length: 2e6}, (_, i) => ({i, a: "x" + i}))); for (;;) JSON.parse(text) }
function beside() { fetch("/hang/beside?token=secret"); setTimeout(function later() { spin() }, 50) }
function begin(what) { setTimeout(function work() { complain(); self[what]() }, 0) }
function wait() { const request = new XMLHttpRequest(); request.open("GET", "/hang/sync", false); request.send() }
</script><body>`

// serveTroubled has the bench serve troubled at /troubled, and nothing at /missing.
func serveTroubled(b *chromeBench) {
	inner := b.server.Config.Handler
	b.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/hang/") {
			r.URL.Path = "/hang"
		}
		switch r.URL.Path {
		case "/troubled":
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, troubled)
		case "/missing":
			http.NotFound(w, r)
		default:
			inner.ServeHTTP(w, r)
		}
	})
}

// runs has a page show troubled and run a script some time after that.
func runs(ctx context.Context, b *chromeBench, page *chrome.Page, script string) error {
	if err := page.Run(ctx, chromedp.Navigate(b.server.URL+"/troubled")); err != nil {
		return err
	}
	_, err := chrome.Run(ctx, page, chromedp.Evaluate[float64]("setTimeout(() => { "+script+" }, 0)"))
	return err
}

// stuckFor is how long a work may take that does not end. A busy machine may need most of that for
// its beginning, so each attempt has more.
func stuckFor(attempt int) time.Duration {
	return time.Duration(attempt+1) * 1500 * time.Millisecond
}

// stuckWork has a page run a script that holds it, and waits for the end of the lease. begun says
// that the script had half a second before that.
func stuckWork(b *chromeBench,
	script string) (work func(ctx context.Context, page *chrome.Page) error, begun *bool) {
	begun = new(bool)
	return func(ctx context.Context, page *chrome.Page) error {
		if err := runs(ctx, b, page, script); err != nil {
			return err
		}
		at := time.Now()
		<-ctx.Done()
		*begun = time.Since(at) > 500*time.Millisecond
		return ctx.Err()
	}, begun
}

func TestContractChromeAPageSaysWhatWentWrongInItDuringTheLease(t *testing.T) {
	onChrome(t, pool.Config{MaxPages: 1},
		func(t *testing.T, b *chromeBench, p *pool.Pool[*chrome.Page]) {
			serveTroubled(b)
			lease, err := p.GetPage(limited(t), "a")
			if err != nil {
				t.Fatal(err)
			}
			script := `again(); reject(); fetch("/missing"); fetch("http://127.0.0.1:1/"); setTimeout(() => { null.x }); fetch("/hang/later")`
			if err := runs(limited(t), b, lease.Page(), script); err != nil {
				t.Fatal(err)
			}
			at := b.server.URL + "/troubled"
			// Console and exceptions have a place, requests an address.
			want := []chrome.Problem{
				{Kind: chrome.Console, Text: "bad Object 3", URL: at, Line: 2, Column: 31, Count: 50},
				{Kind: chrome.Exception, Text: "Uncaught (in promise) TypeError: rejected", URL: at, Line: 4,
					Column: 33, Count: 1},
				{
					Kind: chrome.Network, Text: "Failed to load resource: the server responded with a status of " +
						"404 (Not Found)", URL: b.server.URL + "/missing", Count: 1},
			}
			eventually(t, "the page has said all", func() bool {
				d := lease.Page().Diagnostics()
				return len(d.Problems) >= 5 && len(d.Requests) == 1
			})
			d := lease.Page().Diagnostics()
			for _, p := range want {
				if !slices.Contains(d.Problems, p) {
					t.Errorf("no %+v in %+v", p, d.Problems)
				}
			}
			for _, text := range []string{"network: Failed to load resource: net::ERR_",
				"exception: Uncaught TypeError: Cannot read properties of null"} {
				if !slices.ContainsFunc(d.Problems, func(p chrome.Problem) bool {
					return strings.HasPrefix(p.String(), text)
				}) {
					t.Errorf("no %s in %v", text, d.Problems)
				}
			}
			if d.URL != at || d.Requests[0].String() != "GET "+b.server.URL+"/hang/later" ||
				d.Requests[0].Type != "Fetch" {
				t.Errorf("at %s, in flight %v", d.URL, d.Requests)
			}
			lease.Release()
			next, err := p.GetPage(limited(t), "a")
			if err != nil {
				t.Fatal(err)
			}
			defer next.Release()
			if !next.Reused() {
				t.Error("the next lease is on another tab")
			}
			if d := next.Page().Diagnostics(); len(d.Problems) != 0 {
				t.Errorf("the next lease begins with %v", d.Problems)
			}
		})
}

// stuckPages are ways to hold a main thread, and what is found out of what holds it. A thread that
// does not come from one step of a script to the next cannot be sampled; and a loop that V8 has
// optimized while it ran is found by who called it.
var stuckPages = []struct {
	what   string
	stack  string // what it has; empty: nothing is found out; ?: that depends
	flight string // what is in flight
}{
	{"match", "match (", ""},
	{"spin", "work (", ""},
	{"beside", "later (", "/hang/beside?..."},
	{"sort", "?", ""},
	{"layout", "?", ""},
	{"parse", "?", ""},
	{"wait", "", "/hang/sync"},
}

func TestContractChromeAnErrorSaysWhatAPageThatTimedOutWasDoing(t *testing.T) {
	var mu sync.Mutex
	var lines strings.Builder
	log := slog.New(slog.NewTextHandler(lockedWriter{&mu, &lines}, nil))
	cfg := pool.Config{
		MaxPages: 2, Logger: log,
		Timeouts: pool.Timeouts{RescueTimeout: 2 * time.Second},
	}
	works := 1 // that ended in doubt
	onChrome(t, cfg, func(t *testing.T, b *chromeBench, p *pool.Pool[*chrome.Page]) {
		serveTroubled(b)
		for _, stuck := range stuckPages {
			sampled(t, p, stuck.what, func(attempt int) bool {
				ctx, cancel := context.WithTimeout(limited(t), stuckFor(attempt))
				work, begun := stuckWork(b, "begin('"+stuck.what+"')")
				err := p.Do(ctx, "a", work)
				cancel()
				var failed *pool.Error
				if errors.As(err, &failed) && failed.Diagnosis != nil {
					works++
				}
				if !*begun {
					t.Logf("%s: %v before it hung", stuck.what, err)
					return false
				}
				if !errors.Is(err, context.DeadlineExceeded) || failed == nil || failed.Diagnosis == nil {
					t.Errorf("%s: %v", stuck.what, err)
					return true
				}
				t.Logf("%s: %v", stuck.what, err)
				d := failed.Diagnosis
				if len(d.Stack) == 0 && len(stuck.stack) > len("?") {
					return false
				}
				if d.URL != b.server.URL+"/troubled" ||
					!slices.ContainsFunc(d.Problems, func(p string) bool {
						return strings.HasPrefix(p, "console: bad")
					}) {
					t.Errorf("%s: at %s, problems %v", stuck.what, d.URL, d.Problems)
				}
				if stack := strings.Join(d.Stack, " "); stuck.stack != "?" &&
					(!strings.Contains(stack, stuck.stack) || stuck.stack == "" && stack != "") {
					t.Errorf("%s: the stack is %v, want %q in it", stuck.what, d.Stack, stuck.stack)
				}
				if flights := fmt.Sprint(d.Requests); !strings.Contains(flights, stuck.flight) ||
					stuck.flight == "" && strings.Contains(flights, "/hang") {
					t.Errorf("%s: in flight are %v, want %q", stuck.what, d.Requests, stuck.flight)
				}
				if d.Answered && stuck.stack != "?" {
					t.Errorf("%s: answered", stuck.what)
				}
				return true
			})
		}
		// A page that only waits answers, and nobody looks at it.
		ctx, cancel := context.WithTimeout(limited(t), time.Second)
		defer cancel()
		err := p.Do(ctx, "b", func(ctx context.Context, page *chrome.Page) error {
			return page.Run(ctx, chromedp.Navigate(b.server.URL+"/troubled"), chromedp.WaitVisible("#never"))
		})
		var failed *pool.Error
		if !errors.As(err, &failed) || failed.Diagnosis == nil || !failed.Diagnosis.Answered ||
			failed.Diagnosis.Stack != nil {
			t.Errorf("a page that waits: %v", err)
		}
	})
	mu.Lock()
	defer mu.Unlock()
	if n := strings.Count(lines.String(), `msg="lease left a suspect tab"`); n != works {
		t.Errorf("the log tells of %d leases in doubt, want %d:\n%s", n, works, &lines)
	}
}

// lockedWriter is a buffer that may be written to from any goroutine.
type lockedWriter struct {
	mu *sync.Mutex
	to *strings.Builder
}

func (w lockedWriter) Write(text []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(text)
}

// Two tabs at a time are sampled one after the other, and a rescue waits for neither.
func TestContractChromeADiagnosisHoldsUpNoRescue(t *testing.T) {
	cfg := pool.Config{
		MaxPages: 3, MaxLease: time.Second,
		Timeouts: pool.Timeouts{RescueTimeout: 10 * time.Second, ProbeBudget: pool.Off},
	}
	onChrome(t, cfg, func(t *testing.T, b *chromeBench, p *pool.Pool[*chrome.Page]) {
		serveTroubled(b)
		var works sync.WaitGroup
		for i := range 3 {
			works.Go(func() {
				work, _ := stuckWork(b, "begin('spin')")
				err := p.Do(limited(t), fmt.Sprint("a", i), work)
				if !errors.Is(err, pool.ErrLeaseExpired) {
					t.Errorf("Do: %v", err)
				}
				t.Log(err)
			})
		}
		works.Wait()
		eventually(t, "all have been rescued", func() bool {
			s := p.Stats()
			return s.Counters.Rescues == 3 && s.Tabs.Probing+s.Tabs.Rescuing == 0
		})
		if c := p.Stats().Counters; c.Closes != 0 {
			t.Errorf("%d tabs were closed, though a rescue was enough", c.Closes)
		}
	})
}
