package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pagepool/pagepool/internal/shell"
	"github.com/pagepool/pagepool/pool/core"
)

// leaseDiagnoser is a Tab of this repository's own drivers that can say what its page did during a
// lease. Both methods are called under the pool's lock, so it is no part of the API.
type leaseDiagnoser interface {
	// LeaseBegun is called when a lease on the tab begins, with its affinity.
	LeaseBegun(_ shell.Locked, affinity string)
	// LeaseSuspect is called when a lease has ended and left the page suspect: it expired, its holder
	// called Suspect, or its time was over. It is called as well when a later probe of the page is not
	// answered, or a reset fails. It notes what is known by then. The pool calls the func that it
	// returns once, in a goroutine of its own and without the lock, beside the probe and what is done
	// about the page after that. The func finds out the rest, and returns what there is when ctx ends.
	// What the page does once the pool has begun to rescue or to close it is no part of that. The
	// texts of a Diagnosis go to errors and to the log, so they are of one line each, and hold no
	// secrets that the driver can tell from the rest.
	LeaseSuspect(shell.Locked) func(ctx context.Context) Diagnosis
}

// Diagnosis says what a page was doing when its lease left a suspect tab.
type Diagnosis struct {
	URL      string // what it showed
	Answered bool   // its main thread answered
	// so long after the end of the lease; where it did not: so long it was waited for
	After time.Duration
	// what the thread was doing where it took long, innermost call first; empty: not known
	Stack    []string
	Requests []RequestInFlight // the oldest first
	Problems []string          // what it said of its troubles during the lease, the first of them
	Unlisted int               // how many further ones there were
	Label    string            // what its holder said that the lease was for (WithLabel)
	// other leases of its affinity when this one ended: their labels, and since when
	Beside []string
}

// RequestInFlight is one that a page waited for.
type RequestInFlight struct {
	What string
	For  time.Duration
}

func (r RequestInFlight) String() string {
	return fmt.Sprintf("%s for %v", r.What, r.For.Round(time.Millisecond))
}

// shownMost is how many requests, problems and calls an error and a line of the log show.
const shownMost = 5

// String says it in one line.
func (d Diagnosis) String() string {
	var b strings.Builder
	b.WriteString("the page")
	if d.URL != "" {
		b.WriteString(" " + d.URL)
	}
	if d.Answered {
		fmt.Fprintf(&b, " answered after %v", d.After.Round(10*time.Microsecond))
	} else {
		b.WriteString(" did not answer")
		if d.After > 0 {
			fmt.Fprintf(&b, " within %v", d.After.Round(time.Millisecond))
		}
	}
	if len(d.Stack) > 0 {
		b.WriteString("; it ran " + strings.Join(shown(d.Stack), " < "))
	}
	if n := len(d.Requests); n > 0 {
		fmt.Fprintf(&b, "; in flight: %s", strings.Join(shown(texts(d.Requests)), ", "))
	}
	if len(d.Problems) > 0 {
		fmt.Fprintf(&b, "; it said: %s", strings.Join(shown(d.Problems), "; "))
	}
	if d.Label != "" {
		fmt.Fprintf(&b, "; it was for %q", shortened(d.Label))
	}
	if len(d.Beside) > 0 {
		fmt.Fprintf(&b, "; other leases of this affinity: %s", strings.Join(shown(d.Beside), ", "))
	}
	return b.String()
}

// attrs are what a line of the log has of it.
func (d Diagnosis) attrs() []any {
	return []any{"url", d.URL, "answered", d.Answered, "after", d.After, "stack", shown(d.Stack),
		"requests", shown(texts(d.Requests)), "problems", shown(d.Problems), "unlisted", d.Unlisted,
		"beside", shown(d.Beside)}
}

func texts(requests []RequestInFlight) []string {
	var all []string
	for _, r := range requests {
		all = append(all, r.String())
	}
	return all
}

// shown is what is shown of a list, and how much more there is.
func shown(all []string) []string {
	if len(all) <= shownMost {
		return all
	}
	return append(all[:shownMost:shownMost], fmt.Sprintf("and %d more", len(all)-shownMost))
}

// errNoDiagnosis answers who asks for one that does not come.
var errNoDiagnosis = errors.New(
	"there is none: the lease is held, its page is not suspect, or the driver makes none")

// diagnosisMost bounds a diagnosis. It has RescueTimeout where that is less: by then the page is of
// use again or closed. Where RescueTimeout is off, the page is closed at once, and it has
// diagnosisLeast.
const diagnosisMost, diagnosisLeast = time.Second, 250 * time.Millisecond

// diagnosing is a diagnosis that is being made.
type diagnosing struct {
	done   chan struct{} // closed once result is set
	result Diagnosis
}

// Diagnosis waits until it is known what the page was doing when the lease ended and left it
// suspect (it expired, or was given back with Suspect), or until ctx ends. That takes some
// milliseconds where the page answers, and RescueTimeout at most, or a second. The error says that
// there is none.
func (l *Lease[P]) Diagnosis(ctx context.Context) (Diagnosis, error) {
	if err := checkContext(ctx); err != nil {
		return Diagnosis{}, &Error{Op: "Diagnosis", Err: err}
	}
	d := l.diagnosing()
	if d == nil {
		return Diagnosis{}, &Error{Op: "Diagnosis", Err: errNoDiagnosis}
	}
	select {
	case <-d.done:
		return d.result, nil
	case <-ctx.Done():
		return Diagnosis{}, &Error{Op: "Diagnosis", Err: contextError(ctx)}
	}
}

// diagnosing returns the diagnosis that is made of the lease, or nil.
func (l *Lease[P]) diagnosing() *diagnosing {
	l.pool.mu.Lock()
	defer l.pool.mu.Unlock()
	if l.report == nil {
		return nil
	}
	return l.report.diagnosis
}

func (p *Pool[P]) diagnosisLimit() time.Duration {
	if limit := p.settings.RescueTimeout; limit > 0 {
		return min(limit, diagnosisMost)
	}
	return diagnosisLeast
}

// diagnoseLocked begins a diagnosis of a lease that has ended and left its page suspect.
func (p *Pool[P]) diagnoseLocked(l *Lease[P], why error) {
	t, affinity := l.tab, shortened(l.tab.affinity)
	if t.diagnoser == nil {
		return
	}
	t.diagnosed = true
	d := new(diagnosing)
	l.reportLocked().diagnosis = d
	p.findLocked(t, d, l.label, p.besideLocked(t), func() {
		p.noteLocked(slog.LevelWarn, "lease left a suspect tab", append([]any{
			"tab", t.name, "affinity", affinity, "label", shortened(l.label), "error", why},
			d.result.attrs()...)...)
	})
}

// probedLocked begins a diagnosis of a suspect tab that is about to be probed, unless the end of
// its lease began one. Its last holder is gone, so the result goes to the log alone.
func (p *Pool[P]) probedLocked(t *tab[P], suspect bool) {
	known := t.diagnosed
	t.diagnosed = false
	if known || t.diagnoser == nil || !suspect {
		return
	}
	d, affinity, why := new(diagnosing), shortened(t.affinity), t.lastError
	p.findLocked(t, d, "", p.besideLocked(t), func() {
		p.noteLocked(slog.LevelWarn, "tab suspect", append([]any{
			"tab", t.name, "affinity", affinity, "error", why}, d.result.attrs()...)...)
	})
}

// besideLocked are the other leases of a tab's affinity, by label or by request, and how long each
// has been held.
func (p *Pool[P]) besideLocked(t *tab[P]) []string {
	held := map[core.RequestID]string{}
	for _, o := range p.mu.tabs {
		if o == t || o.holder == nil || o.affinity != t.affinity {
			continue
		}
		what := fmt.Sprintf("r%d", o.holder.request)
		if o.holder.label != "" {
			what = fmt.Sprintf("%q", shortened(o.holder.label))
		}
		view, _ := p.mu.core.Tab(o.id)
		since := (p.nowLocked() - view.Since).Duration()
		held[o.holder.request] = fmt.Sprintf("%s for %v", what, since.Round(time.Millisecond))
	}
	var beside []string
	for _, id := range slices.Sorted(maps.Keys(held)) {
		beside = append(beside, held[id])
	}
	return beside
}

// findLocked has the driver make a diagnosis, and calls then under the lock once it is made.
func (p *Pool[P]) findLocked(t *tab[P], d *diagnosing, label string, beside []string, then func()) {
	d.done = make(chan struct{})
	find := t.diagnoser.LeaseSuspect(shell.Locked{})
	// Not the tab's calls: those end with the probe, and with what is done about it.
	ctx, cancel := context.WithCancel(t.browser.life)
	stop := p.clock.AfterFunc(p.diagnosisLimit(), cancel)
	p.beginLocked(t.browser, func() {
		d.result = find(ctx)
		d.result.Label, d.result.Beside = label, beside
		stop()
		cancel()
		close(d.done)
	}, then)
}

// diagnosed waits for a lease's diagnosis; nil: there is none. The lease is over, so the wait keeps
// nobody from the tab. It lasts not much longer than the driver may take, should the driver not
// keep to that.
func (l *Lease[P]) diagnosed() *Diagnosis {
	d := l.diagnosing()
	if d == nil {
		return nil
	}
	late := make(chan struct{})
	defer l.pool.clock.AfterFunc(2*l.pool.diagnosisLimit(), func() { close(late) })()
	select {
	case <-d.done:
		return &d.result
	case <-late:
		return nil
	}
}
