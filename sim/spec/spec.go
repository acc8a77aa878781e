// Package spec says what the pool promises, as claims that are checked after every single step: a
// second opinion, which works out from the facts, and from a ledger of its own, what the decisions
// of package core have to come to. No program with a pool links it.
//
// spec.go has the list of the claims, and claims*.go say what each looks at. ledger*.go is the
// ledger: a second set of books, fed by events and effects alone. facts.go reads the facts without
// a predicate of the core's.
//
// The package makes no promise of compatibility.
package spec

import (
	"errors"
	"math/bits"

	"github.com/pagepool/pagepool/pool/core"
)

// Transition is one step, as an invariant sees it: the state before, the event, the effects, the
// state after, and the ledger after. Invariants read it and change nothing.
type Transition struct {
	Before, After *core.State
	Event         core.Event
	Effects       []core.Effect
	Ledger        *Ledger
	Only          string   // the name of the one invariant to look at; empty: all
	Scratch       *Scratch // nil: the check makes its own
}

// Scratch is memory that checks need and nothing depends on. Checks that run at the same time need
// one each.
type Scratch struct {
	looked       claims // that CheckStep has looked at
	books        core.Scratch
	plan         plan
	now          plan // of the state after the step
	planned      bool // whether disagreement is that of the transition
	disagreement disagreement
	listed       bool // whether the following is that of the transition
	deadlines    []core.Deadline
	due          []core.Deadline
	onTime       bool // these are the same
}

// Invariant is a claim that is true after every single step. The table of them in the documents is
// compared with this list by a test.
type Invariant struct {
	Name  string
	Says  string
	Holds func(*Transition) error // nil: it holds; otherwise what broke it
	Reads reads                   // what it looks at of the step, beside the state after it
}

// Invariants are the safety claims of the contract, in its order, and two of its liveness claims
// that a level-triggered core can be held to after every step: what can be done now is not left for
// later.
var Invariants = []Invariant{
	{"capacity", "Tabs alive in any state, closing and lost ones included, never exceed capacity + 1.",
		capacityHolds, itself},
	{"contexts", "Contexts alive never exceed capacity + 1 + OrphanCap; those without a tab never " +
		"exceed OrphanCap; one that is being closed is alive until that is confirmed.", contextsHold,
		itself},
	{"exclusive-lease", "A tab has at most one holder, and a holder exactly one tab.", exclusiveLease,
		itself},
	{"page-count", "A primary's pageCount equals the number of its tabs not yet confirmed closed; " +
		"it is an orphan exactly when that is 0.", pageCountHolds, index},
	{"one-primary", "An affinity has at most one primary, and a context is primary of at most one " +
		"affinity.", onePrimary, itself},
	{"supplementary-neutral", "Opening, moving or closing a supplementary tab changes no pageCount.",
		supplementaryNeutral, owners | did(core.OpenTab)},
	{"no-doomed-grant", "A granted tab belongs to the requested affinity and its present " +
		"generation, and is not on its way out.", noDoomedGrant, did(core.Grant)},
	{"no-close-under-lease", "No tab is closed, and no context is closed, while a lease on it is " +
		"held.", nil, itself},
	{"reasoned-close", "Every close has one recorded reason that names that very tab or its " +
		"affinity, and is still true in that step.", nil, itself},
	{"retired", "A tab past its MaxUses is not idle, and none is closed for MaxUses or MaxAge " +
		"before; a sweep leaves no affinity that was idle long enough, and with MaxIdle each is closed " +
		"in time.", retired, always},
	{"primary-fate", "When the last tab of a primary begins to close, the primary is kept or is one " +
		"no longer, as the reason says; orphans are closed when they have to be, the oldest first, and " +
		"not before.", primaryFate, times},
	{"doubt", "A page in doubt is rescued before it is given up; with Reset, a page that was used " +
		"is reset before it is handed out; whoever was promised a tab is promised one that is on its " +
		"way, and not overdue.", doubtHolds, did(core.CloseTab, core.Grant)},
	{"clean-lease", "A holder meets nothing of an earlier lease but what the contract's table says: " +
		"its session has ended, that of the next lease has begun, and what it spoiled is closed.", nil,
		itself},
	{"reset-bounded", "With Reset, a tab whose page has answered nothing since its lease ended is " +
		"closing no later than 2 x RescueTimeout after that; one that has answered, no later than " +
		"RescueTimeout after it was last asked, but for the second part of its reset, which " +
		"OpenTimeout bounds.", resetBounded, always},
	{"awake-grant", "A page is frozen when nobody has had its tab for FreezeAfter, and not before; " +
		"none is granted that was not thawed.", awakeGrant, times},
	{"abandon-prompt", "An abandoned request is gone at once and strands nothing; an opening inside " +
		"a primary that nobody of its affinity wants any more is closed when it answers.", unwantedHolds,
		opening},
	{"isolation", "No context ever serves two affinities (unless reassignment is switched on), and " +
		"none is used again after its generation was disposed without Retain.", isolation,
		did(core.Grant)},
	{"root-limit", "No root lease is granted that would make them more than capacity less the lost " +
		"tabs and the contraction under way, nor one below ReservedPriority that would make those more " +
		"than MaxPages less ReservedPages less the lost tabs; all leases never exceed capacity + 1.",
		rootLimit, did(core.Grant)},
	{"admission", "Root leases of one affinity never exceed RootCap, across disposal and rebirth too.",
		admission, opening},
	{"warm-truth", "The warm list is exactly the affinities with a bound tab.", warmTruth, itself},
	{"announcement-truth", "Announcements of a key alternate warm and cold with growing " +
		"generations; none says cold of a live affinity.", announcementTruth, itself},
	{"eviction-truth", "Whatever eviction picks is idle and alive; nothing it could pick from is " +
		"gone; for the spare it picks no affinity that holds a root lease; a tab is closed for its " +
		"overdue probe, rescue or reset only when no idle tab is left, the one that began first before " +
		"the others; with AllowReassign, no idle tab is closed for requests that wait where it can be " +
		"handed to one of them.", evictionTruth, placing},
	{"no-cascade", "No eviction begins that would make the relief under way exceed the shortage " +
		"that asks for it.", noCascade, placing},
	{"no-self-eviction", "No tab is evicted that a waiting, admitted request could use as it is, " +
		"unless an older request has used up its bypass.", noSelfEviction, placing},
	{"order", "Grants follow the waiting order among admitted requests, but for the bounded bypass.",
		orderHolds, placing},
	{"envelope", "MinPages <= capacity <= the highest of MinPages and the ceilings that requests so " +
		"far were entitled to, and never above MaxPages; it goes down in an idle pool only, by a " +
		"standby that the smaller pool does not need or else the coldest idle tab, and up where they " +
		"are short of it.", envelope, placing},
	{"queue-bound", "Waiting root requests never exceed MaxWaiting, nor do waiting nested ones; of " +
		"one affinity and class never more than AffinityWaiting wait; a request is refused for that " +
		"only where it is one too many.", queueBound, did(core.Refuse)},
	{"waits-add-up", "The waits of a lease or an error do not overlap, and add up to the whole; as " +
		"long as the root limit stops a request, it waits for admission.", waitsHold, always},
	{"no-needless-refusal", "No request is refused for want of a tab while one can still come.",
		noNeedlessRefusal, placing},
	{"warm-not-blocked", "An admitted request that an own idle tab can serve waits for no opening, " +
		"no eviction, no close, unless an older request has used up its bypass.", warmNotBlocked,
		placing},
	{"stuck-isolated", "A close, an opening or a render that never ends takes its own slot out of " +
		"capacity, and delays only the spare and requests that no other slot can serve.", stuckIsolated,
		placing},
	{"plan", "What a step does for those that wait, and in which order, is what one pass over the " +
		"facts says.", planned, placing},
	{"single-answer", "Every request is answered exactly once; a second or late answer of the " +
		"browser changes nothing but that what it opened is closed.", singleAnswer,
		waiters | did(core.Refuse, core.FinishWarm, core.FinishRecycle)},
	{"closes", "Close ends, with nothing alive.", closesHold,
		did(core.CloseBrowser, core.FinishClose)},
	{"deadline-once", "A deadline that has come is not armed any more; of those that are, the " +
		"earliest is next, a browser's before a tab's and an older tab's first.", deadlineOnce, always},
	{"due-in-time", "What has a limit, a grace or an age has a deadline: at its setting's length " +
		"after what it counts from, and at no other time; nothing else has one. An operation whose " +
		"time is over is given up, and no other.", dueInTime, times},
	{"no-leak", "Every context ever opened is alive in the books, or closed, or went with its " +
		"browser.", noLeak, naming},
	{"books-agree", "What the pool counts bit by bit is what there is: every sum, list and queue is " +
		"what its elements say.", booksAgree, index},
	{"browser-truth", "A browser is asked when an operation in it has been silent for StallTimeout, " +
		"and given up only if it was asked and did not answer. One that sends is busy and not lost: " +
		"bytes are an answer to a ping, also to one that hangs, once after each other answer.",
		browserTruth, times},
	{"page-budget", "What one page sends that nobody asked for costs others no more than a page " +
		"that burns a core: a page that floods is cut off, or it is closed and its lease ends; no " +
		"deadline gives up an operation of others, or ends their lease, that waits for nothing but a " +
		"page that is not cut off.", nil, itself},
	{"lost-browser", "When a browser disconnects, its leases end and it is told to end, in that " +
		"step. From then on no tab of it is granted, none opens in it and nothing is asked of its " +
		"tabs, which count until it is gone or written off. Where none serves or starts, another is " +
		"launched, unless two are alive or launching pauses.", lostBrowser, always},
	{"sick-browser", "Where the driver can, a browser with that evidence is checked; one that a " +
		"check finds sick is replaced; none is replaced for doubt that no check confirmed.", sickBrowser,
		always},
	{"affinity-doubt", "A context is given up for doubt exactly when the ends of its affinity's " +
		"leases say so, counted by the ledger.", nil, itself},
	{"browser-memory", "A browser is heavy from a measurement above MaxBrowserMemory until one " +
		"below nine tenths of it. Each one above closes the largest of its standbys and idle tabs, " +
		"unless one is on its way out; where none is left, the browser is replaced, and not again " +
		"before one was full.", browserMemory, always},
	{"own-context", "An affinity with terms of its own adopts no standby, and none of its contexts " +
		"is handed over. A standby is closed for one of its requests only where no slot is free for it " +
		"and no idle tab is left, the youngest first, and refill leaves the slot alone.", ownContext,
		placing},
	{"two-browsers", "At most two browsers are alive and not written off, at most one takes new " +
		"tabs, and none opens in a draining one. That ends with its last tab; with lost tabs, as soon " +
		"as nobody has a tab of it.", twoBrowsers, pausing | did(core.CloseBrowser)},
}

// Check returns every invariant that a step breaks, of those that are looked at. The ledger has
// been fed the step.
func Check(t *Transition, out []core.Violation) []core.Violation {
	t.begin()
	return t.check(^claims(0), out)
}

// CheckStep does so for the claims that look at something which the step has. The others hold where
// the state after it was checked before, and CheckState looks at them where it was not: both find
// together what Check finds. CheckState follows CheckStep, of the same transition.
func CheckStep(t *Transition, out []core.Violation) []core.Violation {
	t.begin()
	t.Scratch.looked = lookingAt(t.Has())
	return t.check(t.Scratch.looked, out)
}

// CheckAgain does what CheckStep does where the same step was checked before, at other times. It
// leaves out when things are due; where the state after the step is new, CheckTimes follows and
// looks at that.
func CheckAgain(t *Transition, out []core.Violation) []core.Violation {
	t.begin()
	step := always
	if len(t.Ledger.breaches) > 0 {
		step = t.Has()
	}
	t.Scratch.looked = lookingAt(step)
	return t.check(t.Scratch.looked, out)
}

// CheckTimes is explained with CheckAgain.
func CheckTimes(t *Transition, out []core.Violation) []core.Violation {
	return t.check(lookingAt(times)&^t.Scratch.looked, out)
}

// CheckState is explained with CheckStep.
func CheckState(t *Transition, out []core.Violation) []core.Violation {
	return t.check(^t.Scratch.looked, out)
}

// begin forgets what was worked out for another transition.
func (t *Transition) begin() {
	if t.Scratch == nil {
		t.Scratch = new(Scratch)
	}
	t.Scratch.listed, t.Scratch.planned = false, false
}

func (t *Transition) check(these claims, out []core.Violation) []core.Violation {
	for these &= everyClaim; these != 0; these &= these - 1 {
		v := &Invariants[bits.TrailingZeros64(uint64(these))]
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
			out = append(out, core.Violation{Name: v.Name, Says: v.Says, What: err.Error()})
		}
	}
	return out
}
