package core

// The pool's own end: Close refuses root requests, serves nested ones, waits for leases until its
// ctx ends, and then ends the browser with everything in it.

func (s *State) closeRequested() {
	if s.phase != serving {
		return
	}
	s.phase = closing
	s.callsDue = true
	s.refuseAll(Root)
}

// closeExpired revokes the leases that Close has waited for long enough.
func (s *State) closeExpired() {
	if s.phase != closing {
		return
	}
	s.refuseAll(Nested)
	for i := range s.tabs {
		if t := &s.tabs[i]; t.state == Leased {
			s.revoke(int32(i), PoolClosed)
			if t.doomed {
				s.beginClose(int32(i), t.reason)
			} else {
				s.setState(int32(i), Idle)
			}
		}
	}
}

func (s *State) refuseAll(class Class) {
	for i := range s.requests {
		if r := &s.requests[i]; r.used && r.class == class {
			s.refuseRequest(int32(i), PoolClosed)
		}
	}
}

// endPhase ends the browsers of a closing pool once nobody holds or waits.
func (s *State) endPhase() {
	if s.phase == closing && s.leases.used == 0 && s.waiting[Nested] == 0 {
		s.phase = ending
		for i := range s.browsers {
			s.endBrowser(s.browsers[i].id, false)
		}
	}
}

// finishClose says that the pool is closed, once its browsers are gone.
func (s *State) finishClose() {
	if s.phase == ending && len(s.browsers) == 0 {
		s.phase = closed
		s.emit(Effect{Kind: FinishClose})
	}
}
