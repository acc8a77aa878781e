package core

import (
	"math"
	"time"
)

// TabState says where a tab is in its life.
type TabState uint8

const (
	_         TabState = iota // an unused slot
	Opening                   // asked for, not answered; its affinity's where it opens inside a primary
	Standby                   // ready, and nobody's
	Idle                      // its affinity's, and nobody holds it
	Probing                   // its affinity's, and its page is asked whether it answers
	Rescuing                  // the same, and what holds its main thread is being stopped
	Resetting                 // its affinity's, and being brought back to the standby state
	Leased                    // its affinity's, and held
	Closing                   // on its way out, counted until the browser confirms
	Lost                      // its close and its kill went unanswered; counted like any other
	tabStates
)

// none is the slot number that stands for no slot.
const none int32 = -1

// never is an instant that does not come.
const never Time = math.MaxInt64

// tab is one page.
//
// Invariant: capacity. A slot is free again only when the browser has confirmed the end.
type tab struct {
	generation Generation    // of its affinity, when it was bound; before, in a primary: the next one's
	holder     RequestID     // Leased: the request that holds it
	pinned     RequestID     // Opening, Probing: the request that was promised this very tab
	since      Time          // when the present state began
	maxLease   time.Duration // Leased: how long it may be held; negative: as long as the holder likes
	suspectAt  Time          // Probing, Rescuing: since when it is suspect
	rungSince  Time          // Closing: when the present rung began
	askedAt    Time          // since when an operation on it has been silent; never: none is
	openBegan  Time          // when it was asked for
	openEnded  Time          // when it was ready
	probeBegan Time          // when it was probed last
	probeEnded Time          // when it answered that
	goodAt     Time          // when its page was last known to answer
	leasedAt   Time          // when its last lease began
	stuckSince Time          // stuck: when the first such lease in a row began
	retireAt   Time          // when it is past its MaxAge
	stamp      uint64        // when it was handed out last, as a place in the order of all grants
	operation  Operation     // the number of what was asked last; answers that name another come too late
	id         TabID
	browser    BrowserID
	affinity   Affinity // whose it is, or was until it began to close; 0: nobody's
	context    int32    // the slot of its context
	next, prev int32    // neighbours among the standbys, or among its affinity's tabs
	uses       uint32   // how often it was handed out
	state      TabState
	class      Class     // Leased: the class of the lease
	reason     Reason    // Closing, Lost: why it was closed; doomed: why it will be
	rung       rung      // Closing: how far closing it has gone
	closes     uint8     // Closing: how often it was asked for on this rung
	kill       kill      // Closing: what became of killing its renderer
	doomed     bool      // Opening, Leased: marked to close when it is open, or when the lease ends
	overdue    bool      // Opening, Probing, Rescuing, Resetting: older than OpenGrace. Closing: older than CloseGrace
	awaiting   bool      // Closing: a close was asked for and has not been answered
	unopened   bool      // the answer to its opening is still out
	suspect    bool      // Probing: it is doubted, rather than merely not seen for a while
	rescued    bool      // Probing: what held it was stopped
	part       ResetPart // Resetting: which part of it
	session    session   // of its leases; see there
	sessions   bool      // each of its leases has a session of its own
	retried    bool      // since its last lease, a session of it has failed to end, or to begin
	stuck      bool      // in its last lease a navigation began, and none finished
}

// bound says whether a tab belongs to an affinity and is not on its way out.
func (t *tab) bound() bool {
	return t.state >= Idle && t.state <= Resetting || t.state == Leased && !t.doomed
}

// affinityFacts is what is known of one key. It lives as long as a tab, a context, a request or a call
// names it.
type affinityFacts struct {
	generation Generation // of its present life; 0 while it has none
	freedAt    Time       // when a tab of it was given back last
	openSince  Time       // since when RootCap and AffinityTabs let a waiting root request through, where they do
	stamp      uint64     // when a tab of it was handed out last
	primary    int32      // slot of the context it is known by, or none
	tabs       int32      // first of its tabs, those on their way out included; the one that it got last
	known      bool
}

// request is one GetPage that waits.
type request struct {
	id         RequestID
	order      uint64 // of arrival
	arrived    Time
	admittedAt Time          // when no limit stopped it any more, by the time that it was promised a tab; never: it was promised none
	maxLease   time.Duration // of the lease to come
	affinity   Affinity
	priority   int32
	rounds     uint32 // State.rounds when it came
	bypassed   int32  // how often a warm grant has passed it by
	pin        int32  // slot of the tab that it was promised, or none
	class      Class
	used       bool
}

// call is one DisposeAffinity, Warm or Recycle that waits.
type call struct {
	id         CallID
	generation Generation // a disposal: this one and all before it have to be gone
	affinity   Affinity   // a disposal; 0: another
	browser    BrowserID  // a Recycle: this one and all before it have to be gone
	rounds     uint32     // a Warm or a Recycle: State.rounds when it came
	recycle    bool
}

// Facts is everything that a decision can depend on, and nothing that follows from it. It is flat: a
// copy is a few memory copies.
type Facts struct {
	settings Settings
	now      Time

	lastTab        TabID
	lastContext    ContextID
	lastBrowser    BrowserID
	lastOperation  Operation
	lastGeneration Generation
	lastStamp      uint64
	lastOrder      uint64

	tabs         []tab
	freeTabs     []int32 // slots, the next one to be used last; so are the others
	standbys     int32   // first of the standbys, oldest first
	lastReady    int32   // last of them
	contexts     []context
	freeContexts []int32
	affinities   []affinityFacts // by handle
	requests     []request
	freeRequests []int32
	calls        []call
	browsers     []browser

	capacity       int32
	rootOpen       Time   // since when the root limit lets a root request through, where it does
	idle           bool   // nobody holds or waits
	idleSince      Time   // since when
	shrinking      bool   // IdleContraction has passed since then
	contraction    TabID  // the tab with which one of capacity goes; 0: none
	failedOpenings int32  // rounds in a row, for the backoff
	failedBrowsers int32  // launches that failed and browsers that were lost, in a row
	rounds         uint32 // failed rounds ever
	success        uint32 // rounds when an opening last succeeded
	paused         bool   // the pause after a failed round of opening has not passed
	retryAt        Time
	grounded       bool // the pause after a failed launch has not passed
	relaunchAt     Time
	phase          phase
}

// State is the pool: its facts, an index to them, and what a step is about to say.
type State struct {
	Facts
	index

	effects  []Effect
	moved    []int32    // tabs whose deadlines may have changed in this step
	touched  []Affinity // those of which something changed in this step
	callsDue bool       // in this step, something happened that a call can wait for
	waitsDue bool       // in this step, something happened after which a request may have to be refused
	armed    Time       // what Armed says
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
	s := &State{Facts: Facts{
		settings:   settings,
		capacity:   int32(settings.InitialPages),
		standbys:   none,
		lastReady:  none,
		affinities: []affinityFacts{{primary: none}}, // handle 0 is nobody
	}}
	s.index.clear(&s.Facts)
	return s
}

// Step tells the state what happened at this instant, and appends to out what is to be done about
// it, in order. It does everything that has become possible, so there is nothing to call again for.
// An event that cannot be (a second answer, the release of an ended lease) changes nothing.
func (s *State) Step(now Time, event Event, out []Effect) []Effect {
	s.now = max(s.now, now)
	s.effects, s.armed = out, never
	s.admitAgain()
	s.handle(&event)
	s.settle(&event)
	s.armTabs()
	out, s.effects = s.effects, nil
	return out
}

func (s *State) handle(e *Event) {
	switch e.Kind {
	case Requested:
		s.requested(e)
	case Abandoned:
		s.abandoned(e.Request)
	case Released:
		s.released(e.Request)
	case Discarded:
		s.discarded(e.Request, e.Wedged)
	case Expired:
		s.expired(e.Request)
	case Disposed:
		s.disposed(e)
	case WarmRequested, RecycleRequested:
		s.callRequested(e)
	case DisposeAbandoned, WarmAbandoned, RecycleAbandoned:
		s.callAbandoned(e.Call)
	case SweepRequested:
		s.sweep(e.MaxIdle)
	case CloseRequested:
		s.closeRequested()
	case CloseExpired:
		s.closeExpired()
	case RetryDue:
		s.paused = false
	case RelaunchDue:
		s.grounded = false
	case ContractDue:
		s.shrinking = s.idle
	case ContextClosed, ContextCloseFailed, ContextSilent:
		s.contextEvent(e)
	case BrowserReady, BrowserFailed, BrowserGone, BrowserAnswered, LaunchSilent, BrowserCloseSilent,
		BrowserWorn, BrowserStalled, BrowserSilent, DrainSilent:
		s.browserEvent(e)
	default:
		if i, ok := s.tabIndex.get(uint64(e.Tab)); ok {
			s.tabEvent(e, i)
		}
	}
}

func (s *State) tabEvent(e *Event, i int32) {
	if e.Operation != 0 && e.Operation != s.tabs[i].operation {
		// It was given up, so it is no sign of life: a driver answers because it was told to end the call.
		if e.Kind == SessionEnded && e.Left == SpoiledContext {
			s.spoilContext(i) // but what it says is so
		}
		return
	}
	if !e.Kind.Deadline() {
		s.hear(s.tabs[i].browser)
		if e.Kind != Crashed {
			s.tabs[i].askedAt = never
		}
	}
	switch e.Kind {
	case Opened:
		s.opened(i, e)
	case OpenFailed:
		s.openFailed(i)
	case OpenOverdue, CloseOverdue, ProbeOverdue, ResetOverdue:
		s.markOverdue(e.Kind, i)
	case OpenSilent:
		s.openSilent(i)
	case Probed:
		s.probed(i)
	case SessionEnded:
		s.sessionEnded(e, i)
	case SessionBegun:
		s.sessionBegun(i)
	case SessionEndFailed, SessionBeginFailed:
		s.sessionFailed(i)
	case ProbeFailed, ProbeSilent:
		s.probeFailed(i)
	case Rescued:
		s.wasRescued(i)
	case RescueFailed, RescueSilent:
		s.rescueFailed(i)
	case WasReset:
		s.wasReset(i)
	case ResetFailed, ResetSilent:
		s.resetFailed(i)
	case Closed:
		s.closed(i, e.Kept)
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
		s.tabs[i].retireAt = min(s.tabs[i].retireAt, s.now)
		s.retire(i)
	}
}

// settle does whatever an event has made possible. One pass is enough: what is given out is given out
// until nobody can have more, and what is opened or closed is answered by an event.
func (s *State) settle(event *Event) {
	s.place()
	s.boundQueue(event)
	s.refuse()
	s.endPhase()
	s.keepBrowser()
	s.contract()
	s.makeRoom()
	s.open()
	if s.drain() {
		s.open()
	}
	s.finishCalls()
	s.finishClose()
	s.forget()
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
	f, x, moved, touched := s.Facts, s.index, s.moved[:0], s.touched[:0]
	*s = *o
	s.Facts.keep(&f)
	s.index.keep(&x)
	s.effects, s.moved, s.touched = nil, moved, touched
}

// keep makes the lists of f copies of what they are, in the memory of old ones.
func (f *Facts) keep(old *Facts) {
	f.tabs, f.freeTabs = append(old.tabs[:0], f.tabs...), append(old.freeTabs[:0], f.freeTabs...)
	f.contexts, f.freeContexts = append(old.contexts[:0], f.contexts...), append(old.freeContexts[:0], f.freeContexts...)
	f.affinities = append(old.affinities[:0], f.affinities...)
	f.requests, f.freeRequests = append(old.requests[:0], f.requests...), append(old.freeRequests[:0], f.freeRequests...)
	f.calls, f.browsers = append(old.calls[:0], f.calls...), append(old.browsers[:0], f.browsers...)
}

func (s *State) emit(e Effect) { s.effects = append(s.effects, e) }

// operation begins one. A browser in which it stays silent is asked whether it is there.
func (s *State) operation(e Effect) {
	if s.settings.StallTimeout > 0 {
		s.arm(s.now.after(s.settings.StallTimeout))
	}
	s.lastOperation++
	e.Operation = s.lastOperation
	s.emit(e)
}

// affinity returns what is known of a key, and makes room for it where nothing is.
func (s *State) affinity(a Affinity) affinity {
	for int(a) >= len(s.affinities) {
		s.affinities = append(s.affinities, affinityFacts{primary: none})
		s.keys = append(s.keys, noKey)
	}
	k := s.at(a)
	if !k.known {
		*k.affinityFacts = affinityFacts{known: true, tabs: none, primary: none, openSince: s.now}
		*k.affinityIndex = noKey
	}
	return k
}

// touch notes that something of an affinity is about to change: what is derived of it is stale, and the
// end of the step looks whether it can be forgotten.
func (s *State) touch(a Affinity) {
	if a == 0 {
		return
	}
	k := s.affinity(a)
	if !k.touched {
		k.touched = true
		s.touched = append(s.touched, a)
		if k.eligible == 0 { // so if the limits let somebody through, it is from this step on
			k.openSince = s.now
		}
	}
	s.outdate(a)
}

// forget says Forget for each key that this step has left without a tab, a context, a request and a
// call.
func (s *State) forget() {
	s.freshen()
	for _, a := range s.touched {
		k := s.at(a)
		k.touched = false
		if k.tabs == none && k.contexts == 0 && k.waiting == [classes]int32{} && k.calls == 0 {
			*k.affinityFacts, *k.affinityIndex = affinityFacts{primary: none}, noKey
			s.emit(Effect{Kind: Forget, Affinity: a})
		}
	}
	s.touched = s.touched[:0]
}
