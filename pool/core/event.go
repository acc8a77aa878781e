package core

import (
	"math"
	"time"
)

// Ids. All of them start at 1; 0 means none. The core gives out the ids of tabs, contexts, browsers
// and operations, and never the same one twice. Requests and calls are numbered by whoever feeds
// the core, never the same number twice. An Affinity is a handle that the feeder made for a key; it
// may stand for another key once the core has said Forget.
type (
	Affinity    uint32
	RequestID   uint64
	CallID      uint64 // of a DisposeAffinity, a Warm or a Recycle that waits
	TabID       uint32
	ContextID   uint32
	BrowserID   uint32
	Generation  uint64
	OperationID uint64
)

// Time is an instant, in nanoseconds since the pool was made. In simulation it is virtual.
type Time int64

// Add is an instant that much later; the last one there is, where that would be later still.
func (t Time) Add(d time.Duration) Time {
	if later := t + Time(d); later >= t {
		return later
	}
	return math.MaxInt64
}

// Duration is the time since the pool was made.
func (t Time) Duration() time.Duration { return time.Duration(t) }

// Class is the kind of work that a request is for.
type Class uint8

const (
	Root   Class = iota // the default
	Nested              // issued by a page that is itself under a root lease
	// a root request at or above ReservedPriority, where pages are reserved; no event says so
	Urgent
	Classes // how many there are
)

// EventKind says what happened. Together with Event.Of it has a word in traces: see package trace.
type EventKind uint8

// What happened. Answers of the browser that nobody waits for any more change nothing.
const (
	NoEvent EventKind = iota

	// Callers.
	Requested // GetPage: Request, Affinity, Class, Priority, MaxLease, Own
	// the caller of a request that waits has gone; a request that was answered stays answered
	Abandoned
	Released         // the holder gives the tab back
	Discarded        // the same, and the tab is spoiled (Wedged: it does not answer)
	Disposed         // DisposeAffinity: Call, Affinity, NoWait, Retain
	SweepRequested   // EvictIdle: MaxIdle
	WarmRequested    // Warm: Call
	RecycleRequested // Recycle: Call
	// the caller of Call has gone; Of: FinishDispose, FinishWarm or FinishRecycle, for which it waited
	CallAbandoned
	CloseRequested // Close of the pool
	CloseExpired   // its ctx has ended: leases are revoked

	// The browser.
	Done        // it did what it was asked for: Of, and its Tab, Context or Browser
	Failed      // it says that it did not, or could not
	BrowserGone // the process of Browser has ended, asked or not
	Crashed     // Tab crashed, by itself; TooLarge
	Measured    // the page of Tab, or Browser as a whole, uses Memory

	// Deadlines. State.Deadlines lists those that are armed.
	Silent // the time for what was asked is over: Of, and its Tab, Context or Browser
	// its grace is over (OpenGrace, CloseGrace), from which nobody who waits counts on it: Of, Tab
	Overdue
	RetireDue   // MaxAge of Tab, and its jitter, have passed
	IdleDue     // nobody has held or waited for Affinity for MaxIdle
	FreezeDue   // Tab has been idle, or a standby, for FreezeAfter
	Expired     // the lease of Request has reached its limit
	BrowserWorn // BrowserMaxAge of Browser has passed, or the pause before a sick one is replaced
	CheckDue    // Browser is to be checked
	// an operation in Browser has been silent for StallTimeout, and nothing else answered
	BrowserStalled
	DrainSilent // DrainTimeout has passed
	RetryDue    // the pause after a failed round of opening has passed
	RelaunchDue // the pause after a failed launch has passed
	ContractDue // IdleContraction has passed

	EventKinds // how many there are
)

// What Done says of each operation, beyond its success:
//
//	Launch        Browser is ready; Checks
//	Ping          Browser is there. Failed of it comes unasked, too: Browser ends, and nothing
//	              answers in it any more; until BrowserGone some of it may be alive
//	CheckBrowser  Browser did each kind of work
//	OpenTab       Tab is at the standby state; Jitter, drawn for its MaxAge; Sessions
//	ProbeTab      the main thread of Tab's page answers
//	RescueTab     what held the main thread of Tab was stopped, and its page is at the standby state,
//	              or where it was
//	ResetTab      Tab is back at the standby state
//	FreezeTab     Tab's page is frozen
//	EndSession    the session of Tab's last lease has ended; Left, Navigation
//	BeginSession  the session of Tab's next lease has begun
//	CloseTab      Tab is verified gone, and its context with it, unless Kept
//	KillTab       the renderer of Tab is dead
//	CloseContext  Context is verified gone
//
// A close that is asked for again is answered as the first. The end of a browser that was asked to
// end is BrowserGone. Failed of a Launch has left no process; what a failed OpenTab has left is not
// known; a close that failed was refused, or could not be verified.
//
// Silent of ResetTab is the end of the time of what is done to Tab between two leases, whichever
// part of it, and Overdue of ProbeTab is of a rescue too. Silent of CloseContext ends a rung.

// Deadline says whether a kind is one that State.Deadlines lists.
func (k EventKind) Deadline() bool { return k >= Silent }

// Event is one thing that happened. Fields that its kind does not mention are zero.
type Event struct {
	Request RequestID
	Call    CallID
	// Operation, of what a page is asked and of a check, says which one is answered; 0: the last
	// that was asked for.
	Operation OperationID
	MaxLease  time.Duration // Requested: the lease's own limit; 0: the settings', negative: none
	Memory    int64         // Measured: in bytes
	MaxIdle   time.Duration // SweepRequested: how long an affinity has been idle
	Jitter    time.Duration // Done of OpenTab: added to the tab's MaxAge
	Affinity  Affinity
	Tab       TabID
	Context   ContextID
	Browser   BrowserID
	Priority  int32
	Kind      EventKind
	// Done, Failed, Silent, Overdue: the operation. CallAbandoned: the answer waited for
	Of     EffectKind
	Class  Class
	Own    bool // Requested: a context of Affinity is made for it, and no standby serves it
	NoWait bool // Disposed: nobody waits for the end
	Retain bool // Disposed: the primary stays the affinity's
	Wedged bool // Discarded: the page did not answer
	Kept   bool // Done of CloseTab: only the page is gone, its context is left
	// Done of OpenTab: each lease on Tab has a session of its own, and that of the first has begun
	Sessions   bool
	Checks     bool // Done of Launch: Browser can be checked
	TooLarge   bool // Crashed: its page used more memory than it may, and is to be closed
	Left       Left
	Navigation Navigation
}

// Is says whether an event is of a kind, and about an operation.
func (e *Event) Is(kind EventKind, of EffectKind) bool { return e.Kind == kind && e.Of == of }
