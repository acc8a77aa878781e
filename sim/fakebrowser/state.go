// Package fakebrowser is a model of Chrome that can be slow, failing, stuck, wedged and crashing.
// State is the model as a value, for simulation and model checking; Launcher puts the same model
// behind pool.Launcher, for the real pool.
//
// A State knows what is physically alive. It takes the core's effects, keeps what they ask for as
// outstanding operations, and answers one of them when it is told to, with the outcome that it is
// told. It decides nothing by itself, reads no clock and draws no random number.
package fakebrowser

import (
	"slices"

	"github.com/pagepool/pagepool/pool/core"
)

// Browser is one browser process that is alive.
type Browser struct {
	ID         core.BrowserID
	Launching  bool // it does not answer yet
	WrittenOff bool // the pool has given it up; whatever it still holds is in nobody's books
	Busy       bool // bytes were taken for its answer to a ping, and it has answered nothing since
	Lost       bool // it is known to end unasked, and has not ended yet
	Parts      [parts]Shared

	Memory   int64 // what it uses itself, beside its pages
	Measured int64 // what it used together when it was measured last
	Stale    bool  // to measure it would be news
}

// Context is one browser context. It is alive from the moment a tab was asked for in it.
type Context struct {
	ID      core.ContextID
	Browser core.BrowserID
	Spoiled bool // a holder that is gone has left something in it
}

// Tab is one page. It is alive from the moment it was asked for, until it is closed or its context
// is.
type Tab struct {
	ID      core.TabID
	Context core.ContextID
	Browser core.BrowserID
	Opening bool // the answer to its opening is out
	// Opening: its context is there already, so that it can be closed, and the opening with it
	Made    bool
	Own     bool // its context was made for it
	Dead    bool // its renderer is dead: nothing holds up its close
	Looping bool // its main thread does not answer until a rescue stops it
	Wedged  bool // its main thread never answers again: closes hang until the renderer is killed
	Frozen  bool // it was asked to freeze, and no probe has thawed it since
	Floods  bool // it takes up the pipe until the driver cuts it off
	Memory  int64

	FloodsUntil core.Time // timed: when that is

	// With State.Sessions.
	Session bool      // a lease's session is attached
	Marked  bool      // a holder has set something in his session, which goes with it
	Left    core.Left // what a holder has left that does not go with it
	// what became of the last holder's navigation; Stuck: of every one from now on
	Navigation core.Navigation
}

// State is what is alive and what is outstanding. It is flat: CopyFrom is a few memory copies.
type State struct {
	Browsers   []Browser   // oldest first
	Contexts   []Context   // oldest first
	Tabs       []Tab       // oldest first
	Operations []Operation // oldest first
	Holds      []Hold
	Sessions   bool // each lease has a session of its own
	Checks     bool // browsers can be checked
	Repairs    bool // a check may kill a helper that hangs
	Clears     bool // a reset clears what the context keeps
}

// Hold says that operations of a kind on a tab, a context or a browser do not answer by themselves,
// from the moment they begin.
type Hold struct {
	Browser core.BrowserID
	Tab     core.TabID
	Context core.ContextID
	Kind    OperationKind
}

// CopyFrom makes s a copy of o that shares nothing with it, in the memory that s has.
func (s *State) CopyFrom(o *State) {
	s.Browsers = append(s.Browsers[:0], o.Browsers...)
	s.Contexts = append(s.Contexts[:0], o.Contexts...)
	s.Tabs = append(s.Tabs[:0], o.Tabs...)
	s.Operations = append(s.Operations[:0], o.Operations...)
	s.Holds = append(s.Holds[:0], o.Holds...)
	s.Sessions, s.Checks, s.Repairs, s.Clears = o.Sessions, o.Checks, o.Repairs, o.Clears
}

// Browser returns a browser that is alive, or nil.
func (s *State) Browser(id core.BrowserID) *Browser {
	for i := range s.Browsers {
		if s.Browsers[i].ID == id {
			return &s.Browsers[i]
		}
	}
	return nil
}

// Tab returns a tab that is alive, or nil.
func (s *State) Tab(id core.TabID) *Tab {
	for i := range s.Tabs {
		if s.Tabs[i].ID == id {
			return &s.Tabs[i]
		}
	}
	return nil
}

// Context returns a context that is alive, or nil.
func (s *State) Context(id core.ContextID) *Context {
	for i := range s.Contexts {
		if s.Contexts[i].ID == id {
			return &s.Contexts[i]
		}
	}
	return nil
}

// Wedge makes the main thread of a tab's page stop answering, for ever.
func (s *State) Wedge(id core.TabID) bool {
	t := s.Tab(id)
	if t == nil || t.Opening || t.Dead || t.Wedged {
		return false
	}
	t.Wedged = true
	return true
}

// Loop makes the main thread of a tab's page stop answering, until a rescue stops what holds it.
func (s *State) Loop(id core.TabID) bool {
	t := s.Tab(id)
	if t == nil || t.Opening || t.Dead || t.Wedged || t.Looping {
		return false
	}
	t.Looping = true
	return true
}

// Lend gives a page to a holder, who sets something in his session and navigates. It says what the
// holder meets of those before him; "" where it is nothing.
func (s *State) Lend(id core.TabID) string {
	t := s.Tab(id)
	if t == nil || !s.Sessions {
		return ""
	}
	met := ""
	c := s.Context(t.Context)
	switch {
	case t.Marked:
		met = "what an earlier holder set in the session of his lease"
	case t.Left != core.Clean:
		met = "what an earlier holder left in the page"
	case c != nil && c.Spoiled:
		met = "what an earlier holder left in the context"
	}
	t.Marked = true
	if t.Navigation != core.Stuck {
		t.Navigation = core.Arrived
	}
	return met
}

// Spoil has the holder of a page leave something that no end of a session undoes; left is what. It
// is false where something is left already.
func (s *State) Spoil(id core.TabID, left core.Left) bool {
	t := s.Tab(id)
	if t == nil || t.Opening || t.Dead || t.Left != core.Clean {
		return false
	}
	t.Left = left
	return true
}

// StopNavigating makes a page answer everything but navigations.
func (s *State) StopNavigating(id core.TabID) bool {
	t := s.Tab(id)
	if t == nil || t.Opening || t.Dead || t.Navigation == core.Stuck {
		return false
	}
	t.Navigation = core.Stuck
	return true
}

// CloseContext ends the context of a tab, with the tab.
func (s *State) CloseContext(id core.TabID) {
	if t := s.Tab(id); t != nil {
		s.removeContext(t.Context)
	}
}

// Uses is how much memory a browser and the pages in it use together.
func (s *State) Uses(id core.BrowserID) int64 {
	sum := int64(0)
	if b := s.Browser(id); b != nil {
		sum = b.Memory
	}
	for i := range s.Tabs {
		if t := &s.Tabs[i]; t.Browser == id {
			sum += t.Memory
		}
	}
	return sum
}

// Crash ends the renderer of a tab by itself. Its context is left.
func (s *State) Crash(id core.TabID) (core.Event, bool) {
	t := s.Tab(id)
	if t == nil || t.Opening || t.Dead {
		return core.Event{}, false
	}
	s.endRenderer(t)
	return core.Event{Kind: core.Crashed, Tab: id}, true
}

// Die ends a browser process with everything in it. What is outstanding of it is never answered.
func (s *State) Die(id core.BrowserID) (core.Event, bool) {
	b := s.Browser(id)
	if b == nil {
		return core.Event{}, false
	}
	event := core.Event{Kind: core.BrowserGone, Browser: id}
	if b.Launching {
		event.Kind, event.Of = core.Failed, core.Launch
	}
	s.removeBrowser(id)
	return event, true
}

// Disconnect has it be known that a browser ends. What is outstanding of it fails, but for answers
// that are on their way already, and it goes on counting until it has ended.
func (s *State) Disconnect(id core.BrowserID) (core.Event, bool) {
	b := s.Browser(id)
	if b == nil || b.Launching || b.Lost {
		return core.Event{}, false
	}
	b.Lost = true
	for i := range s.Operations {
		if o := &s.Operations[i]; o.Browser == id && o.CanEnd(Fails) {
			o.Outcome, o.Stuck = Fails, false
		}
	}
	return core.Event{Kind: core.Failed, Of: core.Ping, Browser: id}, true
}

// WriteOff notes that the pool has given a browser up.
func (s *State) WriteOff(id core.BrowserID) {
	if b := s.Browser(id); b != nil {
		b.WrittenOff = true
	}
}

// endRenderer ends a page: nothing holds up what waits for it any more.
func (s *State) endRenderer(t *Tab) {
	t.Dead, t.Wedged, t.Looping, t.Memory = true, false, false, 0
	t.Floods, t.FloodsUntil = false, 0
	for i := range s.Operations {
		if o := &s.Operations[i]; o.Tab == t.ID && o.Kind != Open && o.Kind != Kill {
			o.Stuck = false
		}
	}
}

func (s *State) removeTab(id core.TabID) {
	s.Tabs = slices.DeleteFunc(s.Tabs, func(t Tab) bool { return t.ID == id })
	for i := range s.Operations {
		if o := &s.Operations[i]; o.Tab == id && o.Kind != Kill {
			o.Stuck = false // whatever else waits for its end has seen it
		}
	}
}

// removeContext ends a context with all that is in it.
func (s *State) removeContext(id core.ContextID) {
	for i := len(s.Tabs) - 1; i >= 0; i-- {
		if s.Tabs[i].Context == id {
			s.removeTab(s.Tabs[i].ID)
		}
	}
	s.Contexts = slices.DeleteFunc(s.Contexts, func(c Context) bool { return c.ID == id })
}

func (s *State) removeBrowser(id core.BrowserID) {
	s.Browsers = slices.DeleteFunc(s.Browsers, func(b Browser) bool { return b.ID == id })
	s.Contexts = slices.DeleteFunc(s.Contexts, func(c Context) bool { return c.Browser == id })
	s.Tabs = slices.DeleteFunc(s.Tabs, func(t Tab) bool { return t.Browser == id })
	s.Operations = slices.DeleteFunc(s.Operations, func(o Operation) bool { return o.Browser == id })
}
