package core

import "time"

// Browsers that answer and do no work. The processes that draw, load and store are shared by all
// tabs of a browser, and each may hang while everything else answers. Ends of leases that were
// doubtful, and openings that failed, are evidence. On evidence, and every CheckEvery, the driver
// has the browser do each kind of work once. A browser that fails is replaced; none is replaced for
// evidence alone.

// Evidence is what speaks against a browser since its last check began.
type Evidence struct {
	Doubts  int32    // ends that were doubtful, and openings that failed
	At      Time     // when the last of them was
	First   Affinity // whose the first of these ends was
	Several bool     // they are of two affinities or more; a failed opening counts as one of its own
	Served  Affinity // who was granted a tab of the browser first
	Others  bool     // others were granted one too
}

// Check is what the pool knows of its checks.
type Check struct {
	Browser   BrowserID   // that is being checked; 0: none is
	Operation OperationID // its number
	Began     Time        // when the last check began
	Ended     Time        // when the last check ended
	Failed    int32       // browsers replaced for a failed check, with no successful one since
	ReplaceAt Time        // when the next may be replaced for one
}

// checkPause is the least time from the beginning of one check to that of the next.
const checkPause = time.Second

// CheckTimeout is how long a check may take: StallTimeout, or its default where that is off.
func (s *Settings) CheckTimeout() time.Duration {
	if s.StallTimeout < 0 {
		return defaultStallTimeout
	}
	return s.StallTimeout
}

// serve notes whom a browser serves.
func (s *State) serve(id BrowserID, a Affinity) {
	b := s.browser(id)
	if !b.Checks {
		return
	}
	e := &b.Evidence
	e.Others = e.Others || e.Served != 0 && e.Served != a
	if e.Served == 0 {
		e.Served = a
	}
}

// doubtBrowser counts a doubtful end of an affinity's lease, or where there is none a failed
// opening, as evidence.
func (s *State) doubtBrowser(id BrowserID, a Affinity) {
	b := s.browser(id)
	if b == nil || !b.Checks {
		return
	}
	e := &b.Evidence
	e.Several = e.Several || e.Doubts > 0 && (a == 0 || a != e.First)
	if e.Doubts == 0 {
		e.First = a
	}
	e.Doubts++
	e.At = s.Now
	s.arm(s.checkAt(b))
}

// suspicious says whether the evidence is enough for a check.
func (s *State) suspicious(e *Evidence) bool {
	most := s.Settings.BrowserDoubt
	return most > 0 && int(e.Doubts) >= most && (e.Several || !e.Others)
}

// checkAt is when a browser is to be checked next. Only one that takes new tabs and is not being
// replaced is, and one at a time.
func (s *State) checkAt(b *Browser) Time {
	if !b.Checks || b.State != BrowserServing || b.Worn || s.Check.Browser != 0 ||
		s.Phase >= PhaseEnding {
		return Never
	}
	at := Never
	if s.Settings.CheckEvery > 0 {
		at = b.CheckedAt.Add(s.Settings.CheckEvery)
	}
	if s.suspicious(&b.Evidence) {
		at = min(at, max(b.Evidence.At, s.Check.Began.Add(checkPause)))
	}
	return max(at, s.Check.Ended)
}

// checkDue begins a check. What speaks against the browser is counted anew from here.
func (s *State) checkDue(b *Browser) {
	if s.checkAt(b) == Never {
		return
	}
	served, others := b.Evidence.Served, b.Evidence.Others
	b.Evidence = Evidence{Served: served, Others: others}
	b.CheckedAt = s.Now
	s.operation(Effect{Kind: CheckBrowser, Browser: b.ID})
	s.Check.Browser, s.Check.Operation, s.Check.Began = b.ID, s.LastOperation, s.Now
	s.arm(s.Now.Add(s.Settings.CheckTimeout()))
}

// checked is the end of a check. One that is silent has failed.
func (s *State) checked(b *Browser, e *Event) {
	if s.Check.Browser != b.ID || e.Operation != 0 && e.Operation != s.Check.Operation {
		return
	}
	s.endCheck(b.ID)
	if !e.Is(Silent, CheckBrowser) {
		s.hear(b.ID)
	}
	switch {
	case e.Is(Done, CheckBrowser):
		s.Check.Failed, s.Check.ReplaceAt, b.SickAt = 0, 0, 0
	case b.State == BrowserServing && !b.Worn && b.SickAt == 0:
		b.SickAt = max(s.Now, s.Check.ReplaceAt)
		s.arm(b.SickAt)
	}
}

// endCheck forgets a check that is over, and the browser that serves may be checked again.
func (s *State) endCheck(id BrowserID) {
	if s.Check.Browser != id {
		return
	}
	s.Check.Browser, s.Check.Operation, s.Check.Ended = 0, 0, s.Now
	if b := s.ready(); b != nil {
		s.arm(s.checkAt(b))
	}
}

// wornOut marks a browser to be replaced. Replacements for failed checks pause as restarts do, up
// to CheckEvery, until a check succeeds.
func (s *State) wornOut(b *Browser) {
	b.Worn = true
	if b.SickAt == 0 {
		return // for another reason
	}
	s.Check.Failed++
	pause, most := s.Settings.OpenBackoff, max(s.Settings.OpenBackoff, s.Settings.CheckEvery)
	if s.Settings.CheckEvery < 0 {
		most = max(pause, s.Settings.OpenBackoffMax)
	}
	s.Check.ReplaceAt = s.Now.Add(doubled(pause, most, s.Check.Failed))
}
