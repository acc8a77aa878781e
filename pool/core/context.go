package core

import "math"

// Contexts: the primaries that affinities are known by, and the orphans that are kept of them.

// contextState says what has been decided of a context.
type contextState uint8

const (
	_              contextState = iota // an unused slot
	contextOpen                        // without a tab, it is an orphan
	contextClosing                     // it has no tab, and was asked to close
	contextLost                        // its close went unanswered; counted like any other
)

// context is one browser profile. With a tab in it, it ends with the last one, unless it is a
// primary that is kept; without, it is an orphan, or on its way out.
type context struct {
	since      Time       // when its present state began; an orphan's is its age
	rungSince  Time       // contextClosing: when the present rung began
	askedAt    Time       // since when an operation on it has been silent; never: none is
	generation Generation // contextClosing: the last one that has to do with it
	id         ContextID
	browser    BrowserID
	affinity   Affinity // whose it is, or was until it began to close; 0: nobody's yet
	state      contextState
	rung       rung  // contextClosing: how far closing it has gone
	closes     uint8 // contextClosing: how often it was asked for on this rung
	retained   bool  // a disposal keeps it
}

func (s *State) addContext(b BrowserID) int32 {
	var i int32
	if n := len(s.freeContexts); n > 0 {
		i = s.freeContexts[n-1]
		s.freeContexts = s.freeContexts[:n-1]
	} else {
		i = int32(len(s.contexts))
		s.contexts = append(s.contexts, context{})
		s.inContexts = append(s.inContexts, contextIndex{})
	}
	s.lastContext++
	s.contexts[i] = context{id: s.lastContext, browser: b, since: s.now, askedAt: never, state: contextOpen}
	s.contextIndex.put(uint64(s.lastContext), i)
	s.tabless++ // until a tab is entered
	return i
}

// removeContext takes a context off the books, in which no tab is left. It is no primary: none is closed as long as
// it is one.
func (s *State) removeContext(i int32) {
	c := &s.contexts[i]
	if c.affinity != 0 {
		s.at(c.affinity).contexts--
		s.touch(c.affinity)
	}
	s.tabless--
	s.callsDue = true
	s.delist(i)
	s.contextIndex.remove(uint64(c.id))
	*c, s.inContexts[i] = context{}, contextIndex{}
	s.freeContexts = append(s.freeContexts, i)
}

// own gives a context to an affinity, as its primary where it has none. Whoever calls it counts a tab in or out of
// both affinities in the same breath, which touches them.
func (s *State) own(i int32, a Affinity) {
	c, k := &s.contexts[i], s.affinity(a)
	if c.affinity != a {
		if c.affinity != 0 {
			s.at(c.affinity).contexts--
		}
		c.affinity = a
		k.contexts++
	}
	if k.primary == none {
		k.primary = i
	}
}

// orphan says whether a context is kept without a tab.
func (s *State) orphan(i int32) bool {
	return s.contexts[i].state == contextOpen && s.inContexts[i].tabs == 0
}

func (s *State) isPrimary(i int32) bool {
	a := s.contexts[i].affinity
	return a != 0 && s.at(a).primary == i
}

// unprimary ends a primary. Its context is closed with its last tab.
func (s *State) unprimary(i int32) {
	if s.isPrimary(i) {
		a := s.contexts[i].affinity
		s.outdate(a)
		s.at(a).primary = none
	}
}

// list puts a context without a tab among the others of its kind; delist takes it out, before its state changes.
func (s *State) list(i int32) {
	s.inContexts[i].listed = true
	root := s.listOf(&s.contexts[i])
	*root = insert(contextArena{s}, *root, i)
}

func (s *State) delist(i int32) {
	if x := &s.inContexts[i]; x.listed {
		x.listed = false
		root := s.listOf(&s.contexts[i])
		*root = remove(contextArena{s}, *root, i)
	}
}

func (s *State) listOf(c *context) *int32 {
	if c.state == contextOpen {
		return &s.orphans
	}
	return &s.endings
}

// eachEnding calls fn for every context from here down that is being closed or lost, until it returns false.
func (s *State) eachEnding(i int32, fn func(i int32) bool) bool {
	if i == none {
		return true
	}
	x := s.inContexts[i].links
	return fn(i) && s.eachEnding(x.left, fn) && s.eachEnding(x.right, fn)
}

// orphanRoom is how many more contexts may be without a tab.
func (s *State) orphanRoom() int32 {
	return int32(min(max(0, s.settings.OrphanCap), math.MaxInt32)) - s.tabless
}

// keepable says whether a primary may be kept without a tab: the pool goes on, and so does the browser.
func (s *State) keepable(i int32) bool {
	b := s.browser(s.contexts[i].browser)
	return s.settings.OrphanCap > 0 && s.phase == serving && b != nil && b.state == ready
}

// quit decides what becomes of a primary when a tab of it begins to close. As long as another stays in
// it, nothing; otherwise it is kept or it is one no longer, by the reason.
func (s *State) quit(i int32, reason Reason) {
	t := &s.tabs[i]
	if !s.isPrimary(t.context) {
		return
	}
	for j := s.at(t.affinity).tabs; j != none; j = s.tabs[j].next {
		if o := &s.tabs[j]; j != i && o.context == t.context && o.state != Closing && o.state != Lost {
			return
		}
	}
	keep := s.keepable(t.context)
	switch reason {
	case Eviction, IdleSweep:
		keep = keep && s.settings.RetainOnEvict
	case Disposal:
		keep = keep && s.contexts[t.context].retained
	case Drain, BrowserLost:
		keep = false
	}
	switch {
	case !keep:
		s.unprimary(t.context)
	case s.orphanRoom() <= 0:
		s.closeOldestOrphan()
	}
}

// closeOldestOrphan makes room for a primary that is to be kept.
func (s *State) closeOldestOrphan() {
	if oldest := s.orphans; oldest != none {
		s.closeContext(oldest, OrphanRoom)
	}
}

func (s *State) older(c, d *context) bool {
	return c.since < d.since || c.since == d.since && c.id < d.id
}

// closeContext starts the end of a context without a tab. From this step on it is no primary.
func (s *State) closeContext(i int32, reason Reason) {
	s.unprimary(i)
	s.delist(i)
	c := &s.contexts[i]
	c.state, c.since, c.rung, c.rungSince, c.closes = contextClosing, s.now, asked, s.now, 0
	c.generation = s.lastGeneration + 1 // later than any disposal so far
	s.list(i)
	s.arm(s.now.after(s.settings.CloseTimeout))
	s.askContext(i, reason)
}

func (s *State) askContext(i int32, reason Reason) {
	c := &s.contexts[i]
	c.closes++
	c.askedAt = min(c.askedAt, s.now)
	s.operation(Effect{Kind: CloseContext, Context: c.id, Browser: c.browser, Affinity: c.affinity, Reason: reason})
}

func (s *State) contextEvent(e *Event) {
	i, ok := s.contextIndex.get(uint64(e.Context))
	if !ok || s.contexts[i].state == contextOpen {
		return
	}
	c := &s.contexts[i]
	switch e.Kind {
	case ContextClosed:
		s.hear(c.browser)
		s.removeContext(i)
	case ContextCloseFailed:
		s.hear(c.browser)
		if c.state == contextClosing && c.askedAt != never && s.serves(c.browser) {
			c.askedAt = never
			if c.rung == asked && c.closes < closesBeforeKill {
				s.askContext(i, ReasonNone)
			}
		}
	case ContextSilent:
		s.contextSilent(i)
	}
}

// contextSilent asks once more after CloseTimeout; after KillTimeout the context is lost, for it has
// no renderer that could be killed.
func (s *State) contextSilent(i int32) {
	c := &s.contexts[i]
	switch {
	case c.state != contextClosing || !s.serves(c.browser):
	case c.rung == asked:
		c.rung, c.rungSince, c.closes = killing, s.now, 0
		s.arm(s.now.after(s.settings.KillTimeout))
		s.askContext(i, ReasonNone)
	default:
		c.state, c.askedAt = contextLost, never
		s.wear(c.browser)
	}
}
