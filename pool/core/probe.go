package core

// Whether a page still answers: probes of tabs that were not seen for a while, and what is done about
// tabs that are in doubt. A suspect is probed, rescued where it is silent, and probed again; all of
// that takes RescueTimeout, of which the first probe has half. Its affinity stays warm meanwhile.

// stale says whether an idle tab is probed before it is handed out again.
func (s *State) stale(i int32) bool {
	t := &s.tabs[i]
	return s.settings.ProbeBudget > 0 && t.uses > 0 && s.now > t.goodAt.after(s.settings.ProbeMaxAge)
}

func (s *State) probe(i int32) {
	s.setState(i, Probing)
	t := &s.tabs[i]
	t.suspect, t.rescued, t.probeBegan = false, false, s.now
	s.ask(ProbeTab, i)
}

// doubt makes a tab that nobody holds suspect; the reason is why it is closed where it cannot be
// rescued.
func (s *State) doubt(i int32, reason Reason) {
	t := &s.tabs[i]
	switch {
	case t.doomed:
		s.beginClose(i, t.reason)
	case s.settings.RescueTimeout < 0:
		s.beginClose(i, reason)
	default:
		s.probe(i)
		t.suspect, t.suspectAt = true, s.now
	}
}

// probed is the answer of a page's main thread. A suspect that was not rescued is not at its standby
// state.
func (s *State) probed(i int32) {
	t := &s.tabs[i]
	if t.state != Probing {
		return
	}
	t.goodAt, t.probeEnded = s.now, s.now
	switch {
	case !t.suspect || t.rescued || !s.settings.Reset:
		s.backToIdle(i)
	case t.unreset:
		s.rescue(i) // which brings it to the standby state too, or is its end
	default:
		s.reset(i)
	}
}

func (s *State) probeFailed(i int32) {
	t := &s.tabs[i]
	switch {
	case t.state != Probing:
	case !t.suspect:
		s.doubt(i, Wedge)
	case t.rescued:
		s.beginClose(i, Wedge)
	default:
		s.rescue(i)
	}
}

func (s *State) rescue(i int32) {
	s.setState(i, Rescuing)
	s.ask(RescueTab, i)
}

func (s *State) wasRescued(i int32) {
	if t := &s.tabs[i]; t.state == Rescuing {
		s.setState(i, Probing)
		t.rescued = true
		s.ask(ProbeTab, i)
	}
}

func (s *State) rescueFailed(i int32) {
	if s.tabs[i].state == Rescuing {
		s.beginClose(i, Wedge)
	}
}

func (s *State) reset(i int32) {
	s.setState(i, Resetting)
	s.ask(ResetTab, i)
}

func (s *State) wasReset(i int32) {
	if t := &s.tabs[i]; t.state == Resetting {
		t.goodAt = s.now
		s.backToIdle(i)
	}
}

func (s *State) resetFailed(i int32) {
	if t := &s.tabs[i]; t.state == Resetting {
		t.unreset = true
		s.doubt(i, Wedge)
	}
}

// backToIdle makes a tab idle, or retires it.
func (s *State) backToIdle(i int32) {
	s.tabs[i].unreset = false
	s.setState(i, Idle)
	s.retire(i)
}
