package spec

import (
	"math"
	"slices"

	"github.com/pagepool/pagepool/pool/core"
)

// Restore makes l the books of a state as they would be had its whole history been seen, as far as
// the state tells: what is alive, who holds and who waits. It is what a replay of a dump begins
// with.
func (l *Ledger) Restore(s *core.State) {
	*l = Ledger{disposals: uint32(s.LastGeneration) + 1, asked: true, priority: math.MaxInt32,
		operation: s.LastOperation}
	for i := range s.Tabs {
		t := &s.Tabs[i]
		if t.State == 0 {
			continue
		}
		e := entry{
			id: t.ID, context: s.Contexts[t.Context].ID, browser: t.Browser, affinity: t.Affinity,
			holder: t.Holder, uses: t.Uses, opened: !t.Unopened, overdue: t.Overdue,
			lost: t.State == core.Lost, operation: t.Number, askedAt: t.AskedAt,
			suspect: t.Suspect && asked(t), usedBefore: t.Uses > 0 && unclean(t),
			rescued: t.Rescued || t.State == core.Rescuing || t.State == core.Closing ||
				t.State == core.Resetting && t.Part <= core.PartLeave,
			killing: t.Kill == core.KillAsked, sessions: t.Sessions, session: t.Session, stuck: t.Stuck,
			stuckSince: t.StuckSince, leasedAt: t.LeasedAt, idleSince: t.Since, endedAt: t.Since,
			overAt: t.Since, unjudged: t.Unjudged, memory: t.Memory, frozen: t.Frozen,
			doubtful: t.Doubtful, doubted: t.Doomed && t.Reason == core.Doubt,
			spoiled:  t.Doomed && (t.Reason == core.Doubt || t.Reason == core.Spoiled),
			retireAt: t.RetireAt, maxLease: t.MaxLease, heardAt: t.GoodAt,
		}
		switch t.Class {
		case core.Nested:
			e.class = core.Nested
		case core.Urgent:
			e.priority = math.MaxInt32
		}
		e.asked, e.halts = askedOf(t)
		e.halted = e.asked == core.ResetTab
		e.answered, e.ending = e.halted, t.State == core.Resetting && t.Part != core.PartBegin
		if t.State == core.Leased {
			e.leasedAt = t.Since
		}
		if t.Retried {
			e.failures = 1
		}
		if t.State == core.Closing || t.State == core.Lost {
			e.closing = t.Reason
		}
		if t.Affinity != 0 && !bound(t) && (t.Doomed || e.closing == core.Disposal || disposed(s, t)) {
			e.doomed = uint32(t.Generation) + 1
		}
		of := e.asked
		switch {
		case t.State == core.Opening && !e.opened:
			of = core.OpenTab
		case t.State == core.Closing:
			of = core.CloseTab
		}
		e.clock = e.clockOf(&s.Settings, t.Since, of, e.halts, t.Rescued)
		e.clock.began, e.clock.overdue = t.Began, t.Overdue
		if t.State == core.Closing && t.Rung == core.KillingRenderer {
			e.clock.climb(&s.Settings, t.Began)
		}
		l.tabs = append(l.tabs, e)
	}
	for i := range s.Contexts {
		if c := &s.Contexts[i]; c.State != 0 {
			l.contexts = append(l.contexts,
				ledgerContext{id: c.ID, browser: c.Browser, affinity: c.Affinity,
					closing: c.State != core.ContextOpen, askedAt: c.AskedAt, doubtful: c.Doubtful,
					began: c.Began, aloneSince: c.Since,
					climbed: c.Rung == core.KillingRenderer, lost: c.State == core.ContextLost})
		}
	}
	for _, b := range s.Browsers {
		const another core.Affinity = math.MaxUint32
		l.goodEnds = append(l.goodEnds, ledgerGoodEnd{another, b.ID, b.GoodAt})
		l.browsers = append(l.browsers,
			ledgerBrowser{id: b.ID, since: b.Since, pingedAt: b.AskedAt, ready: !b.Unlaunched,
				drains: b.State == core.BrowserDraining, ending: b.State == core.BrowserClosing,
				heardAt: b.HeardAt, arrivedAt: b.ArrivedAt, asked: b.AskedAt != core.Never, heavy: b.Heavy,
				checks: ledgerChecks{can: b.Checks, doubts: int(b.Evidence.Doubts), doubtedAt: b.Evidence.At,
					first: b.Evidence.First, several: b.Evidence.Several,
					served: b.Evidence.Served, others: b.Evidence.Others, checkedAt: b.CheckedAt,
					operation: s.Check.Operation,
					underWay:  s.Check.Browser == b.ID, failedAt: b.SickAt}})
	}
	l.checkBegan, l.checkEnded, l.sickBrowsers = s.Check.Began, s.Check.Ended, int(s.Check.Failed)
	if s.Check.Failed > 0 {
		l.replacedAt = s.Check.ReplaceAt - core.Time(pauseAfter(&s.Settings, int(s.Check.Failed)))
	}
	for i := range s.Requests {
		if r := &s.Requests[i]; r.Used {
			l.waiting = append(l.waiting, ledgerRequest{id: r.ID, arrived: r.Arrived, affinity: r.Affinity,
				priority: r.Priority, class: rootOrNested(r), maxLease: r.MaxLease})
		}
	}
	for _, c := range s.Calls {
		l.calls = append(l.calls, ledgerCall{id: c.ID, affinity: c.Affinity,
			disposal: uint32(c.Generation) + 1, browser: c.Browser})
	}
	for i := range l.tabs {
		if c := l.context(l.tabs[i].context); c != nil && l.tabs[i].affinity != 0 {
			c.affinity = l.tabs[i].affinity // one that is made for it is its affinity's from the start
		}
	}
	l.openings = ledgerPause{s.Openings.On, s.Openings.Until, int(s.Openings.Failures)}
	l.launches = ledgerPause{s.Launches.On, s.Launches.Until, int(s.Launches.Failures)}
	l.quietSince, l.shrinks = s.IdleSince, s.Shrinking
	for a := range s.Affinities {
		k, own := &s.Affinities[a], l.of(core.Affinity(a))
		if k.Known {
			own.known, own.own, own.usedAt = true, k.Own, k.UsedAt
			own.doubts = ledgerDoubts{k.DoubtIn, int(k.Doubts), k.DoubtSince}
		}
		if hasBound(&s.Facts, core.Affinity(a)) {
			own.generation, own.warm = k.Generation, true
		}
	}
}

// askedOf is what was asked of a tab that is not on its way out, and whether that is the first part
// of a reset.
func askedOf(t *core.Tab) (of core.EffectKind, halts bool) {
	switch t.State {
	case core.Opening:
		if thaws(t) {
			return core.ProbeTab, false
		}
	case core.Probing:
		return core.ProbeTab, false
	case core.Rescuing:
		return core.RescueTab, false
	case core.Resetting:
		return map[core.ResetPart]core.EffectKind{
			core.PartHalt: core.RescueTab, core.PartLeave: core.ResetTab,
			core.PartEnd: core.EndSession, core.PartBegin: core.BeginSession,
		}[t.Part], t.Part == core.PartHalt
	}
	return core.NoEffect, false
}

// disposed says whether somebody waits for the end of a generation that a tab is of.
func disposed(s *core.State, t *core.Tab) bool {
	return slices.ContainsFunc(s.Calls, func(c core.Call) bool {
		return c.Affinity == t.Affinity && t.Generation <= c.Generation
	})
}

// unclean says whether a tab that was used has not been brought to the standby state since. A warm
// probe is of a tab that was idle, and with Reset on nothing is idle that was not reset; a suspect
// that was rescued is at its standby state.
func unclean(t *core.Tab) bool {
	switch t.State {
	case core.Leased, core.Rescuing:
		return true
	case core.Resetting: // the session of the next lease begins after the reset
		return t.Part != core.PartBegin
	}
	return t.State == core.Probing && t.Suspect && !t.Rescued
}
