package spec

// What the claims count of supply, by the ledger.

// size is the capacity that is to stay.
func (t *Transition) size() int32 {
	if c := t.Ledger.tab(t.After.Contraction); c != nil && !c.lost {
		return t.After.Capacity - 1
	}
	return t.After.Capacity
}

// target is how many standbys there should be.
func (t *Transition) target() int32 {
	n := t.size()
	for i := range t.Ledger.tabs {
		if t.Ledger.tabs[i].bound() {
			n--
		}
	}
	return max(1, n)
}
