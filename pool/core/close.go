package core

// How a tab ends. A browser's word is not believed until the page is gone: a tab counts until it is
// Closed. The ladder is close, close again, kill, close once more, lost; a failure takes the next
// rung at once, silence takes it when the rung's time is over. Nothing but the tab's own slot waits.

type rung uint8

const (
	asked   rung = iota // a close is under way, until CloseTimeout
	killing             // the renderer is being killed, until KillTimeout
)

type kill uint8

const (
	notKilled kill = iota
	killAsked
	killed // or found to be impossible
)

// closesBeforeKill is how many closes have to fail before the renderer is killed without waiting
// for CloseTimeout. Two: a close during a redirect fails or lies, and the second one works.
const closesBeforeKill = 2

// beginClose starts the end of a tab that nobody holds. In this step it stops being bound, and its
// context stops being a primary.
func (s *State) beginClose(i int32, reason Reason) {
	s.leave(i)
	t := &s.tabs[i]
	t.reason, t.rung, t.rungSince, t.closes, t.awaiting = reason, asked, s.now, 1, true
	s.operation(Effect{
		Kind: CloseTab, Tab: t.id, Context: t.context, Browser: t.browser,
		Affinity: t.affinity, Generation: t.generation, Reason: reason,
	})
}

// leave makes a tab a closing one, whatever it was before.
func (s *State) leave(i int32) {
	t := &s.tabs[i]
	switch t.state {
	case Standby:
		s.unlink(&s.standbys, &s.lastReady, i)
		s.setState(i, Closing)
	case Idle, Leased:
		s.setIdle(i, Closing)
		if !t.doomed {
			s.unprimary(i)
			s.bind(t.affinity, -1)
		}
		t.doomed = false
	default:
		s.setState(i, Closing)
	}
}

// unprimary ends a primary when its last tab is about to leave it. A context that is nobody's
// primary is closed with its tab and counted until then, but no pageCount speaks of it.
func (s *State) unprimary(i int32) {
	t := &s.tabs[i]
	if k := &s.affinities[t.affinity]; t.context == k.primary {
		k.primary, k.pageCount = 0, 0
	}
}

func (s *State) closeAgain(i int32) {
	t := &s.tabs[i]
	t.awaiting = true
	t.closes++
	s.operation(Effect{Kind: CloseAgain, Tab: t.id, Context: t.context, Browser: t.browser, Affinity: t.affinity})
}

func (s *State) kill(i int32) {
	t := &s.tabs[i]
	t.rung, t.rungSince, t.closes, t.awaiting = killing, s.now, 0, false
	if !t.unopened {
		s.killTab(i)
	}
}

func (s *State) killTab(i int32) {
	t := &s.tabs[i]
	t.kill = killAsked
	s.operation(Effect{Kind: KillTab, Tab: t.id, Context: t.context, Browser: t.browser, Affinity: t.affinity})
}

// closed takes a tab off the books that was asked to close, however late the answer comes.
func (s *State) closed(i int32) {
	if st := s.tabs[i].state; st == Closing || st == Lost {
		s.removeTab(i)
	}
}

func (s *State) closeFailed(i int32) {
	t := &s.tabs[i]
	if t.state != Closing || !t.awaiting || !s.serves(t.browser) {
		return
	}
	t.awaiting = false
	switch {
	case t.rung == killing && t.kill == notKilled && !t.unopened:
		s.killTab(i) // it opened too late to be killed when the rung began
	case t.rung == killing: // KillTimeout ends the last rung
	case t.closes < closesBeforeKill:
		s.closeAgain(i)
	case !t.unopened:
		s.kill(i)
	}
}

func (s *State) closeSilent(i int32) {
	if t := &s.tabs[i]; t.state == Closing && t.rung == asked && s.serves(t.browser) {
		s.kill(i)
	}
}

// killAnswered asks for the close once more: a dead renderer has nothing left to hold it up, and
// where the kill failed it is the only thing left to try.
func (s *State) killAnswered(i int32) {
	if t := &s.tabs[i]; t.state == Closing && t.kill == killAsked && s.serves(t.browser) {
		t.kill = killed
		s.closeAgain(i)
	}
}

func (s *State) killSilent(i int32) {
	t := &s.tabs[i]
	if t.state != Closing || t.rung != killing || !s.serves(t.browser) {
		return
	}
	s.setState(i, Lost)
	t.awaiting = false
	if s.counts[Lost] >= s.capacity {
		s.endBrowser(t.browser, true) // it counts as lost from here on
		s.failedBrowser()
	}
}

// crashed ends a tab whose page died. A tab that is on its way out anyway goes on being closed.
func (s *State) crashed(i int32) {
	t := &s.tabs[i]
	switch t.state {
	case Leased:
		s.revoke(i, PageCrashed)
	case Standby, Idle:
	default:
		return
	}
	s.beginClose(i, Crash)
}

// markOverdue notes that a close or an opening is no relief any more for those who wait.
func (s *State) markOverdue(kind EventKind, i int32) {
	t := &s.tabs[i]
	if t.overdue || t.state != Opening && t.state != Closing || (kind == OpenOverdue) != (t.state == Opening) {
		return
	}
	t.overdue = true
	s.overdue[t.state]++
	s.waitsDue = true
}
