package spec

import (
	"fmt"
	"slices"

	"github.com/pagepool/pagepool/pool/core"
)

// idle says whether nobody holds a tab, and nothing is asked of it.
func (e *entry) idle() bool {
	return e.opened && e.holder == 0 && e.asked == 0 && e.closing == 0
}

// freezes checks that a page is frozen at its time, once, and while nobody has it.
func (l *Ledger) freezes(event core.Event, e *core.Effect) {
	t := l.tab(e.Tab)
	switch {
	case t == nil || !t.idle():
		l.breach("awake-grant", "t%d is frozen, and somebody has it", e.Tab)
		return
	case t.frozen:
		l.breach("awake-grant", "t%d is frozen, and was frozen before", e.Tab)
	case event.Kind != core.FreezeDue || event.Tab != e.Tab:
		l.breach("awake-grant", "t%d is frozen before FreezeAfter has passed", e.Tab)
	}
	t.frozen, t.operation, t.askedAt = true, e.Operation, min(t.askedAt, l.now)
}

// awakeGrant: a tab that nobody has is frozen when FreezeAfter has passed, which its deadline says;
// with AllowReassign only a standby is. That it was thawed before it is granted is in the ledger.
func awakeGrant(t *Transition) error {
	after := t.After.Settings.FreezeAfter
	if after < 0 {
		return nil
	}
	for i := range t.Ledger.tabs {
		e := &t.Ledger.tabs[i]
		due := slices.IndexFunc(t.deadlines(), func(d core.Deadline) bool {
			return d.Event.Kind == core.FreezeDue && d.Event.Tab == e.id
		})
		switch wanted := e.idle() && !e.frozen && (e.affinity == 0 || !t.After.Settings.AllowReassign); {
		case wanted && due < 0:
			return fmt.Errorf("t%d has been idle since %v, and is not to be frozen", e.id,
				e.idleSince.Duration())
		case !wanted && due >= 0:
			return fmt.Errorf("t%d is to be frozen, and is not idle, or frozen already", e.id)
		case wanted && t.deadlines()[due].At != e.idleSince.Add(after):
			return fmt.Errorf("t%d has been idle since %v, and is to be frozen at %v", e.id,
				e.idleSince.Duration(), t.deadlines()[due].At.Duration())
		}
	}
	return nil
}
