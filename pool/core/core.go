package core

import (
	"math"
	"time"
)

// TabState says where a tab is in its life.
type TabState uint8

const (
	_ TabState = iota // an unused slot
	// asked for, not answered; its affinity's where it opens inside a primary; or a standby that is
	// being thawed
	Opening
	Standby   // ready, and nobody's
	Idle      // its affinity's, and nobody holds it
	Probing   // its affinity's, and its page is asked whether it answers
	Rescuing  // the same, and what holds its main thread is being stopped
	Resetting // its affinity's, and being brought back to the standby state
	Leased    // its affinity's, and held
	Closing   // on its way out, counted until the browser confirms
	Lost      // its close and its kill went unanswered; counted like any other
	TabStates // how many there are
)

// None is the slot number that stands for no slot.
const None int32 = -1

// Never is an instant that does not come.
const Never Time = math.MaxInt64

// Tab is one page.
//
// Invariant: capacity. A slot is free again only when the browser has confirmed the end.
type Tab struct {
	Generation Generation // of its affinity, when it was bound; before, in a primary: the next one's
	Since      Time       // when the present state began
	Pinned     RequestID  // Opening, Probing: the request that was promised this very tab
	Stamp      uint64     // when it was handed out last, as a place in the order of all grants
	RetireAt   Time       // when it is past its MaxAge
	Opened     Span       // when it was asked for, and when it was ready
	Probed     Span       // when it was probed last, and when it answered that
	Operation
	Page
	Lease
	ID       TabID
	Browser  BrowserID
	Affinity Affinity // whose it is, or was until it began to close; 0: nobody's
	Context  int32    // the slot of its context
	Uses     uint32   // how often it was handed out
	Neighbours
	Ladder
	State    TabState
	Reason   Reason // Closing, Lost: why it was closed; doomed: why it will be
	Doomed   bool   // Opening, Leased: marked to close when it is open, or when the lease ends
	Unopened bool   // the answer to its opening is still out
	// Opening, Probing, Rescuing, Resetting: older than OpenGrace. Closing: older than CloseGrace
	Overdue bool
}

// Page is what is known of a tab's page.
type Page struct {
	GoodAt  Time      // when it was last known to answer
	Memory  int64     // how much it uses, in bytes, as last measured
	Frozen  bool      // it was asked to freeze, and has not been heard since
	Suspect bool      // Probing: it is doubted, rather than merely not seen for a while
	Rescued bool      // Probing: what held it was stopped
	Part    ResetPart // Resetting: which part of it
}

// Lease is the lease on a tab, or its last one.
type Lease struct {
	Holder     RequestID     // Leased: the request that holds it
	MaxLease   time.Duration // Leased: how long it may be held; negative: as long as the holder likes
	LeasedAt   Time          // when the last one began that has ended
	StuckSince Time          // stuck: when the first such lease in a row began
	Class      Class         // Leased: the class of the request that holds it
	Session    Session       // of the tab's leases; see there
	Sessions   bool          // each of them has a session of its own
	Retried    bool          // since it ended, a session has failed to end, or to begin
	Stuck      bool          // a navigation began in it, and none finished
	Unjudged   bool          // it has ended, and nothing was asked of the page since
	Doubtful   bool          // it has ended in doubt
}

// Neighbours are the slots beside a tab in a list: the standbys, or its affinity's tabs.
type Neighbours struct{ Next, Prev int32 }

// Span is when something began last, and when it ended last.
type Span struct{ Began, Ended Time }

// Bound says whether a tab belongs to an affinity and is not on its way out.
func (t *Tab) Bound() bool {
	return t.State >= Idle && t.State <= Resetting || t.State == Leased && !t.Doomed
}

// AffinityFacts is what is known of one key. It lives as long as a tab, a context, a request or a
// call names it.
type AffinityFacts struct {
	Generation Generation // of its present life; 0 while it has none
	UsedAt     Time       // when a lease or a wait of it ended last
	// since when RootCap and AffinityTabs let a waiting root request through, where they do
	OpenSince  Time
	Stamp      uint64 // when a tab of it was handed out last
	Primary    int32  // slot of the context it is known by, or None
	Tabs       int32  // first of its tabs, those on their way out included; the one that it got last
	Known      bool
	Own        bool      // its contexts are made for it; see ownTerms
	Doubts     int32     // doubtful ends of its leases in a row
	DoubtSince Time      // when the first of them was
	DoubtIn    BrowserID // in which browser they were
}

// Request is one GetPage that waits.
type Request struct {
	ID      RequestID
	Order   uint64 // of arrival
	Arrived Time
	// of a request that was promised a tab: when the last limit let it through; Never: it was promised
	// none
	AdmittedAt Time
	Startup    Time          // how long the tabs of promises that were broken were opened for it
	Probe      Time          // how long they were probed
	CountedTo  Time          // the instant up to which Startup and Probe count
	MaxLease   time.Duration // of the lease to come
	Affinity   Affinity
	Priority   int32
	Rounds     uint32 // Facts.Rounds when it came
	Bypassed   int32  // how often a warm grant has passed it by
	Pin        int32  // slot of the tab that it was promised, or None
	Class      Class
	Used       bool
}

// Call is one DisposeAffinity, Warm or Recycle that waits.
type Call struct {
	ID         CallID
	Generation Generation // a disposal: this one and all before it have to be gone
	Affinity   Affinity   // a disposal; 0: another
	Browser    BrowserID  // a Recycle: this one and all before it have to be gone
	Rounds     uint32     // a Warm or a Recycle: Facts.Rounds when it came
	Recycle    bool
}

// Facts is everything that a decision can depend on, and nothing that follows from it. It is flat:
// a copy is a few memory copies.
type Facts struct {
	Settings Settings
	Now      Time

	Numbers

	Tabs         []Tab
	FreeTabs     []int32 // slots, the next one to be used last; so are the others
	Standbys     int32   // first of the standbys, oldest first
	LastReady    int32   // last of them
	Contexts     []Context
	FreeContexts []int32
	Affinities   []AffinityFacts // by handle
	Requests     []Request
	FreeRequests []int32
	Calls        []Call
	Browsers     []Browser

	Capacity int32
	// since when the root limit and the reserve let a root request through, where they do
	RootOpen Time
	// since when the root limit lets an urgent one through, where pages are reserved
	UrgentOpen  Time
	Idle        bool   // nobody holds or waits
	IdleSince   Time   // since when
	Shrinking   bool   // IdleContraction has passed since then
	Contraction TabID  // the tab with which one of capacity goes; 0: none
	Openings    Pause  // after rounds of opening that failed
	Launches    Pause  // after launches that failed and browsers that were lost
	Rounds      uint32 // failed rounds ever
	Success     uint32 // rounds when an opening last succeeded
	Check       Check
	Lightened   bool // a browser was replaced for its memory, and none was full since
	Phase       Phase
}

// Numbers are the last ones that were given out.
type Numbers struct {
	LastTab        TabID
	LastContext    ContextID
	LastBrowser    BrowserID
	LastOperation  OperationID
	LastGeneration Generation
	LastStamp      uint64
	LastOrder      uint64
}

// Pause is how long the pool waits after failures.
type Pause struct {
	On       bool
	Until    Time
	Failures int32 // in a row, for the backoff
}

// State is the pool: its facts, an index to them, and what a step is about to say.
type State struct {
	Facts
	index

	effects []Effect
	moved   []int32    // tabs whose deadlines may have changed in this step
	touched []Affinity // those of which something changed in this step
	armed   Time       // what Armed says
}

// Phase says how far the pool is in its own life.
type Phase uint8

const (
	PhaseServing Phase = iota
	PhaseClosing       // root requests are refused; leases and nested requests are waited for
	PhaseEnding        // nobody holds or waits; the browser is being closed
	PhaseClosed
)

// New returns the state of a pool with these settings, which Resolve has checked. Its first Step,
// of NoEvent, launches the browser.
func New(settings Settings) *State {
	s := &State{Facts: Facts{
		Settings:   settings,
		Capacity:   int32(settings.MinPages),
		Standbys:   None,
		LastReady:  None,
		Affinities: []AffinityFacts{{Primary: None}}, // handle 0 is nobody
	}}
	s.index.clear(&s.Facts)
	return s
}

// Step tells the state what happened at this instant, and appends to out what is to be done about
// it, in order. It does everything that has become possible, with two exceptions, which the next
// event makes good: a context is given up as doubtful by what is known when the step begins, and a
// request whose own tab makes room for others is refused, where it must be, by the next event.
// An event that cannot be (a second answer, the release of an ended lease) changes nothing.
func (s *State) Step(now Time, event Event, out []Effect) []Effect {
	s.Now = max(s.Now, now)
	s.effects, s.armed = out, Never
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
	case CallAbandoned:
		s.callAbandoned(e.Call)
	case SweepRequested:
		s.sweep(e.MaxIdle)
	case Measured:
		s.measured(e)
	case IdleDue:
		s.sweepIdle(e.Affinity)
	case CloseRequested:
		s.closeRequested()
	case CloseExpired:
		s.closeExpired()
	case RetryDue:
		s.Openings.On = false
	case RelaunchDue:
		s.Launches.On = false
	case ContractDue:
		s.Shrinking = s.Idle
	default:
		s.heard(e)
	}
}

// settle does whatever an event has made possible. One pass is enough: what is given out is given
// out until nobody can have more, and what is opened or closed is answered by an event. The next
// browser is asked for last, since openings wear out the present one.
func (s *State) settle(event *Event) {
	s.giveUpDoubted()
	s.endDrained()
	s.place()
	s.boundQueue(event)
	for s.thaw(); s.refuse(); s.thaw() {
		s.place()
	}
	s.endPhase()
	s.contract()
	s.makeRoom()
	s.thaw()
	s.open()
	if s.drain() {
		s.open()
	}
	s.keepBrowser()
	s.finishCalls()
	s.finishClose()
	s.forget()
}

// Clone returns a copy that shares nothing.
func (s *State) Clone() *State {
	c := new(State)
	c.CopyFrom(s)
	return c
}

// CopyFrom makes s a copy of o that shares nothing with it, in the memory that s has.
func (s *State) CopyFrom(o *State) {
	if s.Affinities == nil {
		s.takeRoom()
	}
	s.Facts.CopyFrom(&o.Facts)
	s.index.copyFrom(&o.index)
	s.effects, s.moved, s.touched = nil, s.moved[:0], s.touched[:0]
	s.armed = o.armed
}

// CopyFrom makes f a copy of o that shares nothing with it, in the memory that f has.
func (f *Facts) CopyFrom(o *Facts) {
	tabs, freeTabs := append(f.Tabs[:0], o.Tabs...), append(f.FreeTabs[:0], o.FreeTabs...)
	contexts, freeContexts := append(f.Contexts[:0], o.Contexts...),
		append(f.FreeContexts[:0], o.FreeContexts...)
	requests, freeRequests := append(f.Requests[:0], o.Requests...),
		append(f.FreeRequests[:0], o.FreeRequests...)
	affinities := append(f.Affinities[:0], o.Affinities...)
	calls, browsers := append(f.Calls[:0], o.Calls...), append(f.Browsers[:0], o.Browsers...)
	*f = *o
	f.Tabs, f.FreeTabs, f.Contexts, f.FreeContexts = tabs, freeTabs, contexts, freeContexts
	f.Requests, f.FreeRequests, f.Affinities = requests, freeRequests, affinities
	f.Calls, f.Browsers = calls, browsers
}

func (s *State) emit(e Effect) { s.effects = append(s.effects, e) }

// operation begins one. A browser in which it stays silent is asked whether it is there.
func (s *State) operation(e Effect) {
	if s.Settings.StallTimeout > 0 {
		s.arm(s.Now.Add(s.Settings.StallTimeout))
	}
	s.LastOperation++
	e.Operation = s.LastOperation
	s.emit(e)
}

// affinity returns what is known of a key, and makes room for it where nothing is.
func (s *State) affinity(a Affinity) affinity {
	for int(a) >= len(s.Affinities) {
		s.Affinities = append(s.Affinities, AffinityFacts{Primary: None})
		s.keys = append(s.keys, noKey)
	}
	k := s.at(a)
	if !k.Known {
		*k.AffinityFacts = AffinityFacts{Known: true, Tabs: None, Primary: None, OpenSince: s.Now}
		*k.affinityIndex = noKey
		s.known++
	}
	return k
}

// touch notes that something of an affinity changes in this step, at whose end it is looked whether
// it can be forgotten.
func (s *State) touch(a Affinity) {
	if a == 0 {
		return
	}
	k := s.affinity(a)
	if !k.touched {
		k.touched = true
		s.touched = append(s.touched, a)
		if !k.open { // so if the limits let somebody through, it is from this step on
			k.OpenSince = s.Now
		}
	}
}

// forget says Forget for each key that this step has left without a tab, a context, a request and a
// call.
func (s *State) forget() {
	for _, a := range s.touched {
		k := s.at(a)
		k.touched, k.open = false, s.letsThrough(k)
		s.arm(s.idleDue(a))
		if k.Tabs == None && k.contexts == 0 && k.waiting == [Classes]int32{} && k.calls == 0 {
			s.setDoubts(k, 0)
			*k.AffinityFacts, *k.affinityIndex = AffinityFacts{Primary: None}, noKey
			s.known--
			s.emit(Effect{Kind: Forget, Affinity: a})
		}
	}
	s.touched = s.touched[:0]
}
