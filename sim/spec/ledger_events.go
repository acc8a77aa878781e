package spec

import (
	"slices"

	"github.com/pagepool/pagepool/pool/core"
)

// What the ledger learns of each event about a tab, and of who has answered.

// hear notes which browser has answered, and what is not waited for any more.
func (l *Ledger) hear(e core.Event) {
	if e.Kind.Deadline() || e.Kind == core.Measured {
		return // no deadline is an answer, and what is measured was not asked of the browser
	}
	b := l.browser(e.Browser)
	if (e.Is(core.Done, core.CheckBrowser) || e.Is(core.Failed, core.CheckBrowser)) && b != nil &&
		b.checks.answers(e) && !b.ending {
		b.heardAt, b.asked = l.now, false
		return
	}
	if e.Browser != 0 && !e.Is(core.Done, core.Ping) &&
		(!e.Is(core.Done, core.Launch) || b == nil || b.ready) {
		return // it is gone, or it has said so before
	}
	if t := l.tab(e.Tab); t != nil {
		b = l.browser(t.browser)
		switch {
		case !t.hears(e):
			return // it was given up, so it is no sign of life
		case e.Kind != core.Crashed:
			t.askedAt = core.Never
		}
	}
	if c := l.context(e.Context); c != nil {
		b, c.askedAt = l.browser(c.browser), core.Never
	}
	if b != nil {
		b.heardAt, b.asked = l.now, false
	}
}

func closesContext(effects []core.Effect, id core.ContextID) bool {
	return slices.ContainsFunc(effects, func(e core.Effect) bool {
		return e.Kind == core.CloseContext && e.Context == id
	})
}

// silentSince is since when the oldest operation in a browser has been silent; never: none is under
// way.
func (l *Ledger) silentSince(b core.BrowserID) core.Time {
	since := core.Never
	for i := range l.tabs {
		if l.tabs[i].browser == b {
			since = min(since, l.tabs[i].askedAt)
		}
	}
	for i := range l.contexts {
		if l.contexts[i].browser == b {
			since = min(since, l.contexts[i].askedAt)
		}
	}
	return since
}

// hears says whether an event is about what was asked of a tab last, and not about what was given
// up.
func (e *entry) hears(event core.Event) bool {
	return event.Operation == 0 || event.Operation == e.operation
}

func (l *Ledger) tabEvent(t *entry, e core.Event) {
	if !t.hears(e) {
		if e.Is(core.Done, core.EndSession) && e.Left == core.SpoiledContext {
			l.left(t, e.Left)
		}
		return // what was given up answers too late
	}
	if t.resets() && endsReset(&e) {
		l.unreset = t.id
	}
	switch e.Kind {
	case core.Done:
		l.tabDone(t, e)
	case core.Failed, core.Silent:
		l.tabFailed(t, e)
	case core.Overdue:
		t.overdue = t.overdue || e.Of == core.OpenTab
	case core.Crashed:
		t.crashed = t.crashed || t.opened
	}
}

func (l *Ledger) tabDone(t *entry, e core.Event) {
	switch e.Of {
	case core.OpenTab:
		l.opening(t, e.Kind)
		if e.Sessions && !t.sessions {
			t.sessions, t.session = true, core.SessionOpen
		}
	case core.EndSession, core.BeginSession:
		l.sessionEvent(t, e)
	case core.ProbeTab:
		if t.asked == core.ProbeTab {
			t.suspect, t.rescued, t.asked, t.answered, t.frozen = false, false, 0, true, false
			t.heardAt = l.now
		}
	case core.RescueTab:
		if t.asked == core.RescueTab {
			t.answered, t.halted = true, t.halts
			t.usedBefore = t.usedBefore && t.halts
			if t.halts { // otherwise a probe follows, which says so
				t.heardAt = l.now
			}
		}
	case core.ResetTab:
		if t.asked == core.ResetTab {
			t.asked, t.usedBefore, t.halted, t.heardAt = 0, false, false, l.now
		}
	case core.CloseTab:
		switch {
		case t.closing == 0 && !t.lost:
		case e.Kept:
			l.pageGone = t.id
		default:
			if l.inContext(t.context) == 1 {
				l.dropContext(t.context)
			}
			l.dropTab(t.id)
		}
	case core.KillTab:
		l.killed(t)
	}
}

// tabFailed takes in that something failed, or was given up.
func (l *Ledger) tabFailed(t *entry, e core.Event) {
	switch e.Of {
	case core.OpenTab:
		if e.Kind == core.Failed {
			l.opening(t, e.Kind)
		}
	case core.EndSession, core.BeginSession:
		l.sessionEvent(t, e)
	case core.ProbeTab:
		t.suspect = t.suspect || t.asked == core.ProbeTab
	case core.ResetTab:
		l.sessionEvent(t, e)
		t.suspect = t.suspect || t.asked == core.ResetTab || t.asked == core.RescueTab && t.halts
	case core.KillTab:
		switch {
		case e.Kind == core.Failed:
			l.killed(t)
		case t.closing != 0 && !t.lost:
			t.lost, t.askedAt = true, core.Never
		}
	}
}

// heardFrom is when a tab's page was last known to answer.
func (l *Ledger) heardFrom(id core.TabID) core.Time {
	if t := l.tab(id); t != nil {
		return t.heardAt
	}
	return 0
}

// killed notes what was said of killing a renderer.
func (l *Ledger) killed(t *entry) {
	if !t.killing {
		l.unasked = t.id
	}
	t.killing = false
}

// opening notes how an opening ended; only the first answer counts.
func (l *Ledger) opening(t *entry, kind core.EventKind) {
	switch {
	case t.opened || t.failed:
		l.unasked = t.id
		return
	case t.closing != 0:
		l.tooLate = t.id
	}
	if t.failed = kind == core.Failed; kind == core.Done {
		t.opened, t.heardAt, l.justOpened = true, l.now, t.id
	}
}

// resets says whether one of the two parts of a reset was asked of a tab.
func (e *entry) resets() bool {
	return e.asked == core.ResetTab || e.asked == core.RescueTab && e.halts
}

// endsReset says whether an event ends a reset without success, in either part.
func endsReset(e *core.Event) bool {
	return (e.Kind == core.Failed || e.Kind == core.Silent) && e.Of == core.ResetTab ||
		e.Is(core.Failed, core.RescueTab)
}

// pageLeft takes a tab off whose page is gone, if its context is kept, or others are in it.
// Otherwise the core asks for it to be closed again, with its context, or its browser takes it
// along.
func (l *Ledger) pageLeft(effects []core.Effect) {
	t := l.tab(l.pageGone)
	if t == nil || closesAgain(effects, t.id) {
		return
	}
	if b := l.browser(t.browser); b == nil || !b.ending || l.inContext(t.context) > 1 {
		if c := l.context(t.context); c != nil {
			c.aloneSince = l.now
		}
		l.dropTab(t.id)
	}
}

// leaving is the browser that an event takes off the books.
func (l *Ledger) leaving(e core.Event) core.BrowserID {
	switch b := l.browser(e.Browser); {
	case b == nil:
	case e.Kind == core.BrowserGone, e.Is(core.Failed, core.Launch) && !b.ready,
		e.Is(core.Silent, core.Launch) && !b.ready && !b.ending, e.Is(core.Silent, core.CloseBrowser) &&
			b.ending:
		return e.Browser
	}
	return 0
}
