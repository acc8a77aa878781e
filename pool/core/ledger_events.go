package core

import "slices"

// What the ledger learns of each event about a tab, and of who has answered.

// hear notes which browser has answered, and what is not waited for any more.
func (l *Ledger) hear(now Time, e Event) {
	if e.Kind >= RetireDue {
		return // no deadline is an answer
	}
	b := l.browser(e.Browser)
	if e.Browser != 0 && e.Kind != BrowserAnswered && (e.Kind != BrowserReady || b == nil || b.ready) {
		return // it is gone, or it has said so before
	}
	if t := l.tab(e.Tab); t != nil {
		b = l.browser(t.browser)
		switch {
		case e.Operation != 0 && e.Operation != t.operation:
			return // it was given up, so it is no sign of life
		case e.Kind != Crashed:
			t.askedAt = Never
		}
	}
	if c := l.context(e.Context); c != nil {
		b, c.askedAt = l.browser(c.browser), Never
	}
	if b != nil {
		b.heardAt, b.asked = now, false
	}
}

func closesContext(effects []Effect, id ContextID) bool {
	return slices.ContainsFunc(effects, func(e Effect) bool { return e.Kind == CloseContext && e.Context == id })
}

// silentSince is since when the oldest operation in a browser has been silent; never: none is under way.
func (l *Ledger) silentSince(b BrowserID) Time {
	since := Never
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

func (l *Ledger) tabEvent(t *entry, e Event) {
	if e.Operation != 0 && e.Operation != t.operation {
		if e.Kind == SessionEnded && e.Left == SpoiledContext {
			l.left(t, e.Left)
		}
		return // what was given up answers too late
	}
	if t.resets() && e.Kind.endsReset() {
		l.unreset = t.id
	}
	switch e.Kind {
	case Opened, OpenFailed:
		l.opening(t, e.Kind)
		if e.Kind == Opened && e.Sessions && !t.sessions {
			t.sessions, t.session = true, SessionOpen
		}
	case SessionEnded, SessionBegun, SessionEndFailed, SessionBeginFailed:
		l.sessionEvent(t, e)
	case OpenOverdue:
		t.overdue = true
	case Crashed:
		t.crashed = t.crashed || t.opened
	case ProbeOverdue, ResetOverdue:
		t.late = t.asked != 0
	case Probed:
		if t.asked == ProbeTab {
			t.suspect, t.rescued, t.asked, t.answered = false, false, 0, true
		}
	case Rescued:
		if t.asked == RescueTab {
			t.answered, t.halted = true, t.halts
			t.usedBefore = t.usedBefore && t.halts
		}
	case WasReset:
		if t.asked == ResetTab {
			t.asked, t.usedBefore, t.halted = 0, false, false
		}
	case ProbeFailed, ProbeSilent:
		t.suspect = t.suspect || t.asked == ProbeTab
	case ResetFailed, ResetSilent:
		l.sessionEvent(t, e)
		t.suspect = t.suspect || t.asked == ResetTab || t.asked == RescueTab && t.halts
	case Closed:
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
	case Killed, KillFailed:
		if !t.killing {
			l.unasked = t.id
		}
		t.killing = false
	case KillSilent:
		if t.closing != 0 && !t.lost {
			t.lost, t.askedAt = true, Never
			l.lost++
		}
	}
}

// opening notes how an opening ended; only the first answer counts.
func (l *Ledger) opening(t *entry, kind EventKind) {
	switch {
	case t.opened || t.failed:
		l.unasked = t.id
		return
	case t.closing != 0:
		l.tooLate = t.id
	}
	if t.failed = kind == OpenFailed; kind == Opened {
		t.opened, l.justOpened = true, t.id
	}
}

// resets says whether one of the two parts of a reset was asked of a tab.
func (e *entry) resets() bool { return e.asked == ResetTab || e.asked == RescueTab && e.halts }

// endsReset says whether an event ends a reset without success, in either part.
func (k EventKind) endsReset() bool {
	return k == ResetFailed || k == ResetSilent || k == RescueFailed
}
