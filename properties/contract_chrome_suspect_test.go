package properties

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
)

// What is known of a suspect, from the page to whoever reads the error and the log.

// doubtLine is a line of the log about a suspect page.
type doubtLine struct {
	Message  string   `json:"msg"`
	Affinity string   `json:"affinity"`
	Error    string   `json:"error"`
	Answered bool     `json:"answered"`
	Stack    []string `json:"stack"`
	Requests []string `json:"requests"`
}

// doubtLog is a log that is written as JSON.
type doubtLog struct {
	mu   sync.Mutex
	text strings.Builder
}

// of returns the lines about an affinity's page that was suspect.
func (l *doubtLog) of(t *testing.T, affinity string) (lines []doubtLine) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for text := range strings.Lines(l.text.String()) {
		var line doubtLine
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		if line.Affinity == affinity && strings.Contains(line.Message, "suspect") {
			lines = append(lines, line)
		}
	}
	return lines
}

// afterItsLease is what the log says of a page that is found suspect later. Its requests in flight
// went with the session of the lease, which had listened to them.
const afterItsLease = "tab suspect"

// says checks the one line about an affinity's page, which loops in later() with a request in
// flight.
func (l *doubtLog) says(t *testing.T, affinity, message, cause string) {
	t.Helper()
	lines := l.of(t, affinity)
	if len(lines) != 1 {
		t.Errorf("%s: the log says %+v", affinity, lines)
		return
	}
	line := lines[0]
	if line.Message != message || !strings.Contains(line.Error, cause) || line.Answered ||
		!strings.Contains(fmt.Sprint(line.Stack), "later (") ||
		line.Message != afterItsLease &&
			!strings.Contains(fmt.Sprint(line.Requests), "/hang/beside?...") {
		t.Errorf("%s: the log says %+v", affinity, lines)
	}
}

// sampled calls try until a page was sampled, which it need not be: without a free processor the
// page may not begin in time, or not be found. Each time begins when no page is suspect any more,
// since one is looked at at a time.
func sampled(t *testing.T, p *pool.Pool[*chrome.Page], what string, try func(attempt int) bool) {
	t.Helper()
	for attempt := range 6 {
		eventually(t, "no page is suspect", func() bool {
			tabs := p.Stats().Tabs
			return tabs.Opening+tabs.Probing+tabs.Rescuing+tabs.Closing == 0
		})
		if try(attempt) {
			return
		}
		t.Logf("%s: not begun or not sampled in time", what)
	}
	t.Errorf("%s: no sample was taken", what)
}

// wantLooping checks an error that carries the diagnosis of such a page.
func wantLooping(t *testing.T, what string, err, cause error) {
	t.Helper()
	var failed *pool.Error
	if !errors.Is(err, cause) || !errors.As(err, &failed) || failed.Diagnosis == nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	d := failed.Diagnosis
	inFlight := func(r pool.RequestInFlight) bool {
		return strings.Contains(r.What, "/hang/beside?...") && r.For > 0
	}
	if d.Answered || !slices.ContainsFunc(d.Requests, inFlight) {
		t.Errorf("%s: %+v", what, d)
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("%s: the error tells a secret: %v", what, err)
	}
	for _, part := range []string{"did not answer", "it ran ", "later (", "in flight: GET ",
		"/hang/beside?..."} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%s: the error does not say %q: %v", what, part, err)
		}
	}
}

func TestContractChromeASuspectSaysInErrorAndLogWhatItsPageWasDoing(t *testing.T) {
	log := new(doubtLog)
	cfg := pool.Config{
		MaxPages: 2, Timeouts: pool.Timeouts{RescueTimeout: 2 * time.Second,
			ProbeMaxAge: time.Millisecond},
		Logger: slog.New(slog.NewJSONHandler(lockedWriter{&log.mu, &log.text}, nil)),
	}
	onChrome(t, cfg, func(t *testing.T, b *chromeBench, p *pool.Pool[*chrome.Page]) {
		serveTroubled(b)
		type work = func(context.Context, *chrome.Page) error
		ends := func(what, because string, cause error,
			do func(affinity string, loops work, limit time.Duration) error) {
			sampled(t, p, what, func(attempt int) bool {
				affinity := fmt.Sprint(what, attempt)
				loops, begun := stuckWork(b, "beside()")
				err := do(affinity, loops, stuckFor(attempt))
				var failed *pool.Error
				if !*begun || errors.As(err, &failed) && failed.Diagnosis != nil &&
					len(failed.Diagnosis.Stack) == 0 {
					return false
				}
				wantLooping(t, what, err, cause)
				eventually(t, "the log tells of "+affinity, func() bool { return len(log.of(t, affinity)) > 0 })
				log.says(t, affinity, "lease left a suspect tab", because)
				return true
			})
		}

		ends("expired", pool.ErrLeaseExpired.Error(), pool.ErrLeaseExpired,
			func(affinity string, loops work, limit time.Duration) error {
				return p.Do(limited(t), affinity, loops, pool.WithMaxLease(limit))
			})
		ends("deadline", "pool: the page may not answer", context.DeadlineExceeded,
			func(affinity string, loops work, limit time.Duration) error {
				ctx, cancel := context.WithTimeout(limited(t), limit)
				defer cancel()
				return p.Do(ctx, affinity, loops)
			})

		// The page loops some time after its holder has done, so what is tried meanwhile may go well.
		sampled(t, p, "probe", func(attempt int) bool {
			affinity := fmt.Sprint("probe", attempt)
			err := p.Do(limited(t), affinity, func(ctx context.Context, page *chrome.Page) error {
				return runs(ctx, b, page, "beside()")
			})
			if err != nil {
				t.Fatal(err)
			}
			eventually(t, "a probe is not answered", func() bool {
				nothing := func(context.Context, *chrome.Page) error { return nil }
				return p.Do(limited(t), affinity, nothing) == nil && len(log.of(t, affinity)) > 0
			})
			if len(log.of(t, affinity)[0].Stack) == 0 {
				return false
			}
			log.says(t, affinity, afterItsLease, "took longer than ProbeBudget")
			return true
		})

		// One that only waits has no need of a sample.
		ctx, cancel := context.WithTimeout(limited(t), 3*time.Second)
		defer cancel()
		err := p.Do(ctx, "waits", func(ctx context.Context, page *chrome.Page) error {
			if err := runs(ctx, b, page, "fetch('/hang/beside?token=secret')"); err != nil {
				return err
			}
			return page.Run(ctx, chromedp.WaitVisible("#never"))
		})
		if text := fmt.Sprint(err); !strings.Contains(text, " answered after ") ||
			!strings.Contains(text, "/hang/beside?...") || strings.Contains(text, "it ran") {
			t.Errorf("a page that waits: %v", err)
		}
		eventually(t, "the log tells of the page that waits", func() bool {
			return len(log.of(t, "waits")) > 0
		})
		if lines := log.of(t, "waits"); len(lines) != 1 || !lines[0].Answered ||
			len(lines[0].Stack) != 0 {
			t.Errorf("a page that waits: the log says %+v", lines)
		}
		log.mu.Lock()
		defer log.mu.Unlock()
		if strings.Contains(log.text.String(), "secret") {
			t.Errorf("the log tells a secret:\n%s", &log.text)
		}
	})
}
