package core

import "time"

// Operations: what a browser is asked for, each by an effect. An operation ends with its answer
// (Done, Failed), or it is given up when its time is over (Silent). What it is about says to whom
// an event goes: to a tab, to a context or to a browser.

// Operation is what a tab or a context is asked. Its kind follows from the state: see underWay.
type Operation struct {
	Number OperationID // of the last; answers that name another come too late
	// from when its time counts: the state's beginning, the rung's, or that of doubt
	Began   Time
	AskedAt Time // since when one has been silent; Never: none is
}

// begin begins an operation on what has the record.
func (s *State) begin(o *Operation, e Effect) {
	o.AskedAt = min(o.AskedAt, s.Now)
	s.operation(e)
	o.Number = s.LastOperation
}

// underWay is what a tab is asked in its state; NoEffect: nothing. A kill on the last rung is
// followed by one more close.
func (t *Tab) underWay() EffectKind {
	switch t.State {
	case Opening:
		if t.thaws() {
			return ProbeTab
		}
		return OpenTab
	case Probing:
		return ProbeTab
	case Rescuing:
		return RescueTab
	case Resetting:
		return [...]EffectKind{PartHalt: RescueTab, PartLeave: ResetTab, PartEnd: EndSession,
			PartBegin: BeginSession}[t.Part]
	case Closing:
		return t.Ladder.underWay()
	}
	return NoEffect
}

// ofPage says whether a page is asked for it, so that an answer means something only while it is
// under way. An opening and a close have late answers that do.
func (k EffectKind) ofPage() bool { return k >= ProbeTab && k <= BeginSession }

// limit is how long an operation may take that is about no suspect.
func (s *Settings) limit(of EffectKind) time.Duration {
	switch of {
	case Launch:
		return s.LaunchTimeout
	case CloseBrowser:
		return s.BrowserCloseTimeout
	case Ping:
		return s.StallTimeout
	case CheckBrowser:
		return s.CheckTimeout()
	case OpenTab, ResetTab:
		return s.OpenTimeout
	case ProbeTab:
		return s.ProbeTimeout()
	case RescueTab, EndSession:
		return s.EndTimeout()
	case BeginSession:
		return s.BeginTimeout()
	case KillTab:
		return s.KillTimeout
	}
	return s.CloseTimeout
}

func (s *State) heard(e *Event) {
	switch {
	case e.Tab != 0:
		if i, ok := s.tabIndex.get(uint64(e.Tab)); ok {
			s.tabEvent(i, e)
		}
	case e.Context != 0:
		if i, ok := s.context(e.Context); ok && s.Contexts[i].State != ContextOpen {
			s.contextEvent(i, e)
		}
	case e.Browser != 0:
		s.browserEvent(e)
	}
}

// onTab is what the answer to an operation, its failure and its silence mean to a tab. The event
// is passed as it is: behind a pointer it would be on the heap, once in each step.
var onTab = [EffectKinds]struct {
	done           func(*State, int32, Event)
	failed, silent func(*State, int32)
}{
	OpenTab:      {(*State).opened, (*State).openFailed, (*State).openSilent},
	ProbeTab:     {plain((*State).probed), (*State).probeFailed, (*State).probeFailed},
	RescueTab:    {plain((*State).wasRescued), (*State).resetFailed, (*State).resetFailed},
	ResetTab:     {plain((*State).wasReset), (*State).resetFailed, (*State).resetFailed},
	EndSession:   {(*State).sessionEnded, (*State).sessionFailed, (*State).sessionFailed},
	BeginSession: {plain((*State).sessionBegun), (*State).sessionFailed, (*State).sessionFailed},
	CloseTab:     {(*State).closed, (*State).closeFailed, (*State).closeSilent},
	KillTab:      {plain((*State).killAnswered), (*State).killAnswered, (*State).killSilent},
}

func plain(f func(*State, int32)) func(*State, int32, Event) {
	return func(s *State, i int32, _ Event) { f(s, i) }
}

func (s *State) tabEvent(i int32, e *Event) {
	if e.Operation != 0 && e.Operation != s.Tabs[i].Number {
		// It was given up, so it is no sign of life: a driver answers because it was told to end
		// the call.
		if e.Is(Done, EndSession) && e.Left == SpoiledContext {
			s.giveUpContext(i, Spoiled) // but what it says is so
		}
		return
	}
	if !e.Kind.Deadline() {
		s.hear(s.Tabs[i].Browser)
		if e.Kind != Crashed {
			s.Tabs[i].AskedAt = Never
		}
	}
	if e.Kind == Silent {
		s.giveUpOnTab(&s.Tabs[i], e.Of)
	}
	of := e.Of
	if e.Is(Silent, ResetTab) {
		of = s.Tabs[i].underWay() // whichever part
	}
	switch means := &onTab[of]; {
	case means.done == nil, of.ofPage() && of != s.Tabs[i].underWay():
	case e.Kind == Done:
		means.done(s, i, *e)
	case e.Kind == Failed:
		means.failed(s, i)
	case e.Kind == Silent:
		means.silent(s, i)
	}
	switch e.Kind {
	case Overdue:
		s.markOverdue(i, e.Of)
	case Crashed:
		s.crashed(i, e.TooLarge)
	case FreezeDue:
		s.freeze(i)
	case RetireDue:
		s.Tabs[i].RetireAt = min(s.Tabs[i].RetireAt, s.Now)
		s.retire(i)
	}
}

// giveUpOnTab gives up what a tab is asked, if its time can be over. A second probe of a suspect is
// part of its rescue.
func (s *State) giveUpOnTab(t *Tab, silent EffectKind) {
	_, kind, of := s.tabDeadline(t)
	if kind != Silent || of != silent {
		return
	}
	e := Effect{Kind: GiveUp, Of: t.underWay(), Tab: t.ID}
	switch {
	case t.State == Probing && t.Suspect && t.Rescued:
		e.Of = RescueTab
	case t.State == Probing:
		e.Suspect = t.Suspect
	case t.State == Resetting:
		e.Halt = t.Part == PartHalt
	}
	s.emit(e)
}

// giveUpOnBrowser gives up what a browser is asked.
func (s *State) giveUpOnBrowser(b *Browser, of EffectKind) {
	s.emit(Effect{Kind: GiveUp, Of: of, Browser: b.ID})
}

func (s *State) contextEvent(i int32, e *Event) {
	c := &s.Contexts[i]
	switch e.Kind {
	case Done:
		s.hear(c.Browser)
		s.removeContext(i)
	case Failed:
		s.hear(c.Browser)
		s.contextFailed(i)
	case Silent:
		if _, due := s.contextDeadline(i); due {
			s.emit(Effect{Kind: GiveUp, Of: c.Ladder.underWay(), Context: c.ID})
		}
		s.contextSilent(i)
	}
}

func (s *State) browserEvent(e *Event) {
	b := s.browser(e.Browser)
	if e.Is(Done, Launch) && b == nil && e.Browser <= s.LastBrowser {
		// It was written off, or it is gone already: what a late launch brought is closed.
		s.operation(Effect{Kind: CloseBrowser, Browser: e.Browser, Force: true})
	}
	if b == nil {
		return
	}
	switch e.Kind {
	case Done, Failed:
		s.browserAnswers(b, e)
	case Silent:
		s.browserSilent(b, e)
	case BrowserGone:
		s.browserGone(b)
	case BrowserWorn:
		s.wornOut(b)
	case CheckDue:
		s.checkDue(b)
	case BrowserStalled:
		if s.serves(b.ID) && b.AskedAt == Never {
			b.AskedAt = s.Now
			s.operation(Effect{Kind: Ping, Browser: b.ID})
		}
	case DrainSilent:
		if b.State == BrowserDraining {
			s.endBrowser(b.ID, true)
		}
	}
}

func (s *State) browserAnswers(b *Browser, e *Event) {
	switch {
	case e.Is(Done, Launch):
		s.browserReady(b, e.Checks)
	case e.Is(Failed, Launch):
		if b.Unlaunched {
			s.endLaunch(b)
		}
	case e.Is(Done, Ping):
		s.hear(b.ID)
	case e.Is(Failed, Ping):
		if s.serves(b.ID) {
			s.browserLost(b)
		}
	case e.Of == CheckBrowser:
		s.checked(b, e)
	}
}

func (s *State) browserSilent(b *Browser, e *Event) {
	switch e.Of {
	case Launch: // it is written off; should the launch answer later, what it brings is closed
		if b.State == BrowserStarting {
			s.giveUpOnBrowser(b, Launch)
			s.endLaunch(b)
		}
	case CloseBrowser:
		if b.State == BrowserClosing {
			s.giveUpOnBrowser(b, CloseBrowser)
			s.dropBrowser(b.ID)
		}
	case CheckBrowser:
		if s.Check.Browser == b.ID {
			s.giveUpOnBrowser(b, CheckBrowser)
		}
		s.checked(b, e)
	case Ping:
		if s.serves(b.ID) && b.AskedAt != Never {
			s.giveUpOnBrowser(b, Ping)
			s.browserLost(b)
		}
	}
}
