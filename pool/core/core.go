package core

import (
	"slices"
	"time"
)

// TabState says where a tab is in its life.
type TabState uint8

const (
	_       TabState = iota // an unused slot
	Opening                 // asked for, not answered
	Standby                 // ready, and nobody's
	Idle                    // its affinity's, and nobody holds it
	Leased                  // its affinity's, and held
	Closing                 // on its way out, counted until the browser confirms
	Lost                    // its close and its kill went unanswered; counted like any other
	tabStates
)

// none is the slot number that stands for no slot.
const none int32 = -1

// tab is one page and, as long as every tab has a context of its own, that context.
//
// Invariant: capacity. A slot is free again only when the browser has confirmed the end.
type tab struct {
	generation Generation    // of its affinity, when it was bound
	holder     RequestID     // Leased: the request that holds it
	since      Time          // when the present state began
	maxLease   time.Duration // Leased: how long it may be held; negative: as long as the holder likes
	rungSince  Time          // Closing: when the present rung began
	openBegan  Time          // when it was asked for
	openEnded  Time          // when it was ready
	stamp      uint64        // when it was handed out last, as a place in the order of all grants
	retireAt   Time          // when it is past its MaxAge; the last instant there is: never
	id         TabID
	context    ContextID
	browser    BrowserID
	affinity   Affinity // whose it is, or was until it began to close; 0: nobody's
	next, prev int32    // neighbours among the standbys, or among its affinity's tabs
	state      TabState
	class      Class  // Leased: the class of the lease
	reason     Reason // Closing, Lost: why it was closed; Leased and doomed: why it will be
	rung       rung   // Closing: how far closing it has gone
	closes     uint8  // Closing: how often it was asked for on this rung
	doomed     bool   // Leased: marked to close when the lease ends
	overdue    bool   // Opening: older than OpenGrace. Closing: older than CloseGrace
	awaiting   bool   // Closing: a close was asked for and has not been answered
	unopened   bool   // the answer to its opening is still out
	kill       kill   // Closing: what became of killing its renderer
	_          [2]byte
	uses       uint32 // how often it was handed out
}

// affinity is what is known of one key. It lives as long as a tab, a request or a call names it.
type affinity struct {
	generation Generation // of its present life; 0 while it has none
	openSince  Time       // since when RootCap and AffinityTabs let a waiting root request through
	stamp      uint64     // when a tab of it was handed out last
	primary    ContextID  // the context it is known by; 0: none
	pageCount  int32      // tabs of the primary not yet confirmed closed
	tabs       int32      // first of its tabs, those on their way out included
	bound      int32      // how many are idle, or leased and not doomed
	idle       int32
	rootLeases int32 // held now, whatever their generation
	calls      int32 // disposals that wait for it
	eligible   int32 // waiting root requests that RootCap and AffinityTabs let through together
	waiting    [classes]int32
	queue      [classes]int32 // its waiting requests, a heap
	links      [classes]links // its place among State.heads
	listed     [classes]bool  // whether it has one
	known      bool
	touched    bool
	_          [4]byte
}

// request is one GetPage that waits.
type request struct {
	id       RequestID
	order    uint64 // of arrival
	arrived  Time
	maxLease time.Duration // of the lease to come
	affinity Affinity
	priority int32
	rounds   uint32 // State.rounds when it came
	links    links  // its place in its affinity's queue
	class    Class
	used     bool
	_        [6]byte
}

// call is one DisposeAffinity or Warm that waits.
type call struct {
	id         CallID
	generation Generation // a disposal: this one and all before it have to be gone
	affinity   Affinity   // a disposal; 0: a Warm
	rounds     uint32     // a Warm: State.rounds when it came
}

// State is the pool: every fact that a decision can depend on, and nothing else. It is flat: a copy
// is a few memory copies, and two states are alike when their bytes say the same.
type State struct {
	settings Settings
	now      Time

	lastTab        TabID
	lastContext    ContextID
	lastBrowser    BrowserID
	lastOperation  Operation
	lastGeneration Generation
	lastStamp      uint64
	lastOrder      uint64

	tabs      []tab
	freeTabs  []int32
	tabIndex  index // by TabID
	leases    index // by RequestID, to the slot of the tab
	standbys  int32 // first of the standbys, oldest first
	lastReady int32 // last of them
	counts    [tabStates]int32
	bound     int32 // tabs that are idle, or leased and not doomed
	overdue   [tabStates]int32

	affinities  []affinity // by handle
	warmWaiting int32      // affinities with both an idle tab and a waiting request
	eligible    int32      // sum of all affinities' eligible
	rootLeases  int32
	rootFull    bool // after the last step, no permit was left
	rootOpen    Time // since when there is one
	touched     []Affinity

	requests     []request
	freeRequests []int32
	requestIndex index // by RequestID
	waiting      [classes]int32
	heads        [classes]int32 // affinities by their first request of the class, a heap

	calls    []call
	callsDue bool // in this step, something happened that a call can wait for
	waitsDue bool // in this step, something happened after which a request may have to be refused
	browsers []browser

	capacity       int32
	failedOpenings int32  // rounds in a row, for the backoff
	failedBrowsers int32  // launches that failed and browsers that were lost, in a row
	rounds         uint32 // failed rounds ever
	success        uint32 // rounds when an opening last succeeded
	paused         bool   // a failed round's pause has not passed
	retryAt        Time
	phase          phase
	effects        []Effect
}

// phase says how far the pool is in its own life.
type phase uint8

const (
	serving phase = iota
	closing       // root requests are refused; leases and nested requests are waited for
	ending        // nobody holds or waits; the browser is being closed
	closed
)

// New returns the state of a pool with these settings, which Resolve has checked. Its first Step,
// of NoEvent, launches the browser.
func New(settings Settings) *State {
	s := &State{
		settings:  settings,
		capacity:  int32(settings.InitialPages),
		standbys:  none,
		lastReady: none,
	}
	for c := range s.heads {
		s.heads[c] = none
	}
	s.affinities = append(s.affinities, affinity{}) // handle 0 is nobody
	return s
}

// Step tells the state what happened at this instant, and appends to out what is to be done about
// it, in order. It does everything that has become possible, so there is nothing to call again for.
// An event that cannot be (a second answer, the release of an ended lease) changes nothing.
func (s *State) Step(now Time, event Event, out []Effect) []Effect {
	s.now = max(s.now, now)
	s.effects = out
	s.admitAgain()
	s.handle(event)
	s.settle(event)
	out, s.effects = s.effects, nil
	return out
}

func (s *State) handle(e Event) {
	switch e.Kind {
	case Requested:
		s.requested(e)
	case Abandoned:
		s.abandoned(e.Request)
	case Released:
		s.released(e.Request)
	case Discarded:
		s.discarded(e.Request, e.Wedged)
	case Disposed:
		s.disposed(e)
	case DisposeAbandoned, WarmAbandoned:
		s.callAbandoned(e.Call)
	case WarmRequested:
		s.calls = append(s.calls, call{id: e.Call, rounds: s.rounds})
		s.callsDue = true
	case SweepRequested:
		s.sweep(e.MaxIdle)
	case CloseRequested:
		s.closeRequested()
	case CloseExpired:
		s.closeExpired()
	case BrowserReady:
		s.browserReady(e.Browser)
	case BrowserFailed:
		s.browserFailed(e.Browser)
	case BrowserGone:
		s.browserGone(e.Browser)
	case LaunchSilent, BrowserCloseSilent:
		s.browserSilent(e)
	case RetryDue:
		s.paused = false
	case Expired:
		s.expired(e.Request)
	default:
		if i, ok := s.tabIndex.get(uint64(e.Tab)); ok {
			s.tabEvent(e, i)
		}
	}
}

func (s *State) tabEvent(e Event, i int32) {
	switch e.Kind {
	case Opened:
		s.opened(i, e.Jitter)
	case OpenFailed:
		s.openFailed(i)
	case OpenOverdue, CloseOverdue:
		s.markOverdue(e.Kind, i)
	case OpenSilent:
		s.openSilent(i)
	case Closed:
		s.closed(i)
	case CloseFailed:
		s.closeFailed(i)
	case CloseSilent:
		s.closeSilent(i)
	case Killed, KillFailed:
		s.killAnswered(i)
	case KillSilent:
		s.killSilent(i)
	case Crashed:
		s.crashed(i)
	case RetireDue:
		s.retire(i)
	}
}

// settle does whatever an event has made possible. One pass is enough: granting asks for nothing that a
// later line gives in the same step, and what is opened or closed is answered by an event.
func (s *State) settle(event Event) {
	s.grant()
	s.boundQueue(event)
	s.refuse()
	s.endPhase()
	s.keepBrowser()
	s.evict()
	s.open()
	s.finishCalls()
	s.finishClose()
	s.forget()
	s.rootFull = s.permits() <= 0
	s.callsDue, s.waitsDue = false, false
}

// Clone returns a copy that shares nothing.
func (s *State) Clone() *State {
	c := new(State)
	c.CopyFrom(s)
	return c
}

// CopyFrom makes s a copy of o that shares nothing with it, in the memory that s has.
func (s *State) CopyFrom(o *State) {
	kept := *s
	*s = *o
	s.tabs = append(kept.tabs[:0], o.tabs...)
	s.freeTabs = append(kept.freeTabs[:0], o.freeTabs...)
	s.tabIndex.copyFrom(&kept.tabIndex, &o.tabIndex)
	s.leases.copyFrom(&kept.leases, &o.leases)
	s.affinities = append(kept.affinities[:0], o.affinities...)
	s.touched = kept.touched[:0]
	s.requests = append(kept.requests[:0], o.requests...)
	s.freeRequests = append(kept.freeRequests[:0], o.freeRequests...)
	s.requestIndex.copyFrom(&kept.requestIndex, &o.requestIndex)
	s.calls = append(kept.calls[:0], o.calls...)
	s.browsers = append(kept.browsers[:0], o.browsers...)
	s.effects = nil
}

func (s *State) emit(e Effect) { s.effects = append(s.effects, e) }

func (s *State) operation(e Effect) {
	s.lastOperation++
	e.Operation = s.lastOperation
	s.emit(e)
}

// affinity returns what is known of a key, and makes room for it where nothing is.
func (s *State) affinity(a Affinity) *affinity {
	if int(a) >= len(s.affinities) {
		s.affinities = append(s.affinities, make([]affinity, int(a)+1-len(s.affinities))...)
	}
	k := &s.affinities[a]
	if !k.known {
		*k = affinity{known: true, tabs: none, openSince: s.now}
		for c := range k.queue {
			k.queue[c] = none
		}
	}
	return k
}

// touch notes that something of a changed, so that the end of the step looks whether it can be
// forgotten, and keeps what is derived from it.
func (s *State) touch(a Affinity) {
	if k := s.affinity(a); !k.touched {
		k.touched = true
		s.touched = append(s.touched, a)
	}
	s.refresh(a)
}

// forget says Forget for each key that this step has left without a tab, a request and a call.
func (s *State) forget() {
	for _, a := range s.touched {
		k := &s.affinities[a]
		k.touched = false
		if k.tabs == none && k.waiting == [classes]int32{} && k.calls == 0 {
			*k = affinity{}
			s.emit(Effect{Kind: Forget, Affinity: a})
		}
	}
	s.touched = s.touched[:0]
}

func (s *State) addTab(t tab) int32 {
	var i int32
	if n := len(s.freeTabs); n > 0 {
		i = s.freeTabs[n-1]
		s.freeTabs = s.freeTabs[:n-1]
	} else {
		i = int32(len(s.tabs))
		s.tabs = append(s.tabs, tab{})
	}
	t.next, t.prev = none, none
	s.tabs[i] = t
	s.counts[t.state]++
	s.tabIndex.put(uint64(t.id), i)
	return i
}

// removeTab takes a tab off the books: its end is confirmed, or its browser is gone.
func (s *State) removeTab(i int32) {
	t := &s.tabs[i]
	if a := t.affinity; a != 0 {
		k := &s.affinities[a]
		if t.context == k.primary {
			k.pageCount--
		}
		s.unlink(&k.tabs, nil, i)
		s.touch(a)
	}
	s.callsDue = true
	s.setState(i, 0)
	s.tabIndex.remove(uint64(t.id))
	s.tabs[i] = tab{}
	s.freeTabs = append(s.freeTabs, i)
}

// setState moves a tab from one state to another and keeps the counts.
func (s *State) setState(i int32, state TabState) {
	t := &s.tabs[i]
	s.counts[t.state]--
	if t.overdue {
		s.overdue[t.state]--
		t.overdue = false
	}
	t.state, t.since = state, s.now
	s.counts[state]++
	s.callsDue = s.callsDue || state == Standby
	s.waitsDue = true
}

// alive is the number of tabs in any state.
func (s *State) alive() int32 { return int32(len(s.tabs) - len(s.freeTabs)) }

// link puts a tab at the end of a list of tabs; unlink takes it out. The end of an affinity's list
// is not kept: nothing depends on its order.
func (s *State) link(first, last *int32, i int32) {
	t := &s.tabs[i]
	if last == nil {
		t.next, t.prev = *first, none
		if *first != none {
			s.tabs[*first].prev = i
		}
		*first = i
		return
	}
	t.next, t.prev = none, *last
	if *last != none {
		s.tabs[*last].next = i
	} else {
		*first = i
	}
	*last = i
}

func (s *State) unlink(first, last *int32, i int32) {
	t := &s.tabs[i]
	if t.prev != none {
		s.tabs[t.prev].next = t.next
	} else {
		*first = t.next
	}
	if t.next != none {
		s.tabs[t.next].prev = t.prev
	} else if last != nil {
		*last = t.prev
	}
	t.next, t.prev = none, none
}

// finishCalls answers the disposals whose generation is gone, and the Warms whose target is met.
func (s *State) finishCalls() {
	if !s.callsDue {
		return
	}
	s.calls = slices.DeleteFunc(s.calls, func(c call) bool {
		if c.affinity == 0 {
			return s.finishWarm(c)
		}
		for i := s.affinities[c.affinity].tabs; i != none; i = s.tabs[i].next {
			if s.tabs[i].generation <= c.generation {
				return false
			}
		}
		s.endCall(c)
		s.emit(Effect{Kind: FinishDispose, Call: c.id})
		return true
	})
}

func (s *State) finishWarm(c call) bool {
	e := Effect{Kind: FinishWarm, Call: c.id}
	switch {
	case s.phase != serving:
		e.Reason = PoolClosed
	case s.satThrough(c.rounds):
		e.Reason = BrowserUnavailable
	case s.counts[Standby] < s.target():
		return false
	}
	s.emit(e)
	return true
}

func (s *State) endCall(c call) {
	if c.affinity != 0 {
		s.affinities[c.affinity].calls--
		s.touch(c.affinity)
	}
}

func (s *State) callAbandoned(id CallID) {
	s.calls = slices.DeleteFunc(s.calls, func(c call) bool {
		if c.id != id {
			return false
		}
		s.endCall(c)
		return true
	})
}
