package fakebrowser

import "github.com/pagepool/pagepool/pool/core"

// A page that floods takes up the pipe to its browser with what nobody asked for, and slows all
// that is said over it. The driver has a budget for each page. It cuts off a page that is beyond
// its budget: it does not hear that page any more, or where it cannot do without, closes it.

// FloodMost is how long a page floods at most until it is cut off.
const FloodMost = 2 * core.Time(1e9)

// Flood has a page flood the pipe. until is when the driver cuts it off, in timed worlds. It is
// false where no such page is open, or it floods already.
func (s *State) Flood(id core.TabID, until core.Time) bool {
	t := s.Tab(id)
	if t == nil || t.Opening || t.Dead || t.Floods {
		return false
	}
	t.Floods, t.FloodsUntil = true, until
	return true
}

// Overspends says whether the driver knows that a page is beyond its budget.
func (s *State) Overspends(t *Tab) bool { return t.Floods }

// CutOff ends the flood of a page at its source. Where the driver closes the page for that, the
// event tells the pool. It is false where the page does not flood.
func (s *State) CutOff(id core.TabID, closes bool) (e core.Event, ok bool) {
	t := s.Tab(id)
	switch {
	case t == nil || !t.Floods:
		return core.Event{}, false
	case closes:
		return s.Crash(t.ID)
	}
	t.Floods, t.FloodsUntil = false, 0
	return core.Event{}, true
}

// NextCutOff is the page that is cut off first, and when.
func (s *State) NextCutOff() (id core.TabID, at core.Time) {
	at = Never
	for i := range s.Tabs {
		if t := &s.Tabs[i]; t.Floods && t.FloodsUntil < at && s.Overspends(t) {
			id, at = t.ID, t.FloodsUntil
		}
	}
	return id, at
}

// Flooded says whether pages flood the pipe to a browser, and whether each is cut off in the end.
func (s *State) Flooded(id core.BrowserID) (flooded, ends bool) {
	ends = true
	for i := range s.Tabs {
		if t := &s.Tabs[i]; t.Browser == id && t.Floods {
			flooded, ends = true, ends && s.Overspends(t)
		}
	}
	return flooded, ends
}

// HeldByFlood says whether an operation would answer if no page flooded.
func (s *State) HeldByFlood(o *Operation) bool {
	flooded, _ := s.Flooded(o.Browser)
	b := s.Browser(o.Browser)
	return flooded && o.pipes() && !(o.Kind == Ping && !b.Busy) && s.answers(o)
}

// WillAnswer says whether an operation answers if it is given the time: now, or once the pages
// that flood are cut off.
func (s *State) WillAnswer(o *Operation) bool {
	_, ends := s.Flooded(o.Browser)
	return s.answers(o) && (ends || !s.HeldByFlood(o))
}
