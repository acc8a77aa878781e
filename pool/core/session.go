package core

// The sessions of leases. A tab whose driver gives each lease a session of its own says so when it
// opens. What a holder sets through the session of his lease ends with it. A tab is idle only when
// the session of its last lease has ended and that of its next lease has begun, so a grant waits
// for neither.

// Session says what becomes of the sessions of a tab.
type Session uint8

const (
	NoSession     Session = iota // none has begun; or the tab gives its leases no sessions
	SessionOpen                  // that of the lease that holds the tab, or of its next lease
	SessionEnding                // that of a lease that has ended; its own end is not confirmed
)

// Left says what a lease left that the end of its session does not undo.
type Left uint8

const (
	Clean      Left = iota
	SpoiledTab      // something in the tab: it is closed
	// something in the context: it is closed with all that is in it, and never kept
	SpoiledContext
	Lefts // how many there are
)

// Navigation says what became of the navigations of a lease.
type Navigation uint8

const (
	NoNavigation Navigation = iota
	Arrived                 // one finished
	Stuck                   // one began, and none finished
	Navigations             // how many there are
)

func (s *State) sessionEnded(i int32, e Event) {
	t := &s.Tabs[i]
	t.Session = NoSession
	wedged := s.cannotNavigate(t, e.Navigation)
	switch {
	case e.Left == SpoiledContext:
		s.giveUpContext(i, Spoiled)
	case e.Left == SpoiledTab:
		s.beginClose(i, Spoiled)
	case wedged:
		s.beginClose(i, Wedge)
	case t.Suspect:
		s.doubt(i, Wedge)
	default:
		s.afterLease(i)
	}
}

// cannotNavigate notes what became of a lease's navigations. It says whether that was the second
// lease in a row in which none finished, while another tab of the same browser finished one.
func (s *State) cannotNavigate(t *Tab, n Navigation) bool {
	b := s.browser(t.Browser)
	switch {
	case n == Arrived:
		b.ArrivedAt = s.Now
		t.Stuck = false
	case n == NoNavigation:
		t.Stuck = false
	case t.Stuck:
		return b.ArrivedAt > t.StuckSince
	default:
		t.Stuck, t.StuckSince = true, t.LeasedAt
	}
	return false
}

// giveUpContext closes the context of a tab with all that is in it. A tab that is held there, or is
// being opened, is closed when its lease ends, or when it is open.
func (s *State) giveUpContext(i int32, reason Reason) {
	c := s.Tabs[i].Context
	s.unprimary(c)
	for j := s.at(s.Tabs[i].Affinity).Tabs; j != None; j = s.Tabs[j].Next {
		if s.Tabs[j].Context == c {
			s.doom(j, reason)
		}
	}
}

func (s *State) sessionBegun(i int32) {
	s.Tabs[i].Session, s.Tabs[i].GoodAt = SessionOpen, s.Now
	s.backToIdle(i)
}

// sessionFailed puts a tab in doubt of which a session did not end, or did not begin. The second
// time since its lease it is closed, because a page that answers probes and has no use for a
// session would be asked for ever.
func (s *State) sessionFailed(i int32) {
	t := &s.Tabs[i]
	if t.Retried {
		s.beginClose(i, Wedge)
		return
	}
	t.Retried = true
	s.doubt(i, Wedge)
}
