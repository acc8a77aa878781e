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
}

// Tab is one page with its context. It is alive from the moment it was asked for, until its context
// is gone.
type Tab struct {
	ID      core.TabID
	Context core.ContextID
	Browser core.BrowserID
	Opening bool // the answer to its opening is out
	Made    bool // Opening: its context is there already, so that it can be closed, and the opening with it
	Dead    bool // its renderer is dead: the context is left, and nothing holds up its close
	Wedged  bool // its main thread never answers again: closes hang until the renderer is killed
}

// State is what is alive and what is outstanding. It is flat: CopyFrom is three memory copies.
type State struct {
	Browsers   []Browser   // oldest first
	Tabs       []Tab       // oldest first
	Operations []Operation // oldest first
	Holds      []Hold
}

// Hold says that operations of a kind on a tab (0: on a browser, for launches and closes of it) do
// not answer by themselves, from the moment they begin.
type Hold struct {
	Browser core.BrowserID
	Tab     core.TabID
	Kind    OperationKind
}

// CopyFrom makes s a copy of o that shares nothing with it, in the memory that s has.
func (s *State) CopyFrom(o *State) {
	s.Browsers = append(s.Browsers[:0], o.Browsers...)
	s.Tabs = append(s.Tabs[:0], o.Tabs...)
	s.Operations = append(s.Operations[:0], o.Operations...)
	s.Holds = append(s.Holds[:0], o.Holds...)
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

// Alive counts the tabs that are alive in browsers that were not written off.
func (s *State) Alive() int {
	n := 0
	for i := range s.Tabs {
		if b := s.Browser(s.Tabs[i].Browser); b != nil && !b.WrittenOff {
			n++
		}
	}
	return n
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
	kind := core.BrowserGone
	if b.Launching {
		kind = core.BrowserFailed
	}
	s.removeBrowser(id)
	return core.Event{Kind: kind, Browser: id}, true
}

// WriteOff notes that the pool has given a browser up.
func (s *State) WriteOff(id core.BrowserID) {
	if b := s.Browser(id); b != nil {
		b.WrittenOff = true
	}
}

// endRenderer ends a page: nothing holds its closes up any more, those under way included.
func (s *State) endRenderer(t *Tab) {
	t.Dead, t.Wedged = true, false
	for i := range s.Operations {
		if o := &s.Operations[i]; o.Tab == t.ID && o.Kind == Close {
			o.Stuck = false
		}
	}
}

func (s *State) removeTab(id core.TabID) {
	for i := range s.Tabs {
		if s.Tabs[i].ID == id {
			s.Tabs = append(s.Tabs[:i], s.Tabs[i+1:]...)
			break
		}
	}
	for i := range s.Operations {
		if o := &s.Operations[i]; o.Tab == id && (o.Kind == Close || o.Kind == Open) {
			o.Stuck = false // whatever else waits for its end has seen it
		}
	}
}

func (s *State) removeBrowser(id core.BrowserID) {
	s.Browsers = slices.DeleteFunc(s.Browsers, func(b Browser) bool { return b.ID == id })
	s.Tabs = slices.DeleteFunc(s.Tabs, func(t Tab) bool { return t.Browser == id })
	s.Operations = slices.DeleteFunc(s.Operations, func(o Operation) bool { return o.Browser == id })
}
