// Package linear says which histories of a pool are right, whatever its callers do at the same
// time.
//
// A history is a list of calls, each with the instants of its call and its return. It is
// linearizable if every call can be given one instant between the two at which it takes effect, so
// that the calls, in the order of those instants, are a history of the sequential specification: of
// State, and of the rules that Rules.step applies to it. The search for these instants is
// porcupine's.
//
// The specification is its own and shares nothing with the core. It knows which tabs were handed
// out, who holds which, which ones may be idle, what the primary of an affinity may be, and how
// large the pool may be. It knows nothing of placement, order, eviction, closing, browsers or time:
// what the pool does by itself may happen at any instant, unless a later answer shows that it has
// not.
//
// Package linear also makes the histories: Play has seeded callers work on a Pool over the fake
// browser, and Simulated reads a history out of a run of the simulated world. The tests in
// properties check them by the thousand; the command properties/catch/histories looks here for what
// is wrong with a planted bug in the shell.
package linear

// Kind is what a call of a history is.
type Kind uint8

const (
	// Get is GetPage. An error leaves nothing behind.
	Get Kind = iota
	// GiveBack is Release or Discard.
	GiveBack
	// End is a lease that ended without its holder: nobody called it, and it took effect between the
	// grant and the holder's finding out.
	End
	// Dispose is the instant at which DisposeAffinity ends a generation. After an error it may or may
	// not have had one.
	Dispose
	// Disposed is the instant at which a DisposeAffinity that waits has its answer, which says that
	// the old generation is gone.
	Disposed
	// Look is Stats.
	Look
	// List is WarmAffinities.
	List
	// Sweep is EvictIdle.
	Sweep
	// Close is the instant from which a pool that is being closed serves no root request.
	Close
	// Closed is the instant at which Close has its answer.
	Closed
)

// Input is what a call was given.
type Input struct {
	Kind Kind
	Key  string
	// Get, GiveBack, End: of the lease. Dispose, Disposed: of the call; 0: nobody waits for it.
	Number  int
	Nested  bool
	Retain  bool
	Spoiled bool // GiveBack: the tab must never be handed out again
}

// Output is what a call answered, or what its caller could see afterwards.
type Output struct {
	Err     string // of Get, Dispose and Sweep; empty: none
	Closing bool   // Get: the error is that the pool is closed
	Tab     int    // Get
	Context int    // Get: the browser context that the tab is in
	Reused  bool   // Get
	Nothing bool   // GiveBack: the lease had ended before, so nothing happened
	Dead    bool   // End: its tab must never be handed out again
	Alive   []int  // Disposed: the tabs handed out before the call whose pages are still there
	Keys    []string
	View    *View
}

// View is what the specification looks at of Stats.
type View struct {
	Capacity, Alive, Leases, Waiting, Contexts, Orphans int
	// tabs, by state; busy: probing, rescuing or resetting
	Leased, Idle, Busy int
	Grants, Reuses     uint64
	Rows               []Row // in the order of the keys
	Part               bool  // it says something of one affinity only
}

// Row is what a View says of one affinity.
type Row struct {
	Key                                           string
	PageCount, Tabs, Idle, Supplementary, Waiting int
}
