package fakebrowser

import (
	"fmt"
	"math"
	"slices"

	"github.com/pagepool/pagepool/pool/core"
)

// OperationKind says what an operation does.
type OperationKind uint8

const (
	Launch OperationKind = iota + 1
	CloseBrowser
	Open
	Close
	Kill
)

// String is the word for a kind in labels.
func (k OperationKind) String() string {
	return [...]string{Launch: "launch", CloseBrowser: "close-browser", Open: "open", Close: "close", Kill: "kill"}[k]
}

// Outcome is how an operation is answered.
type Outcome uint8

const (
	Works       Outcome = iota
	Fails               // it failed, and changed nothing; a failed launch or opening left nothing behind
	FailsAnyway         // it says that it failed, and it worked: a failed opening has left its page behind
)

// Never is the time at which an operation answers that does not answer by itself.
const Never core.Time = math.MaxInt64

// Operation is one thing that the browser was asked for and has not answered.
type Operation struct {
	ID      core.Operation
	Due     core.Time // timed: when it answers
	Browser core.BrowserID
	Tab     core.TabID
	Kind    OperationKind
	Outcome Outcome // timed: how it will answer
	Stuck   bool    // it does not answer until it is unstuck
	Twice   bool    // its answer will come a second time
	Echo    bool    // it has been answered, and this is the second time
	_       [3]byte
}

// Begin takes one of the core's effects. It returns the operation that it began, if any: the
// pointer is good until the next call. A close of a tab whose opening is unanswered is dropped, as
// long as its context is not there: the core asks again when that answer comes.
func (s *State) Begin(e core.Effect) *Operation {
	o := Operation{ID: e.Operation, Browser: e.Browser, Tab: e.Tab}
	switch e.Kind {
	case core.Launch:
		o.Kind = Launch
		s.Browsers = append(s.Browsers, Browser{ID: e.Browser, Launching: true})
	case core.CloseBrowser:
		o.Kind = CloseBrowser
	case core.OpenTab:
		o.Kind = Open
		s.Tabs = append(s.Tabs, Tab{ID: e.Tab, Context: e.Context, Browser: e.Browser, Opening: true})
	case core.CloseTab, core.CloseAgain:
		o.Kind = Close
		if t := s.Tab(e.Tab); t != nil && t.Opening && !t.Made {
			return nil
		}
	case core.KillTab:
		o.Kind = Kill
	default:
		return nil
	}
	o.Stuck = slices.Contains(s.Holds, Hold{o.Browser, o.Tab, o.Kind}) ||
		o.Tab != 0 && slices.Contains(s.Holds, Hold{0, o.Tab, o.Kind})
	s.Operations = append(s.Operations, o)
	return &s.Operations[len(s.Operations)-1]
}

// Hold makes operations of a kind on a tab stuck, those under way and those to come.
func (s *State) Hold(h Hold) {
	s.Holds = append(s.Holds, h)
	for i := range s.Operations {
		if o := &s.Operations[i]; h.names(o) {
			o.Stuck = true
		}
	}
}

// Unhold lets them go.
func (s *State) Unhold(h Hold) {
	s.Holds = slices.DeleteFunc(s.Holds, func(x Hold) bool { return x == h })
	for i := range s.Operations {
		if o := &s.Operations[i]; h.names(o) {
			o.Stuck = false
		}
	}
}

func (h Hold) names(o *Operation) bool {
	return o.Kind == h.Kind && o.Tab == h.Tab && (h.Browser == 0 || o.Browser == h.Browser)
}

// CanAnswer says whether an operation answers now, if it is given the time: it is not stuck, no
// wedged page holds it up, and the close of a launching browser has waited for the launch.
func (s *State) CanAnswer(o *Operation) bool {
	if o.Stuck {
		return false
	}
	switch o.Kind {
	case Close:
		t := s.Tab(o.Tab)
		return t == nil || !t.Wedged
	case CloseBrowser:
		b := s.Browser(o.Browser)
		return b == nil || !b.Launching
	}
	return true
}

// CanEnd says whether an outcome is possible for an operation that can answer.
func (o *Operation) CanEnd(outcome Outcome) bool {
	switch {
	case outcome == Works:
		return true
	case o.Echo:
		return false
	case o.Kind == CloseBrowser:
		return false
	case o.Kind == Launch:
		return outcome == Fails
	}
	return true
}

// Next is the position of the operation that answers first, and when. Browser news comes before
// tab news of one instant, and the older operation first.
func (s *State) Next() (int, core.Time) {
	next, at := -1, Never
	for i := range s.Operations {
		o := &s.Operations[i]
		if o.Due > at || o.Due == Never || !s.CanAnswer(o) {
			continue
		}
		if next < 0 || o.Due < at || o.Tab == 0 && s.Operations[next].Tab != 0 {
			next, at = i, o.Due
		}
	}
	return next, at
}

// Find is the position of the oldest outstanding operation of a kind on a tab, or on a browser
// where the tab is 0; or -1.
func (s *State) Find(kind OperationKind, browser core.BrowserID, tab core.TabID) int {
	for i := range s.Operations {
		if o := &s.Operations[i]; o.Kind == kind && o.Tab == tab && (tab != 0 || o.Browser == browser) && !o.Echo {
			return i
		}
	}
	return -1
}

// Answer ends the operation at position i with an outcome, does what that means, and returns the
// answer as the core's event. One that answers twice is left as its echo.
func (s *State) Answer(i int, outcome Outcome) core.Event {
	o := s.Operations[i]
	if o.Kind == Open && !o.Echo && s.Tab(o.Tab) == nil {
		outcome = Fails // its context was closed under it
	}
	if o.Twice && !o.Echo {
		s.Operations[i].Echo, s.Operations[i].Outcome = true, outcome
	} else {
		s.Operations = append(s.Operations[:i], s.Operations[i+1:]...)
	}
	if o.Echo {
		return o.event(o.Outcome)
	}
	switch o.Kind {
	case Launch:
		if outcome != Works {
			s.removeBrowser(o.Browser)
		} else if b := s.Browser(o.Browser); b != nil {
			b.Launching = false
		}
	case CloseBrowser:
		s.removeBrowser(o.Browser)
	case Open:
		if t := s.Tab(o.Tab); t != nil {
			t.Opening, t.Made = false, false
			if outcome == Fails {
				s.removeTab(o.Tab)
			}
		}
	case Close:
		if outcome != Fails {
			s.removeTab(o.Tab)
		}
	case Kill:
		if t := s.Tab(o.Tab); t != nil && outcome != Fails {
			s.endRenderer(t)
		}
	}
	return o.event(outcome)
}

// event is the answer of an operation as the core hears it.
func (o *Operation) event(outcome Outcome) core.Event {
	kinds := [...][2]core.EventKind{
		Launch:       {core.BrowserReady, core.BrowserFailed},
		CloseBrowser: {core.BrowserGone, core.BrowserGone},
		Open:         {core.Opened, core.OpenFailed},
		Close:        {core.Closed, core.CloseFailed},
		Kill:         {core.Killed, core.KillFailed},
	}
	kind := kinds[o.Kind][min(outcome, Fails)]
	if o.Kind <= CloseBrowser {
		return core.Event{Kind: kind, Browser: o.Browser}
	}
	return core.Event{Kind: kind, Tab: o.Tab}
}

// String names an operation in labels, such as "close t3".
func (o *Operation) String() string {
	if o.Tab == 0 {
		return fmt.Sprintf("%v b%d", o.Kind, o.Browser)
	}
	return fmt.Sprintf("%v t%d", o.Kind, o.Tab)
}
