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
	earliest := func(d Deadline) {
		if !found || d.At < next.At || d.At == next.At && d.Event.Tab < next.Event.Tab {
			next, found = d, true
		}
	}
	s.poolDeadlines(earliest)
	if i := s.nextContext(); i != none {
		d, _ := s.contextDeadline(i)
		earliest(d)
	}
	s.tabDeadlines(earliest)
	return next, found
}

// nextContext is the context whose deadline is the earliest of all contexts', and of several the one in the first slot.
func (s *State) nextContext() int32 {
	next, at := none, never
	s.eachEnding(s.endings, func(i int32) bool {
		if d, ok := s.contextDeadline(i); ok && (next == none || d.At < at || d.At == at && i < next) {
			next, at = i, d.At
		}
		return true
	})
	return next
}

// Armed is an instant no later than any deadline that the last step has armed, or moved to an earlier instant; the
// last one there is, where there is none of these. So whoever was to look in time for all that was armed before, and
// now looks at this instant where it is the earlier one, looks in time for all that is armed now.
func (s *State) Armed() Time { return s.armed }

// arm notes that a deadline is armed.
func (s *State) arm(at Time) { s.armed = min(s.armed, at) }

// armTabs notes the deadlines of the tabs that have moved in this step, as they are at its end.
func (s *State) armTabs() {
	for _, i := range s.moved {
		t := &s.tabs[i]
		at, _ := s.tabDeadline(t)
		grace, _ := s.graceDeadline(t)
		s.arm(min(at, grace))
	}
	s.moved = s.moved[:0]
}

func (s *State) eachDeadline(fn func(Deadline)) {
	s.poolDeadlines(fn)
	for i := range s.contexts {
		if d, ok := s.contextDeadline(int32(i)); ok {
			fn(d)
		}
	}
	s.tabDeadlines(fn)
}

// poolDeadlines are those of browsers, of pauses and of the contraction.
func (s *State) poolDeadlines(fn func(Deadline)) {
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
}

func (s *State) contextDeadline(i int32) (Deadline, bool) {
	c := &s.contexts[i]
	if c.state != contextClosing || !s.serves(c.browser) {
		return Deadline{}, false
	}
	patience := s.settings.CloseTimeout
	if c.rung == killing {
		patience = s.settings.KillTimeout
	}
	return Deadline{c.rungSince.after(patience), Event{Kind: ContextSilent, Context: c.id}}, true
}

func (s *State) tabDeadlines(fn func(Deadline)) {
	for i := range s.tabs {
		t := &s.tabs[i]
		if at, kind := s.tabDeadline(t); kind == Expired {
			fn(Deadline{at, Event{Kind: kind, Request: t.holder}})
		} else if kind != NoEvent {
			fn(Deadline{at, Event{Kind: kind, Tab: t.id}})
		}
		if at, kind := s.graceDeadline(t); kind != NoEvent {
			fn(Deadline{at, Event{Kind: kind, Tab: t.id}})
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
	s.eachEnding(s.endings, func(i int32) bool {
		if c := &s.contexts[i]; c.browser == id {
			since = min(since, c.askedAt)
		}
		return true
	})
	return since
}

// tabDeadline is when something of a tab is given up, and what; NoEvent, at the last instant there is: nothing is.
func (s *State) tabDeadline(t *tab) (Time, EventKind) {
	set := &s.settings
	switch {
	case t.state == Leased && t.maxLease > 0:
		return t.since.after(t.maxLease), Expired
	case (t.state == Idle || t.state == Standby) && t.retireAt < never:
		return t.retireAt, RetireDue
	case t.state == Opening && t.overdue:
		return t.since.after(set.OpenTimeout), OpenSilent
	case t.state == Probing && !t.suspect:
		return t.since.after(set.ProbeBudget), ProbeSilent
	case t.state == Probing && !t.rescued:
		return t.suspectAt.after(set.RescueTimeout / 2), ProbeSilent
	case t.state == Probing:
		return t.suspectAt.after(set.RescueTimeout), ProbeSilent
	case t.state == Rescuing:
		return t.suspectAt.after(set.RescueTimeout), RescueSilent
	case t.state == Resetting && t.part == PartLeave:
		return t.since.after(set.OpenTimeout), ResetSilent
	case t.state == Resetting && t.part == PartBegin:
		return t.since.after(set.BeginTimeout()), ResetSilent
	case t.state == Resetting:
		return t.since.after(set.EndTimeout()), ResetSilent
	case t.state != Closing || !s.serves(t.browser): // it goes with its browser
	case t.rung == killing:
		return t.rungSince.after(set.KillTimeout), KillSilent
	case t.overdue:
		return t.rungSince.after(set.CloseTimeout), CloseSilent
	}
	return never, NoEvent
}

// graceDeadline is when what a tab waits for becomes overdue.
func (s *State) graceDeadline(t *tab) (Time, EventKind) {
	kind, grace := overdueKind(t.state), s.settings.OpenGrace
	if t.overdue || kind == NoEvent {
		return never, NoEvent
	}
	if t.state == Closing {
		grace = s.settings.CloseGrace
	}
	return t.since.after(grace), kind
}
