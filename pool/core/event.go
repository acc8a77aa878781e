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
	CallID     uint64 // of a DisposeAffinity or a Warm that waits
	TabID      uint32
	ContextID  uint32
	BrowserID  uint32
	Generation uint64
	Operation  uint64
)

// Time is an instant, in nanoseconds since the pool was made. In simulation it is virtual.
type Time int64

// after is an instant that much later; the last one there is, where that would be later still.
func (t Time) after(d time.Duration) Time {
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
	classes
)

// EventKind says what happened. The name of a kind in a trace is in the table of text.go.
type EventKind uint8

// What happened. Answers of the browser that nobody waits for any more change nothing.
const (
	NoEvent EventKind = iota

	// Callers.
	Requested        // GetPage: Request, Affinity, Class, Priority, MaxLease
	Abandoned        // the caller of a request that waits has gone; a request that was answered stays answered
	Released         // the holder gives the tab back
	Discarded        // the same, and the tab is spoiled (Wedged: it does not answer)
	Disposed         // DisposeAffinity: Call, Affinity, NoWait
	DisposeAbandoned // its caller waits no longer
	SweepRequested   // EvictIdle: MaxIdle
	WarmRequested    // Warm: Call
	WarmAbandoned    // its caller waits no longer
	CloseRequested   // Close of the pool
	CloseExpired     // its ctx has ended: leases are revoked

	// The browser.
	BrowserReady  // the launch of Browser succeeded
	BrowserFailed // the launch of Browser failed; no process is left
	BrowserGone   // its process has ended, asked or not
	Opened        // Tab is at the standby state; Jitter, drawn for its MaxAge
	OpenFailed    // opening Tab failed; what it may have left is not known
	Closed        // Tab is verified gone, with its context where it was alone in it
	CloseFailed   // the close of Tab was refused, or could not be verified
	Killed        // the renderer of Tab is dead
	KillFailed    // it could not be killed
	Crashed       // Tab crashed, by itself

	// Deadlines. State.Deadlines lists those that are armed.
	RetireDue          // MaxAge of Tab, and its jitter, have passed
	Expired            // the lease of Request has reached its limit
	OpenOverdue        // OpenGrace has passed
	OpenSilent         // OpenTimeout has passed
	CloseOverdue       // CloseGrace has passed
	CloseSilent        // CloseTimeout has passed
	KillSilent         // KillTimeout has passed
	LaunchSilent       // LaunchTimeout has passed
	BrowserCloseSilent // BrowserCloseTimeout has passed
	RetryDue           // the pause after a failed round has passed

	eventKinds
)

// Deadline says whether a kind is one that State.Deadlines lists.
func (k EventKind) Deadline() bool { return k >= RetireDue }

// Event is one thing that happened. Fields that its kind does not mention are zero.
type Event struct {
	Request  RequestID
	Call     CallID
	MaxLease time.Duration // Requested: the lease's own limit; 0: the settings', negative: none
	MaxIdle  time.Duration // SweepRequested: how long an affinity has been idle
	Jitter   time.Duration // Opened: added to the tab's MaxAge
	Affinity Affinity
	Tab      TabID
	Browser  BrowserID
	Priority int32
	Kind     EventKind
	Class    Class
	NoWait   bool // Disposed: nobody waits for the end
	Wedged   bool // Discarded: the page did not answer
	_        [4]byte
}
