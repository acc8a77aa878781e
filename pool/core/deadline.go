package core

import "time"

// Deadline is an event that happens of itself, at its time, unless something happens before it.
type Deadline struct {
	At    Time
	Event Event
}

// Deadlines appends every armed deadline to out: at most one for each tab, browser and pause, since
// the deadlines of one thing follow one another.
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
		if d, ok := s.tabDeadline(&s.tabs[i]); ok {
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
		if d, ok := s.tabDeadline(&s.tabs[i]); ok {
			take(d, s.tabs[i].id)
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

func (s *State) tabDeadline(t *tab) (Deadline, bool) {
	at := func(since Time, limit time.Duration, kind EventKind) (Deadline, bool) {
		return Deadline{since.after(limit), Event{Kind: kind, Tab: t.id}}, true
	}
	set := &s.settings
	switch t.state {
	case Leased:
		if t.maxLease > 0 {
			return Deadline{t.since.after(t.maxLease), Event{Kind: Expired, Request: t.holder}}, true
		}
	case Opening:
		if !t.overdue {
			return at(t.since, set.OpenGrace, OpenOverdue)
		}
		return at(t.since, set.OpenTimeout, OpenSilent)
	case Closing:
		switch {
		case !s.serves(t.browser):
			// It goes with its browser.
		case !t.overdue:
			return at(t.since, set.CloseGrace, CloseOverdue)
		case t.rung == asked:
			return at(t.rungSince, set.CloseTimeout, CloseSilent)
		default:
			return at(t.rungSince, set.KillTimeout, KillSilent)
		}
	}
	return Deadline{}, false
}
