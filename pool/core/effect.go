package core

// EffectKind says what has to be done, or who has to be told what.
type EffectKind uint8

// What to do.
const (
	NoEffect EffectKind = iota

	// Callers.
	Grant         // give Request the Tab; How says where it came from
	Refuse        // answer Request with an error; Reason says why
	EndLease      // the lease of Request on Tab has ended without its holder; Reason says why
	FinishDispose // Call: the old generation is gone
	FinishWarm    // Call: the standby target is met (Reason: ReasonNone), or never will be
	// Call: the next browser serves and the old one is gone (ReasonNone), or never will be
	FinishRecycle
	FinishClose  // nothing of the pool is alive, but for what was written off
	AnnounceWarm // Affinity, Generation
	AnnounceCold // Affinity, Generation
	Forget       // nothing of Affinity is known any more; the handle may be used again

	// The browser: its operations, as Event.Of names them too. Each is answered by Done or Failed,
	// but for CloseBrowser, which is answered by BrowserGone.
	Launch // start Browser
	// end Browser, started or still starting (Force: at once; nobody waits for what it was asked)
	CloseBrowser
	Ping         // ask whether Browser is there
	CheckBrowser // have Browser do each kind of work once
	OpenTab      // open Tab in Context, a new one unless the pool has it, of Browser
	// ask the main thread of Tab's page (Suspect: for the first time since it is in doubt)
	ProbeTab
	RescueTab    // stop what holds the main thread of Tab (Halt: and leave its document as it is)
	ResetTab     // bring Tab, whose scripts are stopped, back to the standby state
	FreezeTab    // freeze Tab's page, which nobody holds
	EndSession   // end the session of Tab's last lease, and what is in flight with it
	BeginSession // begin the session of Tab's next lease
	CloseTab     // close Tab with its Context (Kept: without it); Reason says why
	CloseAgain   // the same once more, after a failure, a kill or a late opening; answered as CloseTab
	KillTab      // kill the renderer of Tab
	CloseContext // close Context, in which no tab is; Reason says why, where it is the first time

	// GiveUp ends the call of an operation whose time is over: Of, and its Tab, Context or Browser.
	// Nobody waits for its answer any more.
	GiveUp

	EffectKinds // how many there are
)

// How says where a granted tab came from.
type How uint8

const (
	Adopted How = iota + 1 // from the standbys
	Warm                   // the affinity's own idle tab, which has served before
	// opened for it inside its affinity's primary, or in a context that was made for that
	InPrimary
	Reassigned // another affinity's idle tab, with its context and its state
	Hows       // how many there are
)

// Reason says why a tab is closed, a request refused or a lease ended. Every close has exactly one.
type Reason uint8

const (
	ReasonNone Reason = iota

	// Why a tab is closed.
	Eviction      // to make room; of a standby: for an affinity whose contexts are made for it
	Disposal      // its generation was disposed
	Discard       // its holder said that it is spoiled
	Wedge         // its holder said that it does not answer
	Expiry        // its lease was held too long
	Crash         // it crashed
	OpenFailure   // opening it failed
	OpenTimeout   // opening it took too long
	IdleSweep     // its affinity was idle for longer than EvictIdle was asked for
	MaxUses       // it was handed out that often
	MaxAge        // it is that old
	Contraction   // the pool shrinks
	Drain         // its browser is being replaced
	OrphanRoom    // it is the oldest orphan, and another primary needs its place
	Unwanted      // it was opened inside a primary, and nobody of the affinity waits any more
	Spoiled       // a lease has left something in it, or in its context, that nothing undoes
	Memory        // its page used more memory than it may
	BrowserMemory // its browser is above MaxBrowserMemory
	Doubt         // leases of its affinity end in doubt, and others' do not

	// Why a request is refused or a lease ended.
	PoolClosed         // the pool is closed
	RequestAbandoned   // its caller has gone
	QueueFull          // MaxWaiting of its class wait already
	BrowserUnavailable // it sat through OpenRetries failed rounds
	LeaseExpired       // MaxLease has passed
	PageCrashed        // the tab crashed
	PageTooLarge       // its page used more memory than it may
	BrowserLost        // the browser is lost

	Reasons // how many there are
)

// Effect is one thing to do. Fields that its kind does not mention are zero.
type Effect struct {
	Operation  OperationID // the number of the browser operation that this begins; 0: none
	Request    RequestID
	Call       CallID
	Generation Generation
	Waits      Waits // Grant and Refuse
	Affinity   Affinity
	Tab        TabID
	Context    ContextID
	Browser    BrowserID
	Kind       EffectKind
	// GiveUp: the operation. Of a tab or a context that is closing: the rung, CloseTab or KillTab
	Of      EffectKind
	How     How
	Reason  Reason
	Force   bool // CloseBrowser: by force at once
	Kept    bool // CloseTab, CloseAgain: the context is left
	Halt    bool // RescueTab, and GiveUp of it: the first part of a reset
	Suspect bool // ProbeTab, and GiveUp of it: the first probe of a tab in doubt
}

// Waits says how a request's time was spent, in nanoseconds; the parts add up to the whole.
type Waits struct {
	Admission, Tab, Startup, Probe Time
}

// Total is the whole wait.
func (w Waits) Total() Time { return w.Admission + w.Tab + w.Startup + w.Probe }
