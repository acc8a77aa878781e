package core

import (
	"fmt"
	"time"
)

// Ledger is a second set of books, fed by events and effects alone and never by the state, so that
// a state which forgets something is caught. It knows what has to be true from outside: which tabs
// can be alive, who holds which, who waits, and what was announced. It is a flat value.
type Ledger struct {
	tabs      []entry
	browsers  []ledgerBrowser
	waiting   []ledgerRequest
	calls     []ledgerCall
	announced []announcement // by affinity
	lost      int
	disposals uint32   // so far
	freed     TabID    // whose lease ended in the last step
	breaches  []breach // of the last step
}

// entry is one tab, from the effect that asks for it to the event that confirms its end.
type entry struct {
	idleSince Time // when it was given back last
	holder    RequestID
	id        TabID
	context   ContextID
	browser   BrowserID
	affinity  Affinity // that it was granted to first; 0: to none yet
	doomed    uint32   // which disposal ended its generation; 0: none
	uses      uint32   // how often it was granted
	closing   Reason   // of the close that was asked for; 0: none
	class     Class    // of the lease
	opened    bool
	overdue   bool // its opening is
	crashed   bool
	lost      bool
	_         [2]byte
}

type ledgerBrowser struct {
	id     BrowserID
	ready  bool
	ending bool
	_      [2]byte
}

type ledgerRequest struct {
	id       RequestID
	arrived  Time
	affinity Affinity
	class    Class
	_        [3]byte
}

// ledgerCall is a disposal or a Warm that waits.
type ledgerCall struct {
	id       CallID
	affinity Affinity // a disposal; 0: a Warm
	disposal uint32   // its number
}

type announcement struct {
	generation Generation
	warm       bool
	_          [7]byte
}

// breach is a rule that a single event or effect broke, noticed while the ledger was fed.
type breach struct {
	invariant string
	what      string
}

// CopyFrom makes l a copy of o that shares nothing with it, in the memory that l has.
func (l *Ledger) CopyFrom(o *Ledger) {
	l.tabs = append(l.tabs[:0], o.tabs...)
	l.browsers = append(l.browsers[:0], o.browsers...)
	l.waiting = append(l.waiting[:0], o.waiting...)
	l.calls = append(l.calls[:0], o.calls...)
	l.announced = append(l.announced[:0], o.announced...)
	l.lost, l.freed, l.disposals = o.lost, o.freed, o.disposals
	l.breaches = append(l.breaches[:0], o.breaches...)
}

// Alive calls fn for every tab that can be alive, with its context and browser.
func (l *Ledger) Alive(fn func(TabID, ContextID, BrowserID)) {
	for i := range l.tabs {
		fn(l.tabs[i].id, l.tabs[i].context, l.tabs[i].browser)
	}
}

// Counts says whether the ledger counts a tab as alive.
func (l *Ledger) Counts(id TabID) bool { return l.tab(id) != nil }

func (l *Ledger) breach(invariant, format string, args ...any) {
	l.breaches = append(l.breaches, breach{invariant, fmt.Sprintf(format, args...)})
}

func (l *Ledger) tab(id TabID) *entry {
	for i := range l.tabs {
		if l.tabs[i].id == id {
			return &l.tabs[i]
		}
	}
	return nil
}

func (l *Ledger) heldBy(r RequestID) *entry {
	if r == 0 {
		return nil
	}
	for i := range l.tabs {
		if l.tabs[i].holder == r {
			return &l.tabs[i]
		}
	}
	return nil
}

func (l *Ledger) browser(id BrowserID) *ledgerBrowser {
	for i := range l.browsers {
		if l.browsers[i].id == id {
			return &l.browsers[i]
		}
	}
	return nil
}

func (l *Ledger) dropTab(id TabID) {
	for i := range l.tabs {
		if l.tabs[i].id == id {
			if l.tabs[i].lost {
				l.lost--
			}
			n := len(l.tabs) - 1
			l.tabs[i] = l.tabs[n]
			l.tabs = l.tabs[:n]
			return
		}
	}
}

func (l *Ledger) dropBrowser(id BrowserID) {
	for i := 0; i < len(l.tabs); {
		if l.tabs[i].browser == id {
			if l.tabs[i].holder != 0 {
				l.breach("no-close-under-lease", "t%d left with b%d while r%d held it", l.tabs[i].id, id, l.tabs[i].holder)
			}
			l.dropTab(l.tabs[i].id)
		} else {
			i++
		}
	}
	for i := range l.browsers {
		if l.browsers[i].id == id {
			l.browsers = append(l.browsers[:i], l.browsers[i+1:]...)
			return
		}
	}
}

func (l *Ledger) unwait(id RequestID) (ledgerRequest, bool) {
	for i, r := range l.waiting {
		if r.id == id {
			l.waiting = append(l.waiting[:i], l.waiting[i+1:]...)
			return r, true
		}
	}
	return ledgerRequest{}, false
}

func (l *Ledger) uncall(id CallID) (ledgerCall, bool) {
	for i, c := range l.calls {
		if c.id == id {
			l.calls = append(l.calls[:i], l.calls[i+1:]...)
			return c, true
		}
	}
	return ledgerCall{}, false
}

func (l *Ledger) announcement(a Affinity) *announcement {
	for int(a) >= len(l.announced) {
		l.announced = append(l.announced, announcement{})
	}
	return &l.announced[a]
}

// Feed tells the ledger of one step. What single events and effects break is kept until the next.
func (l *Ledger) Feed(now Time, event Event, effects []Effect) {
	l.breaches, l.freed = l.breaches[:0], 0
	l.event(now, event)
	leaving := l.leaving(event)
	for i := range effects {
		e := &effects[i]
		if leaving != 0 && e.Kind != EndLease && e.Kind != AnnounceCold {
			// The core has said what becomes of the leases; now nothing of the browser is left.
			l.dropBrowser(leaving)
			leaving = 0
		}
		l.effect(now, event, e)
	}
	l.spoiled(event)
	if leaving != 0 {
		// The core has said what becomes of the leases; now nothing of the browser is left.
		l.dropBrowser(leaving)
	}
}

// leaving is the browser that an event takes off the books.
func (l *Ledger) leaving(e Event) BrowserID {
	switch b := l.browser(e.Browser); {
	case b == nil:
	case e.Kind == BrowserGone, e.Kind == BrowserFailed && !b.ready,
		e.Kind == LaunchSilent && !b.ready && !b.ending, e.Kind == BrowserCloseSilent && b.ending:
		return e.Browser
	}
	return 0
}

func (l *Ledger) event(now Time, e Event) {
	switch e.Kind {
	case Requested:
		l.waiting = append(l.waiting, ledgerRequest{id: e.Request, arrived: now, affinity: e.Affinity, class: e.Class})
	case Released, Discarded:
		if t := l.heldBy(e.Request); t != nil {
			t.holder, l.freed, t.idleSince = 0, t.id, now
		}
	case Disposed:
		l.disposals++
		if !e.NoWait {
			l.calls = append(l.calls, ledgerCall{e.Call, e.Affinity, l.disposals})
		}
		for i := range l.tabs {
			if t := &l.tabs[i]; t.affinity == e.Affinity && t.doomed == 0 {
				t.doomed = l.disposals
			}
		}
	case WarmRequested:
		l.calls = append(l.calls, ledgerCall{id: e.Call})
	case DisposeAbandoned, WarmAbandoned:
		l.uncall(e.Call)
	case BrowserReady:
		if b := l.browser(e.Browser); b != nil {
			b.ready = true
		}
	case Opened:
		if t := l.tab(e.Tab); t != nil {
			t.opened = true
		}
	case OpenOverdue:
		if t := l.tab(e.Tab); t != nil {
			t.overdue = true
		}
	case Crashed:
		if t := l.tab(e.Tab); t != nil && t.opened {
			t.crashed = true
		}
	case Closed:
		if t := l.tab(e.Tab); t != nil && (t.closing != 0 || t.lost) {
			l.dropTab(e.Tab)
		}
	case KillSilent:
		if t := l.tab(e.Tab); t != nil && t.closing != 0 && !t.lost {
			t.lost = true
			l.lost++
		}
	}
}

func (l *Ledger) effect(now Time, event Event, e *Effect) {
	switch e.Kind {
	case Grant:
		l.granted(now, e)
	case Refuse:
		l.refused(now, event, e)
	case EndLease:
		l.ended(event, e)
	case FinishDispose, FinishWarm:
		l.finished(e)
	case Forget:
		l.forgotten(e.Affinity)
	case AnnounceWarm, AnnounceCold:
		l.announce(e)
	case Launch:
		l.browsers = append(l.browsers, ledgerBrowser{id: e.Browser})
	case CloseBrowser:
		if b := l.browser(e.Browser); b != nil {
			b.ending = true
			for i := range l.tabs {
				if t := &l.tabs[i]; t.browser == e.Browser && t.closing == 0 {
					l.unheld(t, e)
					t.closing = BrowserLost
				}
			}
		}
	case OpenTab:
		l.tabs = append(l.tabs, entry{id: e.Tab, context: e.Context, browser: e.Browser})
		if b := l.browser(e.Browser); b == nil || !b.ready || b.ending {
			l.breach("two-browsers", "t%d opens in b%d, which does not serve", e.Tab, e.Browser)
		}
	case CloseTab:
		l.closes(now, event, e)
	case CloseAgain, KillTab:
		if t := l.tab(e.Tab); t == nil || t.closing == 0 {
			l.breach("reasoned-close", "t%d is closed again and no close was asked for", e.Tab)
		} else {
			l.unheld(t, e)
		}
	}
}

func (l *Ledger) granted(now Time, e *Effect) {
	r, ok := l.unwait(e.Request)
	if !ok {
		l.breach("single-answer", "r%d was granted and did not wait", e.Request)
	}
	l.waited(now, r, e)
	if l.heldBy(e.Request) != nil {
		l.breach("exclusive-lease", "r%d holds a second tab", e.Request)
	}
	t := l.tab(e.Tab)
	switch {
	case t == nil:
		l.breach("no-doomed-grant", "t%d was granted and is not alive", e.Tab)
		return
	case t.holder != 0:
		l.breach("exclusive-lease", "t%d was granted to r%d and is held by r%d", e.Tab, e.Request, t.holder)
	case t.closing != 0 || t.doomed != 0 || t.crashed || !t.opened:
		l.breach("no-doomed-grant", "t%d was granted and is on its way out, or not open", e.Tab)
	case e.Affinity != r.affinity:
		l.breach("no-doomed-grant", "r%d was granted a tab of another affinity", e.Request)
	}
	if t.affinity != 0 && t.affinity != e.Affinity || t.doomed != 0 {
		l.breach("isolation", "the context of t%d served another affinity or generation", e.Tab)
	}
	if e.How == Adopted && l.hasIdle(e.Affinity) {
		l.breach("warm-not-blocked", "r%d was given a standby, and its affinity has an idle tab", e.Request)
	}
	t.affinity, t.holder, t.class = e.Affinity, e.Request, r.class
	t.uses++
}

// waited checks that the parts of a wait add up to the whole.
func (l *Ledger) waited(now Time, r ledgerRequest, e *Effect) {
	if w := e.Waits; r.id != 0 && (w.Total() != now-r.arrived || min(w.Admission, w.Tab, w.Startup, w.Probe) < 0) {
		l.breach("waits-add-up", "r%d waited %v, and is told %v", r.id, (now - r.arrived).Duration(), w)
	}
}

func (l *Ledger) refused(now Time, event Event, e *Effect) {
	r, ok := l.unwait(e.Request)
	if !ok {
		l.breach("single-answer", "r%d was refused and did not wait", e.Request)
		return
	}
	l.waited(now, r, e)
	switch e.Reason {
	case RequestAbandoned:
		if event.Kind != Abandoned || event.Request != e.Request {
			l.breach("no-needless-refusal", "r%d was taken back, and nobody asked for it", e.Request)
		}
	case QueueFull:
		if event.Kind != Requested || event.Request != e.Request {
			l.breach("no-needless-refusal", "r%d was one too many, and was there before", e.Request)
		}
	case BrowserUnavailable:
		if l.hasBound(r.affinity) {
			l.breach("no-needless-refusal", "r%d was refused, and its affinity has a tab", e.Request)
		}
		for i := range l.tabs {
			if t := &l.tabs[i]; !t.opened && !t.overdue && t.closing == 0 {
				l.breach("no-needless-refusal", "r%d was refused, and t%d is being opened", e.Request, t.id)
			}
		}
	}
}

// ended checks why a lease ended without its holder.
func (l *Ledger) ended(event Event, e *Effect) {
	t := l.heldBy(e.Request)
	if t == nil {
		l.breach("single-answer", "the lease of r%d ended twice", e.Request)
		return
	}
	var so bool
	switch e.Reason {
	case LeaseExpired:
		so = event.Kind == Expired && event.Request == e.Request
	case PageCrashed:
		so = event.Kind == Crashed && event.Tab == t.id
	case BrowserLost:
		so = event.Browser == t.browser || event.Kind == KillSilent
	case PoolClosed:
		so = event.Kind == CloseExpired
	}
	if !so {
		l.breach("single-answer", "the lease of r%d ended as %v, which is not so", e.Request, e.Reason)
	}
	t.holder, l.freed = 0, t.id
}

// finished checks that a disposal is answered when nothing of the generation is left.
func (l *Ledger) finished(e *Effect) {
	c, ok := l.uncall(e.Call)
	if !ok {
		l.breach("single-answer", "call %d was answered and did not wait", e.Call)
		return
	}
	for i := range l.tabs {
		if t := &l.tabs[i]; e.Kind == FinishDispose && t.affinity == c.affinity && t.doomed != 0 && t.doomed <= c.disposal {
			l.breach("no-doomed-grant", "disposal %d is answered, and t%d is not confirmed closed", e.Call, t.id)
		}
	}
}

// forgotten checks that nothing names an affinity whose handle may be used for another key.
func (l *Ledger) forgotten(a Affinity) {
	if l.names(a) {
		l.breach("isolation", "affinity %d is forgotten, and something of it is left", a)
	}
}

// names says whether a tab, a request or a call of an affinity is left.
func (l *Ledger) names(a Affinity) bool {
	for i := range l.tabs {
		if l.tabs[i].affinity == a {
			return true
		}
	}
	for i := range l.waiting {
		if l.waiting[i].affinity == a {
			return true
		}
	}
	for i := range l.calls {
		if l.calls[i].affinity == a {
			return true
		}
	}
	return false
}

// idleFor says whether an affinity has tabs, holds none of them, and gave all back that long ago. What
// the same step has begun to close still counts.
func (l *Ledger) idleFor(a Affinity, now Time, d time.Duration) bool {
	for i := range l.tabs {
		t := &l.tabs[i]
		if t.affinity == a && t.doomed == 0 && (t.holder != 0 || t.closing == 0 && now < t.idleSince.after(d)) {
			return false
		}
	}
	return true
}

func (l *Ledger) hasIdle(a Affinity) bool {
	for i := range l.tabs {
		if t := &l.tabs[i]; t.affinity == a && t.bound() && t.holder == 0 && !t.crashed {
			return true
		}
	}
	return false
}

// spoiled checks that what an event spoiled is on its way out in the same step.
func (l *Ledger) spoiled(event Event) {
	id := event.Tab
	switch event.Kind {
	case Discarded, Expired:
		id = l.freed
	case Crashed: // a page that has not opened yet is not there to crash
	default:
		return
	}
	if t := l.tab(id); t != nil && t.opened && t.closing == 0 {
		l.breach("no-doomed-grant", "t%d is spoiled, and is not on its way out", id)
	}
}

// unheld notes a close that begins while somebody holds the tab.
func (l *Ledger) unheld(t *entry, e *Effect) {
	if t.holder != 0 {
		l.breach("no-close-under-lease", "t%d is closed while r%d holds it (%d)", t.id, t.holder, e.Kind)
	}
}

// closes checks that a close has one reason, recorded once, that is true in this step.
func (l *Ledger) closes(now Time, event Event, e *Effect) {
	t := l.tab(e.Tab)
	if t == nil {
		l.breach("reasoned-close", "t%d is closed and is not alive", e.Tab)
		return
	}
	l.unheld(t, e)
	held := l.freed == e.Tab // it was held until this step
	var ok bool
	switch e.Reason {
	case Eviction:
		ok = t.opened && t.affinity != 0 && t.doomed == 0
		if t.closing != 0 || t.holder != 0 || !t.opened {
			l.breach("eviction-truth", "eviction picked t%d, which is not idle", e.Tab)
		}
	case Disposal:
		ok = t.doomed != 0
	case Discard:
		ok = event.Kind == Discarded && !event.Wedged && held
	case Wedge:
		ok = event.Kind == Discarded && event.Wedged && held
	case Expiry:
		ok = event.Kind == Expired && held
	case Crash:
		ok = event.Kind == Crashed && event.Tab == e.Tab
	case IdleSweep:
		ok = event.Kind == SweepRequested && l.idleFor(e.Affinity, now, event.MaxIdle)
	case MaxUses:
		ok = event.Kind == Released && held
	case MaxAge:
		ok = event.Kind == RetireDue && event.Tab == e.Tab || event.Kind == Released && held
	case OpenFailure:
		ok = event.Kind == OpenFailed && event.Tab == e.Tab
	case OpenTimeout:
		ok = event.Kind == OpenSilent && event.Tab == e.Tab
	}
	if !ok || t.closing != 0 {
		l.breach("reasoned-close", "t%d is closed for %v, which is not so, or not the first reason", e.Tab, e.Reason)
	}
	t.closing = e.Reason
}

func (l *Ledger) announce(e *Effect) {
	last := l.announcement(e.Affinity)
	warm := e.Kind == AnnounceWarm
	if last.warm == warm || e.Generation < last.generation || warm && e.Generation == last.generation {
		l.breach("announcement-truth", "warm=%v of generation %d follows warm=%v of generation %d",
			warm, e.Generation, last.warm, last.generation)
	}
	*last = announcement{generation: e.Generation, warm: warm}
}
