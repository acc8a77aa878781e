package core

// The pool's own end: Close refuses root requests, serves nested ones, waits for leases until its
// ctx ends, and then ends the browser with everything in it.

func (s *State) closeRequested() {
	if s.Phase != PhaseServing {
		return
	}
	s.Phase = PhaseClosing
	s.refuseAll(Root)
	s.refuseAll(Urgent)
}

// closeExpired revokes the leases that Close has waited for long enough.
func (s *State) closeExpired() {
	if s.Phase != PhaseClosing {
		return
	}
	s.refuseAll(Nested)
	for i := range s.Tabs {
		if t := &s.Tabs[i]; t.State == Leased {
			s.revoke(int32(i), PoolClosed)
			if t.Doomed {
				s.beginClose(int32(i), t.Reason)
			} else {
				s.setState(int32(i), Idle)
			}
		}
	}
}

func (s *State) refuseAll(class Class) {
	for i := range s.Requests {
		if r := &s.Requests[i]; r.Used && r.Class == class {
			s.refuseRequest(int32(i), PoolClosed)
		}
	}
}

// endPhase ends the browsers of a closing pool once nobody holds or waits.
func (s *State) endPhase() {
	if s.Phase == PhaseClosing && s.leases.used == 0 && s.waiting[Nested] == 0 {
		s.Phase = PhaseEnding
		for i := range s.Browsers {
			s.endBrowser(s.Browsers[i].ID, false)
		}
	}
}

// finishClose says that the pool is closed, once its browsers are gone.
func (s *State) finishClose() {
	if s.Phase == PhaseEnding && len(s.Browsers) == 0 {
		s.Phase = PhaseClosed
		s.emit(Effect{Kind: FinishClose})
	}
}
