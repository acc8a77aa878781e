package spec

import (
	"fmt"
	"slices"
	"time"

	"github.com/pagepool/pagepool/pool/canon"
	"github.com/pagepool/pagepool/pool/core"
)

// Which deadlines there have to be: each counts from what the ledger has seen begin, and has the
// length that its setting says. Claims look at some kinds of them each.

// dueInTime: what the ledger knows to be due has a deadline at that instant, and nothing else has
// one.
func dueInTime(t *Transition) error {
	return t.misdated(func(*core.Event) bool { return true })
}

// awakeGrant: a tab that nobody has is to be frozen FreezeAfter after it was idle; with
// AllowReassign only a standby is. That it was thawed before it is granted is in the ledger.
func awakeGrant(t *Transition) error {
	return t.misdated(func(e *core.Event) bool { return e.Kind == core.FreezeDue })
}

// deadlines are those that are armed after the step.
func (t *Transition) deadlines() []core.Deadline {
	s := t.Scratch
	if s.listed {
		return s.deadlines
	}
	s.listed = true
	s.deadlines, s.due = t.After.Deadlines(s.deadlines[:0]), t.Ledger.due(t.After, s.due[:0])
	sum := uint64(0)
	for i := range s.deadlines {
		sum += sumOf(&s.deadlines[i])
	}
	for i := range s.due {
		sum -= sumOf(&s.due[i])
	}
	s.onTime = len(s.deadlines) == len(s.due) && sum == 0 // they are the same, in some order
	return s.deadlines
}

// misdated is the first deadline, of those of which is says so, that is armed and not due, is due
// at another instant, or is due and not armed.
func (t *Transition) misdated(is func(*core.Event) bool) error {
	armed := t.deadlines()
	if t.Scratch.onTime {
		return nil
	}
	due := t.Scratch.due
	for _, d := range armed {
		if !is(&d.Event) || slices.Contains(due, d) {
			continue
		}
		i := slices.IndexFunc(due, func(o core.Deadline) bool { return o.Event == d.Event })
		if i >= 0 {
			return fmt.Errorf("%s comes at %v, and is due at %v", deadlineName(&d.Event), d.At.Duration(),
				due[i].At.Duration())
		}
		return fmt.Errorf("%s comes at %v, and nothing is due then", deadlineName(&d.Event),
			d.At.Duration())
	}
	for _, d := range due {
		if is(&d.Event) && !slices.Contains(armed, d) {
			return fmt.Errorf("%s is due at %v, and has no deadline", deadlineName(&d.Event),
				d.At.Duration())
		}
	}
	return nil
}

// sumOf is a hash of a deadline: of lists that differ, whatever their order, the sums differ.
func sumOf(d *core.Deadline) uint64 {
	var h canon.Hasher
	h.Add(uint64(d.At))
	h.Add(uint64(d.Event.Kind) | uint64(d.Event.Of)<<8 | uint64(d.Event.Tab)<<32)
	h.Add(uint64(d.Event.Context) | uint64(d.Event.Browser)<<32)
	h.Add(uint64(d.Event.Request) | uint64(d.Event.Affinity)<<32)
	return h.Sum()
}

// deadlineName names what is due: its kind, the operation, and whom it is about.
func deadlineName(e *core.Event) string {
	name := fmt.Sprintf("deadline kind %d", e.Kind)
	if e.Of != core.NoEffect {
		name += fmt.Sprintf(" of operation kind %d", e.Of)
	}
	switch {
	case e.Tab != 0:
		name += fmt.Sprintf(" of t%d", e.Tab)
	case e.Context != 0:
		name += fmt.Sprintf(" of c%d", e.Context)
	case e.Browser != 0:
		name += fmt.Sprintf(" of b%d", e.Browser)
	case e.Request != 0:
		name += fmt.Sprintf(" of r%d", e.Request)
	case e.Affinity != 0:
		name += fmt.Sprintf(" of affinity %d", e.Affinity)
	}
	return name
}

// due lists what is due, and when.
func (l *Ledger) due(s *core.State, out []core.Deadline) []core.Deadline {
	add := func(at core.Time, e core.Event) { out = append(out, core.Deadline{At: at, Event: e}) }
	set := &s.Settings
	for i := range l.tabs {
		l.tabDue(set, &l.tabs[i], add)
	}
	for i := range l.contexts {
		if c := &l.contexts[i]; c.closing && !c.lost && l.serves(c.browser) {
			of := core.CloseTab
			if c.climbed {
				of = core.KillTab
			}
			add(c.began.Add(limitOf(set, of)),
				core.Event{Kind: core.Silent, Of: core.CloseContext, Context: c.id})
		}
	}
	for a := range s.Affinities {
		if set.MaxIdle >= 0 && l.idles(&s.Facts, core.Affinity(a)) {
			add(l.of(core.Affinity(a)).usedAt.Add(set.MaxIdle),
				core.Event{Kind: core.IdleDue, Affinity: core.Affinity(a)})
		}
	}
	for i := range l.browsers {
		b := &l.browsers[i]
		o := browserOf(&s.Facts, b.id)
		l.browserDue(set, b, o != nil && o.Worn, add)
	}
	if l.openings.on && s.Phase < core.PhaseEnding {
		add(l.openings.until, core.Event{Kind: core.RetryDue})
	}
	if l.launches.on && s.Phase < core.PhaseEnding {
		add(l.launches.until, core.Event{Kind: core.RelaunchDue})
	}
	if l.quiet() && !l.shrinks && s.Phase == core.PhaseServing && int(s.Capacity) > set.MinPages {
		add(l.quietSince.Add(set.IdleContraction), core.Event{Kind: core.ContractDue})
	}
	return out
}

// idles says whether an affinity that nobody holds or waits for has a tab that is idle, or an
// orphan that is to go with the idle ones.
func (l *Ledger) idles(f *core.Facts, a core.Affinity) bool {
	k := &f.Affinities[a]
	if !k.Known || l.waits(a) || !l.idleFor(a, 0) {
		return false
	}
	return l.hasIdle(a) ||
		k.Primary != core.None && orphan(f, k.Primary) && !f.Settings.RetainOnEvict
}

// tabDue lists what is due of a tab: the end of its lease, its age and when it is frozen, or its
// grace and its limit. An opening and a close are overdue first.
func (l *Ledger) tabDue(set *core.Settings, t *entry, add func(core.Time, core.Event)) {
	c := &t.clock
	switch {
	case t.lost:
		return
	case t.holder != 0:
		if t.maxLease > 0 {
			add(t.leasedAt.Add(t.maxLease), core.Event{Kind: core.Expired, Request: t.holder})
		}
		return
	case t.idle():
		if t.retireAt != core.Never {
			add(t.retireAt, core.Event{Kind: core.RetireDue, Tab: t.id})
		}
		if set.FreezeAfter >= 0 && !t.frozen && (t.affinity == 0 || !set.AllowReassign) {
			add(t.idleSince.Add(set.FreezeAfter), core.Event{Kind: core.FreezeDue, Tab: t.id})
		}
		return
	}
	if grace := set.OpenGrace; !c.overdue {
		if c.late == core.CloseTab {
			grace = set.CloseGrace
		}
		add(c.since.Add(grace), core.Event{Kind: core.Overdue, Of: c.late, Tab: t.id})
	}
	waits := !c.overdue && (c.of == core.OpenTab || c.of == core.CloseTab)
	if !waits && (t.closing == 0 || l.serves(t.browser)) {
		add(c.began.Add(c.limit), core.Event{Kind: core.Silent, Of: c.of, Tab: t.id})
	}
}

// browserDue lists what is due of a browser.
func (l *Ledger) browserDue(set *core.Settings, b *ledgerBrowser, worn bool,
	add func(core.Time, core.Event)) {
	of := func(at core.Time, kind core.EventKind, of core.EffectKind) {
		add(at, core.Event{Kind: kind, Of: of, Browser: b.id})
	}
	switch {
	case b.ending:
		of(b.since.Add(set.BrowserCloseTimeout), core.Silent, core.CloseBrowser)
		return
	case !b.ready:
		of(b.since.Add(set.LaunchTimeout), core.Silent, core.Launch)
		return
	case b.drains:
		of(b.since.Add(set.DrainTimeout), core.DrainSilent, core.NoEffect)
	case !worn:
		at := core.Never
		if set.BrowserMaxAge > 0 {
			at = b.since.Add(set.BrowserMaxAge)
		}
		if b.checks.failedAt != 0 {
			at = min(at, l.replaceAt(set, &b.checks))
		}
		if at != core.Never {
			of(at, core.BrowserWorn, core.NoEffect)
		}
		if at := l.checkDue(set, &b.checks); at != core.Never {
			of(at, core.CheckDue, core.NoEffect)
		}
	}
	stall := set.StallTimeout
	if b.checks.underWay {
		limit := stall
		if limit < 0 {
			limit = 10 * time.Second
		}
		of(b.checks.checkedAt.Add(limit), core.Silent, core.CheckBrowser)
	}
	switch since := l.silentSince(b.id); {
	case stall < 0:
	case b.asked:
		of(b.pingedAt.Add(stall), core.Silent, core.Ping)
	case since != core.Never:
		of(max(since, b.heardAt).Add(stall), core.BrowserStalled, core.NoEffect)
	}
}
