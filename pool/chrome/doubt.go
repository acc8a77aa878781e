package chrome

import (
	"context"
	"errors"
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/runtime"

	"github.com/pagepool/pagepool/pool"
)

// answerGrace is how long a main thread may take to answer before it is looked at. Most answer within 2 ms.
const answerGrace = 30 * time.Millisecond

// LeaseBegun makes the records of the page those of the lease that has just begun.
func (t *tab) LeaseBegun() { t.line.diary.turn() }

// LeaseDoubted takes a copy of the page's records. The func that it returns asks whether the main thread
// answers, and looks at what it does where it takes longer than 30 ms for that.
func (t *tab) LeaseDoubted() func(context.Context) pool.Diagnosis {
	known, flights := t.line.diary.copy()
	now := time.Now()
	return func(ctx context.Context) pool.Diagnosis {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(t.life, cancel)() // a page that is gone says nothing any more
		d := pool.Diagnosis{URL: known.URL, Unlisted: known.Unlisted}
		for _, p := range known.Problems {
			d.Problems = append(d.Problems, p.String())
		}
		for _, r := range requests(flights) {
			d.Requests = append(d.Requests, pool.RequestInFlight{What: r.String(), For: now.Sub(r.Since)})
		}
		answer := make(chan time.Duration, 1)
		began := time.Now()
		go func() {
			_, err := ask(ctx, t, runtime.Evaluate, one)
			if refused := (*cdproto.Error)(nil); err == nil || errors.As(err, &refused) {
				answer <- time.Since(began)
			}
			close(answer)
		}()
		grace := time.NewTimer(answerGrace)
		defer grace.Stop()
		select {
		case d.After, d.Answered = <-answer:
			return d
		case <-grace.C:
		}
		d.Stack = t.sample(ctx)
		select {
		case d.After, d.Answered = <-answer:
		default:
		}
		return d
	}
}
