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
	CloseContext
	Probe
	Rescue
	Reset
	Ping
	EndSession
	BeginSession
	Check
	Freeze
)

// OperationKinds lists all of them.
var OperationKinds = []OperationKind{Launch, CloseBrowser, Open, Close, Kill, CloseContext, Probe,
	Rescue, Reset, Ping, EndSession, BeginSession, Check, Freeze}

// OfBrowser and OfContext say what an operation of a kind is about; it is a tab otherwise.
func (k OperationKind) OfBrowser() bool {
	return k == Launch || k == CloseBrowser || k == Ping || k == Check
}

// OfContext is explained with OfBrowser.
func (k OperationKind) OfContext() bool { return k == CloseContext }

// OfPage says whether a kind is one of those of which a page is asked one at a time.
func (k OperationKind) OfPage() bool {
	return k == Probe || k == Rescue || k == Reset || k == EndSession || k == BeginSession ||
		k == Freeze
}

// String is the word for a kind in labels.
func (k OperationKind) String() string {
	return [...]string{
		Launch: "launch", CloseBrowser: "close-browser", Open: "open", Close: "close", Kill: "kill",
		CloseContext: "close-context", Probe: "probe", Rescue: "rescue", Reset: "reset", Ping: "ping",
		EndSession: "end-session", BeginSession: "begin-session", Check: "check", Freeze: "freeze",
	}[k]
}

// Outcome is how an operation is answered.
type Outcome uint8

const (
	Works Outcome = iota
	// it failed, and changed nothing; a failed launch or opening left nothing behind
	Fails
	FailsAnyway // it says that it failed, and it worked: a failed opening has left its page behind
)

// Never is the time at which an operation answers that does not answer by itself.
const Never core.Time = math.MaxInt64

// Operation is one thing that the browser was asked for and has not answered.
type Operation struct {
	ID      core.OperationID
	Due     core.Time // timed: when it answers
	Browser core.BrowserID
	Tab     core.TabID
	Context core.ContextID
	Kind    OperationKind
	Outcome Outcome // timed: how it will answer
	Kept    bool    // Close: of the page alone
	Force   bool    // CloseBrowser
	Stuck   bool    // it does not answer until it is unstuck
	Twice   bool    // its answer will come a second time
	Echo    bool    // it has been answered, and this is the second time
	_       [5]byte
}

// Begin takes one of the core's effects. It returns the operation that it began, if any: the
// pointer is good until the next call. A close of a tab whose opening is unanswered is dropped, as
// long as its context is not there, or is to be kept: the core asks again when that answer comes.
func (s *State) Begin(e core.Effect) *Operation {
	o := Operation{
		ID: e.Operation, Kind: kindOf[e.Kind], Browser: e.Browser, Tab: e.Tab, Context: e.Context,
		Kept: e.Kept, Force: e.Force,
	}
	t := s.Tab(e.Tab)
	switch {
	case o.Kind == 0:
		return nil
	case o.Kind == Launch:
		s.Browsers = append(s.Browsers, Browser{ID: e.Browser, Launching: true})
	case o.Kind == Open:
		known := s.Context(e.Context) != nil
		if !known {
			s.Contexts = append(s.Contexts, Context{ID: e.Context, Browser: e.Browser})
		}
		s.Tabs = append(s.Tabs, Tab{ID: e.Tab, Context: e.Context, Browser: e.Browser, Opening: true,
			Made: known, Own: !known})
	case o.Kind == Close && t != nil && t.Opening && (!t.Made || e.Kept):
		return nil
	case o.Kind == Freeze && t != nil:
		t.Frozen = true // from here on it may be
	}
	for _, h := range s.Holds {
		o.Stuck = o.Stuck || h.names(&o)
	}
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

// Unhold lets them go. It is false where nothing hung.
func (s *State) Unhold(h Hold) bool {
	hung := slices.Contains(s.Holds, h)
	s.Holds = slices.DeleteFunc(s.Holds, func(x Hold) bool { return x == h })
	for i := range s.Operations {
		if o := &s.Operations[i]; h.names(o) {
			hung = hung || o.Stuck
			o.Stuck = false
		}
	}
	return hung
}

func (h Hold) names(o *Operation) bool {
	switch {
	case o.Kind != h.Kind:
		return false
	case h.Kind.OfContext():
		return o.Context == h.Context
	case h.Kind.OfBrowser():
		return o.Browser == h.Browser
	}
	return o.Tab == h.Tab
}

// CanAnswer says whether an operation answers now, if it is given the time: it is not stuck, no
// part of its browser that it needs hangs, no page floods the pipe, what holds its page does not
// hold it up, and the close of a launching browser has waited for the launch. A check does not wait
// for what hangs: it fails. Bytes answer any ping once, one that is stuck as well.
func (s *State) CanAnswer(o *Operation) bool { return s.answers(o) && !s.HeldByFlood(o) }

// answers says so where no page floods.
func (s *State) answers(o *Operation) bool {
	b := s.Browser(o.Browser)
	if o.Kind == Ping && b != nil && s.Delivers(b) && !b.Busy {
		return true // by bytes
	}
	if p, hung := s.has(Hung, o); o.Stuck || hung && !(o.Kind == Check && p.Helper()) {
		return false
	}
	t := s.Tab(o.Tab)
	switch o.Kind {
	case Close, Rescue:
		return t == nil || !t.Wedged
	case Probe, Reset, BeginSession, Freeze:
		return t == nil || !t.Wedged && !t.Looping
	case CloseBrowser:
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
	case o.Kind == CloseBrowser, o.Kind == Ping:
		return false
	case o.Kind == Launch, o.Kind == Probe, o.Kind == Rescue, o.Kind == Reset, o.Kind == EndSession,
		o.Kind == BeginSession,
		o.Kind == Check, o.Kind == Freeze:
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
		if next < 0 || o.Due < at || o.Kind.OfBrowser() && !s.Operations[next].Kind.OfBrowser() {
			next, at = i, o.Due
		}
	}
	return next, at
}

// Find is the position of the outstanding operation that an event answers, or -1: one of a kind, on
// what the event names, the oldest; of closes, one of a page alone only where there is no other,
// unless the event says so. Of what a page is asked, it is the newest, unless the event says which.
func (s *State) Find(kind OperationKind, e core.Event) int {
	h := Hold{Browser: e.Browser, Tab: e.Tab, Context: e.Context, Kind: kind}
	found := -1
	for i := range s.Operations {
		o := &s.Operations[i]
		if !h.names(o) || o.Echo || e.Kept && !o.Kept || e.Operation != 0 && e.Operation != o.ID {
			continue
		}
		if found < 0 || kind.OfPage() || s.Operations[found].Kept && !e.Kept && !o.Kept {
			found = i
		}
	}
	return found
}

// Answer ends the operation at position i with an outcome, does what that means, and returns the
// answer as the core's event. One that answers twice is left as its echo.
func (s *State) Answer(i int, outcome Outcome) core.Event {
	o := s.Operations[i]
	if !o.Echo && s.mustFail(&o) {
		outcome = Fails
	}
	if o.Twice && !o.Echo {
		s.Operations[i].Echo, s.Operations[i].Outcome = true, outcome
	} else {
		s.Operations = append(s.Operations[:i], s.Operations[i+1:]...)
	}
	if o.Echo {
		return s.event(&o, o.Outcome)
	}
	answer := s.event(&o, outcome)
	if b := s.Browser(o.Browser); b != nil {
		b.Busy = o.Kind == Ping && s.Delivers(b)
	}
	s.carryOut(&o, outcome)
	return answer
}

// event is the answer of an operation, with what the browser knows besides.
func (s *State) event(o *Operation, outcome Outcome) core.Event {
	e, t := o.Event(outcome), s.Tab(o.Tab)
	switch {
	case e.Is(core.Done, core.Launch):
		e.Checks = s.Checks
	case e.Is(core.Done, core.OpenTab):
		e.Sessions = s.Sessions
	case e.Is(core.Done, core.EndSession) && t != nil:
		e.Left, e.Navigation = t.Left, t.Navigation
	}
	return e
}

// mustFail says whether what an operation is about, or a part that it needs, has gone meanwhile.
func (s *State) mustFail(o *Operation) bool {
	t := s.Tab(o.Tab)
	_, hung := s.has(Hung, o)
	_, dead := s.has(Dead, o)
	switch o.Kind {
	case Open:
		return t == nil // its context was closed under it
	case Probe, Rescue, Reset, EndSession, BeginSession, Freeze:
		return t == nil || t.Dead || dead
	case Check:
		return s.Browser(o.Browser) == nil || hung || dead
	}
	return false
}

// carryOut does what an operation means that is answered with an outcome.
func (s *State) carryOut(o *Operation, outcome Outcome) {
	t := s.Tab(o.Tab)
	switch {
	case o.Kind == Launch && outcome != Works, o.Kind == CloseBrowser:
		s.removeBrowser(o.Browser)
	case o.Kind == Launch:
		if b := s.Browser(o.Browser); b != nil {
			b.Launching = false
		}
	case o.Kind == Open && t != nil:
		t.Opening, t.Made, t.Session = false, false, s.Sessions && outcome == Works
		if outcome == Fails && t.Own {
			s.removeContext(o.Context) // a failed opening leaves nothing
		} else if outcome == Fails {
			s.removeTab(o.Tab)
		}
	case o.Kind == Close && outcome != Fails && o.Kept:
		s.removeTab(o.Tab)
	case o.Kind == Close && outcome != Fails, o.Kind == CloseContext && outcome != Fails:
		s.removeContext(o.Context)
	case o.Kind == Kill && outcome != Fails && t != nil:
		s.endRenderer(t)
	case o.Kind == Probe && outcome == Works && t != nil:
		t.Frozen = false
	case o.Kind == Reset && outcome == Works && t != nil:
		t.Memory, t.Floods, t.FloodsUntil = 0, false, 0
	case o.Kind == Rescue && outcome == Works && t != nil:
		t.Looping, t.Floods, t.FloodsUntil = false, false, 0
	case o.Kind == EndSession && outcome == Works && t != nil:
		t.Session, t.Marked = false, false
		if c := s.Context(t.Context); c != nil && t.Left == core.SpoiledContext {
			c.Spoiled = true
		}
	case o.Kind == BeginSession && outcome == Works && t != nil:
		t.Session = true
	}
}

// begunBy are the effects that begin operations of each kind, and kindOf is the inverse. A close is
// asked for again in other words.
var begunBy = [...]core.EffectKind{
	Launch: core.Launch, CloseBrowser: core.CloseBrowser, Ping: core.Ping, Check: core.CheckBrowser,
	Open: core.OpenTab, Close: core.CloseTab, Kill: core.KillTab, CloseContext: core.CloseContext,
	Probe: core.ProbeTab, Rescue: core.RescueTab, Reset: core.ResetTab, Freeze: core.FreezeTab,
	EndSession: core.EndSession, BeginSession: core.BeginSession,
}

var kindOf = func() (kinds [core.EffectKinds]OperationKind) {
	for _, kind := range OperationKinds {
		kinds[begunBy[kind]] = kind
	}
	kinds[core.CloseAgain] = Close
	return kinds
}()

// Asked is the effect that begins operations of its kind.
func (o *Operation) Asked() core.EffectKind { return begunBy[o.Kind] }

// OperationOf says which kind of operation an event answers, and how: a failed opening has left its
// page behind. The kind is 0 where the event is no answer.
func OperationOf(e core.Event) (OperationKind, Outcome) {
	switch {
	case e.Kind == core.BrowserGone:
		return CloseBrowser, Works
	case e.Is(core.Failed, core.Ping):
		return 0, Works // nobody has asked
	case e.Kind == core.Done:
		return kindOf[e.Of], Works
	case e.Is(core.Failed, core.OpenTab):
		return Open, FailsAnyway
	case e.Kind == core.Failed:
		return kindOf[e.Of], Fails
	}
	return 0, Works
}

// Event is the answer of an operation as the core hears it, but for what the browser knows besides.
func (o *Operation) Event(outcome Outcome) core.Event {
	e := core.Event{Kind: core.Done, Of: begunBy[o.Kind]}
	if outcome != Works {
		e.Kind = core.Failed
	}
	switch {
	case o.Kind == CloseBrowser:
		e = core.Event{Kind: core.BrowserGone, Browser: o.Browser}
	case o.Kind.OfBrowser():
		e.Browser = o.Browser
		if o.Kind == Check {
			e.Operation = o.ID
		}
	case o.Kind.OfContext():
		e.Context = o.Context
	default:
		e.Tab = o.Tab
		e.Kept = o.Kept && e.Is(core.Done, core.CloseTab)
		if o.Kind.OfPage() {
			e.Operation = o.ID
		}
	}
	return e
}

// String names an operation in labels, such as "close t3".
func (o *Operation) String() string {
	switch {
	case o.Kind.OfBrowser():
		return fmt.Sprintf("%v b%d", o.Kind, o.Browser)
	case o.Kind.OfContext():
		return fmt.Sprintf("%v c%d", o.Kind, o.Context)
	case o.Kept:
		return fmt.Sprintf("%v t%d alone", o.Kind, o.Tab)
	}
	return fmt.Sprintf("%v t%d", o.Kind, o.Tab)
}
