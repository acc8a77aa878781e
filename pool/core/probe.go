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

// probe probes a tab, for the first time since it is in doubt or because it was not seen.
func (s *State) probe(i int32, suspect bool) {
	s.setState(i, Probing)
	t := &s.Tabs[i]
	t.Suspect, t.Rescued, t.Probed.Began = suspect, false, s.Now
	s.ask(i, Effect{Kind: ProbeTab, Suspect: suspect})
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
		s.beginPart(i, PartEnd)
	default:
		s.probe(i, true)
	}
}

// probed is the answer of a page's main thread. A suspect that was not rescued is not at its
// standby state.
func (s *State) probed(i int32) {
	t := &s.Tabs[i]
	thawed, suspect := t.thaws(), t.Suspect && !t.Rescued
	t.GoodAt, t.Probed.Ended, t.Frozen, t.Suspect = s.Now, s.Now, false, false
	s.judge(i, true)
	switch {
	case thawed:
		s.toStandbys(i)
	case suspect:
		s.afterLease(i)
	default:
		s.backToIdle(i)
	}
}

func (s *State) probeFailed(i int32) {
	s.judge(i, false)
	switch t := &s.Tabs[i]; {
	case t.thaws() || t.Rescued:
		s.beginClose(i, Wedge)
	case !t.Suspect:
		s.doubt(i, Wedge)
	default:
		s.goOn(i, Rescuing)
	}
}

// goOn is the next that is done about a suspect. Its time counts from when it came into doubt.
func (s *State) goOn(i int32, state TabState) {
	t := &s.Tabs[i]
	began := t.Began
	s.setState(i, state)
	t.Began = began
	s.ask(i, Effect{Kind: t.underWay()})
}

func (s *State) wasRescued(i int32) {
	t := &s.Tabs[i]
	if t.State == Rescuing {
		t.Rescued = true
		s.goOn(i, Probing)
		return
	}
	t.GoodAt = s.Now
	s.judge(i, true)
	s.beginPart(i, PartLeave)
}

// ResetPart says what is done to a tab in state Resetting, between two leases.
type ResetPart uint8

const (
	PartHalt  ResetPart = iota // of a reset: its scripts are stopped and its main thread is heard
	PartLeave                  // of a reset: its page leaves the document for the standby state
	PartEnd                    // before a reset: the session of its last lease ends
	PartBegin                  // after a reset: the session of its next lease begins
)

// beginPart begins one part of what is done to a tab between two leases.
//
// A reset has two. The first is a rescue that leaves the document as it is: a page that loops is
// healed, and one that does not answer is closed after EndTimeout. Only a page that has answered
// gets OpenTimeout for the second part, because a healthy Chromium needs 105 to 245 ms to leave a
// document. The end of a session needs no turn of the page's main thread, so a page is not
// condemned for being busy. The beginning of the next one waits for it.
func (s *State) beginPart(i int32, part ResetPart) {
	s.setState(i, Resetting)
	t := &s.Tabs[i]
	t.Part = part
	s.ask(i, Effect{Kind: t.underWay(), Halt: part == PartHalt})
}

func (s *State) wasReset(i int32) {
	s.Tabs[i].GoodAt = s.Now
	s.backToIdle(i)
}

// resetFailed closes a tab whose rescue or reset has failed, or was silent, in either part. The
// scripts are stopped already, so there is nothing left to rescue.
func (s *State) resetFailed(i int32) {
	s.judge(i, false)
	s.beginClose(i, Wedge)
}

// afterLease resets a tab whose lease is over, where each lease is followed by a reset, or makes it
// idle. Its session ends before.
func (s *State) afterLease(i int32) {
	if s.Settings.Reset && s.Tabs[i].Session != SessionEnding {
		s.beginPart(i, PartHalt)
	} else {
		s.backToIdle(i)
	}
}

// backToIdle makes a tab idle, or retires it. What is missing of its sessions comes first.
func (s *State) backToIdle(i int32) {
	switch t := &s.Tabs[i]; {
	case t.Session == SessionEnding:
		s.beginPart(i, PartEnd)
	case t.Sessions && t.Session == NoSession && s.worn(t) == ReasonNone:
		s.beginPart(i, PartBegin)
	default:
		s.setState(i, Idle)
		s.retire(i)
	}
}
