package core

// Whether a page still answers: probes of tabs that were not seen for a while, and what is done
// about tabs that are in doubt. A suspect is probed, rescued where it is silent, and probed again;
// all of that takes RescueTimeout, of which the first probe has half. Its affinity stays warm
// meanwhile.

// stale says whether an idle tab is probed before it is handed out again: it is frozen, or was not
// seen for a while.
func (s *State) stale(i int32) bool {
	t := &s.Tabs[i]
	return t.Frozen || s.Settings.ProbeBudget > 0 && t.Uses > 0 &&
		s.Now > t.GoodAt.Add(s.Settings.ProbeMaxAge)
}

func (s *State) probe(i int32) { s.probeFor(i, false) }

// probeFor probes a tab, for the first time since it is in doubt or because it was not seen.
func (s *State) probeFor(i int32, suspect bool) {
	s.setState(i, Probing)
	t := &s.Tabs[i]
	t.Suspect, t.Rescued, t.Probed.Began = suspect, false, s.Now
	s.askTab(i, Effect{Kind: ProbeTab, Suspect: suspect})
}

// doubt makes a tab that nobody holds suspect; the reason is why it is closed where it cannot be
// rescued.
func (s *State) doubt(i int32, reason Reason) {
	t := &s.Tabs[i]
	switch {
	case t.Doomed:
		s.beginClose(i, t.Reason)
	case s.Settings.RescueTimeout < 0:
		s.beginClose(i, reason)
	case t.Session == SessionEnding && !t.Retried:
		t.Suspect = true
		s.endSession(i)
	default:
		s.probeFor(i, true)
	}
}

// probed is the answer of a page's main thread. A suspect that was not rescued is not at its
// standby state.
func (s *State) probed(i int32) {
	t := &s.Tabs[i]
	if t.thaws() {
		t.GoodAt, t.Probed.Ended, t.Frozen = s.Now, s.Now, false
		s.toStandbys(i)
		return
	}
	if t.State != Probing {
		return
	}
	t.GoodAt, t.Probed.Ended, t.Frozen = s.Now, s.Now, false
	s.judge(i, true)
	reset := t.Suspect && !t.Rescued && s.Settings.Reset && t.Session != SessionEnding
	if t.Suspect = false; reset {
		s.reset(i)
	} else {
		s.backToIdle(i)
	}
}

func (s *State) probeFailed(i int32) {
	t := &s.Tabs[i]
	if t.State == Probing {
		s.judge(i, false)
	}
	switch {
	case t.thaws():
		s.beginClose(i, Wedge)
	case t.State != Probing:
	case !t.Suspect:
		s.doubt(i, Wedge)
	case t.Rescued:
		s.beginClose(i, Wedge)
	default:
		s.rescue(i)
	}
}

func (s *State) rescue(i int32) { s.goOn(i, Rescuing, RescueTab) }

// goOn is the next that is done about a suspect. Its time counts from when it came into doubt.
func (s *State) goOn(i int32, state TabState, of EffectKind) {
	t := &s.Tabs[i]
	began := t.Began
	s.setState(i, state)
	t.Began = began
	s.ask(of, i)
}

func (s *State) wasRescued(i int32) {
	switch t := &s.Tabs[i]; {
	case t.State == Rescuing:
		t.Rescued = true
		s.goOn(i, Probing, ProbeTab)
	case t.State == Resetting && t.Part == PartHalt:
		t.GoodAt = s.Now
		s.judge(i, true)
		s.setState(i, Resetting)
		t.Part = PartLeave
		s.ask(ResetTab, i)
	}
}

func (s *State) rescueFailed(i int32) {
	switch t := &s.Tabs[i]; {
	case t.State == Rescuing, t.State == Resetting && t.Part == PartHalt:
		s.judge(i, false)
		s.beginClose(i, Wedge)
	}
}

// ResetPart says what is done to a tab in state Resetting, between two leases.
type ResetPart uint8

const (
	PartHalt  ResetPart = iota // of a reset: its scripts are stopped and its main thread is heard
	PartLeave                  // of a reset: its page leaves the document for the standby state
	PartEnd                    // before a reset: the session of its last lease ends
	PartBegin                  // after a reset: the session of its next lease begins
)

// reset brings a tab back to the standby state, in two parts. The first is a rescue that leaves the
// document as it is: a page that loops is healed, and one that does not answer is closed after
// EndTimeout. Only a page that has answered gets OpenTimeout for the second part, because a healthy
// Chromium needs 105 to 245 ms to leave a document.
func (s *State) reset(i int32) {
	s.setState(i, Resetting)
	s.Tabs[i].Part = PartHalt
	s.askHalt(i)
}

func (s *State) wasReset(i int32) {
	if t := &s.Tabs[i]; t.State == Resetting && t.Part == PartLeave {
		t.GoodAt = s.Now
		s.backToIdle(i)
	}
}

// resetFailed closes a tab whose reset has failed, or was silent, in either part. A reset has
// stopped the scripts already, so there is nothing left to rescue.
func (s *State) resetFailed(i int32) {
	switch t := &s.Tabs[i]; {
	case t.State != Resetting:
	case t.Part == PartEnd || t.Part == PartBegin:
		s.sessionFailed(i)
	default:
		s.judge(i, false)
		s.beginClose(i, Wedge)
	}
}

// backToIdle makes a tab idle, or retires it. What is missing of its sessions comes first.
func (s *State) backToIdle(i int32) {
	switch t := &s.Tabs[i]; {
	case t.Session == SessionEnding:
		s.endSession(i)
	case t.Sessions && t.Session == NoSession && s.worn(t) == ReasonNone:
		s.beginSession(i)
	default:
		s.setState(i, Idle)
		s.retire(i)
	}
}
