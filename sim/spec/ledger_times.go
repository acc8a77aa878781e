package spec

import (
	"time"

	"github.com/pagepool/pagepool/pool/core"
)

// When the ledger's things are due: from which instant each time counts, and which limit it has.

// clock is when a tab is due in its present state.
type clock struct {
	since   core.Time // when the state began: from then on its grace counts
	began   core.Time // from when its limit counts
	limit   time.Duration
	of      core.EffectKind // what is given up at its limit
	late    core.EffectKind // what is overdue after its grace
	overdue bool            // the grace has passed
	climbed bool            // it is closing, and on the last rung
}

// ledgerPause is a pause after failures.
type ledgerPause struct {
	on       bool
	until    core.Time
	failures int // in a row
}

// fail begins a pause of OpenBackoff, which doubles with each failure but the first free ones.
func (p *ledgerPause) fail(set *core.Settings, now core.Time, free int) {
	if p.failures++; p.failures > free {
		p.on, p.until = true, now.Add(doubled(set.OpenBackoff, set.OpenBackoffMax, p.failures-free))
	}
}

// doubled is a pause after so many failures in a row.
func doubled(pause, most time.Duration, failures int) time.Duration {
	for range failures - 1 {
		pause = min(2*pause, max(most, pause))
	}
	return pause
}

// limitOf is how long an operation on a tab may take that is in no doubt.
func limitOf(set *core.Settings, of core.EffectKind) time.Duration {
	end := set.RescueTimeout
	if end < 0 {
		end = 500 * time.Millisecond
	}
	probe := set.ProbeBudget
	if probe < 0 {
		probe = 250 * time.Millisecond
	}
	switch of {
	case core.OpenTab, core.ResetTab:
		return set.OpenTimeout
	case core.ProbeTab:
		return probe
	case core.BeginSession:
		if set.ProbeBudget < 0 {
			return max(probe, end)
		}
		return probe
	case core.RescueTab, core.EndSession:
		return end
	case core.KillTab:
		return set.KillTimeout
	}
	return set.CloseTimeout
}

// timesHeard takes from an event what begins a time or ends one. The event has changed nothing yet.
func (l *Ledger) timesHeard(set *core.Settings, e core.Event) {
	switch e.Kind {
	case core.RetryDue:
		l.openings.on = false
	case core.RelaunchDue:
		l.launches.on = false
	case core.ContractDue:
		l.shrinks = l.quiet()
	}
	if t := l.tab(e.Tab); t != nil && t.hears(e) {
		l.tabTimes(set, t, e)
	}
	if c := l.context(e.Context); c != nil && e.Is(core.Silent, core.CloseContext) &&
		l.serves(c.browser) {
		c.lost = c.climbed
		c.climbed, c.began = true, l.now
	}
	if b := l.browser(e.Browser); b != nil {
		l.browserTimes(set, b, e)
	}
}

func (l *Ledger) tabTimes(set *core.Settings, t *entry, e core.Event) {
	opening := !t.opened && !t.failed && t.closing == 0
	b := l.browser(t.browser)
	switch {
	case e.Kind == core.Overdue && e.Of == t.clock.late:
		t.clock.overdue = true
	case e.Kind == core.RetireDue:
		t.retireAt = min(t.retireAt, l.now)
	case opening && e.Is(core.Done, core.OpenTab):
		if b != nil && !b.drains {
			l.openings = ledgerPause{}
		}
		if set.MaxAge > 0 {
			t.retireAt = l.now.Add(set.MaxAge).Add(e.Jitter)
		}
	case opening && (e.Is(core.Failed, core.OpenTab) || e.Is(core.Silent, core.OpenTab)):
		if !l.openings.on && b != nil && !b.drains {
			l.openings.fail(set, l.now, 0)
		}
	case e.Is(core.Silent, core.CloseTab) && t.closing != 0 && !t.lost && l.serves(t.browser):
		t.clock.climb(set, l.now)
	}
}

func (c *clock) climb(set *core.Settings, now core.Time) {
	if !c.climbed {
		c.climbed, c.began, c.limit, c.of = true, now, limitOf(set, core.KillTab), core.KillTab
	}
}

// browserTimes notes a browser that is ready, or that failed.
func (l *Ledger) browserTimes(set *core.Settings, b *ledgerBrowser, e core.Event) {
	if e.Is(core.Done, core.Launch) && !b.ready && !b.ending {
		b.since, l.openings = l.now, ledgerPause{}
		for i := range l.browsers {
			if o := &l.browsers[i]; l.takesTabs(o.id) {
				o.since = l.now // it drains from l.now on
			}
		}
	}
	lost := l.serves(b.id) && (e.Is(core.Silent, core.Ping) && b.asked ||
		e.Is(core.Failed, core.Ping))
	if b.ending || !lost && l.leaving(e) == 0 {
		return
	}
	if b.drains || b.ready && l.now >= b.since.Add(set.OpenBackoffMax) {
		l.launches.failures = 0
	}
	l.launches.fail(set, l.now, 1) // the first restart is at once
	if l.another(b.id) == nil {
		l.openings.on = false
	}
}

// serves says whether tabs are closed one by one in a browser.
func (l *Ledger) serves(id core.BrowserID) bool {
	b := l.browser(id)
	return b != nil && b.ready && !b.ending
}

// takesTabs says whether new tabs open in a browser.
func (l *Ledger) takesTabs(id core.BrowserID) bool {
	return l.serves(id) && !l.browser(id).drains
}

// another is a browser that takes new tabs, beside one; nil: there is none.
func (l *Ledger) another(beside core.BrowserID) *ledgerBrowser {
	return find(l.browsers, func(b *ledgerBrowser) bool { return b.id != beside && l.takesTabs(b.id) })
}

// timesAsked takes from an effect, which the ledger has entered, what begins a time.
func (l *Ledger) timesAsked(set *core.Settings, event core.Event, e *core.Effect) {
	t, b := l.tab(e.Tab), l.browser(e.Browser)
	switch e.Kind {
	case core.Launch:
		b.since = l.now
	case core.Ping:
		if b != nil {
			b.pingedAt = l.now
		}
	case core.CloseBrowser:
		if b == nil {
			return
		}
		b.since = l.now
		for i := range l.tabs {
			if o := &l.tabs[i]; o.browser == e.Browser && o.clock.late != core.CloseTab {
				o.clock = clock{since: l.now, began: l.now, late: core.CloseTab}
			}
		}
	case core.CloseContext:
		if c := l.context(e.Context); c != nil && e.Reason != core.ReasonNone {
			c.began, c.climbed = l.now, false
		}
	case core.KillTab:
		if t != nil {
			t.clock.climb(set, l.now)
		}
	case core.OpenTab, core.CloseTab, core.ProbeTab, core.RescueTab, core.ResetTab, core.EndSession,
		core.BeginSession:
		if t != nil {
			afterwards := event.Is(core.Done, core.RescueTab) && event.Tab == t.id
			c := t.clockOf(set, l.now, e.Kind, e.Halt, afterwards)
			if e.Kind == core.RescueTab && !e.Halt || e.Kind == core.ProbeTab && t.suspect && afterwards {
				c.began = t.clock.began
			}
			t.clock = c
		}
	}
}

// clockOf is how long a tab has for an operation from now on, and what is overdue after its grace.
// What is done about a suspect has one limit, of which the first probe has half; afterwards says
// whether this is the probe after its rescue.
func (e *entry) clockOf(set *core.Settings, now core.Time, of core.EffectKind, halt,
	afterwards bool) clock {
	c := clock{since: now, began: now, limit: limitOf(set, of), of: of, late: of}
	switch {
	case of == core.OpenTab || of == core.CloseTab:
	case of == core.RescueTab && !halt:
		c.limit, c.late = set.RescueTimeout, core.ProbeTab
	case of == core.ProbeTab && e.suspect && afterwards:
		c.limit = set.RescueTimeout
	case of == core.ProbeTab && e.suspect:
		c.limit = set.RescueTimeout / 2
	case of == core.ProbeTab && e.affinity == 0:
		c.late = core.OpenTab // a standby that is being thawed
	case of == core.ProbeTab:
	default: // a part of a reset
		c.of, c.late = core.ResetTab, core.ResetTab
	}
	return c
}

// givesUp checks that a step gives up the operation whose time is over, and no other.
func (l *Ledger) givesUp(event core.Event, due bool, effects []core.Effect) {
	for i := range effects {
		e := &effects[i]
		if e.Kind != core.GiveUp {
			continue
		}
		if !due || e.Tab != event.Tab || e.Context != event.Context || e.Browser != event.Browser {
			l.breach("due-in-time", "operation kind %d of t%d, c%d or b%d is given up, and its time is "+
				"not over", e.Of, e.Tab, e.Context, e.Browser)
		}
		due = false
	}
	if due {
		l.breach("due-in-time", "the time of operation kind %d of t%d, c%d or b%d is over, and it is "+
			"not given up",
			event.Of, event.Tab, event.Context, event.Browser)
	}
}

// silent says whether an event is the end of the time of an operation that is under way.
func (l *Ledger) silent(e core.Event) bool {
	if e.Kind != core.Silent {
		return false
	}
	if t := l.tab(e.Tab); t != nil {
		c := &t.clock
		waits := !c.overdue && (c.of == core.OpenTab || c.of == core.CloseTab)
		return e.Of == c.of && !waits && !t.lost && !t.idle() && t.holder == 0 &&
			(t.closing == 0 || l.serves(t.browser))
	}
	if c := l.context(e.Context); c != nil {
		return c.closing && !c.lost && l.serves(c.browser)
	}
	b := l.browser(e.Browser)
	switch {
	case b == nil:
	case e.Of == core.Launch:
		return !b.ready && !b.ending
	case e.Of == core.CloseBrowser:
		return b.ending
	case e.Of == core.CheckBrowser:
		return b.checks.underWay
	case e.Of == core.Ping:
		return b.asked && l.serves(b.id)
	}
	return false
}

// rests notes what is not at rest before a step: what is so after it is so since then.
func (l *Ledger) rests() {
	for i := range l.tabs {
		if t := &l.tabs[i]; !t.idle() {
			t.idleSince = l.now
		}
	}
	if !l.quiet() {
		l.quietSince = l.now
	}
}

// quiet says whether nobody holds a tab or waits for one.
func (l *Ledger) quiet() bool {
	return len(l.waiting) == 0 && !l.any(func(e *entry) bool { return e.holder != 0 })
}
