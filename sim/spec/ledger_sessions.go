package spec

import "github.com/pagepool/pagepool/pool/core"

// What the ledger knows of the sessions of leases, and of what leases leave.

// sessionEvent takes in what was heard of a tab's sessions.
func (l *Ledger) sessionEvent(t *entry, e core.Event) {
	if t.asked == core.EndSession {
		t.overAt = l.now
	}
	switch {
	case e.Is(core.Done, core.EndSession) && t.asked == core.EndSession:
		t.asked, t.session = 0, core.NoSession
		l.left(t, e.Left)
		l.navigated(t, e.Navigation)
	case e.Is(core.Done, core.BeginSession) && t.asked == core.BeginSession:
		t.asked, t.session, t.answered, t.heardAt = 0, core.SessionOpen, true, l.now
	case e.Is(core.Done, core.EndSession) || e.Is(core.Done, core.BeginSession):
	case t.asked == core.EndSession || t.asked == core.BeginSession:
		t.failures++
		t.suspect = true
	}
}

// left notes what a lease has left. What is left in a context concerns every tab in it.
func (l *Ledger) left(t *entry, left core.Left) {
	t.spoiled = t.spoiled || left != core.Clean
	c := l.context(t.context)
	if left != core.SpoiledContext || c == nil {
		return
	}
	c.spoiled = true
	for i := range l.tabs {
		if o := &l.tabs[i]; o.context == t.context {
			o.spoiled = true
		}
	}
}

// navigated notes what became of a lease's navigations.
func (l *Ledger) navigated(t *entry, n core.Navigation) {
	t.wedged = false
	switch {
	case n != core.Stuck:
		t.stuck = false
	case t.stuck:
		b := l.browser(t.browser)
		t.wedged = b != nil && b.arrivedAt > t.stuckSince
	default:
		t.stuck, t.stuckSince = true, t.leasedAt
	}
	if b := l.browser(t.browser); b != nil && n == core.Arrived {
		b.arrivedAt = l.now
	}
}

// sessionAsked checks what is asked of a tab between two leases: its session ends before anything
// else is done to it, and the next one begins after all of that.
func (l *Ledger) sessionAsked(t *entry, e *core.Effect) {
	switch {
	case e.Kind == core.EndSession && t.session != core.SessionEnding:
		l.breach("clean-lease", "the session of t%d is to end, and no lease has left one", t.id)
	case e.Kind == core.BeginSession && (t.session != core.NoSession || !t.sessions):
		l.breach("clean-lease", "a session of t%d is to begin, and that of its last lease has not ended",
			t.id)
	case (e.Kind == core.ResetTab || e.Kind == core.RescueTab && e.Halt) &&
		t.session == core.SessionEnding:
		l.breach("clean-lease", "t%d is to be reset, and the session of its last lease has not ended",
			t.id)
	}
	if e.Kind == core.BeginSession {
		t.ending = false // the end of its last lease is over
	}
}

// cleanGrant checks that a tab that is granted has nothing of an earlier lease.
func (l *Ledger) cleanGrant(t *entry) {
	if t.sessions && t.session != core.SessionOpen {
		l.breach("clean-lease", "t%d was granted, and the session of this lease has not begun", t.id)
	}
	if t.frozen {
		l.breach("awake-grant", "t%d was granted, and its page was not thawed", t.id)
	}
	if t.spoiled {
		l.breach("clean-lease", "t%d was granted, and an earlier lease has left something in it", t.id)
	}
}

// contextSpoiled says whether a lease has left something in a context.
func (l *Ledger) contextSpoiled(id core.ContextID) bool {
	c := l.context(id)
	return c != nil && c.spoiled
}
