package core

import (
	"errors"
	"fmt"
	"slices"
)

// Transition is one step, as an invariant sees it: the state before, the event, the effects, the
// state after, and the ledger after. Invariants read it and change nothing.
type Transition struct {
	Before, After *State
	Event         Event
	Effects       []Effect
	Ledger        *Ledger
	Only          string   // the name of the one invariant to look at; empty: all
	Scratch       *Scratch // nil: the check makes its own
}

// Scratch is memory that checks need and nothing depends on. Checks that run at the same time need one each.
type Scratch struct {
	anew     State
	is, want []int32
}

// Invariant is a claim that is true after every single step. The table of them in the documents is
// compared with this list by a test.
type Invariant struct {
	Name  string
	Says  string
	Holds func(*Transition) error // nil: it holds; otherwise what broke it
	Books func(*State) error      // the same, as far as a state alone tells in constant time
}

// Invariants are the safety claims of the contract, in its order, and two of its liveness claims that
// a level-triggered core can be held to after every step: what can be done now is not left for later.
var Invariants = []Invariant{
	{"capacity", "Tabs alive in any state, closing and lost ones included, never exceed capacity + 1.", capacityHolds, capacityBooks},
	{"contexts", "Contexts alive never exceed capacity + 1 + OrphanCap; those without a tab never exceed OrphanCap; one that is being closed is alive until that is confirmed.", contextsHold, nil},
	{"exclusive-lease", "A tab has at most one holder, and a holder exactly one tab.", exclusiveLease, leaseBooks},
	{"page-count", "A primary's pageCount equals the number of its tabs not yet confirmed closed; it is an orphan exactly when that is 0.", pageCountHolds, nil},
	{"one-primary", "An affinity has at most one primary, and a context is primary of at most one affinity.", onePrimary, nil},
	{"supplementary-neutral", "Opening, moving or closing a supplementary tab changes no pageCount.", supplementaryNeutral, nil},
	{"no-doomed-grant", "A granted tab belongs to the requested affinity and its present generation, and is not on its way out.", noDoomedGrant, nil},
	{"no-close-under-lease", "No tab is closed, and no context is closed, while a lease on it is held.", nil, nil},
	{"reasoned-close", "Every close has one recorded reason that names that very tab or its affinity, and is still true in that step.", nil, nil},
	{"retired", "A tab past its MaxUses is not idle, and none is closed for MaxUses or MaxAge before; a sweep leaves no affinity that was idle long enough.", retired, nil},
	{"primary-fate", "When the last tab of a primary begins to close, the primary is kept or is one no longer, as the reason says; orphans are closed when they have to be, the oldest first, and not before.", primaryFate, nil},
	{"doubt", "A page in doubt is rescued before it is given up; with Reset, a page that was used is reset before it is handed out; whoever was promised a tab is promised one that is on its way, and not overdue.", doubtHolds, nil},
	{"clean-lease", "A holder meets nothing of an earlier lease but what the contract's table says: its session has ended, that of the next lease has begun, and what it spoiled is closed.", nil, nil},
	{"reset-bounded", "With Reset, a tab whose page has answered nothing since its lease ended is closing no later than 2 x RescueTimeout after that; one that has answered, no later than RescueTimeout after it was last asked, but for the second part of its reset, which OpenTimeout bounds.", resetBounded, nil},
	{"abandon-prompt", "An abandoned request is gone at once and strands nothing; an opening inside a primary that nobody of its affinity wants any more is closed when it answers.", unwantedHolds, nil},
	{"isolation", "No context ever serves two affinities (unless reassignment is switched on), and none is used again after its generation was disposed without Retain.", isolation, nil},
	{"root-limit", "No root lease is granted that would make them more than capacity less the lost tabs and the contraction under way; all leases never exceed capacity + 1.", rootLimit, rootBooks},
	{"admission", "Root leases of one affinity never exceed RootCap, across disposal and rebirth too.", admission, nil},
	{"warm-truth", "The warm list is exactly the affinities with a bound tab.", warmTruth, nil},
	{"announcement-truth", "Announcements of a key alternate warm and cold with growing generations; none says cold of a live affinity.", announcementTruth, nil},
	{"eviction-truth", "Whatever eviction picks is idle and alive; nothing it could pick from is gone; for the spare it picks no affinity that holds a root lease; a tab is closed for its overdue probe, rescue or reset only when no idle tab is left, the one that began first before the others.", evictionTruth, nil},
	{"no-cascade", "No eviction begins that would make the relief under way exceed the shortage that asks for it.", noCascade, nil},
	{"no-self-eviction", "No tab is evicted that a waiting, admitted request could use as it is, unless an older request has used up its bypass.", noSelfEviction, nil},
	{"order", "Grants follow the waiting order among admitted requests, but for the bounded bypass.", orderHolds, nil},
	{"envelope", "MinPages <= capacity <= the highest of InitialPages and the ceilings that requests so far were entitled to; it goes down in an idle pool only, and up where they are short of it.", envelope, envelopeBooks},
	{"queue-bound", "Waiting root requests never exceed MaxWaiting, nor do waiting nested ones.", queueBound, nil},
	{"waits-add-up", "The waits of a lease or an error do not overlap, and add up to the whole; as long as the root limit stops a request, it waits for admission.", waitsHold, nil},
	{"no-needless-refusal", "No request is refused for want of a tab while one can still come.", noNeedlessRefusal, nil},
	{"warm-not-blocked", "An admitted request that an own idle tab can serve waits for no opening, no eviction, no close, unless an older request has used up its bypass.", warmNotBlocked, nil},
	{"stuck-isolated", "A close, an opening or a render that never ends takes its own slot out of capacity, and delays only the spare and requests that no other slot can serve.", stuckIsolated, nil},
	{"single-answer", "Every request is answered exactly once; a second or late answer of the browser changes nothing but that what it opened is closed.", singleAnswer, nil},
	{"closes", "Close ends, with nothing alive.", closesHold, nil},
	{"deadline-once", "A deadline that has come is not armed any more; of those that are, the earliest is next, a browser's before a tab's and an older tab's first.", deadlineOnce, nil},
	{"no-leak", "Every context ever opened is alive in the books, or closed, or went with its browser.", noLeak, tabBooks},
	{"books-agree", "What the pool counts bit by bit is what there is: every sum, list and queue is what its elements say.", booksAgree, nil},
	{"browser-truth", "A browser is asked when an operation in it has been silent for StallTimeout, and given up only if it was asked and did not answer.", browserTruth, nil},
	{"two-browsers", "At most two browsers are alive and not written off, at most one takes new tabs, and none opens in a draining one.", twoBrowsers, browserBooks},
}

// Violation is a broken invariant.
type Violation struct {
	Name string // of the invariant
	Says string
	What string // what broke it, in this step
}

func (v Violation) Error() string { return v.Name + ": " + v.What }

// Check returns every invariant that a step breaks, of those that are looked at. The ledger has been fed the step.
func Check(t *Transition, out []Violation) []Violation {
	for i := range Invariants {
		v := &Invariants[i]
		if t.Only != "" && v.Name != t.Only {
			continue
		}
		var err error
		if v.Holds != nil {
			err = v.Holds(t)
		}
		for _, b := range t.Ledger.breaches {
			if b.invariant == v.Name && err == nil {
				err = errors.New(b.what)
			}
		}
		if err != nil {
			out = append(out, Violation{v.Name, v.Says, err.Error()})
		}
	}
	return out
}

// CheckBooks returns the first invariant that a state breaks by its own word. It takes constant
// time, so it is done in production after every step.
func CheckBooks(s *State) (Violation, bool) {
	for i := range withBooks {
		v := &withBooks[i]
		if err := v.Books(s); err != nil {
			return Violation{v.Name, v.Says, err.Error()}, true
		}
	}
	return Violation{}, false
}

// withBooks are the invariants that a state's own word can break.
var withBooks = slices.DeleteFunc(slices.Clone(Invariants), func(v Invariant) bool { return v.Books == nil })

func capacityBooks(s *State) error {
	if s.alive() > s.limit() {
		return fmt.Errorf("%d tabs are on the books, and capacity is %d", s.alive(), s.Capacity)
	}
	return nil
}

func leaseBooks(s *State) error {
	if s.leases.used != s.counts[Leased] || s.rootLeases < 0 {
		return fmt.Errorf("%d leases, %d of them root, on %d leased tabs", s.leases.used, s.rootLeases, s.counts[Leased])
	}
	return nil
}

func rootBooks(s *State) error {
	if s.rootLeases > s.Capacity {
		return fmt.Errorf("%d root leases, and capacity is %d", s.rootLeases, s.Capacity)
	}
	return nil
}

func tabBooks(s *State) error {
	sum := int32(0)
	for _, n := range s.counts[Opening:] {
		sum += n
	}
	if sum != s.alive() || s.bound < 0 || s.bound > sum {
		return fmt.Errorf("%d tabs by state, %d in all, %d bound", sum, s.alive(), s.bound)
	}
	return nil
}

func browserBooks(s *State) error {
	if len(s.Browsers) > maxBrowsers {
		return fmt.Errorf("%d browsers are alive", len(s.Browsers))
	}
	return nil
}

func envelopeBooks(s *State) error {
	if int(s.Capacity) < s.Settings.MinPages || int(s.Capacity) > s.Settings.Ceiling() {
		return fmt.Errorf("capacity is %d, and has to be %d to %d", s.Capacity, s.Settings.MinPages, s.Settings.Ceiling())
	}
	return nil
}
