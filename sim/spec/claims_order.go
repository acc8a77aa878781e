package spec

import (
	"github.com/pagepool/pagepool/pool/core"
)

// The claims that look at one part of the plan each: what the first thing is in which a step
// differs from it says which promise is broken.

// orderHolds: for whom a tab is granted next, or opened inside a primary, and whom that passes by,
// is what the plan says.
func orderHolds(t *Transition) error {
	return t.differs(func(d *disagreement) bool {
		return d.did.kind == core.Grant || d.due.kind == core.Grant || d.did.context != 0 ||
			d.due.context != 0
	})
}

// differs is the disagreement with the plan, if it is one of these.
func (t *Transition) differs(is func(*disagreement) bool) error {
	if d := t.plan(); d.what != nil && is(d) {
		return d.what
	}
	return nil
}

// warmNotBlocked: a tab of its own affinity is due to somebody who waits, or the probe of one, and
// the step does something else.
func warmNotBlocked(t *Transition) error {
	return t.differs(func(d *disagreement) bool {
		return d.due.kind == core.ProbeTab || d.due.kind == core.Grant && !gains(d.due.how) ||
			d.did.how == core.Adopted
	})
}

// evictionTruth: what is closed to make room is what the plan says. That what it could pick from is
// alive is for no-leak.
func evictionTruth(t *Transition) error {
	return t.differs(func(d *disagreement) bool { return d.did.kind == core.CloseTab })
}

// noCascade: a tab is closed to make room, and none is due to be.
func noCascade(t *Transition) error {
	return t.differs(func(d *disagreement) bool {
		return d.did.kind == core.CloseTab && d.due.kind != core.CloseTab
	})
}

// noSelfEviction: a tab is closed to make room, and what is due is to give somebody one.
func noSelfEviction(t *Transition) error {
	return t.differs(func(d *disagreement) bool {
		return d.did.kind == core.CloseTab && (d.due.kind == core.Grant || d.due.kind == core.ProbeTab)
	})
}
