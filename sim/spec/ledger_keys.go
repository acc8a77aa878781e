package spec

import "github.com/pagepool/pagepool/pool/core"

// Which key a handle stands for.

// forgotten checks that nothing names an affinity whose handle may be used for another key.
func (l *Ledger) forgotten(a core.Affinity) {
	if l.names(a) {
		l.breach("isolation", "affinity %d is forgotten, and something of it is left", a)
	}
	k := l.of(a)
	*k = ledgerAffinity{generation: k.generation, warm: k.warm}
}

// binds notes that the handle of an event stands for a key: a new one, if it was forgotten.
func (l *Ledger) binds(e core.Event) {
	if e.Affinity != 0 && !e.Kind.Deadline() { // no deadline names a key that nobody knows
		l.of(e.Affinity).known = true
	}
}

// knows checks that the handle of an effect stands for a key. After Forget it may stand for another
// one, and Forget said twice would give it to two.
func (l *Ledger) knows(e *core.Effect) {
	if a := e.Affinity; a != 0 && !l.of(a).known {
		l.breach("isolation", "an effect of kind %d names affinity %d, which is forgotten", e.Kind, a)
	}
}

// names says whether a tab, a context, a request or a call of an affinity is left.
func (l *Ledger) names(a core.Affinity) bool {
	return l.any(func(e *entry) bool { return e.affinity == a }) || l.waits(a) ||
		find(l.contexts, func(c *ledgerContext) bool { return c.affinity == a }) != nil ||
		find(l.calls, func(c *ledgerCall) bool { return c.affinity == a }) != nil
}
