package core

import (
	"math"
	"slices"
)

// Contexts: the primaries that affinities are known by, and the orphans that are kept of them.

// ContextState says what has been decided of a context.
type ContextState uint8

const (
	_              ContextState = iota // an unused slot
	ContextOpen                        // without a tab, it is an orphan
	ContextClosing                     // it has no tab, and was asked to close
	ContextLost                        // its close went unanswered; counted like any other
)

// Context is one browser profile. With a tab in it, it ends with the last one, unless it is a
// primary that is kept; without, it is an orphan, or on its way out.
type Context struct {
	Since      Time       // when its present state began; an orphan's is its age
	Generation Generation // ContextClosing: the last one that has to do with it
	Operation
	ID       ContextID
	Browser  BrowserID
	Affinity Affinity // whose it is, or was until it began to close; 0: nobody's yet
	Ladder
	State    ContextState
	Retained bool // a disposal keeps it
	// a lease on a tab of it that is gone has ended in doubt, and none has ended well since
	Doubtful bool
}

// addContext makes a context in the browser that takes new tabs.
func (s *State) addContext() int32 {
	s.LastContext++
	i := slot(&s.Contexts, &s.FreeContexts, Context{ID: s.LastContext, Browser: s.ready().ID,
		Since: s.Now, State: ContextOpen, Operation: Operation{AskedAt: Never}})
	if int(i) == len(s.inContexts) {
		s.inContexts = append(s.inContexts, 0)
	}
	return i
}

// removeContext takes a context off the books, in which no tab is left. It is no primary: none is
// closed as long as it is one.
func (s *State) removeContext(i int32) {
	c := &s.Contexts[i]
	if c.Affinity != 0 {
		s.at(c.Affinity).contexts--
		s.touch(c.Affinity)
	}
	*c = Context{}
	s.FreeContexts = append(s.FreeContexts, i)
}

// own gives a context to an affinity, as its primary where it has none. Whoever calls it counts a
// tab in or out of both affinities in the same breath, which touches them.
func (s *State) own(i int32, a Affinity) {
	c, k := &s.Contexts[i], s.affinity(a)
	if c.Affinity != a {
		if c.Affinity != 0 {
			s.at(c.Affinity).contexts--
		}
		c.Affinity = a
		k.contexts++
	}
	if k.Primary == None {
		k.Primary = i
	}
}

// orphan says whether a context is kept without a tab.
func (s *State) orphan(i int32) bool {
	return s.Contexts[i].State == ContextOpen && s.inContexts[i] == 0
}

func (s *State) isPrimary(i int32) bool {
	a := s.Contexts[i].Affinity
	return a != 0 && s.at(a).Primary == i
}

// unprimary ends a primary. Its context is closed with its last tab.
func (s *State) unprimary(i int32) {
	if s.isPrimary(i) {
		s.at(s.Contexts[i].Affinity).Primary = None
	}
}

// context finds the slot of a context. Contexts are few, and seldom asked for.
func (s *State) context(id ContextID) (int32, bool) {
	i := slices.IndexFunc(s.Contexts, func(c Context) bool { return c.ID == id })
	return int32(i), id != 0 && i >= 0
}

// tabless is how many contexts have no tab: orphans, those being closed, and lost ones.
func (s *State) tabless() (n int32) {
	for i := range s.Contexts {
		if s.Contexts[i].State != 0 && s.inContexts[i] == 0 {
			n++
		}
	}
	return n
}

// orphanRoom is how many more contexts may be without a tab.
func (s *State) orphanRoom() int32 {
	return int32(min(max(0, s.Settings.OrphanCap), math.MaxInt32)) - s.tabless()
}

// keepable says whether a primary may be kept without a tab: the pool goes on, and so does the
// browser.
func (s *State) keepable(i int32) bool {
	b := s.browser(s.Contexts[i].Browser)
	return s.Settings.OrphanCap > 0 && s.Phase == PhaseServing && b != nil && b.State == BrowserServing
}

// quit decides what becomes of a primary when a tab of it begins to close. As long as another stays
// in it, nothing; otherwise it is kept or it is one no longer, by the reason.
func (s *State) quit(i int32, reason Reason) {
	t := &s.Tabs[i]
	if !s.isPrimary(t.Context) {
		return
	}
	for j := s.at(t.Affinity).Tabs; j != None; j = s.Tabs[j].Next {
		if o := &s.Tabs[j]; j != i && o.Context == t.Context && o.State != Closing && o.State != Lost {
			return
		}
	}
	keep := s.keepable(t.Context)
	switch reason {
	case Eviction, IdleSweep, BrowserMemory:
		keep = keep && s.Settings.RetainOnEvict
	case Disposal:
		keep = keep && s.Contexts[t.Context].Retained
	case Drain, BrowserLost:
		keep = false
	}
	switch {
	case !keep:
		s.unprimary(t.Context)
	case s.orphanRoom() <= 0:
		s.closeOldestOrphan()
	}
}

// closeOldestOrphan makes room for a primary that is to be kept.
func (s *State) closeOldestOrphan() {
	oldest := None
	for i := range s.Contexts {
		if s.orphan(int32(i)) && (oldest == None || older(&s.Contexts[i], &s.Contexts[oldest])) {
			oldest = int32(i)
		}
	}
	if oldest != None {
		s.closeContext(oldest, OrphanRoom)
	}
}

func older(c, d *Context) bool {
	return c.Since < d.Since || c.Since == d.Since && c.ID < d.ID
}

// closeContext starts the end of a context without a tab. From this step on it is no primary.
func (s *State) closeContext(i int32, reason Reason) {
	s.unprimary(i)
	c := &s.Contexts[i]
	c.State, c.Since, c.Began, c.Ladder = ContextClosing, s.Now, s.Now, Ladder{}
	c.Generation = s.LastGeneration + 1 // later than any disposal so far
	s.arm(s.Now.Add(s.Settings.CloseTimeout))
	s.askContext(i, reason)
}

func (s *State) askContext(i int32, reason Reason) {
	c := &s.Contexts[i]
	c.Ladder.ask()
	s.begin(&c.Operation, Effect{Kind: CloseContext, Context: c.ID, Browser: c.Browser,
		Affinity: c.Affinity, Reason: reason})
}

func (s *State) contextFailed(i int32) {
	c := &s.Contexts[i]
	if c.State != ContextClosing || !c.Awaiting || !s.serves(c.Browser) {
		return
	}
	c.Awaiting, c.AskedAt = false, Never
	if c.again() {
		s.askContext(i, ReasonNone)
	}
}

// contextSilent asks once more after CloseTimeout; after KillTimeout the context is lost.
func (s *State) contextSilent(i int32) {
	c := &s.Contexts[i]
	switch {
	case c.State != ContextClosing || !s.serves(c.Browser):
	case c.Rung == CloseAsked:
		c.climb()
		c.Began = s.Now
		s.arm(s.Now.Add(s.Settings.KillTimeout))
		s.askContext(i, ReasonNone)
	default:
		c.State, c.AskedAt = ContextLost, Never
		s.browser(c.Browser).Worn = true
	}
}
