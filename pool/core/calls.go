package core

import "slices"

// Calls that wait: disposals, Warm and Recycle.

func (s *State) callRequested(e *Event) {
	c := Call{ID: e.Call, Rounds: s.Rounds}
	if e.Kind == RecycleRequested {
		c.Recycle = true
		for i := range s.Browsers {
			if b := &s.Browsers[i]; b.State != BrowserStarting {
				c.Browser = max(c.Browser, b.ID)
				b.Worn = b.Worn || b.State == BrowserServing
			}
		}
	}
	s.Calls = append(s.Calls, c)
}

// finishCalls answers the calls whose end has come.
func (s *State) finishCalls() {
	s.Calls = slices.DeleteFunc(s.Calls, func(c Call) bool {
		var e Effect
		var done bool
		switch {
		case c.Affinity != 0:
			e, done = Effect{Kind: FinishDispose, Call: c.ID}, s.disposedOf(&c)
		case c.Recycle:
			e, done = s.endsCall(&c, FinishRecycle, s.recycled(&c))
		default:
			e, done = s.endsCall(&c, FinishWarm, s.counts[Standby] >= s.target())
		}
		if done {
			s.endCall(c)
			s.emit(e)
		}
		return done
	})
}

// endsCall says whether a Warm or a Recycle is over: it is met, or it never will be.
func (s *State) endsCall(c *Call, kind EffectKind, met bool) (Effect, bool) {
	e := Effect{Kind: kind, Call: c.ID}
	switch {
	case s.Phase != PhaseServing:
		e.Reason = PoolClosed
	case s.satThrough(c.Rounds):
		e.Reason = BrowserUnavailable
	default:
		return e, met
	}
	return e, true
}

// disposedOf says whether nothing is left of the generation that a disposal ended.
func (s *State) disposedOf(c *Call) bool {
	for i := s.at(c.Affinity).Tabs; i != None; i = s.Tabs[i].Next {
		if s.Tabs[i].Generation <= c.Generation {
			return false
		}
	}
	return !slices.ContainsFunc(s.Contexts, func(o Context) bool {
		return o.State > ContextOpen && o.Affinity == c.Affinity && o.Generation <= c.Generation
	})
}

// recycled says whether the browser that a Recycle is about is gone, and a later one serves.
func (s *State) recycled(c *Call) bool {
	b := s.ready()
	return b != nil && b.ID > c.Browser &&
		!slices.ContainsFunc(s.Browsers, func(o Browser) bool { return o.ID <= c.Browser })
}

func (s *State) endCall(c Call) {
	if c.Affinity != 0 {
		s.at(c.Affinity).calls-- // as long as it waits, something of the affinity is left
	}
}

func (s *State) callAbandoned(id CallID) {
	s.Calls = slices.DeleteFunc(s.Calls, func(c Call) bool {
		if c.ID != id {
			return false
		}
		s.endCall(c)
		return true
	})
}
