package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim/live"
)

const incidentSays = "4 pages, 8 affinities under load, and a page of one of them that renders " +
	"itself anew for ever"

// incidentSettings are those of the incident, with a render limit that a short run meets often.
var incidentSettings = core.Settings{MaxPages: 4, MaxLease: 2 * time.Second}

// The incident's callers.
const (
	incidentAffinities = 8                      // one of which loops
	incidentKeep       = 100 * time.Millisecond // how long a page is kept
	incidentGap        = 100 * time.Millisecond // between two visits of one affinity
	incidentPause      = 2 * time.Second        // between two loops
	incidentPatience   = 30 * time.Second
	incidentShows      = 15 * time.Second // a run as long as this has seen a page loop
	stuckAffinity      = "ctse/ambitious-piranha"
)

// loop is what one page that loops came to.
type loop struct {
	Held  float64 `json:"held_seconds"` // until its lease ended
	Back  float64 `json:"back_seconds"` // from then until its tab was of use again, or gone
	Saved bool    `json:"saved"`        // its tab was of use again
	Warm  bool    `json:"warm"`         // its affinity was warm all the time
}

// incidentCallers plays the incident for real. Whoever is not of the affinity that loops loses
// nothing: each of their requests is granted, and each of their pieces of work is done.
func incidentCallers(report *chromeReport, settings core.Settings) live.Callers[*chrome.Page] {
	full, err := settings.Resolve()
	if err != nil {
		panic("soak: BUG: settings that were checked: " + err.Error())
	}
	within := max(0, full.RescueTimeout) + full.CloseTimeout + full.KillTimeout
	return func(ctx context.Context, p *live.Player[*chrome.Page]) {
		for i := range incidentAffinities - 1 {
			affinity := fmt.Sprintf("unrelated-%d", i+1)
			p.Go(func(whole context.Context) {
				for pause(ctx, incidentGap) {
					unrelated(whole, p, affinity)
				}
			})
		}
		p.Go(func(whole context.Context) {
			for pause(ctx, incidentPause) {
				if found := stuck(whole, p, within); found != nil {
					p.Count(func(*live.Tally) { report.Loops = append(report.Loops, *found) })
				}
			}
		})
		<-ctx.Done()
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// unrelated is one visit of an affinity that has nothing to do with the loop.
func unrelated(whole context.Context, p *live.Player[*chrome.Page], affinity string) {
	ctx, cancel := context.WithTimeout(whole, incidentPatience)
	defer cancel()
	began := time.Now()
	p.Count(func(t *live.Tally) { t.Visits++ })
	err := p.Pool.Do(ctx, affinity, func(ctx context.Context, page *chrome.Page) error {
		p.Count(func(t *live.Tally) { t.Leases++ })
		if err := p.Stage.Work(ctx, page, 0); err != nil {
			return err
		}
		pause(ctx, incidentKeep)
		return context.Cause(ctx)
		// so that a slow machine is not taken for a page that loops
	}, pool.WithMaxLease(incidentPatience))
	if whole.Err() != nil {
		return // the run is over
	}
	if err != nil {
		p.Count(func(t *live.Tally) {
			t.WorkFailed++
			t.FirstError = err.Error()
		})
		p.Broken("stuck-isolated", fmt.Sprintf(
			"%s, which has no page that loops, lost a visit after %v: %v", affinity, time.Since(began), err))
		return
	}
	p.Count(func(t *live.Tally) { t.Worked++ })
}

// stuck is one visit of the affinity whose page loops, and what becomes of its tab.
func stuck(whole context.Context, p *live.Player[*chrome.Page], within time.Duration) *loop {
	ctx, cancel := context.WithTimeout(whole, incidentPatience)
	defer cancel()
	p.Count(func(t *live.Tally) { t.Visits++ })
	l, err := p.Pool.GetPage(ctx, stuckAffinity)
	if err != nil {
		p.Count(func(t *live.Tally) { t.Refused[live.Cause(err)]++ })
		return nil
	}
	defer l.Release()
	if err := p.Stage.Loop(l.Context(), l.Page()); err != nil {
		p.Count(func(t *live.Tally) { t.FirstError = err.Error() })
		return nil
	}
	p.Looping(l)
	select {
	case <-l.Context().Done():
	case <-whole.Done():
		return nil
	}
	cause := context.Cause(l.Context())
	p.Count(func(t *live.Tally) { t.Ended[live.Cause(cause)]++ })
	if !errors.Is(cause, pool.ErrLeaseExpired) {
		return nil
	}
	return becomes(whole, p, l.TabID(), within)
}

// becomes waits until it is known what became of a tab whose lease has expired.
func becomes(whole context.Context, p *live.Player[*chrome.Page], tab string,
	within time.Duration) *loop {
	began := time.Now()
	for {
		x, ok := p.Fate(tab)
		if !ok {
			return nil // its lease had ended when its page began to loop
		}
		if x.Known != 0 {
			if x.Saved && x.Cold {
				p.Broken("bounded-recovery", stuckAffinity+" was cold, though "+tab+" was rescued")
			}
			return &loop{(x.Ended - x.Since).Duration().Seconds(), (x.Known - x.Ended).Duration().Seconds(),
				x.Saved, !x.Cold}
		}
		if time.Since(began) > within {
			p.Broken("bounded-recovery", fmt.Sprintf(
				"%v after its lease ended, %s is neither of use nor gone", time.Since(began), tab))
			return nil
		}
		if !pause(whole, 2*time.Millisecond) {
			return nil
		}
	}
}
