package core

import "time"

// Deadline is an event that happens of itself, at its time, unless something happens before it.
type Deadline struct {
	At    Time
	Event Event
}

// Deadlines appends every armed deadline to out. The deadlines of one thing follow one another, but for
// the grace of what may end before it is overdue.
func (s *State) Deadlines(out []Deadline) []Deadline {
	s.eachDeadline(func(d Deadline) { out = append(out, d) })
	return out
}

// NextDeadline is the earliest armed deadline. Browser news comes before tab news of one instant, and
// the older tab's first.
func (s *State) NextDeadline() (Deadline, bool) {
	var next Deadline
	found := false
	s.eachDeadline(func(d Deadline) {
		if !found || d.At < next.At || d.At == next.At && d.Event.Tab < next.Event.Tab {
			next, found = d, true
		}
	})
	return next, found
}

func (s *State) eachDeadline(fn func(Deadline)) {
	for i := range s.browsers {
		s.browserDeadlines(&s.browsers[i], fn)
	}
	if s.paused && s.phase < ending {
		fn(Deadline{s.retryAt, Event{Kind: RetryDue}})
	}
	if s.grounded && s.phase < ending {
		fn(Deadline{s.relaunchAt, Event{Kind: RelaunchDue}})
	}
	if s.idle && !s.shrinking && int(s.capacity) > s.settings.MinPages {
		fn(Deadline{s.idleSince.after(s.settings.IdleContraction), Event{Kind: ContractDue}})
	}
	for i := range s.contexts {
		if c := &s.contexts[i]; c.state == contextClosing && s.serves(c.browser) {
			patience := s.settings.CloseTimeout
			if c.rung == killing {
				patience = s.settings.KillTimeout
			}
			fn(Deadline{c.rungSince.after(patience), Event{Kind: ContextSilent, Context: c.id}})
		}
	}
	for i := range s.tabs {
		t := &s.tabs[i]
		if t.state == 0 {
			continue
		}
		if d, ok := s.tabDeadline(t); ok {
			fn(d)
		}
		if d, ok := s.graceDeadline(t); ok {
			fn(d)
		}
	}
}

func (s *State) browserDeadlines(b *browser, fn func(Deadline)) {
	set := &s.settings
	on := func(at Time, after time.Duration, kind EventKind) {
		fn(Deadline{at.after(after), Event{Kind: kind, Browser: b.id}})
	}
	switch b.state {
	case starting:
		on(b.since, set.LaunchTimeout, LaunchSilent)
		return
	case ended:
		on(b.since, set.BrowserCloseTimeout, BrowserCloseSilent)
		return
	case draining:
		on(b.since, set.DrainTimeout, DrainSilent)
	case ready:
		if set.BrowserMaxAge > 0 && !b.worn {
			on(b.since, set.BrowserMaxAge, BrowserWorn)
		}
	}
	if set.StallTimeout < 0 {
		return
	}
	if b.askedAt != never {
		on(b.askedAt, set.StallTimeout, BrowserSilent)
	} else if silent := s.silentSince(b.id); silent != never {
		on(max(silent, b.heardAt), set.StallTimeout, BrowserStalled)
	}
}

// silentSince is since when the oldest operation in a browser has been silent; never: none is under way.
func (s *State) silentSince(id BrowserID) Time {
	since := never
	for i := range s.tabs {
		if t := &s.tabs[i]; t.state != 0 && t.browser == id {
			since = min(since, t.askedAt)
		}
	}
	for i := range s.contexts {
		if c := &s.contexts[i]; c.state != 0 && c.browser == id {
			since = min(since, c.askedAt)
		}
	}
	return since
}

// tabDeadline is the deadline of a tab that gives something up.
func (s *State) tabDeadline(t *tab) (Deadline, bool) {
	set := &s.settings
	on := func(at Time, after time.Duration, kind EventKind) (Deadline, bool) {
		return Deadline{at.after(after), Event{Kind: kind, Tab: t.id}}, true
	}
	switch {
	case t.state == Leased && t.maxLease > 0:
		return Deadline{t.since.after(t.maxLease), Event{Kind: Expired, Request: t.holder}}, true
	case (t.state == Idle || t.state == Standby) && t.retireAt < never:
		return on(t.retireAt, 0, RetireDue)
	case t.state == Opening && t.overdue:
		return on(t.since, set.OpenTimeout, OpenSilent)
	case t.state == Probing && !t.suspect:
		return on(t.since, set.ProbeBudget, ProbeSilent)
	case t.state == Probing && !t.rescued:
		return on(t.suspectAt, set.RescueTimeout/2, ProbeSilent)
	case t.state == Probing:
		return on(t.suspectAt, set.RescueTimeout, ProbeSilent)
	case t.state == Rescuing:
		return on(t.suspectAt, set.RescueTimeout, RescueSilent)
	case t.state == Resetting:
		return on(t.since, set.OpenTimeout, ResetSilent)
	case t.state != Closing || !s.serves(t.browser): // it goes with its browser
	case t.rung == killing:
		return on(t.rungSince, set.KillTimeout, KillSilent)
	case t.overdue:
		return on(t.rungSince, set.CloseTimeout, CloseSilent)
	}
	return Deadline{}, false
}

// graceDeadline is when what a tab waits for becomes overdue.
func (s *State) graceDeadline(t *tab) (Deadline, bool) {
	kind, grace := overdueKind(t.state), s.settings.OpenGrace
	if t.state == Closing {
		grace = s.settings.CloseGrace
	}
	if t.overdue || kind == NoEvent {
		return Deadline{}, false
	}
	return Deadline{t.since.after(grace), Event{Kind: kind, Tab: t.id}}, true
}
