package spec

import "github.com/pagepool/pagepool/pool/core"

// Copies of ledgers, of which a search makes one for each transition.

// ledgerRoom is memory for the lists of a small ledger, in one piece, as core has it of a state.
type ledgerRoom struct {
	tabs       [4]entry
	contexts   [4]ledgerContext
	browsers   [core.MaxBrowsers]ledgerBrowser
	waiting    [4]ledgerRequest
	affinities [5]ledgerAffinity
}

func (l *Ledger) takeRoom() {
	r := new(ledgerRoom)
	l.tabs, l.contexts, l.browsers = r.tabs[:0], r.contexts[:0], r.browsers[:0]
	l.waiting, l.affinities = r.waiting[:0], r.affinities[:0]
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
	l.affinities = append(lists.affinities[:0], o.affinities...)
	l.breaches = append(lists.breaches[:0], o.breaches...)
	l.goodEnds = append(lists.goodEnds[:0], o.goodEnds...)
}
