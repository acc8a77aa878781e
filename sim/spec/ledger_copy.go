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
	l.tabs = append(l.tabs[:0], o.tabs...)
	l.contexts = append(l.contexts[:0], o.contexts...)
	l.browsers = append(l.browsers[:0], o.browsers...)
	l.waiting = append(l.waiting[:0], o.waiting...)
	l.calls = append(l.calls[:0], o.calls...)
	l.announced = append(l.announced[:0], o.announced...)
	l.usedAt = append(l.usedAt[:0], o.usedAt...)
	l.own = append(l.own[:0], o.own...)
	l.now, l.lost, l.freed, l.pageGone, l.justOpened, l.disposals = o.now, o.lost, o.freed, o.pageGone,
		o.justOpened, o.disposals
	l.unasked, l.tooLate, l.unreset, l.operation = o.unasked, o.tooLate, o.unreset, o.operation
	l.priority, l.asked = o.priority, o.asked
	l.checkBegan, l.checkEnded, l.sickBrowsers, l.replacedAt = o.checkBegan, o.checkEnded,
		o.sickBrowsers, o.replacedAt
	l.breaches = append(l.breaches[:0], o.breaches...)
	l.doubts, l.goodEnds = append(l.doubts[:0], o.doubts...), append(l.goodEnds[:0], o.goodEnds...)
	l.inDoubt = append(l.inDoubt[:0], o.inDoubt...)
	l.keys, l.openings, l.launches = append(l.keys[:0], o.keys...), o.openings, o.launches
	l.quiet, l.quietSince, l.shrinks = o.quiet, o.quietSince, o.shrinks
}
