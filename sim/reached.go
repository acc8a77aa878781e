package sim

import (
	"fmt"
	"slices"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim/fakebrowser"
)

// reach is one thing that a campaign has to have reached.
type reach uint8

const (
	// What the browser did.
	launchFailed reach = iota
	launchSilent
	lateLaunch
	browserDied
	browserDisconnected
	browserCloseSilent
	openOverdue
	openSilent
	openFailed
	openLate
	openAfterDispose
	closeOverdue
	closeSilent
	closeFailed
	closeFailedAnyway
	killed
	killFailed
	killSilent
	wedged
	looped
	browserSilent
	pageFlooded
	pageCutOff
	pipeBusy
	drawingHung
	networkHung
	storageHung
	helperDied
	partWentOn
	crashedLeased
	crashedStandby
	crashedIdle
	crashedInDoubt
	probeOverdue
	probeSilent
	probeFailed
	rescueSilent
	rescueFailed
	resetOverdue
	resetSilent
	resetFailed
	sessionEnded
	sessionEndFailed
	sessionBeginFailed
	leftSomething
	navigatesNoMore
	contextSilent
	contextCloseFailed
	answeredTwice
	answeredLate

	// What the pool did about it.
	closeAgain
	killBegun
	lost
	lostReturned
	contextLost
	retry
	relaunch
	savedUnharmed
	savedByRescue
	resetDone
	orphaned
	orphanEnded
	grew
	grewHigh
	shrank
	browserWorn
	browserStalled
	browserUnanswered
	browserChecked
	browserCheckFailed
	browserCheckSilent
	idleClosed
	frozen
	freezeFailed
	standbyThawed
	drained
	drainSilent

	// Where tabs came from.
	grantedWarm
	grantedAdopted
	grantedNested
	grantedOnSpare
	grantedSupplementary
	grantedInPrimary
	grantedReassigned
	grantedOwn
	grantedProbed
	bypassed
	bypassUsedUp

	// Why tabs were closed.
	closedEviction
	closedStandby
	closedDisposal
	closedDiscard
	closedWedge
	closedExpiry
	closedCrash
	closedOpenFailure
	closedOpenTimeout
	closedIdleSweep
	closedMaxUses
	closedMaxAge
	closedContraction
	closedDrain
	closedUnwanted
	closedSpoiled
	closedDoubt
	closedMemory
	closedBrowserMemory
	pageSwelled
	browserLeaked
	measured
	contextDisposed
	contextSwept
	contextDrained
	contextOrphanRoom
	contextDoubt

	// How requests and leases ended without a holder.
	refusedClosed
	refusedAbandoned
	refusedUnavailable
	refusedQueueFull
	ownLimit
	leaseExpired
	leaseCrashed
	leaseTooLarge
	leaseBrowserLost
	leaseRevoked

	// What callers did.
	abandonWaiting
	abandonAfterGrant
	releaseTwice
	releaseAfterEnd
	disposeWait
	disposeNoWait
	disposeHeld
	disposeRetain
	recycled
	recycleFailed
	callAbandoned
	warmed
	warmFailed
	poolClosed
	forgotten

	reaches
)

var reachNames = [reaches]string{
	launchFailed: "launch_failed", launchSilent: "launch_silent", lateLaunch: "launch_late",
	browserDied: "browser_died", browserDisconnected: "browser_disconnected",
	browserCloseSilent: "browser_written_off",
	openOverdue:        "open_overdue", openSilent: "open_silent", openFailed: "open_failed",
	openLate:         "open_late",
	openAfterDispose: "dispose_while_opening",
	closeOverdue:     "close_overdue", closeSilent: "close_silent", closeFailed: "close_failed",
	closeFailedAnyway: "close_failed_although_gone",
	killed:            "killed", killFailed: "kill_failed", killSilent: "kill_silent",
	wedged: "wedged",
	looped: "looped", browserSilent: "browser_fell_silent", crashedInDoubt: "crashed_in_doubt",
	probeOverdue: "probe_overdue", probeSilent: "probe_silent", probeFailed: "probe_failed",
	rescueSilent: "rescue_silent", rescueFailed: "rescue_failed",
	resetOverdue: "reset_overdue", resetSilent: "reset_silent", resetFailed: "reset_failed",
	sessionEnded: "session_ended", sessionEndFailed: "session_end_failed",
	sessionBeginFailed: "session_begin_failed",
	leftSomething:      "lease_left_something", navigatesNoMore: "navigates_no_more",
	contextSilent: "context_silent", contextCloseFailed: "context_close_failed",
	crashedLeased: "crashed_leased", crashedStandby: "crashed_standby", crashedIdle: "crashed_idle",
	answeredTwice: "answered_twice", answeredLate: "answered_late",
	closeAgain: "close_again", killBegun: "kill", lost: "lost", lostReturned: "lost_returned",
	contextLost: "context_lost", retry: "retry", relaunch: "relaunch",
	savedUnharmed: "suspect_answered", savedByRescue: "rescued", resetDone: "reset",
	orphaned: "orphaned", orphanEnded: "orphan_used_again", grew: "grew",
	grewHigh: "grew_for_high_priority", shrank: "shrank",
	browserWorn: "browser_worn", browserStalled: "browser_stalled",
	browserUnanswered: "browser_silent_lost",
	pageFlooded:       "page_flooded", pageCutOff: "page_cut_off",
	pipeBusy: "pipe_busy", drawingHung: "drawing_hung", networkHung: "network_hung",
	storageHung: "storage_hung",
	helperDied:  "helper_died", partWentOn: "part_went_on", browserChecked: "browser_checked",
	browserCheckFailed: "browser_check_failed",
	browserCheckSilent: "browser_check_silent",
	idleClosed:         "closed_max_idle",
	frozen:             "frozen", freezeFailed: "freeze_failed", standbyThawed: "standby_thawed",
	drained: "drained", drainSilent: "drain_silent",
	grantedInPrimary: "in_primary", grantedReassigned: "reassigned", grantedOwn: "made_for_it",
	closedStandby: "closed_standby", grantedProbed: "probed",
	bypassed: "bypassed", bypassUsedUp: "bypass_used_up",
	closedContraction: "closed_contraction", closedDrain: "closed_drain",
	closedUnwanted: "closed_unwanted", closedSpoiled: "closed_spoiled",
	closedDoubt: "closed_doubt", closedMemory: "closed_memory",
	closedBrowserMemory: "closed_browser_memory", pageSwelled: "page_swelled",
	browserLeaked: "browser_leaked", measured: "measured", contextDoubt: "orphan_doubt",
	contextDisposed: "orphan_disposed", contextSwept: "orphan_swept", contextDrained: "orphan_drained",
	contextOrphanRoom: "orphan_room", disposeRetain: "dispose_retain",
	recycled: "recycled", recycleFailed: "recycle_failed",
	grantedWarm: "warm", grantedAdopted: "adopted", grantedNested: "nested",
	grantedOnSpare: "nested_on_spare", grantedSupplementary: "supplementary",
	closedEviction: "closed_eviction", closedDisposal: "closed_disposal",
	closedDiscard: "closed_discard",
	closedWedge:   "closed_wedge", closedExpiry: "closed_expiry", closedCrash: "closed_crash",
	closedOpenFailure: "closed_open_failed", closedOpenTimeout: "closed_open_timeout",
	closedIdleSweep: "closed_idle_sweep", closedMaxUses: "closed_max_uses",
	closedMaxAge:  "closed_max_age",
	refusedClosed: "refused_closed", refusedAbandoned: "refused_abandoned",
	refusedUnavailable: "refused_browser_unavailable", refusedQueueFull: "refused_queue_full",
	ownLimit:     "lease_own_limit",
	leaseExpired: "lease_expired", leaseCrashed: "lease_crashed", leaseTooLarge: "lease_too_large",
	leaseBrowserLost: "lease_browser_lost",
	leaseRevoked:     "lease_revoked",
	abandonWaiting:   "abandon_waiting", abandonAfterGrant: "abandon_after_grant",
	releaseTwice: "release_twice", releaseAfterEnd: "release_after_end",
	disposeWait: "dispose_wait", disposeNoWait: "dispose_nowait", disposeHeld: "dispose_while_held",
	callAbandoned: "call_abandoned", warmed: "warmed", warmFailed: "warm_failed",
	poolClosed: "pool_closed", forgotten: "forgotten",
}

// Reached counts what a world went through. Clones of a world share one.
type Reached [reaches]uint64

// Map returns the counts by name.
func (r *Reached) Map() map[string]uint64 {
	m := make(map[string]uint64, reaches)
	for i, name := range reachNames {
		m[name] = r[i]
	}
	return m
}

// ReachedOf is the inverse of Map. A name that is missing, or one too many, is an error.
func ReachedOf(counts map[string]uint64) (r Reached, err error) {
	for i, name := range reachNames {
		n, ok := counts[name]
		if !ok {
			return r, fmt.Errorf("reached: no count of %q", name)
		}
		r[i] = n
	}
	for name := range counts {
		if !slices.Contains(reachNames[:], name) {
			return r, fmt.Errorf("reached: unknown count %q", name)
		}
	}
	return r, nil
}

// Zero lists what was not reached, in a fixed order.
func (r *Reached) Zero() []string {
	var names []string
	for i, name := range reachNames {
		if r[i] == 0 {
			names = append(names, name)
		}
	}
	return names
}

// Add adds the counts of another world.
func (r *Reached) Add(o *Reached) {
	for i := range r {
		r[i] += o[i]
	}
}

// eventReaches are what events reach: each of a kind, about an operation where the kind has
// several.
var eventReaches = map[core.EventKind]map[core.EffectKind]reach{
	core.Failed: {
		core.Launch: launchFailed, core.OpenTab: openFailed, core.CloseTab: closeFailed,
		core.KillTab: killFailed, core.ProbeTab: probeFailed, core.RescueTab: rescueFailed,
		core.ResetTab: resetFailed, core.EndSession: sessionEndFailed,
		core.BeginSession: sessionBeginFailed,
		core.CloseContext: contextCloseFailed, core.CheckBrowser: browserCheckFailed,
		core.FreezeTab: freezeFailed,
	},
	core.Silent: {
		core.Launch: launchSilent, core.CloseBrowser: browserCloseSilent, core.OpenTab: openSilent,
		core.CloseTab: closeSilent, core.KillTab: killSilent, core.ProbeTab: probeSilent,
		core.RescueTab: rescueSilent, core.ResetTab: resetSilent, core.CloseContext: contextSilent,
		core.Ping: browserUnanswered, core.CheckBrowser: browserCheckSilent,
	},
	core.Overdue: {
		core.OpenTab: openOverdue, core.CloseTab: closeOverdue, core.ProbeTab: probeOverdue,
		core.ResetTab: resetOverdue,
	},
	core.Done: {
		core.KillTab: killed, core.ResetTab: resetDone, core.EndSession: sessionEnded,
		core.CheckBrowser: browserChecked, core.FreezeTab: frozen,
	},
	core.RetryDue:       {0: retry},
	core.RelaunchDue:    {0: relaunch},
	core.BrowserWorn:    {0: browserWorn},
	core.BrowserStalled: {0: browserStalled},
	core.DrainSilent:    {0: drainSilent},
	core.Measured:       {0: measured},
	core.IdleDue:        {0: idleClosed},
}

var closeReaches = [...]reach{
	core.Eviction: closedEviction, core.Disposal: closedDisposal, core.Discard: closedDiscard,
	core.Wedge: closedWedge, core.Expiry: closedExpiry, core.Crash: closedCrash,
	core.OpenFailure: closedOpenFailure, core.OpenTimeout: closedOpenTimeout,
	core.IdleSweep: closedIdleSweep, core.MaxUses: closedMaxUses, core.MaxAge: closedMaxAge,
	core.Contraction: closedContraction, core.Drain: closedDrain, core.Unwanted: closedUnwanted,
	core.Spoiled: closedSpoiled,
	core.Doubt:   closedDoubt, core.Memory: closedMemory, core.BrowserMemory: closedBrowserMemory,
}

var contextReaches = map[core.Reason]reach{
	core.Disposal: contextDisposed, core.IdleSweep: contextSwept, core.Drain: contextDrained,
	core.OrphanRoom: contextOrphanRoom, core.Doubt: contextDoubt,
}

var endReaches = [...]reach{
	core.LeaseExpired: leaseExpired, core.PageCrashed: leaseCrashed, core.PageTooLarge: leaseTooLarge,
	core.BrowserLost: leaseBrowserLost, core.PoolClosed: leaseRevoked,
}

var refuseReaches = [...]reach{
	core.PoolClosed: refusedClosed, core.RequestAbandoned: refusedAbandoned,
	core.BrowserUnavailable: refusedUnavailable, core.QueueFull: refusedQueueFull,
}

// turnReaches are what is reached when something that tabs share becomes so.
var turnReaches = [...][len(fakebrowser.Parts)]reach{
	fakebrowser.Fine: {partWentOn, partWentOn, partWentOn, partWentOn, partWentOn},
	fakebrowser.Hung: {browserSilent, pipeBusy, drawingHung, networkHung, storageHung},
	fakebrowser.Dead: {fakebrowser.Drawing: helperDied, helperDied, helperDied},
}

// byEvent is eventReaches as a table, with one added to tell nothing apart.
var byEvent = func() (table [core.EventKinds][core.EffectKinds]uint8) {
	for kind, reaches := range eventReaches {
		for of, r := range reaches {
			table[kind][of] = uint8(r) + 1
		}
	}
	return table
}()
