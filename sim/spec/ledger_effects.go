package spec

import (
	"slices"
	"time"

	"github.com/pagepool/pagepool/pool/core"
)

// What the ledger thinks of each effect.

func (l *Ledger) granted(e *core.Effect) {
	r, ok := l.unwait(e.Request)
	if !ok {
		l.breach("single-answer", "r%d was granted and did not wait", e.Request)
	}
	l.waited(r, e)
	if l.heldBy(e.Request) != nil {
		l.breach("exclusive-lease", "r%d holds a second tab", e.Request)
	}
	t := l.tab(e.Tab)
	switch {
	case t == nil:
		l.breach("no-doomed-grant", "t%d was granted and is not alive", e.Tab)
		return
	case t.holder != 0:
		l.breach("exclusive-lease", "t%d was granted to r%d and is held by r%d", e.Tab, e.Request,
			t.holder)
	case t.closing != 0 || t.doomed != 0 || t.crashed || !t.opened || t.asked != 0:
		l.breach("no-doomed-grant", "t%d was granted and is on its way out, not open, or being asked "+
			"something", e.Tab)
	case e.Affinity != r.affinity:
		l.breach("no-doomed-grant", "r%d was granted a tab of another affinity", e.Request)
	}
	if t.suspect {
		l.breach("no-doomed-grant", "t%d was granted and is in doubt", e.Tab)
	}
	c := l.context(t.context)
	if t.unjudged {
		l.endedWell(t) // its last lease, before it is another affinity's
	}
	l.ownGrant(t, e)
	if e.How == core.Reassigned {
		if l.inContext(t.context) > 1 {
			l.breach("isolation", "t%d was handed to another affinity, and shares its context", e.Tab)
		}
		c.affinity, t.affinity = e.Affinity, e.Affinity
	}
	if t.affinity != 0 && t.affinity != e.Affinity || t.doomed != 0 || c.doomed != 0 ||
		c.affinity != 0 && c.affinity != e.Affinity {
		l.breach("isolation", "the context of t%d served another affinity or generation", e.Tab)
	}
	c.affinity = e.Affinity
	l.cleanGrant(t)
	t.affinity, t.holder, t.class, t.priority, t.leasedAt, t.maxLease = e.Affinity, e.Request, r.class,
		r.priority, l.now, r.maxLease
	t.uses++
	if b := l.browser(t.browser); b != nil {
		b.checks.serves(e.Affinity)
	}
}

// waited checks that the parts of a wait add up to the whole.
func (l *Ledger) waited(r ledgerRequest, e *core.Effect) {
	if w := e.Waits; r.id != 0 && (w.Total() != l.now-r.arrived ||
		min(w.Admission, w.Tab, w.Startup, w.Probe) < 0) {
		l.breach("waits-add-up", "r%d waited %v, and is told %v", r.id, (l.now - r.arrived).Duration(), w)
	}
}

func (l *Ledger) refused(event core.Event, e *core.Effect) {
	r, ok := l.unwait(e.Request)
	if !ok {
		l.breach("single-answer", "r%d was refused and did not wait", e.Request)
		return
	}
	l.waited(r, e)
	if event.Request != e.Request || e.Reason != core.PoolClosed { // else it did not wait
		l.of(r.affinity).usedAt = l.now
	}
	switch e.Reason {
	case core.RequestAbandoned:
		if event.Kind != core.Abandoned || event.Request != e.Request {
			l.breach("no-needless-refusal", "r%d was taken back, and nobody asked for it", e.Request)
		}
	case core.QueueFull:
		if event.Kind != core.Requested || event.Request != e.Request {
			l.breach("no-needless-refusal", "r%d was one too many, and was there before", e.Request)
		}
	}
}

// ended checks why a lease ended without its holder.
func (l *Ledger) ended(event core.Event, e *core.Effect) {
	t := l.heldBy(e.Request)
	if t == nil {
		l.breach("single-answer", "the lease of r%d ended twice", e.Request)
		return
	}
	var so bool
	switch e.Reason {
	case core.LeaseExpired:
		so = event.Kind == core.Expired && event.Request == e.Request
	case core.PageCrashed:
		so = event.Kind == core.Crashed && event.Tab == t.id && !event.TooLarge
	case core.PageTooLarge:
		so = event.Kind == core.Crashed && event.Tab == t.id && event.TooLarge
	case core.BrowserLost:
		so = event.Browser == t.browser
	case core.PoolClosed:
		so = event.Kind == core.CloseExpired
	}
	if !so {
		l.breach("single-answer", "the lease of r%d ended as %v, which is not so", e.Request, e.Reason)
	}
	t.holder, l.freed = 0, t.id
	t.doubtful = t.doubtful && e.Reason == core.LeaseExpired
	l.of(t.affinity).usedAt = l.now
}

// finished checks that a disposal is answered when nothing of the generation is left, and a Recycle
// when the browser is gone.
func (l *Ledger) finished(e *core.Effect) {
	switch c, ok := l.uncall(e.Call); {
	case !ok:
		l.breach("single-answer", "call %d was answered and did not wait", e.Call)
	case e.Kind == core.FinishRecycle && e.Reason == core.ReasonNone && l.aliveUpTo(c.browser):
		l.breach("single-answer", "recycle %d is answered, and a browser up to b%d is alive", e.Call,
			c.browser)
	case e.Kind == core.FinishDispose && l.isLeft(&c):
		l.breach("no-doomed-grant", "disposal %d is answered, and not all is confirmed closed", e.Call)
	}
}

// aliveUpTo says whether a browser is alive that is this one or an older one.
func (l *Ledger) aliveUpTo(id core.BrowserID) bool {
	return find(l.browsers, func(b *ledgerBrowser) bool { return b.id <= id }) != nil
}

// isLeft says whether a tab or a context is left of the generations that a disposal ended, or a
// context that was being closed already.
func (l *Ledger) isLeft(c *ledgerCall) bool {
	ended := func(a core.Affinity, doomed uint32) bool {
		return a == c.affinity && doomed != 0 && doomed <= c.disposal
	}
	return l.any(func(e *entry) bool { return ended(e.affinity, e.doomed) }) ||
		find(l.contexts, func(o *ledgerContext) bool {
			return ended(o.affinity, o.doomed) ||
				o.affinity == c.affinity && o.closing && o.disposals < c.disposal
		}) != nil
}

// idleFor says whether nobody holds a tab of an affinity, none is in doubt or being reset, and the
// last was given back that long ago. What the same step has begun to close still counts.
func (l *Ledger) idleFor(a core.Affinity, d time.Duration) bool {
	if l.now < l.of(a).usedAt.Add(d) {
		return false
	}
	return !l.any(func(t *entry) bool {
		return t.affinity == a && (t.holder != 0 || t.doomed == 0 && t.asked != 0 && t.closing == 0)
	})
}

// sweeps says whether an event closes an affinity, and rightly: nobody holds it, and has not for
// long enough. Whether MaxIdle has passed, its deadline says.
func (l *Ledger) sweeps(event core.Event, a core.Affinity) bool {
	switch event.Kind {
	case core.SweepRequested:
		return l.idleFor(a, event.MaxIdle)
	case core.IdleDue:
		return event.Affinity == a && l.idleFor(a, 0)
	}
	return false
}

func (l *Ledger) hasIdle(a core.Affinity) bool {
	return l.any(func(e *entry) bool {
		return e.affinity == a && e.bound() && e.holder == 0 && !e.crashed && e.asked == 0
	})
}

// leave checks that what has to be on its way out after an event is, in the same step.
func (l *Ledger) leave(event core.Event) {
	for i := range l.tabs {
		t := &l.tabs[i]
		if t.closing != 0 {
			continue
		}
		leaves := func(has bool, claim, why string) {
			if has {
				l.breach(claim, "t%d is not on its way out, and %s", t.id, why)
			}
		}
		ofThis, unheld := t.id == event.Tab, t.opened && t.holder == 0
		sessionOver := event.Is(core.Done, core.EndSession)
		leaves(event.Kind == core.Discarded && !event.Wedged && t.id == l.freed && t.opened,
			"no-doomed-grant", "it is discarded")
		leaves(event.Kind == core.Crashed && ofThis && t.opened, "no-doomed-grant", "it has crashed")
		leaves(sessionOver && t.spoiled && unheld, "clean-lease", "a lease has left something in it")
		leaves(sessionOver && t.wedged && ofThis, "doubt",
			"no navigation finished in its last two leases, and others did")
		leaves(ofThis && t.failures > 1, "doubt", "its sessions fail to end or to begin")
		leaves(t.id == l.unreset, "reset-bounded", "its reset has failed")
		leaves(t.doubted && unheld && l.of(t.affinity).inDoubt, "affinity-doubt",
			"leases of its affinity end in doubt")
	}
	for i := range l.contexts {
		if c := &l.contexts[i]; c.doubted && l.of(c.affinity).inDoubt && l.inContext(c.id) == 0 &&
			!c.closing {
			l.breach("affinity-doubt", "leases of affinity %d end in doubt, and c%d is kept", c.affinity,
				c.id)
		}
	}
}

// unheld notes a close that begins while somebody holds the tab.
func (l *Ledger) unheld(t *entry, e *core.Effect) {
	if t.holder != 0 {
		l.breach("no-close-under-lease", "t%d is closed while r%d holds it (%d)", t.id, t.holder, e.Kind)
	}
}

// closes checks that a close has one reason, recorded once, that is true in this step.
func (l *Ledger) closes(event core.Event, e *core.Effect) {
	t := l.tab(e.Tab)
	if t == nil {
		l.breach("reasoned-close", "t%d is closed and is not alive", e.Tab)
		return
	}
	l.unheld(t, e)
	if l.reasonHolds(t, event, e); t.closing != 0 {
		l.breach("reasoned-close", "t%d is closed for %v, which is not the first reason", e.Tab, e.Reason)
	}
	t.closing, t.operation, t.askedAt = e.Reason, e.Operation, min(t.askedAt, l.now)
	if c := l.context(t.context); c != nil {
		c.doubtful = c.doubtful || t.doubtful
	}
	if !e.Kept && l.inContext(t.context) > 1 {
		l.breach("no-close-under-lease", "c%d is closed with t%d, and others are in it", t.context, t.id)
	}
}

// reasonHolds checks that the reason of a close is true in this step.
func (l *Ledger) reasonHolds(t *entry, event core.Event, e *core.Effect) {
	ofThis, held := event.Tab == e.Tab, l.freed == e.Tab // until this step
	b := l.browser(t.browser)
	var ok bool
	switch e.Reason {
	case core.Eviction:
		ok = t.opened && (t.affinity != 0 || l.ownWaits()) && t.doomed == 0
		if t.closing != 0 || t.holder != 0 || !t.opened {
			l.breach("eviction-truth", "eviction picked t%d, which is not idle", e.Tab)
		}
	case core.Disposal:
		ok = t.doomed != 0
	case core.Discard:
		ok = event.Kind == core.Discarded && !event.Wedged && held
	case core.Wedge:
		ok = event.Kind == core.Discarded && event.Wedged && held || ofThis && t.suspect ||
			ofThis && (event.Is(core.Failed, core.RescueTab) || event.Is(core.Silent, core.RescueTab)) ||
			t.late() ||
			ofThis && (t.failures > 1 || t.wedged)
	case core.Expiry:
		ok = event.Kind == core.Expired && held
	case core.Crash:
		ok = event.Kind == core.Crashed && ofThis && !event.TooLarge
	case core.Memory:
		ok = event.Kind == core.Crashed && ofThis && event.TooLarge
	case core.BrowserMemory:
		ok = event.Kind == core.Measured && event.Browser == t.browser && t.closing == 0 && t.holder == 0
	case core.IdleSweep:
		ok = l.sweeps(event, e.Affinity)
	case core.MaxUses:
		ok = event.Kind == core.Released && held || ofThis && endsWait(&event)
	case core.MaxAge:
		ok = event.Kind == core.RetireDue && ofThis || event.Kind == core.Released && held ||
			ofThis && endsWait(&event)
	case core.Doubt:
		ok = t.doubted && (l.of(t.affinity).inDoubt || held ||
			ofThis && event.Is(core.Done, core.OpenTab))
	case core.Spoiled:
		ok = t.spoiled && (event.Is(core.Done, core.EndSession) || held ||
			ofThis && event.Is(core.Done, core.OpenTab))
	case core.OpenFailure:
		ok = event.Is(core.Failed, core.OpenTab) && ofThis
	case core.OpenTimeout:
		ok = event.Is(core.Silent, core.OpenTab) && ofThis
	case core.Unwanted:
		ok = event.Is(core.Done, core.OpenTab) && ofThis && t.affinity != 0 &&
			(t.overdue || !l.waits(t.affinity))
	case core.Contraction:
		ok = t.opened && len(l.waiting) == 0 &&
			!l.any(func(o *entry) bool {
				return o.holder != 0 || !o.opened && o.closing == 0
			})
	case core.Drain:
		ok = b != nil && b.drains
	}
	if !ok {
		l.breach("reasoned-close", "t%d is closed for %v, which is not so", e.Tab, e.Reason)
	}
}

// endsWait says whether a tab can be idle again after an event.
func endsWait(e *core.Event) bool {
	of := e.Of
	return e.Kind == core.Done && (of == core.ProbeTab || of == core.ResetTab ||
		of == core.EndSession || of == core.BeginSession)
}

// contextCloses checks that a context that is closed by itself has no tab, and a reason that is
// true.
func (l *Ledger) contextCloses(event core.Event, e *core.Effect) {
	c := l.context(e.Context)
	if c == nil {
		l.breach("reasoned-close", "c%d is closed and is not alive", e.Context)
		return
	}
	if l.inContext(c.id) > 0 {
		l.breach("no-close-under-lease", "c%d is closed, and tabs are in it", c.id)
	}
	b := l.browser(c.browser)
	var ok bool
	switch e.Reason {
	case core.ReasonNone: // once more
		ok = c.closing
	case core.Disposal: // what is to be retained closes where nothing can be
		ok = c.doomed != 0 || event.Kind == core.Disposed && event.Affinity == c.affinity
	case core.Doubt:
		ok = c.doubted && l.of(c.affinity).inDoubt
	case core.OrphanRoom:
		ok = true // contextsHold counts the places
	case core.IdleSweep:
		ok = l.sweeps(event, c.affinity)
	case core.Drain:
		ok = b != nil && b.drains
	}
	if !ok || c.closing != (e.Reason == core.ReasonNone) {
		l.breach("reasoned-close", "c%d is closed for %v, which is not so, or not the first reason", c.id,
			e.Reason)
	}
	if e.Reason == core.Disposal && c.doomed == 0 {
		c.doomed = l.disposals // it was to be retained, and cannot be
	}
	c.begin(l)
	c.askedAt = min(c.askedAt, l.now)
}

// begin notes that a context begins to close, if it has not begun before.
func (c *ledgerContext) begin(l *Ledger) {
	if !c.closing {
		c.closing, c.disposals = true, l.disposals
	}
}

// numbered checks that no operation has the number of another.
func (l *Ledger) numbered(e *core.Effect) {
	if e.Operation == 0 {
		return
	}
	if e.Operation <= l.operation {
		l.breach("single-answer", "operation %d is asked for after operation %d", e.Operation,
			l.operation)
	}
	l.operation = e.Operation
}

// askedAgain checks that a tab on its way out is asked for more only by what it waits for, and in a
// browser that goes on.
func (l *Ledger) askedAgain(t *entry, e *core.Effect) {
	if b := l.browser(t.browser); b != nil && b.ending {
		l.breach("reasoned-close", "t%d is closed again, and b%d has been asked to end", t.id, b.id)
	}
	if t.id == l.unasked {
		l.breach("single-answer", "t%d is closed again, for an answer that nobody waited for", t.id)
	}
	t.killing = t.killing || e.Kind == core.KillTab
}

// doubted checks that what is asked of a tab that nobody holds is called for.
func (l *Ledger) doubted(t *entry, event core.Event, e *core.Effect) {
	switch {
	case e.Kind == core.ProbeTab && t.uses == 0 && !t.frozen:
		l.breach("doubt", "t%d is probed, and has served nobody", t.id)
	case e.Kind == core.RescueTab && !e.Halt && event.Is(core.Done, core.ProbeTab):
		l.breach("doubt", "t%d answers, and it is rescued", t.id)
	case e.Kind == core.ResetTab && !t.halted:
		l.breach("reset-bounded", "t%d is to leave its document, and its main thread was not heard", t.id)
	}
}

// answered checks that an opening that is answered after it was given up is closed again: what it
// has left is not known.
func (l *Ledger) answered(effects []core.Effect) {
	if t := l.tab(l.tooLate); t != nil && t.closing != 0 && l.serves(t.browser) &&
		!closesAgain(effects, t.id) {
		l.breach("no-leak", "t%d was given up before its opening was answered, and is not closed again",
			t.id)
	}
}

func closesAgain(effects []core.Effect, id core.TabID) bool {
	return slices.ContainsFunc(effects, func(e core.Effect) bool {
		return e.Kind == core.CloseAgain && e.Tab == id
	})
}

func (l *Ledger) announce(e *core.Effect) {
	last := l.of(e.Affinity)
	warm := e.Kind == core.AnnounceWarm
	if last.warm == warm || e.Generation < last.generation || warm && e.Generation == last.generation {
		l.breach("announcement-truth", "warm=%v of generation %d follows warm=%v of generation %d",
			warm, e.Generation, last.warm, last.generation)
	}
	last.generation, last.warm = e.Generation, warm
}

func (l *Ledger) browserCloses(e *core.Effect) {
	b := l.browser(e.Browser)
	if b == nil {
		return
	}
	if b.ending {
		l.breach("reasoned-close", "b%d is asked to end, and was asked before", e.Browser)
	}
	b.ending = true
	l.checkEnds(b)
	for i := range l.tabs {
		if t := &l.tabs[i]; t.browser == e.Browser && t.closing == 0 {
			l.unheld(t, e)
			t.closing = core.BrowserLost
		}
	}
	for i := range l.contexts {
		if c := &l.contexts[i]; c.browser == e.Browser && l.inContext(c.id) == 0 {
			c.begin(l)
		}
	}
}

// opens enters a tab, and its context where that is new. One that is not has to be its affinity's,
// and to be used again.
func (l *Ledger) opens(e *core.Effect) {
	if !l.takesTabs(e.Browser) {
		l.breach("two-browsers", "t%d opens in b%d, which takes no new tabs", e.Tab, e.Browser)
	}
	c := l.context(e.Context)
	switch {
	case c == nil && e.Affinity != 0 && !l.of(e.Affinity).own:
		l.breach("contexts", "t%d opens in c%d, which is gone", e.Tab, e.Context)
	case c == nil:
		l.contexts = append(l.contexts,
			ledgerContext{id: e.Context, browser: e.Browser, affinity: e.Affinity, askedAt: core.Never})
	case c.affinity != e.Affinity || c.doomed != 0:
		l.breach("isolation", "t%d opens in c%d, which serves another affinity, or a generation that "+
			"was disposed", e.Tab, e.Context)
	case c.spoiled:
		l.breach("clean-lease", "t%d opens in c%d, in which a lease has left something", e.Tab, e.Context)
	case c.closing:
		l.breach("no-close-under-lease", "t%d opens in c%d, which is being closed", e.Tab, e.Context)
	}
	l.tabs = append(l.tabs, entry{id: e.Tab, context: e.Context, browser: e.Browser,
		affinity: e.Affinity, askedAt: l.now, retireAt: core.Never})
}
