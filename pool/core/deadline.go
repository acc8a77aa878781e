package core

import "math"

// Deadline is an event that happens of itself, at its time, unless something happens before it.
type Deadline struct {
	At    Time
	Event Event
}

// Deadlines appends every armed deadline to out. The deadlines of one thing follow one another, but
// for the grace of a close that was quick to fail: its kill may be given up before.
func (s *State) Deadlines(out []Deadline) []Deadline {
	for i := range s.browsers {
		if d, ok := s.browserDeadline(&s.browsers[i]); ok {
			out = append(out, d)
		}
	}
	if s.paused && s.phase < ending {
		out = append(out, Deadline{s.retryAt, Event{Kind: RetryDue}})
	}
	for i := range s.tabs {
		t := &s.tabs[i]
		if d, ok := s.tabDeadline(t); ok {
			out = append(out, d)
		}
		if d, ok := s.graceDeadline(t); ok {
			out = append(out, d)
		}
	}
	return out
}

// NextDeadline is the earliest armed deadline. Browser news comes before tab news of one instant.
func (s *State) NextDeadline() (Deadline, bool) {
	var next Deadline
	var of TabID // whose it is; the older tab's comes first
	found := false
	take := func(d Deadline, tab TabID) {
		if !found || d.At < next.At || d.At == next.At && tab < of {
			next, of, found = d, tab, true
		}
	}
	for i := range s.browsers {
		if d, ok := s.browserDeadline(&s.browsers[i]); ok {
			take(d, 0)
		}
	}
	if s.paused && s.phase < ending {
		take(Deadline{s.retryAt, Event{Kind: RetryDue}}, 0)
	}
	for i := range s.tabs {
		t := &s.tabs[i]
		if d, ok := s.tabDeadline(t); ok {
			take(d, t.id)
		}
		if d, ok := s.graceDeadline(t); ok {
			take(d, t.id)
		}
	}
	return next, found
}

func (s *State) browserDeadline(b *browser) (Deadline, bool) {
	switch b.state {
	case starting:
		return Deadline{b.since.after(s.settings.LaunchTimeout), Event{Kind: LaunchSilent, Browser: b.id}}, true
	case ended:
		return Deadline{b.since.after(s.settings.BrowserCloseTimeout), Event{Kind: BrowserCloseSilent, Browser: b.id}}, true
	}
	return Deadline{}, false
}

// tabDeadline is the deadline of a tab that gives something up.
func (s *State) tabDeadline(t *tab) (Deadline, bool) {
	set := &s.settings
	switch {
	case t.state == Leased && t.maxLease > 0:
		return Deadline{t.since.after(t.maxLease), Event{Kind: Expired, Request: t.holder}}, true
	case (t.state == Idle || t.state == Standby) && t.retireAt < math.MaxInt64:
		return Deadline{t.retireAt, Event{Kind: RetireDue, Tab: t.id}}, true
	case t.state == Opening && t.overdue:
		return Deadline{t.since.after(set.OpenTimeout), Event{Kind: OpenSilent, Tab: t.id}}, true
	case t.state == Closing && s.serves(t.browser) && t.rung == killing:
		return Deadline{t.rungSince.after(set.KillTimeout), Event{Kind: KillSilent, Tab: t.id}}, true
	case t.state == Closing && s.serves(t.browser) && t.overdue:
		return Deadline{t.rungSince.after(set.CloseTimeout), Event{Kind: CloseSilent, Tab: t.id}}, true
	}
	return Deadline{}, false // of a closing tab whose browser is ended: it goes with it
}

// graceDeadline is when an opening or a close of a tab becomes overdue.
func (s *State) graceDeadline(t *tab) (Deadline, bool) {
	switch {
	case t.overdue:
	case t.state == Opening:
		return Deadline{t.since.after(s.settings.OpenGrace), Event{Kind: OpenOverdue, Tab: t.id}}, true
	case t.state == Closing && s.serves(t.browser):
		return Deadline{t.since.after(s.settings.CloseGrace), Event{Kind: CloseOverdue, Tab: t.id}}, true
	}
	return Deadline{}, false
}
