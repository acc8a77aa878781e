package core

import "slices"

// Calls that wait: disposals, Warm and Recycle.

func (s *State) callRequested(e *Event) {
	c := call{id: e.Call, rounds: s.rounds}
	if e.Kind == RecycleRequested {
		c.recycle = true
		for i := range s.browsers {
			if b := &s.browsers[i]; b.state != starting {
				c.browser = max(c.browser, b.id)
				b.worn = b.worn || b.state == ready
			}
		}
	}
	s.calls = append(s.calls, c)
	s.callsDue = true
}

// finishCalls answers the calls whose end has come.
func (s *State) finishCalls() {
	if !s.callsDue {
		return
	}
	s.calls = slices.DeleteFunc(s.calls, func(c call) bool {
		var e Effect
		var done bool
		switch {
		case c.affinity != 0:
			e, done = Effect{Kind: FinishDispose, Call: c.id}, s.disposedOf(&c)
		case c.recycle:
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
func (s *State) endsCall(c *call, kind EffectKind, met bool) (Effect, bool) {
	e := Effect{Kind: kind, Call: c.id}
	switch {
	case s.phase != serving:
		e.Reason = PoolClosed
	case s.satThrough(c.rounds):
		e.Reason = BrowserUnavailable
	default:
		return e, met
	}
	return e, true
}

// disposedOf says whether nothing is left of the generation that a disposal ended.
func (s *State) disposedOf(c *call) bool {
	for i := s.at(c.affinity).tabs; i != none; i = s.tabs[i].next {
		if s.tabs[i].generation <= c.generation {
			return false
		}
	}
	return s.eachEnding(s.endings, func(i int32) bool {
		o := &s.contexts[i]
		return o.affinity != c.affinity || o.generation > c.generation
	})
}

// recycled says whether the browser that a Recycle is about is gone, and a later one serves.
func (s *State) recycled(c *call) bool {
	b := s.ready()
	return b != nil && b.id > c.browser && !slices.ContainsFunc(s.browsers, func(o browser) bool { return o.id <= c.browser })
}

func (s *State) endCall(c call) {
	if c.affinity != 0 {
		s.at(c.affinity).calls-- // as long as it waits, something of the affinity is left
	}
}

func (s *State) callAbandoned(id CallID) {
	s.calls = slices.DeleteFunc(s.calls, func(c call) bool {
		if c.id != id {
			return false
		}
		s.endCall(c)
		return true
	})
}
