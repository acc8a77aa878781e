package spec

import (
	"fmt"
	"slices"
	"time"

	"github.com/pagepool/pagepool/pool/core"
)

// Ledger is a second set of books, fed by events and effects alone and never by the state, so that
// a state which forgets something is caught. It knows what has to be true from outside: which tabs
// can be alive, who holds which, who waits, and what was announced. It is a flat value.
type Ledger struct {
	tabs       []entry
	contexts   []ledgerContext
	browsers   []ledgerBrowser
	waiting    []ledgerRequest
	calls      []ledgerCall
	affinities []ledgerAffinity
	disposals  uint32           // so far
	now        core.Time        // of the last step
	operation  core.OperationID // the number of what was asked last
	priority   int32            // the highest that was asked with
	asked      bool             // somebody asked for a page
	breaches   []breach         // of the last step
	heard                       // in the last step
	goodEnds   []ledgerGoodEnd  // of affinities in browsers
	openings   ledgerPause
	launches   ledgerPause
	quietSince core.Time // since when nobody holds a tab or waits for one
	shrinks    bool      // IdleContraction has passed since then

	checkBegan   core.Time // when the last check of a browser began
	checkEnded   core.Time // when the last one ended
	sickBrowsers int       // replaced for a failed check, with no successful one since
	replacedAt   core.Time // when the last of them was
}

// heard is of which tabs the event of a step says so; 0: of none.
type heard struct {
	freed      core.TabID // its lease ended
	pageGone   core.TabID // its page went, and its context was left
	justOpened core.TabID // its opening was answered, for the first time
	unasked    core.TabID // it answers, and nothing was asked of it that it answers
	tooLate    core.TabID // its opening was answered after it was given up, for the first time
	unreset    core.TabID // a part of its reset failed, or was silent
}

// entry is one tab, from the effect that asks for it to the event that confirms its end.
type entry struct {
	askedAt    core.Time        // since when an operation on it has been silent; never: none is
	endedAt    core.Time        // when its last lease ended
	overAt     core.Time        // when the end of its session was confirmed, or given up
	leasedAt   core.Time        // when its last lease began
	stuckSince core.Time        // stuck: when the first such lease in a row began
	heardAt    core.Time        // when its page was last known to answer
	operation  core.OperationID // of what was asked
	holder     core.RequestID
	id         core.TabID
	context    core.ContextID
	browser    core.BrowserID
	affinity   core.Affinity   // that it was granted to first; 0: to none yet
	doomed     uint32          // which disposal ended its generation; 0: none
	uses       uint32          // how often it was granted
	closing    core.Reason     // of the close that was asked for; 0: none
	class      core.Class      // of the lease: root or nested
	priority   int32           // of the request that holds it
	asked      core.EffectKind // ProbeTab, RescueTab, ResetTab: what has not been answered
	opened     bool
	overdue    bool // its opening is
	crashed    bool
	suspect    bool // it is in doubt, and has not answered since
	lost       bool
	rescued    bool         // a rescue was tried since it came into doubt
	usedBefore bool         // it was given back, and not reset since
	failed     bool         // its opening has, and was told so
	killing    bool         // its renderer is being killed, and nothing was said of it
	ending     bool         // its lease has ended, and it is not idle again
	answered   bool         // its page has answered since then
	halts      bool         // RescueTab was asked as the first part of a reset
	halted     bool         // and was answered
	sessions   bool         // its leases have sessions of their own
	session    core.Session // what has become of these
	spoiled    bool         // a lease has left something in it, or in its context
	stuck      bool         // in its last lease a navigation began, and none finished
	// it has not navigated in two leases in a row, and another tab of its browser has
	wedged bool
	// its last lease has ended, and its page has answered nothing since, nor failed to
	unjudged  bool
	doubtful  bool          // its last lease has ended in doubt
	doubted   bool          // its context is given up for that
	frozen    bool          // its page was asked to freeze, and has answered no probe since
	idleSince core.Time     // since when it is idle
	memory    int64         // what its page uses, as last measured
	clock     clock         // when it is due
	retireAt  core.Time     // when it is past its MaxAge
	maxLease  time.Duration // of its lease; negative: none
	// how often, since its last lease, a session of it did not end, or did not begin
	failures uint8
}

// ledgerContext is one context, from the effect that opens a tab in it to the event that confirms
// its end.
type ledgerContext struct {
	askedAt    core.Time // since when an operation on it has been silent; never: none is
	aloneSince core.Time // when its last tab went and left it
	id         core.ContextID
	browser    core.BrowserID
	affinity   core.Affinity // that it serves; 0: none yet
	doomed     uint32        // which disposal ended it; 0: none
	disposals  uint32        // how many there had been when it began to close
	closing    bool          // by itself, without a tab
	spoiled    bool          // a lease has left something in it
	// a lease on a tab of it that is gone has ended in doubt, and none well since
	doubtful bool
	doubted  bool      // it is given up for that
	began    core.Time // closing: from when the time of its rung counts
	climbed  bool      // closing: on the last rung
	lost     bool      // that was silent, too
}

type ledgerBrowser struct {
	// when it was launched, was ready, drained or was asked to end: the last of these
	since     core.Time
	pingedAt  core.Time // asked: since when
	heardAt   core.Time // when it answered anything last
	arrivedAt core.Time // when a lease on a tab of it ended in which a navigation finished
	id        core.BrowserID
	ready     bool
	drains    bool
	ending    bool
	asked     bool // whether it is there, and it has not answered
	lost      bool // it is known to end unasked
	heavy     bool // it was measured above MaxBrowserMemory, and not below nine tenths of that since
	checks    ledgerChecks
}

type ledgerRequest struct {
	id       core.RequestID
	arrived  core.Time
	affinity core.Affinity
	maxLease time.Duration // of the lease to come
	priority int32
	class    core.Class // root or nested
}

// ledgerCall is a disposal, a Warm or a Recycle that waits.
type ledgerCall struct {
	id       core.CallID
	affinity core.Affinity  // a disposal; 0: another
	disposal uint32         // its number
	browser  core.BrowserID // a Recycle: which was to be replaced
}

// ledgerAffinity is what the ledger knows of an affinity.
type ledgerAffinity struct {
	generation core.Generation // announced last; 0: none was
	warm       bool            // and as what
	known      bool            // its handle stands for a key
	own        bool            // its contexts are made for it
	inDoubt    bool            // they are given up in this step
	usedAt     core.Time       // when a lease or a wait of it ended last
	doubts     ledgerDoubts
}

// breach is a rule that a single event or effect broke, noticed while the ledger was fed.
type breach struct {
	invariant string
	what      string
}

// count is how many tabs are so.
func (l *Ledger) count(are func(*entry) bool) (n int) {
	for i := range l.tabs {
		if are(&l.tabs[i]) {
			n++
		}
	}
	return n
}

// any says whether a tab is so.
func (l *Ledger) any(is func(*entry) bool) bool { return find(l.tabs, is) != nil }

func (l *Ledger) lost() int { return l.count(func(e *entry) bool { return e.lost }) }

// Counts says whether the ledger counts a tab as alive.
func (l *Ledger) Counts(id core.TabID) bool { return l.tab(id) != nil }

// CountsContext says whether the ledger counts a context as alive.
func (l *Ledger) CountsContext(id core.ContextID) bool { return l.context(id) != nil }

func (l *Ledger) breach(invariant, format string, args ...any) {
	l.breaches = append(l.breaches, breach{invariant, fmt.Sprintf(format, args...)})
}

// find is the thing in a list that is so; nil: there is none.
func find[T any](list []T, is func(*T) bool) *T {
	for i := range list {
		if is(&list[i]) {
			return &list[i]
		}
	}
	return nil
}

// take takes the thing that is so off a list.
func take[T any](list *[]T, is func(T) bool) (thing T, ok bool) {
	i := slices.IndexFunc(*list, is)
	if i < 0 {
		return thing, false
	}
	thing = (*list)[i]
	*list = slices.Delete(*list, i, i+1)
	return thing, true
}

func (l *Ledger) tab(id core.TabID) *entry {
	return find(l.tabs, func(e *entry) bool { return e.id == id })
}

func (l *Ledger) heldBy(r core.RequestID) *entry {
	return find(l.tabs, func(e *entry) bool { return r != 0 && e.holder == r })
}

func (l *Ledger) browser(id core.BrowserID) *ledgerBrowser {
	return find(l.browsers, func(b *ledgerBrowser) bool { return b.id == id })
}

func (l *Ledger) context(id core.ContextID) *ledgerContext {
	return find(l.contexts, func(c *ledgerContext) bool { return c.id == id })
}

func (l *Ledger) dropContext(id core.ContextID) {
	l.contexts = slices.DeleteFunc(l.contexts, func(c ledgerContext) bool { return c.id == id })
}

func (l *Ledger) dropTab(id core.TabID) {
	l.tabs = slices.DeleteFunc(l.tabs, func(e entry) bool { return e.id == id })
}

func (l *Ledger) dropBrowser(id core.BrowserID) {
	l.checkEnds(l.browser(id))
	for i := range l.tabs {
		if t := &l.tabs[i]; t.browser == id && t.holder != 0 {
			l.breach("no-close-under-lease", "t%d left with b%d while r%d held it", t.id, id, t.holder)
		}
	}
	l.tabs = slices.DeleteFunc(l.tabs, func(e entry) bool { return e.browser == id })
	l.contexts = slices.DeleteFunc(l.contexts, func(c ledgerContext) bool { return c.browser == id })
	l.browsers = slices.DeleteFunc(l.browsers, func(b ledgerBrowser) bool { return b.id == id })
	l.goodEnds = slices.DeleteFunc(l.goodEnds, func(g ledgerGoodEnd) bool { return g.browser == id })
}

func (l *Ledger) unwait(id core.RequestID) (ledgerRequest, bool) {
	return take(&l.waiting, func(r ledgerRequest) bool { return r.id == id })
}

func (l *Ledger) uncall(id core.CallID) (ledgerCall, bool) {
	return take(&l.calls, func(c ledgerCall) bool { return c.id == id })
}

// of is what the ledger knows of an affinity.
func (l *Ledger) of(a core.Affinity) *ledgerAffinity {
	for int(a) >= len(l.affinities) {
		l.affinities = append(l.affinities, ledgerAffinity{})
	}
	return &l.affinities[a]
}

// Feed tells the ledger of one step. What single events and effects break is kept until the next.
func (l *Ledger) Feed(set *core.Settings, now core.Time, event core.Event, effects []core.Effect) {
	l.breaches, l.heard, l.now = l.breaches[:0], heard{}, now
	l.rests()
	l.givesUp(event, l.silent(event), effects)
	l.hear(event)
	l.evidence(event)
	l.timesHeard(set, event)
	l.binds(event)
	l.event(set, event)
	l.giveUpDoubted(set.AffinityDoubt, l.leaving(event))
	l.pageLeft(effects)
	leaving := l.leaving(event)
	for i := range effects {
		e := &effects[i]
		if leaving != 0 && e.Kind != core.EndLease && e.Kind != core.AnnounceCold {
			// The core has said what becomes of the leases; now nothing of the browser is left.
			l.dropBrowser(leaving)
			leaving = 0
		}
		l.numbered(e)
		l.knows(e)
		l.lostIsLeft(e)
		l.effect(event, e)
		l.timesAsked(set, event, e)
	}
	l.answered(effects)
	if c := l.context(event.Context); c != nil && event.Is(core.Silent, core.CloseContext) &&
		!closesContext(effects, event.Context) {
		c.askedAt = core.Never // it is lost
	}
	l.leave(event)
	for i := range l.tabs {
		if t := &l.tabs[i]; t.asked == 0 && t.closing == 0 && t.holder == 0 {
			t.ending = false
		}
	}
	l.shrinks = l.shrinks && l.quiet()
	if leaving != 0 {
		l.dropBrowser(leaving)
	}
}

func (l *Ledger) event(set *core.Settings, e core.Event) {
	switch e.Kind {
	case core.Requested:
		l.ownTerms(e)
		r := ledgerRequest{id: e.Request, arrived: l.now, affinity: e.Affinity, priority: e.Priority,
			class: e.Class, maxLease: e.MaxLease}
		if r.maxLease == 0 {
			r.maxLease = set.MaxLease
		}
		l.waiting = append(l.waiting, r)
		l.asked, l.priority = true, max(l.priority, e.Priority)
	case core.Released, core.Discarded, core.Expired:
		if t := l.heldBy(e.Request); t != nil {
			l.freed = t.id
			l.of(t.affinity).usedAt = l.now
			t.suspect, t.usedBefore = e.Kind == core.Expired || e.Wedged, true
			if e.Kind == core.Released {
				t.heardAt = l.now
			}
			t.ending, t.answered, t.halted, t.failures = true, false, false, 0
			t.endedAt, t.overAt = l.now, l.now
			if t.sessions {
				t.session = core.SessionEnding
			}
			if e.Kind != core.Expired {
				t.holder = 0
			}
		}
	case core.Disposed:
		l.disposed(e)
	case core.WarmRequested:
		l.calls = append(l.calls, ledgerCall{id: e.Call})
	case core.RecycleRequested:
		c := ledgerCall{id: e.Call}
		for _, b := range l.browsers {
			if b.ready {
				c.browser = max(c.browser, b.id)
			}
		}
		l.calls = append(l.calls, c)
	case core.CallAbandoned:
		l.uncall(e.Call)
	case core.Measured:
		l.measured(set.MaxBrowserMemory, e)
	default:
		if t := l.tab(e.Tab); t != nil {
			l.tabEvent(t, e)
		}
	}
	switch {
	case e.Is(core.Done, core.Launch):
		l.browserReady(e.Browser)
	case e.Is(core.Failed, core.Ping) && l.serves(e.Browser):
		l.browser(e.Browser).lost = true
	}
	if c := l.context(e.Context); c != nil && e.Kind == core.Done && c.closing {
		l.dropContext(e.Context)
	}
}

func (l *Ledger) browserReady(id core.BrowserID) {
	b := l.browser(id)
	if b == nil || b.ready {
		return
	}
	b.ready = true
	for i := range l.browsers {
		if o := &l.browsers[i]; o.ready && o.id != id && !b.ending {
			o.drains = true
		}
	}
}

func (l *Ledger) disposed(e core.Event) {
	l.disposals++
	if !e.NoWait {
		l.calls = append(l.calls, ledgerCall{id: e.Call, affinity: e.Affinity, disposal: l.disposals})
	}
	for i := range l.tabs {
		if t := &l.tabs[i]; t.affinity == e.Affinity && t.doomed == 0 {
			t.doomed = l.disposals
		}
	}
	for i := range l.contexts {
		if c := &l.contexts[i]; c.affinity == e.Affinity && c.doomed == 0 && !e.Retain {
			c.doomed = l.disposals
		}
	}
}

func (l *Ledger) effect(event core.Event, e *core.Effect) {
	switch e.Kind {
	case core.Grant:
		l.granted(e)
	case core.Refuse:
		l.refused(event, e)
	case core.EndLease:
		l.ended(event, e)
	case core.FinishDispose, core.FinishWarm, core.FinishRecycle:
		l.finished(e)
	case core.Forget:
		l.forgotten(e.Affinity)
	case core.AnnounceWarm, core.AnnounceCold:
		l.announce(e)
	case core.Launch:
		l.browsers = append(l.browsers, ledgerBrowser{id: e.Browser, heardAt: l.now})
	case core.CloseBrowser:
		if b := l.browser(e.Browser); event.Is(core.Silent, core.Ping) && event.Browser == e.Browser &&
			b != nil && !b.asked {
			l.breach("browser-truth", "b%d is given up, and it has answered", e.Browser)
		}
		l.browserCloses(e)
	case core.OpenTab:
		l.opens(e)
	case core.CloseTab:
		l.closes(event, e)
	case core.CloseContext:
		l.contextCloses(event, e)
	case core.CloseAgain, core.KillTab:
		if t := l.tab(e.Tab); t == nil || t.closing == 0 {
			l.breach("reasoned-close", "t%d is closed again and no close was asked for", e.Tab)
		} else {
			l.unheld(t, e)
			l.askedAgain(t, e)
			t.operation, t.askedAt = e.Operation, min(t.askedAt, l.now)
		}
	case core.Ping:
		if b := l.browser(e.Browser); b != nil {
			b.asked = true
		}
	case core.CheckBrowser:
		l.checks(event, e)
	case core.FreezeTab:
		l.freezes(event, e)
	case core.ProbeTab, core.RescueTab, core.ResetTab, core.EndSession, core.BeginSession:
		if t := l.tab(e.Tab); t == nil || t.holder != 0 || t.closing != 0 {
			l.breach("exclusive-lease", "t%d is probed, rescued or reset, and is held or on its way out",
				e.Tab)
		} else {
			l.doubted(t, event, e)
			l.sessionAsked(t, e)
			t.asked, t.operation, t.askedAt = e.Kind, e.Operation, min(t.askedAt, l.now)
			t.halts, t.rescued = e.Halt, t.rescued || e.Kind == core.RescueTab
		}
	}
}
