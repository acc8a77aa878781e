package core

// The sessions of leases. A tab whose driver gives each lease a session of its own says so when it opens. What a holder
// sets through the session of his lease ends with it. A tab is idle only when the session of its last lease has ended and
// that of its next lease has begun, so a grant waits for neither.

// session says what becomes of the sessions of a tab.
type session uint8

const (
	sessionNone  session = iota // none has begun; or the tab gives its leases no sessions
	sessionBegun                // that of the lease that holds the tab, or of its next lease
	sessionLeft                 // that of a lease that has ended; its own end is not confirmed
)

// Left says what a lease left that the end of its session does not undo.
type Left uint8

const (
	Clean          Left = iota
	SpoiledTab          // something in the tab: it is closed
	SpoiledContext      // something in the context: it is closed with all that is in it, and never kept
	lefts
)

// Navigation says what became of the navigations of a lease.
type Navigation uint8

const (
	NoNavigation Navigation = iota
	Arrived                 // one finished
	Stuck                   // one began, and none finished
	navigations
)

// endSession asks for the end of the session of a lease that is over. That needs no turn of the page's main thread, so a
// page is not condemned for being busy.
func (s *State) endSession(i int32) {
	s.setState(i, Resetting)
	s.tabs[i].part = PartEnd
	s.ask(EndSession, i)
}

func (s *State) sessionEnded(e *Event, i int32) {
	t := &s.tabs[i]
	if t.state != Resetting || t.part != PartEnd {
		return
	}
	t.session = sessionNone
	wedged := s.cannotNavigate(t, e.Navigation)
	switch {
	case e.Left == SpoiledContext:
		s.spoilContext(i)
	case e.Left == SpoiledTab:
		s.beginClose(i, Spoiled)
	case wedged:
		s.beginClose(i, Wedge)
	case t.suspect:
		s.doubt(i, Wedge)
	case s.settings.Reset:
		s.reset(i)
	default:
		s.backToIdle(i)
	}
}

// cannotNavigate notes what became of a lease's navigations. It says whether that was the second lease in a row in
// which none finished, while another tab of the same browser finished one.
func (s *State) cannotNavigate(t *tab, n Navigation) bool {
	b := s.browser(t.browser)
	switch {
	case n == Arrived:
		b.arrivedAt = s.now
		t.stuck = false
	case n == NoNavigation:
		t.stuck = false
	case t.stuck:
		return b.arrivedAt > t.stuckSince
	default:
		t.stuck, t.stuckSince = true, t.leasedAt
	}
	return false
}

// spoilContext closes a context in which a tab of it has left something, with all that is in it. A tab that is held
// there, or is being opened, is closed when its lease ends, or when it is open.
func (s *State) spoilContext(i int32) {
	c := s.tabs[i].context
	s.unprimary(c)
	for j := s.at(s.tabs[i].affinity).tabs; j != none; {
		next := s.tabs[j].next
		switch t := &s.tabs[j]; {
		case t.context != c:
		case t.state == Leased && !t.doomed:
			t.doomed, t.reason = true, Spoiled
			s.bind(j, -1)
		case t.state == Opening && !t.doomed:
			s.unpin(j)
			t.doomed, t.reason = true, Spoiled
			s.touch(t.affinity)
		case t.bound():
			s.beginClose(j, Spoiled)
		}
		j = next
	}
}

// beginSession begins the session of the next lease on a tab. It waits for the page's main thread.
func (s *State) beginSession(i int32) {
	s.setState(i, Resetting)
	s.tabs[i].part = PartBegin
	s.ask(BeginSession, i)
}

func (s *State) sessionBegun(i int32) {
	if t := &s.tabs[i]; t.state == Resetting && t.part == PartBegin {
		t.session, t.goodAt = sessionBegun, s.now
		s.backToIdle(i)
	}
}

// sessionFailed puts a tab in doubt of which a session did not end, or did not begin. The second time since its lease it
// is closed, because a page that answers probes and has no use for a session would be asked for ever.
func (s *State) sessionFailed(i int32) {
	t := &s.tabs[i]
	if t.state != Resetting || t.part != PartEnd && t.part != PartBegin {
		return
	}
	if t.retried {
		s.beginClose(i, Wedge)
		return
	}
	t.retried = true
	s.doubt(i, Wedge)
}
