package core

// The names by which logs and traces call a state, a way and a reason.

var tabStateNames = [TabStates]string{
	Opening: "opening", Standby: "standby", Idle: "idle", Probing: "probing", Rescuing: "rescuing",
	Resetting: "resetting",
	Leased:    "leased", Closing: "closing", Lost: "lost",
}

func (t TabState) String() string { return tabStateNames[t] }

var howNames = [...]string{Adopted: "adopted", Warm: "warm", InPrimary: "in-primary",
	Reassigned: "reassigned"}

var reasonNames = [Reasons]string{
	Eviction: "eviction", Disposal: "disposal", Discard: "discard", Wedge: "wedge",
	Expiry: "expiry", Crash: "crash", OpenFailure: "open-failed", OpenTimeout: "open-timeout",
	IdleSweep: "idle-sweep", MaxUses: "max-uses", MaxAge: "max-age",
	Contraction: "contraction", Drain: "drain", OrphanRoom: "orphan-room", Unwanted: "unwanted",
	Spoiled: "spoiled", Doubt: "doubt", Memory: "memory", BrowserMemory: "browser-memory",
	PoolClosed: "closed", RequestAbandoned: "abandoned", QueueFull: "queue-full",
	BrowserUnavailable: "browser-unavailable",
	LeaseExpired:       "expired", PageCrashed: "crashed", PageTooLarge: "too-large",
	BrowserLost: "lost",
}

func (r Reason) String() string { return reasonNames[r] }

func (h How) String() string { return howNames[h] }
