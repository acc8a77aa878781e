package core

import "math"

// Ledger makes the books of a state as they would be had its whole history been seen, as far as the
// state tells: what is alive, who holds and who waits. It is what a replay of a dump begins with.
func (s *State) Ledger(l *Ledger) {
	*l = Ledger{disposals: uint32(s.lastGeneration) + 1, asked: true, priority: math.MaxInt32, operation: s.lastOperation}
	for i := range s.tabs {
		t := &s.tabs[i]
		if t.state == 0 {
			continue
		}
		e := entry{
			id: t.id, context: s.contexts[t.context].id, browser: t.browser, affinity: t.affinity, holder: t.holder,
			class: t.class, uses: t.uses, opened: !t.unopened, overdue: t.overdue, lost: t.state == Lost, suspect: t.suspect && t.state == Probing, operation: t.operation,
			askedAt: t.askedAt, rescued: t.rescued || t.state == Rescuing || t.state == Closing || t.state == Resetting && t.part <= PartLeave, killing: t.kill == killAsked, usedBefore: t.uses > 0 && t.unclean(),
		}
		e.asked = [tabStates]EffectKind{Probing: ProbeTab, Rescuing: RescueTab, Resetting: ResetTab}[t.state]
		if e.beganAt = t.since; t.state == Resetting && t.part == PartHalt {
			e.asked, e.halts = RescueTab, true
		}
		if t.state == Resetting && t.part == PartEnd {
			e.asked = EndSession
		} else if t.state == Resetting && t.part == PartBegin {
			e.asked = BeginSession
		}
		e.sessions, e.session, e.leasedAt, e.stuck, e.stuckSince = t.sessions, t.session, t.leasedAt, t.stuck, t.stuckSince
		if t.state == Leased {
			e.leasedAt = t.since
		}
		if t.retried {
			e.failures = 1
		}
		e.spoiled = t.doomed && t.reason == Spoiled
		e.halted = e.asked == ResetTab
		e.ending, e.answered, e.endedAt = t.state == Resetting && t.part != PartBegin, e.halted, t.since
		e.overAt = t.since
		e.late = t.overdue && t.asked()
		if t.state == Closing || t.state == Lost {
			e.closing = t.reason
		}
		if t.affinity != 0 && !t.bound() && (t.doomed || e.closing == Disposal) {
			e.doomed = uint32(t.generation) + 1
		}
		if e.lost {
			l.lost++
		}
		l.tabs = append(l.tabs, e)
	}
	for i := range s.contexts {
		if c := &s.contexts[i]; c.state != 0 {
			l.contexts = append(l.contexts, ledgerContext{id: c.id, browser: c.browser, affinity: c.affinity, closing: c.state != contextOpen, askedAt: c.askedAt})
		}
	}
	for _, b := range s.browsers {
		l.browsers = append(l.browsers, ledgerBrowser{id: b.id, ready: !b.unlaunched, drains: b.state == draining, ending: b.state == ended, heardAt: b.heardAt, arrivedAt: b.arrivedAt, asked: b.askedAt != never})
	}
	for i := range s.requests {
		if r := &s.requests[i]; r.used {
			l.waiting = append(l.waiting, ledgerRequest{id: r.id, arrived: r.arrived, affinity: r.affinity, class: r.class})
		}
	}
	for _, c := range s.calls {
		l.calls = append(l.calls, ledgerCall{id: c.id, affinity: c.affinity, disposal: uint32(c.generation) + 1, browser: c.browser})
	}
	for a := range s.affinities {
		if k := s.at(Affinity(a)); k.bound > 0 {
			*l.announcement(Affinity(a)) = announcement{generation: k.generation, warm: true}
			l.free(Affinity(a), k.freedAt)
		} else if k.known {
			l.free(Affinity(a), k.freedAt)
		}
	}
}

// unclean says whether a tab that was used has not been brought to the standby state since. A warm probe
// is of a tab that was idle, and with Reset on nothing is idle that was not reset; a suspect that was
// rescued is at its standby state.
func (t *tab) unclean() bool {
	switch t.state {
	case Leased, Rescuing, Resetting:
		return true
	}
	return t.state == Probing && t.suspect && !t.rescued
}
