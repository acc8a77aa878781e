package spec

import "github.com/pagepool/pagepool/pool/core"

// Copies of ledgers, of which a search makes one for each transition.

// ledgerRoom is memory for the lists of a small ledger, in one piece, as core has it of a state.
type ledgerRoom struct {
	tabs      [4]entry
	contexts  [4]ledgerContext
	browsers  [core.MaxBrowsers]ledgerBrowser
	waiting   [4]ledgerRequest
	announced [4]announcement
	usedAt    [4]core.Time
	keys      [8]bool
}

func (l *Ledger) takeRoom() {
	r := new(ledgerRoom)
	l.tabs, l.contexts, l.browsers = r.tabs[:0], r.contexts[:0], r.browsers[:0]
	l.waiting, l.announced = r.waiting[:0], r.announced[:0]
	l.usedAt, l.keys = r.usedAt[:0], r.keys[:0]
}

// CopyFrom makes l a copy of o that shares nothing with it, in the memory that l has.
func (l *Ledger) CopyFrom(o *Ledger) {
	if l.tabs == nil {
		l.takeRoom()
	}
	lists := *l
	*l = *o
	l.tabs = append(lists.tabs[:0], o.tabs...)
	l.contexts = append(lists.contexts[:0], o.contexts...)
	l.browsers = append(lists.browsers[:0], o.browsers...)
	l.waiting = append(lists.waiting[:0], o.waiting...)
	l.calls = append(lists.calls[:0], o.calls...)
	l.announced = append(lists.announced[:0], o.announced...)
	l.usedAt = append(lists.usedAt[:0], o.usedAt...)
	l.own = append(lists.own[:0], o.own...)
	l.breaches = append(lists.breaches[:0], o.breaches...)
	l.doubts = append(lists.doubts[:0], o.doubts...)
	l.goodEnds = append(lists.goodEnds[:0], o.goodEnds...)
	l.inDoubt = append(lists.inDoubt[:0], o.inDoubt...)
	l.keys = append(lists.keys[:0], o.keys...)
}
