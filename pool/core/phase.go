package core

// The pool's own end: Close refuses root requests, serves nested ones, waits for leases until its
// ctx ends, and then ends the browser with everything in it.

func (s *State) closeRequested() {
	if s.phase != serving {
		return
	}
	s.phase = closing
	s.refuseAll(Root)
}

// closeExpired revokes the leases that Close has waited for long enough.
func (s *State) closeExpired() {
	if s.phase != closing {
		return
	}
	s.refuseAll(Nested)
	for i := range s.tabs {
		if s.tabs[i].state == Leased {
			s.revoke(int32(i), PoolClosed)
			if t := &s.tabs[i]; t.doomed {
				s.beginClose(int32(i), t.reason)
			} else {
				s.setIdle(int32(i), Idle)
			}
		}
	}
}

func (s *State) refuseAll(class Class) {
	for s.heads[class] != none || s.waiting[class] > 0 {
		for i := range s.requests {
			if r := &s.requests[i]; r.used && r.class == class {
				s.refuseRequest(int32(i), PoolClosed)
			}
		}
	}
}

// endPhase moves a closing pool on: once nobody holds or waits the browsers are ended, and once
// they are gone the pool is closed.
func (s *State) endPhase() {
	if s.phase == closing && s.leases.used == 0 && s.waiting[Nested] == 0 {
		s.phase = ending
		for i := range s.browsers {
			s.endBrowser(s.browsers[i].id, false)
		}
	}
	if s.phase == ending && len(s.browsers) == 0 {
		s.phase = closed
		s.emit(Effect{Kind: FinishClose})
	}
}
