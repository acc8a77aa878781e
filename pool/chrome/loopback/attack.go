package loopback

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
	"github.com/pagepool/pagepool/pool/chrome/attacks"
)

// The pool of a trial, and its tenants.
const (
	trialPages   = 4
	trialDoubt   = 3 // the default of BrowserDoubt
	goodTenants  = 2
	goodPatience = 10 * time.Second
	goodGap      = 20 * time.Millisecond // between two requests of a tenant
	goodAfter    = 3                     // requests of each tenant after the recovery
	backGrace    = 2 * time.Second       // a tab is of use again so long after its lease's limit
	trialLimit   = time.Minute
	attacker     = "attacker"
)

// TrialLease is the MaxLease of the pool of a trial that measures.
const TrialLease = 2 * time.Second

// Trial is what one page of the corpus did to two tenants beside it, which took screenshots all the
// time, in a pool of 4 tabs with a browser of its own.
type Trial struct {
	Page  string `json:"page"`
	Begun bool   `json:"begun"`           // the attack began
	Error string `json:"error,omitempty"` // of the attack's script, or of the trial
	// Asked are the tenants' requests between the beginning of the attack and the recovery, and P50
	// their median in milliseconds. Failed are those without a screenshot.
	Asked  int     `json:"asked"`
	Failed int     `json:"failed"`
	P50    float64 `json:"p50_ms"`
	// FailedLater are requests that failed although they began after the recovery: the tab was
	// back, and then each tenant had a screenshot.
	FailedLater int    `json:"failed_later"`
	FirstError  string `json:"first_error,omitempty"` // of those that failed
	// Back is the time from the grant of the attacker's lease until its tab was idle again or gone,
	// and the attacker had the title of another page. What is wrong with drawing then is the
	// tenants' to tell.
	Back     float64 `json:"back_seconds"`
	Ended    string  `json:"ended"`    // why the attacker's lease ended
	Rescued  bool    `json:"rescued"`  // its tab was idle again
	Lost     bool    `json:"lost"`     // neither a close nor a kill ended its tab
	Browsers uint64  `json:"browsers"` // that the pool had to start for it
	Helpers  uint64  `json:"checks"`   // of the browser's work
}

// Broken says which promises a trial broke. burn is the median beside the page that merely burns a
// core, in milliseconds, and lease is the attacker's limit.
func (t *Trial) Broken(page attacks.Page, burn float64, lease time.Duration) []string {
	var broken []string
	add := func(says string, args ...any) { broken = append(broken, fmt.Sprintf(says, args...)) }
	most := 0
	if page.Shared != "" {
		most = trialDoubt + trialPages
	}
	if !t.Begun || t.Error != "" {
		add("the attack was not carried out")
	}
	if t.Failed > most {
		add("%d of %d good requests failed, and %d may", t.Failed, t.Asked, most)
	}
	if t.FailedLater > 0 {
		add("%d good requests failed after the recovery", t.FailedLater)
	}
	if t.P50 > 2*burn {
		add("p50 of good requests is %.0f ms, and %.0f ms beside %s", t.P50, burn, attacks.Burn)
	}
	if t.Lost {
		add("the tab was lost, and the browser had to be replaced")
	}
	if most := (lease + backGrace).Seconds(); t.Back > most {
		add("the tab was back after %.1f s, and %.1f s are the most", t.Back, most)
	}
	return broken
}

// Slow reports whether a trial broke a promise about time, which other work on the machine may do.
func (t *Trial) Slow(burn float64, lease time.Duration) bool {
	return t.P50 > 2*burn || t.Back > (lease+backGrace).Seconds()
}

// judge is one trial under way.
type judge struct {
	*Stage
	page attacks.Page
	pool *pool.Pool[*chrome.Page]

	mu struct {
		sync.Mutex
		requests []request
		more     chan struct{} // closed, and made again, with each request
	}
}

// request is one of a good tenant.
type request struct {
	tenant       int
	began, ended time.Time
	err          error
}

// Attack tries one page of the corpus in a pool with a browser of its own, for the attacker's lease
// and the time until the tab is back. maxLease is that pool's, and so the limit of the good
// tenants' leases. It waits until the pool is closed. The error is one of the pool's own.
func (s *Stage) Attack(
	ctx context.Context, page attacks.Page, lease, maxLease time.Duration,
) (*Trial, error) {
	ctx, cancel := context.WithTimeout(ctx, trialLimit)
	defer cancel()
	p, err := pool.New(s, pool.Config{MaxPages: trialPages, MaxLease: maxLease, Logger: s.Logger})
	if err != nil {
		return nil, err
	}
	j := &judge{Stage: s, page: page, pool: p}
	j.mu.more = make(chan struct{})
	t, err := j.try(ctx, lease)
	closing, stop := context.WithTimeout(context.WithoutCancel(ctx), trialLimit)
	defer stop()
	return t, errors.Join(err, p.Close(closing))
}

// try has the tenants ask, the page attack, and counts.
func (j *judge) try(ctx context.Context, lease time.Duration) (*Trial, error) {
	if err := j.pool.Ready(ctx); err != nil {
		return nil, err
	}
	asking, stop := context.WithCancel(ctx)
	var tenants sync.WaitGroup
	defer tenants.Wait()
	defer stop()
	for tenant := range goodTenants {
		tenants.Go(func() { j.ask(asking, tenant) })
	}
	if err := j.heard(ctx, time.Time{}, 2); err != nil {
		return nil, fmt.Errorf("loopback: before the attack: %w", err)
	}
	before := j.pool.Stats().Counters
	t := &Trial{Page: j.page.Name}
	began, err := j.attack(ctx, t, lease)
	if err != nil {
		return nil, err
	}
	back, err := j.again(ctx, t, began)
	recovered := time.Now()
	if err == nil {
		if err = j.heard(ctx, back, 1); err == nil {
			recovered = time.Now()
			err = j.heard(ctx, recovered, goodAfter)
		}
	}
	if err != nil {
		t.Error = fmt.Sprintf("%v; %s", err, t.Error)
	}
	stop()
	tenants.Wait()
	j.count(t, began, recovered)
	after := j.pool.Stats().Counters
	t.Browsers, t.Helpers = after.BrowserStarts-before.BrowserStarts, after.Checks-before.Checks
	return t, nil
}

// ask has one tenant take screenshots until ctx ends. The last is waited for.
func (j *judge) ask(ctx context.Context, tenant int) {
	affinity := fmt.Sprintf("good-%d", tenant+1)
	for ctx.Err() == nil {
		whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodPatience)
		r := request{tenant: tenant, began: time.Now()}
		r.err = j.pool.Do(whole, affinity, j.picture)
		r.ended = time.Now()
		cancel()
		j.mu.Lock()
		j.mu.requests = append(j.mu.requests, r)
		close(j.mu.more)
		j.mu.more = make(chan struct{})
		j.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(goodGap):
		}
	}
}

// title is the attacker's good work.
func (s *Stage) title(ctx context.Context, p *chrome.Page) error { return s.Work(ctx, p, 0) }

// picture is a good request: a small page and its screenshot.
func (s *Stage) picture(ctx context.Context, p *chrome.Page) error {
	if err := s.Work(ctx, p, 0); err != nil {
		return err
	}
	return s.Draw(ctx, p)
}

// Draw takes a screenshot of a page.
func (s *Stage) Draw(ctx context.Context, p *chrome.Page) error {
	png, err := chrome.Run(ctx, p, chromedp.CaptureScreenshot())
	if err == nil && len(png) == 0 {
		err = errors.New("loopback: an empty screenshot")
	}
	return err
}

// heard waits until each tenant has had n screenshots that it asked for after an instant; the later
// ones are the last of their tenant, whether or not they failed.
func (j *judge) heard(ctx context.Context, after time.Time, n int) error {
	for {
		var heard [goodTenants]int
		j.mu.Lock()
		more := j.mu.more
		for _, r := range j.mu.requests {
			if r.began.After(after) && r.err == nil {
				heard[r.tenant]++
			}
		}
		j.mu.Unlock()
		if slices.Min(heard[:]) >= n {
			return nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return fmt.Errorf("loopback: tenants had %v screenshots: %w", heard, context.Cause(ctx))
		}
	}
}

// attack has the page attack until its lease ends, and returns when that was granted.
func (j *judge) attack(ctx context.Context, t *Trial, lease time.Duration) (time.Time, error) {
	l, err := j.pool.GetPage(ctx, attacker, pool.WithMaxLease(lease))
	if err != nil {
		return time.Time{}, fmt.Errorf("loopback: no tab to attack from: %w", err)
	}
	defer l.Release()
	granted := time.Now()
	mark, err := j.Begin(l.Context(), l.Page(), j.page)
	t.Begun = err == nil
	if err != nil && l.Context().Err() == nil {
		return time.Time{}, err
	}
	if err != nil {
		t.Error = err.Error()
	}
	select {
	case <-l.Context().Done():
	case <-ctx.Done():
		return time.Time{}, ctx.Err()
	}
	t.Ended = context.Cause(l.Context()).Error()
	if what := j.failure(mark); what != "" {
		t.Error = what
	}
	return granted, j.settled(ctx, t, l.TabID())
}

// settled waits until the attacker's tab is idle again, gone, or lost.
func (j *judge) settled(ctx context.Context, t *Trial, tab string) error {
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		state := "gone"
		for _, x := range j.pool.Live(false).Tabs {
			if x.ID == tab {
				state = x.State
			}
		}
		switch state {
		case "idle", "leased", "gone":
			t.Rescued = state != "gone"
			return nil
		case "lost":
			t.Lost = true
			return nil
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return fmt.Errorf("loopback: the attacker's tab is %s: %w", state, context.Cause(ctx))
		}
	}
}

// again has the attacker's affinity work, and returns when that was done.
func (j *judge) again(ctx context.Context, t *Trial, granted time.Time) (time.Time, error) {
	for {
		whole, cancel := context.WithTimeout(ctx, goodPatience)
		err := j.pool.Do(whole, attacker, j.title, pool.WithMaxLease(TrialLease))
		cancel()
		now := time.Now()
		t.Back = now.Sub(granted).Seconds()
		if err == nil || ctx.Err() != nil {
			return now, err
		}
	}
}

// count fills in what the tenants met.
func (j *judge) count(t *Trial, began, recovered time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	var took []time.Duration
	for _, r := range j.mu.requests {
		if r.ended.After(began) && r.began.Before(recovered) {
			took = append(took, r.ended.Sub(r.began))
		}
		if r.err == nil || r.ended.Before(began) {
			continue
		}
		if r.began.After(recovered) {
			t.FailedLater++
		} else {
			t.Failed++
		}
		if t.FirstError == "" {
			t.FirstError = r.err.Error()
		}
	}
	t.Asked = len(took)
	if slices.Sort(took); len(took) > 0 {
		t.P50 = float64(took[len(took)/2].Microseconds()) / 1000
	}
}

// Begin has a page show one of the corpus, and returns when its attack has begun, or when ctx ends.
// The mark is for the failure of its script.
func (s *Stage) Begin(ctx context.Context, p *chrome.Page, page attacks.Page) (string, error) {
	mark, arrived := s.mark()
	err := s.visit(ctx, p, page.Path())
	if err == nil {
		err = evaluate(ctx, p, page.Begin(mark))
	}
	if err != nil {
		s.arrive(mark)
		return mark, err
	}
	return mark, s.await(ctx, mark, arrived)
}

// failed notes that the script of an attack ended with an error.
func (s *Stage) failed(mark, what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.failures[mark] = what
}

// failure is the error that the script of an attack ended with.
func (s *Stage) failure(mark string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.failures[mark]
}
