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
	Affinity   uint32
	RequestID  uint64
	CallID     uint64 // of a DisposeAffinity, a Warm or a Recycle that waits
	TabID      uint32
	ContextID  uint32
	BrowserID  uint32
	Generation uint64
	Operation  uint64
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
	Root    Class = iota // the default
	Nested               // issued by a page that is itself under a root lease
	Urgent               // a root request at or above ReservedPriority, where pages are reserved; no event says so
	Classes              // how many there are
)

// EventKind says what happened. The name of a kind in a trace is in the table of text.go.
type EventKind uint8

// What happened. Answers of the browser that nobody waits for any more change nothing.
const (
	NoEvent EventKind = iota

	// Callers.
	Requested        // GetPage: Request, Affinity, Class, Priority, MaxLease, Own
	Abandoned        // the caller of a request that waits has gone; a request that was answered stays answered
	Released         // the holder gives the tab back
	Discarded        // the same, and the tab is spoiled (Wedged: it does not answer)
	Disposed         // DisposeAffinity: Call, Affinity, NoWait, Retain
	DisposeAbandoned // its caller waits no longer
	SweepRequested   // EvictIdle: MaxIdle
	WarmRequested    // Warm: Call
	WarmAbandoned    // its caller waits no longer
	RecycleRequested // Recycle: Call
	RecycleAbandoned // its caller waits no longer
	CloseRequested   // Close of the pool
	CloseExpired     // its ctx has ended: leases are revoked

	// The browser.
	BrowserReady       // the launch of Browser succeeded; Checks
	BrowserFailed      // the launch of Browser failed; no process is left
	BrowserGone        // its process has ended, asked or not
	BrowserAnswered    // Browser answers that it is there
	Checked            // Browser did each kind of work in a check
	CheckFailed        // it did not
	Opened             // Tab is at the standby state; Jitter, drawn for its MaxAge; Sessions
	OpenFailed         // opening Tab failed; what it may have left is not known
	Probed             // the main thread of Tab's page answers
	ProbeFailed        // it says that it does not
	Rescued            // what held the main thread of Tab was stopped, and its page is at the standby state, or where it was
	RescueFailed       // it could not be stopped
	WasReset           // Tab is back at the standby state
	ResetFailed        // it could not be brought there
	WasFrozen          // Tab's page is frozen
	FreezeFailed       // it could not be frozen
	SessionEnded       // the session of Tab's last lease has ended; Left, Navigation
	SessionEndFailed   // its end failed, or is not confirmed
	SessionBegun       // the session of Tab's next lease has begun
	SessionBeginFailed // it could not begin
	Closed             // Tab is verified gone, and its context with it, unless Kept
	CloseFailed        // the close of Tab was refused, or could not be verified
	Killed             // the renderer of Tab is dead
	KillFailed         // it could not be killed
	Crashed            // Tab crashed, by itself; TooLarge
	ContextClosed      // Context is verified gone
	ContextCloseFailed // its close was refused, or could not be verified
	Measured           // the page of Tab, or Browser as a whole, uses Memory

	// Deadlines. State.Deadlines lists those that are armed.
	RetireDue          // MaxAge of Tab, and its jitter, have passed
	IdleDue            // nobody has held or waited for Affinity for MaxIdle
	FreezeDue          // Tab has been idle, or a standby, for FreezeAfter
	Expired            // the lease of Request has reached its limit
	OpenOverdue        // OpenGrace has passed
	OpenSilent         // OpenTimeout has passed
	ProbeOverdue       // OpenGrace has passed since Tab began to be probed or rescued
	ProbeSilent        // the time of a probe has passed
	RescueSilent       // RescueTimeout has passed
	ResetOverdue       // OpenGrace has passed since Tab began to be reset
	ResetSilent        // the time of what is done to Tab between two leases has passed
	CloseOverdue       // CloseGrace has passed
	CloseSilent        // CloseTimeout has passed
	KillSilent         // KillTimeout has passed
	ContextSilent      // the time of a rung of closing Context has passed
	LaunchSilent       // LaunchTimeout has passed
	BrowserCloseSilent // BrowserCloseTimeout has passed
	BrowserWorn        // BrowserMaxAge of Browser has passed, or the pause before a sick one is replaced
	CheckDue           // Browser is to be checked
	CheckSilent        // the time of a check has passed
	BrowserStalled     // an operation in Browser has been silent for StallTimeout, and nothing else answered
	BrowserSilent      // Browser was asked whether it is there, and StallTimeout has passed
	DrainSilent        // DrainTimeout has passed
	RetryDue           // the pause after a failed round of opening has passed
	RelaunchDue        // the pause after a failed launch has passed
	ContractDue        // IdleContraction has passed

	EventKinds // how many there are
)

// Deadline says whether a kind is one that State.Deadlines lists.
func (k EventKind) Deadline() bool { return k >= RetireDue }

// Event is one thing that happened. Fields that its kind does not mention are zero.
type Event struct {
	Request RequestID
	Call    CallID
	// Operation, of Probed to SessionBeginFailed and of a check, says which one is answered; 0: the
	// last that was asked for.
	Operation  Operation
	MaxLease   time.Duration // Requested: the lease's own limit; 0: the settings', negative: none
	Memory     int64         // Measured: in bytes
	MaxIdle    time.Duration // SweepRequested: how long an affinity has been idle
	Jitter     time.Duration // Opened: added to the tab's MaxAge
	Affinity   Affinity
	Tab        TabID
	Context    ContextID
	Browser    BrowserID
	Priority   int32
	Kind       EventKind
	Class      Class
	Own        bool // Requested: a context of Affinity is made for it, and no standby serves it
	NoWait     bool // Disposed: nobody waits for the end
	Retain     bool // Disposed: the primary stays the affinity's
	Wedged     bool // Discarded: the page did not answer
	Kept       bool // Closed: only the page is gone, its context is left
	Sessions   bool // Opened: each lease on Tab has a session of its own, and that of the first has begun
	Checks     bool // BrowserReady: Browser can be checked
	TooLarge   bool // Crashed: its page used more memory than it may, and is to be closed
	Left       Left
	Navigation Navigation
}
