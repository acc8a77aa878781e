package core

// How a tab ends. A browser's word is not believed until the page is gone: a tab counts until it is
// closed. The ladder is close, close again, kill, close once more, lost; a failure takes the next
// rung at once, silence takes it when the rung's time is over. Nothing but the tab's own slot
// waits. The last tab of a context that is not kept is gone only with the context. A context
// without a tab ends by the same ladder (context.go), but for the kill: it has no renderer.

// Ladder is how far the close of a tab, or of a context without one, has gone.
type Ladder struct {
	Rung     Rung
	Closes   uint8 // how often a close was asked for on this rung
	Kill     Kill  // of a tab
	Awaiting bool  // a close was asked for and has not been answered
}

// Rung says how far that is.
type Rung uint8

const (
	CloseAsked      Rung = iota // a close is under way, until CloseTimeout
	KillingRenderer             // the renderer is being killed, until KillTimeout
)

// Kill says what became of killing the renderer of a tab.
type Kill uint8

const (
	KillNone Kill = iota
	KillAsked
	KillDone // or found to be impossible
)

// ClosesBeforeKill is how many closes have to fail before the renderer is killed without waiting
// for CloseTimeout. Two: a close during a redirect fails or lies, and the second one works.
const ClosesBeforeKill = 2

// underWay is what the time of the present rung is for.
func (l *Ladder) underWay() EffectKind {
	if l.Rung == KillingRenderer {
		return KillTab
	}
	return CloseTab
}

// ask notes that a close is asked for.
func (l *Ladder) ask() { l.Closes, l.Awaiting = l.Closes+1, true }

// climb takes the next rung.
func (l *Ladder) climb() { l.Rung, l.Closes, l.Awaiting = KillingRenderer, 0, false }

// again says whether a close that has failed is asked for once more on the first rung.
func (l *Ladder) again() bool { return l.Rung == CloseAsked && l.Closes < ClosesBeforeKill }

// beginClose starts the end of a tab that nobody holds. In this step it stops being bound, and what
// becomes of its context is decided.
func (s *State) beginClose(i int32, reason Reason) {
	s.leave(i, reason)
	s.askClose(i, CloseTab)
}

// leave makes a tab a closing one, whatever it was before.
func (s *State) leave(i int32, reason Reason) {
	t := &s.Tabs[i]
	if t.State == Standby {
		s.unlink(&s.Standbys, &s.LastReady, i)
	}
	bound := t.Bound()
	c := &s.Contexts[t.Context]
	c.Doubtful = c.Doubtful || t.Doubtful
	s.setState(i, Closing)
	t.Reason, t.Rung, t.Closes, t.Doomed = reason, CloseAsked, 0, false
	s.quit(i, reason)
	if bound {
		s.bind(i, -1)
	}
}

// askClose asks for a close: of the page alone where others share its context or the context is
// kept.
func (s *State) askClose(i int32, kind EffectKind) {
	t := &s.Tabs[i]
	t.Ladder.ask()
	e := Effect{Kind: kind, Kept: s.inContexts[t.Context] > 1 || s.isPrimary(t.Context)}
	if kind == CloseTab {
		e.Generation, e.Reason = t.Generation, t.Reason
	}
	s.ask(i, e)
}

func (s *State) closeAgain(i int32) { s.askClose(i, CloseAgain) }

// kill takes the last rung. A page that is not open yet has no renderer to kill, but it goes with
// its context where it is alone there.
func (s *State) kill(i int32) {
	t := &s.Tabs[i]
	t.climb()
	t.Began = s.Now
	s.moved = append(s.moved, i)
	switch {
	case !t.Unopened:
		s.killTab(i)
	case s.isPrimary(t.Context):
		if s.inContexts[t.Context] == 1 {
			s.unprimary(t.Context)
		}
		s.closeAgain(i)
	}
}

func (s *State) killTab(i int32) {
	s.Tabs[i].Kill = KillAsked
	s.ask(i, Effect{Kind: KillTab})
}

// closed hears that a page is gone, however late. Its tab leaves the books, unless it was the last
// in a context that is not kept and not gone either.
func (s *State) closed(i int32, e Event) {
	t := &s.Tabs[i]
	if t.State != Closing && t.State != Lost {
		return
	}
	c := t.Context
	last := s.inContexts[c] == 1
	switch {
	case e.Kept && last && !(s.isPrimary(c) && s.keepable(c) && s.orphanRoom() > 0):
		s.unprimary(c)
		if s.serves(t.Browser) {
			s.closeAgain(i)
		}
	case e.Kept && last:
		s.removeTab(i)
		s.Contexts[c].Since = s.Now // an orphan from here on
	default:
		s.removeTab(i)
		if last {
			s.removeContext(c)
		}
	}
}

func (s *State) closeFailed(i int32) {
	t := &s.Tabs[i]
	if t.State != Closing || !t.Awaiting || !s.serves(t.Browser) {
		return
	}
	t.Awaiting = false
	switch {
	case t.Rung == KillingRenderer && t.Kill == KillNone && !t.Unopened:
		s.killTab(i) // it opened too late to be killed when the rung began
	case t.again():
		s.closeAgain(i)
	case t.Rung == CloseAsked && !t.Unopened: // KillTimeout ends the last rung
		s.kill(i)
	}
}

func (s *State) closeSilent(i int32) {
	if t := &s.Tabs[i]; t.State == Closing && t.Rung == CloseAsked && s.serves(t.Browser) {
		s.kill(i)
	}
}

// killAnswered asks for the close once more: a dead renderer has nothing left to hold it up, and
// where the kill failed it is the only thing left to try.
func (s *State) killAnswered(i int32) {
	if t := &s.Tabs[i]; t.State == Closing && t.Kill == KillAsked && s.serves(t.Browser) {
		t.Kill = KillDone
		s.closeAgain(i)
	}
}

// killSilent gives a tab up. It goes on being counted, its context is no primary, and its browser
// is to be replaced.
func (s *State) killSilent(i int32) {
	t := &s.Tabs[i]
	if t.State != Closing || t.Rung != KillingRenderer || !s.serves(t.Browser) {
		return
	}
	s.setState(i, Lost)
	t.Awaiting, t.AskedAt = false, Never
	s.unprimary(t.Context)
	s.browser(t.Browser).Worn = true
}

// crashed ends a tab whose page died, or is too large. A tab that is on its way out anyway goes on
// being closed.
func (s *State) crashed(i int32, tooLarge bool) {
	t, end, reason := &s.Tabs[i], PageCrashed, Crash
	if tooLarge {
		end, reason = PageTooLarge, Memory
	}
	switch {
	case t.State == Leased:
		s.revoke(i, end)
	case t.State == Standby || t.Bound() || t.thaws():
	default:
		return
	}
	s.beginClose(i, reason)
}
