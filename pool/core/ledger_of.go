package core

import "math"

// Ledger makes the books of a state as they would be had its whole history been seen, as far as the
// state tells: what is alive, who holds and who waits. It is what a replay of a dump begins with.
func (s *State) Ledger(l *Ledger) {
	*l = Ledger{disposals: uint32(s.LastGeneration) + 1, asked: true, priority: math.MaxInt32, operation: s.LastOperation}
	for i := range s.Tabs {
		t := &s.Tabs[i]
		if t.State == 0 {
			continue
		}
		e := entry{
			id: t.ID, context: s.Contexts[t.Context].ID, browser: t.Browser, affinity: t.Affinity, holder: t.Holder,
			class: t.Class, uses: t.Uses, opened: !t.Unopened, overdue: t.Overdue, lost: t.State == Lost, suspect: t.Suspect && t.State == Probing, operation: t.Operation,
			askedAt: t.AskedAt, rescued: t.Rescued || t.State == Rescuing || t.State == Closing || t.State == Resetting && t.Part <= PartLeave, killing: t.Kill == KillAsked, usedBefore: t.Uses > 0 && t.unclean(),
		}
		e.asked = [TabStates]EffectKind{Probing: ProbeTab, Rescuing: RescueTab, Resetting: ResetTab}[t.State]
		if e.beganAt = t.Since; t.State == Resetting && t.Part == PartHalt {
			e.asked, e.halts = RescueTab, true
		}
		if t.State == Resetting && t.Part == PartEnd {
			e.asked = EndSession
		} else if t.State == Resetting && t.Part == PartBegin {
			e.asked = BeginSession
		}
		e.sessions, e.session, e.leasedAt, e.stuck, e.stuckSince = t.Sessions, t.Session, t.LeasedAt, t.Stuck, t.StuckSince
		if t.State == Leased {
			e.leasedAt = t.Since
		}
		if t.Retried {
			e.failures = 1
		}
		e.spoiled = t.Doomed && t.Reason == Spoiled
		e.halted = e.asked == ResetTab
		e.ending, e.answered, e.endedAt = t.State == Resetting && t.Part != PartBegin, e.halted, t.Since
		e.overAt = t.Since
		e.late = t.Overdue && t.asked()
		if t.State == Closing || t.State == Lost {
			e.closing = t.Reason
		}
		if t.Affinity != 0 && !t.bound() && (t.Doomed || e.closing == Disposal) {
			e.doomed = uint32(t.Generation) + 1
		}
		if e.lost {
			l.lost++
		}
		l.tabs = append(l.tabs, e)
	}
	for i := range s.Contexts {
		if c := &s.Contexts[i]; c.State != 0 {
			l.contexts = append(l.contexts, ledgerContext{id: c.ID, browser: c.Browser, affinity: c.Affinity, closing: c.State != ContextOpen, askedAt: c.AskedAt})
		}
	}
	for _, b := range s.Browsers {
		l.browsers = append(l.browsers, ledgerBrowser{id: b.ID, ready: !b.Unlaunched, drains: b.State == BrowserDraining, ending: b.State == BrowserClosing, heardAt: b.HeardAt, arrivedAt: b.ArrivedAt, asked: b.AskedAt != Never})
	}
	for i := range s.Requests {
		if r := &s.Requests[i]; r.Used {
			l.waiting = append(l.waiting, ledgerRequest{id: r.ID, arrived: r.Arrived, affinity: r.Affinity, class: r.Class})
		}
	}
	for _, c := range s.Calls {
		l.calls = append(l.calls, ledgerCall{id: c.ID, affinity: c.Affinity, disposal: uint32(c.Generation) + 1, browser: c.Browser})
	}
	for a := range s.Affinities {
		if k := s.at(Affinity(a)); k.bound > 0 {
			*l.announcement(Affinity(a)) = announcement{generation: k.Generation, warm: true}
			l.free(Affinity(a), k.FreedAt)
		} else if k.Known {
			l.free(Affinity(a), k.FreedAt)
		}
	}
}

// unclean says whether a tab that was used has not been brought to the standby state since. A warm probe
// is of a tab that was idle, and with Reset on nothing is idle that was not reset; a suspect that was
// rescued is at its standby state.
func (t *Tab) unclean() bool {
	switch t.State {
	case Leased, Rescuing, Resetting:
		return true
	}
	return t.State == Probing && t.Suspect && !t.Rescued
}
