package spec

import "github.com/pagepool/pagepool/pool/core"

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
