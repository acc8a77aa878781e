package core

// How a tab ends. A browser's word is not believed until the page is gone: a tab counts until it is
// Closed. The ladder is close, close again, kill, close once more, lost; a failure takes the next
// rung at once, silence takes it when the rung's time is over. Nothing but the tab's own slot waits.
// The last tab of a context that is not kept is gone only with the context.

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

// beginClose starts the end of a tab that nobody holds. In this step it stops being bound, and what
// becomes of its context is decided.
func (s *State) beginClose(i int32, reason Reason) {
	s.leave(i, reason)
	s.askClose(i, CloseTab)
}

// leave makes a tab a closing one, whatever it was before.
func (s *State) leave(i int32, reason Reason) {
	t := &s.tabs[i]
	if t.state == Standby {
		s.unlink(&s.standbys, &s.lastReady, i)
	}
	bound := t.bound()
	s.setState(i, Closing)
	t.reason, t.rung, t.rungSince, t.closes, t.doomed = reason, asked, s.now, 0, false
	s.quit(i, reason)
	if bound {
		s.bind(i, -1)
	}
}

// askClose asks for a close: of the page alone where others share its context or the context is kept.
func (s *State) askClose(i int32, kind EffectKind) {
	t := &s.tabs[i]
	c := &s.contexts[t.context]
	t.awaiting = true
	t.closes++
	t.askedAt = min(t.askedAt, s.now)
	e := Effect{
		Kind: kind, Tab: t.id, Context: c.id, Browser: t.browser, Affinity: t.affinity,
		Kept: s.inContexts[t.context].tabs > 1 || s.isPrimary(t.context),
	}
	if kind == CloseTab {
		e.Generation, e.Reason = t.generation, t.reason
	}
	s.operation(e)
	t.operation = s.lastOperation
}

func (s *State) closeAgain(i int32) { s.askClose(i, CloseAgain) }

// kill takes the last rung. A page that is not open yet has no renderer to kill, but it goes with its
// context where it is alone there.
func (s *State) kill(i int32) {
	t := &s.tabs[i]
	t.rung, t.rungSince, t.closes, t.awaiting = killing, s.now, 0, false
	s.moved = append(s.moved, i)
	switch {
	case !t.unopened:
		s.killTab(i)
	case s.isPrimary(t.context):
		if s.inContexts[t.context].tabs == 1 {
			s.unprimary(t.context)
		}
		s.closeAgain(i)
	}
}

func (s *State) killTab(i int32) {
	s.tabs[i].kill = killAsked
	s.ask(KillTab, i)
}

// closed hears that a page is gone, however late. Its tab leaves the books, unless it was the last in
// a context that is not kept and not gone either.
func (s *State) closed(i int32, kept bool) {
	t := &s.tabs[i]
	if t.state != Closing && t.state != Lost {
		return
	}
	c := t.context
	last := s.inContexts[c].tabs == 1
	switch {
	case kept && last && !(s.isPrimary(c) && s.keepable(c) && s.orphanRoom() > 0):
		s.unprimary(c)
		if s.serves(t.browser) {
			s.closeAgain(i)
		}
	case kept && last:
		s.removeTab(i)
		s.contexts[c].since = s.now // an orphan from here on
		s.list(c)
	default:
		s.removeTab(i)
		if last {
			s.removeContext(c)
		}
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

// killSilent gives a tab up. It goes on being counted, its context is no primary, and its browser is
// to be replaced.
func (s *State) killSilent(i int32) {
	t := &s.tabs[i]
	if t.state != Closing || t.rung != killing || !s.serves(t.browser) {
		return
	}
	s.setState(i, Lost)
	t.awaiting, t.askedAt = false, never
	s.unprimary(t.context)
	s.wear(t.browser)
}

// crashed ends a tab whose page died. A tab that is on its way out anyway goes on being closed.
func (s *State) crashed(i int32) {
	t := &s.tabs[i]
	switch {
	case t.state == Leased:
		s.revoke(i, PageCrashed)
	case t.state == Standby || t.bound():
	default:
		return
	}
	s.beginClose(i, Crash)
}
