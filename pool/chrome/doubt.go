package chrome

import (
	"context"
	"errors"
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/runtime"

	"github.com/pagepool/pagepool/internal/shell"
	"github.com/pagepool/pagepool/pool"
)

const (
	// answerGrace is how long a main thread may take to answer before it is looked at. Most answer
	// within 2 ms.
	answerGrace = 30 * time.Millisecond
	// lookMost is how long it is looked at. A browser begins to within 10 ms, but takes the first
	// sample only when the thread itself has spent some 10 ms on what that needs: with three loops
	// for each core beside it, 60 ms are mostly too short for that, 150 ms sometimes, and 200 ms
	// were not.
	lookMost = 200 * time.Millisecond
)

// LeaseBegun makes the records of the page those of the lease that has just begun, and begins to
// give it the terms of its affinity. It runs under the pool's lock.
func (t *tab) LeaseBegun(_ shell.Locked, affinity string) {
	t.b.pace.leaseBegun()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.lease != nil {
		t.mu.told = t.mu.lease.line.diary
		t.mu.told.turn()
	}
	t.leaseTermsLocked(affinity)
}

// records are those of the lease that LeaseBegun began last, or of no lease.
func (t *tab) records() *diary {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.mu.told != nil:
		return t.mu.told
	case t.mu.lease != nil:
		return t.mu.lease.line.diary
	}
	return newDiary(t.id)
}

// LeaseSuspect takes a copy of the page's records; it runs under the pool's lock. The func that it
// returns asks whether the main thread answers. If that takes longer than 30 ms, the thread is
// sampled until it answers, or until the page is about to be rescued or closed, for 200 ms at most.
// The browser may take longer to tell what it has seen.
func (t *tab) LeaseSuspect(shell.Locked) func(context.Context) pool.Diagnosis {
	known, flights := t.records().copy()
	began := time.Now()
	looking, away := context.WithCancel(t.life) // a page that is gone says nothing any more
	t.lookAway()
	t.away.Store(&away)
	return func(ctx context.Context) pool.Diagnosis {
		defer away()
		defer context.AfterFunc(ctx, away)()
		d := pool.Diagnosis{URL: discreet(known.URL), Unlisted: known.Unlisted}
		for _, p := range known.Problems {
			p.Text, p.URL = discreet(p.Text), discreet(p.URL)
			d.Problems = append(d.Problems, p.String())
		}
		for _, r := range requests(flights) {
			d.Requests = append(d.Requests,
				pool.RequestInFlight{What: discreet(r.String()), For: began.Sub(r.Since)})
		}
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			_, err := ask(looking, t, runtime.Evaluate, one)
			refused := (*cdproto.Error)(nil)
			// An answer may come right behind the end of the look. That one the rescue has brought
			// about.
			d.Answered, d.After = looking.Err() == nil &&
				(err == nil || errors.As(err, &refused)), time.Since(began)
			away()
		}()
		grace := time.NewTimer(answerGrace)
		defer grace.Stop()
		select {
		case <-answered:
			return d
		case <-grace.C:
		}
		calls := t.sample(ctx, looking, away)
		// where nothing could be recorded, an answer is waited for all the same
		defer time.AfterFunc(lookMost, away).Stop()
		<-answered
		d.Stack = calls
		return d
	}
}

// lookAway ends the look at what holds the main thread, since what comes now is the pool's doing.
func (t *tab) lookAway() {
	if away := t.away.Swap(nil); away != nil {
		(*away)()
	}
}
