package core

import "time"

// Deadline is an event that happens of itself, at its time, unless something happens before it.
type Deadline struct {
	At    Time
	Event Event
}

// Deadlines appends every armed deadline to out. A tab, a context and a browser have one at a time,
// and a second one while they can still become overdue.
func (s *State) Deadlines(out []Deadline) []Deadline {
	s.eachDeadline(func(d Deadline) { out = append(out, d) })
	return out
}

// NextDeadline is the earliest armed deadline. Browser news comes before tab news of one instant,
// and the older tab's first.
func (s *State) NextDeadline() (Deadline, bool) {
	var next Deadline
	found := false
	earliest := func(d Deadline) {
		if !found || d.At < next.At || d.At == next.At && d.Event.Tab < next.Event.Tab {
			next, found = d, true
		}
	}
	s.eachDeadline(earliest)
	return next, found
}

// Armed is the earliest deadline that the last step has armed or moved forward, or an instant
// before it; Never: the step armed none. A timer that was set for the deadlines before the step
// need only be moved to this instant, if that is earlier.
func (s *State) Armed() Time { return s.armed }

// arm notes that a deadline is armed.
func (s *State) arm(at Time) { s.armed = min(s.armed, at) }

// armTabs notes the deadlines of the tabs that have moved in this step, as they are at its end.
func (s *State) armTabs() {
	for _, i := range s.moved {
		t := &s.Tabs[i]
		at, _, _ := s.tabDeadline(t)
		grace, _, _ := s.graceDeadline(t)
		s.arm(min(at, grace))
	}
	s.moved = s.moved[:0]
}

func (s *State) eachDeadline(fn func(Deadline)) {
	s.poolDeadlines(fn)
	for i := range s.Contexts {
		if d, ok := s.contextDeadline(int32(i)); ok {
			fn(d)
		}
	}
	s.tabDeadlines(fn)
	s.idleDeadlines(fn)
}

// poolDeadlines are those of browsers, of pauses and of the contraction.
func (s *State) poolDeadlines(fn func(Deadline)) {
	for i := range s.Browsers {
		s.browserDeadlines(&s.Browsers[i], fn)
	}
	if s.Openings.On && s.Phase < PhaseEnding {
		fn(Deadline{s.Openings.Until, Event{Kind: RetryDue}})
	}
	if s.Launches.On && s.Phase < PhaseEnding {
		fn(Deadline{s.Launches.Until, Event{Kind: RelaunchDue}})
	}
	if s.Idle && !s.Shrinking && int(s.Capacity) > s.Settings.MinPages {
		fn(Deadline{s.IdleSince.Add(s.Settings.IdleContraction), Event{Kind: ContractDue}})
	}
}

func (s *State) contextDeadline(i int32) (Deadline, bool) {
	c := &s.Contexts[i]
	if c.State != ContextClosing || !s.serves(c.Browser) {
		return Deadline{}, false
	}
	at := c.Began.Add(s.Settings.limit(c.Ladder.underWay()))
	return Deadline{at, Event{Kind: Silent, Of: CloseContext, Context: c.ID}}, true
}

func (s *State) tabDeadlines(fn func(Deadline)) {
	for i := range s.Tabs {
		t := &s.Tabs[i]
		if at, kind, of := s.tabDeadline(t); kind == Expired {
			fn(Deadline{at, Event{Kind: kind, Request: t.Holder}})
		} else if kind != NoEvent {
			fn(Deadline{at, Event{Kind: kind, Of: of, Tab: t.ID}})
		}
		if at, kind, of := s.graceDeadline(t); kind != NoEvent {
			fn(Deadline{at, Event{Kind: kind, Of: of, Tab: t.ID}})
		}
	}
}

// idleDeadlines are those of affinities that nobody holds or waits for.
func (s *State) idleDeadlines(fn func(Deadline)) {
	if s.Settings.MaxIdle < 0 {
		return
	}
	due := func(a Affinity) {
		if at := s.idleDue(a); at != Never {
			fn(Deadline{at, Event{Kind: IdleDue, Affinity: a}})
		}
	}
	for i := range s.Tabs {
		if t := &s.Tabs[i]; t.State == Idle && s.firstIdle(s.at(t.Affinity)) == int32(i) {
			due(t.Affinity)
		}
	}
	for i := range s.Contexts {
		if a := s.Contexts[i].Affinity; s.orphan(int32(i)) && s.firstIdle(s.at(a)) == None {
			due(a)
		}
	}
}

func (s *State) browserDeadlines(b *Browser, fn func(Deadline)) {
	set := &s.Settings
	on := func(at Time, after time.Duration, kind EventKind) {
		fn(Deadline{at.Add(after), Event{Kind: kind, Browser: b.ID}})
	}
	silent := func(began Time, of EffectKind) {
		fn(Deadline{began.Add(set.limit(of)), Event{Kind: Silent, Of: of, Browser: b.ID}})
	}
	switch b.State {
	case BrowserStarting:
		silent(b.Since, Launch)
		return
	case BrowserClosing:
		silent(b.Since, CloseBrowser)
		return
	case BrowserDraining:
		on(b.Since, set.DrainTimeout, DrainSilent)
	case BrowserServing:
		worn := Never
		if set.BrowserMaxAge > 0 {
			worn = b.Since.Add(set.BrowserMaxAge)
		}
		if b.SickAt != 0 {
			worn = min(worn, b.SickAt)
		}
		if worn != Never && !b.Worn {
			on(worn, 0, BrowserWorn)
		}
		if at := s.checkAt(b); at != Never {
			on(at, 0, CheckDue)
		}
	}
	if s.Check.Browser == b.ID {
		silent(s.Check.Began, CheckBrowser)
	}
	if set.StallTimeout < 0 {
		return
	}
	if b.AskedAt != Never {
		silent(b.AskedAt, Ping)
	} else if since := s.silentSince(b.ID); since != Never {
		on(max(since, b.HeardAt), set.StallTimeout, BrowserStalled)
	}
}

// silentSince is since when the oldest operation in a browser has been silent; Never: none is under
// way.
func (s *State) silentSince(id BrowserID) Time {
	since := Never
	for i := range s.Tabs {
		if t := &s.Tabs[i]; t.State != 0 && t.Browser == id {
			since = min(since, t.AskedAt)
		}
	}
	for i := range s.Contexts {
		if c := &s.Contexts[i]; c.State != 0 && c.Browser == id {
			since = min(since, c.AskedAt)
		}
	}
	return since
}

// tabDeadline is when something of a tab is given up, and of which operation; NoEvent, at the last
// instant there is: nothing is. An opening and a close are overdue first.
func (s *State) tabDeadline(t *Tab) (at Time, kind EventKind, of EffectKind) {
	of = t.underWay()
	limit := s.Settings.limit(of)
	switch {
	case t.State == Leased && t.MaxLease > 0:
		return t.Since.Add(t.MaxLease), Expired, NoEffect
	case (t.State == Idle || t.State == Standby) && t.RetireAt < Never:
		return t.RetireAt, RetireDue, NoEffect
	case of == NoEffect, !t.Overdue && (of == OpenTab || of == CloseTab), t.State == Closing &&
		!s.serves(t.Browser):
		return Never, NoEvent, NoEffect // what is closing goes with its browser
	case t.State == Resetting:
		of = ResetTab // whichever part
	case t.State == Rescuing, t.State == Probing && t.Suspect && t.Rescued:
		limit = s.Settings.RescueTimeout
	case t.State == Probing && t.Suspect:
		limit = s.Settings.RescueTimeout / 2
	}
	return t.Began.Add(limit), Silent, of
}

// graceDeadline is when what a tab waits for becomes overdue, or when one that nobody waits for is
// frozen.
func (s *State) graceDeadline(t *Tab) (at Time, kind EventKind, of EffectKind) {
	if at := s.freezeDue(t); at != Never {
		return at, FreezeDue, NoEffect
	}
	of, grace := awaitedIn(t.State), s.Settings.OpenGrace
	if t.Overdue || of == NoEffect {
		return Never, NoEvent, NoEffect
	}
	if t.State == Closing {
		grace = s.Settings.CloseGrace
	}
	return t.Since.Add(grace), Overdue, of
}
