package sim

import (
	"slices"
	"time"

	"github.com/pagepool/pagepool/pool/core"
)

// Scenarios lists the small worlds, each named for the race that it is about (BUGS.md).
var Scenarios = append([]*Scenario{
	{
		Name: "E-01a", Says: "eviction must not take the page of the caller's own outer lease",
		Settings: pages(2), Programs: []Program{renderNested(a), render(b), render(c)},
		Faults: 1, Menu: OpenFails | CloseFails | Hangs,
	},
	{
		Name: "E-01b", Says: "two outer leases hold every page, and each asks for a nested one",
		Settings: pages(2), Programs: []Program{renderNested(a), renderNested(b)},
		Faults: 2, Menu: OpenFails | CloseFails | Hangs | Late,
	},
	{
		Name: "A-1", Says: "a close that hangs takes its own slot and nobody else's",
		Settings: pages(1), Programs: []Program{render(a), render(b), render(c)},
		Faults: 2, Menu: Hangs | CloseFails | CloseFailsAnyway | KillFails,
	},
	{
		Name: "A-2", Says: "a wedged page is discarded while others come for its affinity",
		Settings: pages(1), Programs: []Program{{get(a), wedge, discardWedged}, render(a), render(b)},
		Faults: 1, Menu: KillFails | Hangs | Late | Twice,
	},
	{
		Name: "R-6", Says: "refill does not give up when it sees no room yet",
		Settings: pages(1), Programs: []Program{render(a), render(c), render(a), render(b)},
		Faults: 1, Menu: OpenFails | OpenFailsLeaving | CloseFails | Late,
	},
	{
		Name: "dispose-while-held", Says: "a generation is disposed under its lease, and the affinity " +
			"is born again",
		Settings: pages(2), Programs: []Program{render(a), {dispose(a).impatient()},
			{get(a), release, dispose(a)}},
		Faults: 1, Menu: CloseFails | Hangs | Crashes | GivesUp,
	},
	{
		Name: "E-05", Says: "two disposals end one generation, and neither closes its context under a " +
			"render",
		Settings: pages(1), Full: true,
		Programs: []Program{renderNested(a), {dispose(a).impatient()}, {dispose(a).impatient()}},
		Faults:   1, Menu: CloseFails | Hangs | Crashes | GivesUp,
	},
	{
		Name: "W-1", Says: "the lease of a spoiled page is not passed on",
		Settings: pages(1), Programs: []Program{{get(a), discard, dispose(a).noWait()}, render(a)},
		Faults: 2, Menu: OpenFails | CloseFails | Twice | Late | Expires,
	},
	{
		Name: "Q-1", Says: "an affinity at its limit of tabs serves its own nested request",
		Settings: small(core.Settings{MaxPages: 2, AffinityTabs: 1, MaxBypass: core.Off}),
		Programs: []Program{renderNested(a), render(a)},
		Faults:   2, Menu: OpenFails | CloseFails | Hangs | Late,
	},
	{
		Name: "P-1", Says: "the pool is closed while it opens its first page",
		Settings: pages(1), Programs: []Program{{get(a), getNested(a), release, release}, {closePool}},
		Faults: 2, Menu: AllFaults &^ (Floods | LongMessages | GoesOn | Losses),
	},
	{
		Name: "close-busy", Says: "the pool is closed while a page is held, disposed of and warmed for",
		Settings: pages(1),
		Programs: []Program{{get(a), getNested(a), release, release}, {closePool},
			{dispose(a).noWait(), {Verb: WarmUp}}},
		Faults: 1, Menu: AllFaults &^ (Floods | LongMessages | GoesOn | Losses),
	},
	{
		Name: "P-2", Says: "openings that fail, hang and answer late lose no slot",
		Settings: pages(1), Programs: []Program{render(a), render(b), {{Verb: WarmUp}}},
		Faults: 2, Menu: OpenFails | OpenFailsLeaving | Late | Hangs | Twice,
	},
	{
		Name: "E-17", Says: "a caller gives up while a page is opened for it",
		Settings: pages(1), Programs: []Program{{get(a).impatient(), release},
			{get(b).impatient(), release}, {getNested(a)}},
		Faults: 2, Menu: GivesUp | OpenFails | Late,
	},
	{
		Name: "browser-lost", Says: "the browser dies, and its next one may not start",
		Settings: pages(1), Programs: []Program{renderNested(a), render(b)},
		Faults: 2, Menu: Deaths | LaunchFails | Late | Hangs,
	},
	{
		Name: "disconnect", Says: "the browser is known to be lost some time before it has ended, and " +
			"it may never be seen to have ended",
		Settings: small(core.Settings{MaxPages: 1, OrphanCap: 1}),
		Programs: []Program{{get(a), discard}, render(b)},
		Faults:   2, Menu: Losses | Hangs,
	},
	{
		Name: "disconnect-replaced", Says: "the same of a browser that is being replaced, or of the next",
		Settings: pages(1), Programs: []Program{{recycle}, renderNested(a)},
		Faults: 2, Menu: Losses | LaunchFails | Hangs,
	},
	{
		Name: "expiry", Says: "a wedged render is never given back: its lease expires",
		Settings: small(core.Settings{MaxPages: 2, MaxLease: 90 * time.Second}),
		Programs: []Program{{get(a), wedge, {Verb: Sit}}, renderNested(b)},
		Faults:   1, Menu: KillFails | CloseFails | Late,
	},
	{
		Name: "E-11", Says: "a sweep of what is idle meets an affinity that is used again, and tabs " +
			"that retire",
		Settings: small(core.Settings{MaxPages: 1, MaxUses: 2, MaxAge: time.Hour, OrphanCap: 1}),
		Programs: []Program{{{Verb: Sweep}, {Verb: Sweep}}, {get(a), release, get(a), release},
			render(b)},
		Faults: 1, Menu: CloseFails | Hangs | Late,
	},
	{
		Name: "queue-bound", Says: "one more than may wait is refused, and nobody who waits is forgotten",
		Settings: small(core.Settings{MaxPages: 1, MaxWaiting: 1}),
		Programs: []Program{render(a), render(b), {get(c).impatient(), release}, {getNested(a), release}},
		Faults:   1, Menu: OpenFails | CloseFails | GivesUp,
	},
	{
		Name: "E-09", Says: "a page opened inside an orphan counts like any other",
		Settings: small(core.Settings{MaxPages: 1, OrphanCap: 1}),
		Programs: []Program{{get(a), discard, get(a), release}, render(b)},
		Faults:   2, Menu: OpenFails | OpenFailsLeaving | CloseFails | Hangs | Late | Crashes,
	},
	{
		Name: "S-6", Says: "orphans go where others need their place, and none under a page that opens " +
			"in it",
		Settings: small(core.Settings{MaxPages: 2, OrphanCap: 1}),
		Programs: []Program{{get(a), discard, get(a), release}, {get(b), discard}},
		Faults:   1, Menu: CloseFails | Hangs | OpenFails | Late,
	},
	{
		Name: "orphan-cap", Says: "of three orphans two are kept, the latest",
		Settings: small(core.Settings{MaxPages: 1, OrphanCap: 2}),
		Programs: []Program{{get(a), discard}, {get(b), discard}, {get(c), discard, get(a), release}},
	},
	{
		Name: "orphan-age", Says: "of two orphans the one that was left first makes room, not the one " +
			"that was made first",
		Settings: small(core.Settings{MaxPages: 2, OrphanCap: 2}),
		Programs: []Program{{get(a), discard}, {get(b), discard}, {get(c), discard}},
	},
	{
		Name: "orphan-lost", Says: "an orphan that does not close is lost, and its browser replaced",
		Settings: small(core.Settings{MaxPages: 1, OrphanCap: 1}),
		Programs: []Program{{get(a), discard, dispose(a)}, render(b)},
		Faults:   2, Menu: Hangs | CloseFails | Late,
	},
	{
		Name: "A-3", Says: "a disposal that retains leaves an orphan, whatever supplementary pages " +
			"there are",
		Settings: small(core.Settings{MaxPages: 2, OrphanCap: 2}),
		Programs: []Program{renderNested(a), {dispose(a).retain(), dispose(a).noWait()}, render(a)},
		Faults:   1, Menu: CloseFails | Hangs | Late,
	},
	{
		Name: "shared-context", Says: "pages that share a primary end one by one, and the last with it",
		Settings: small(core.Settings{MaxPages: 2, TabsPerContext: 2, OrphanCap: 1}),
		Programs: []Program{render(a), {get(a), discard}, {get(a), release, dispose(a).noWait()}},
		Faults:   1, Menu: CloseFails | OpenFails | Crashes | Hangs,
	},
	{
		Name: "U-14", Says: "a page is probed before it is handed out again, and may be disposed " +
			"meanwhile",
		Settings: small(core.Settings{MaxPages: 1, ProbeBudget: time.Second, ProbeMaxAge: 1,
			RescueTimeout: time.Second}),
		Programs: []Program{{get(a), release, get(a).impatient(), release},
			{get(a), release, dispose(a).noWait()}, render(b)},
		Faults: 1, Menu: Doubts | Loops | Wedges | Hangs | Late | Crashes | GivesUp,
	},
	{
		Name: "rescue", Says: "a page in doubt is probed, rescued and probed again, and its affinity " +
			"stays warm",
		Settings: small(core.Settings{MaxPages: 1, RescueTimeout: time.Second, OrphanCap: 1}),
		Programs: []Program{{get(a), loop, discardWedged}, render(a), render(b)},
		Faults:   1, Menu: Doubts | Hangs | Late | Crashes,
	},
	{
		Name: "reset", Says: "a page is brought back to the standby state before it is idle again",
		Settings: small(core.Settings{MaxPages: 1, Reset: true, RescueTimeout: time.Second}),
		Programs: []Program{render(a), {get(a), discardWedged}, {dispose(a).noWait()}},
		Faults:   2, Menu: Doubts | Loops | Hangs | Late,
	},
	{
		Name: "E-01c", Says: "a growing pool at its ceiling, where every render asks for a nested page",
		Settings: small(core.Settings{MinPages: 1, MaxPages: 2}),
		Programs: []Program{renderNested(a), renderNested(b), render(c)},
		Faults:   1, Menu: OpenFails | CloseFails | Hangs,
	},
	{
		Name: "E-15", Says: "a pool grows for who may, and shrinks again, though its browser dies",
		Settings: small(core.Settings{MinPages: 1, MaxPages: 3, ReservedPages: 1,
			PriorityAging: core.Off}),
		Programs: []Program{render(a), render(b), {get(c).priority(1), release}},
		Faults:   1, Menu: OpenFails | CloseFails | Hangs | Deaths,
	},
	{
		Name: "urgent-promise", Says: "the pool grows for an urgent request by what it is short of, " +
			"though a page is opened in its orphan",
		Settings: small(core.Settings{MaxPages: 2, ReservedPages: 1, OrphanCap: 1}),
		Programs: []Program{{get(a).priority(1), discard, get(a).priority(1), release}, render(b),
			render(c)},
		Faults: 1, Menu: OpenFails | CloseFails | Hangs,
	},
	{
		Name: "contraction-limit", Says: "two come while an idle pool of two shrinks: one at a time is " +
			"let through",
		Settings: small(core.Settings{MinPages: 1, MaxPages: 2}), Full: true,
		Programs: []Program{render(a), render(b), renderNested(c)},
		Faults:   1, Menu: CloseFails | Hangs,
	},
	{
		Name: "bypass", Says: "who waits is passed by so often and no more",
		Settings: small(core.Settings{MaxPages: 1, MaxBypass: 1}),
		Programs: []Program{{get(a), release, get(a), release}, render(a), {get(a).priority(1), release},
			render(b)},
		Faults: 1, Menu: OpenFails | CloseFails | Hangs,
	},
	{
		Name: "promised-bypass", Says: "who was promised a page that is probed is passed by for the " +
			"last permit so often and no more",
		Settings: small(core.Settings{MaxPages: 1, MaxBypass: 1, ProbeBudget: time.Second,
			ProbeMaxAge: 1}),
		Programs: []Program{{get(a), release, get(a), release}, render(b), render(b), render(b)},
		Faults:   1, Menu: Doubts | Hangs | Late,
	},
	{
		Name: "R-3", Says: "an idle page is handed to another affinity, and its primary is not left " +
			"behind",
		Settings: small(core.Settings{MaxPages: 1, AllowReassign: true, TabsPerContext: 2, OrphanCap: 1}),
		Programs: []Program{renderNested(a), render(b), {get(c), release, dispose(c).noWait()}},
		Faults:   2, Menu: OpenFails | CloseFails | Hangs,
	},
	{
		Name: "recycle", Says: "a browser is replaced under load, though the next one may not start",
		Settings: small(core.Settings{MaxPages: 1, OrphanCap: 1}),
		Programs: []Program{{recycle}, renderNested(a), {get(b), discard}},
		Faults:   1, Menu: LaunchFails | Deaths | Late | Hangs | GivesUp,
	},
	{
		Name: "worn-browser", Says: "a browser is replaced after so many pages or so long, and is not " +
			"written off for good",
		Settings: small(core.Settings{MaxPages: 1, BrowserMaxTabs: 3, BrowserMaxAge: time.Hour}),
		Programs: []Program{{get(a), discard, get(a), release}},
		Faults:   1, Menu: LaunchFails | Hangs | CloseFails | KillFails,
	},
	{
		Name: "stall", Says: "a browser that falls silent is asked, and replaced",
		Settings: small(core.Settings{MaxPages: 1, StallTimeout: 10 * time.Second}),
		Programs: []Program{render(a), {get(b), discard}},
		Faults:   2, Menu: Silences | Hangs | Late,
	},
	{
		Name: "four-callers", Says: "four callers, three affinities, three slots and two faults",
		Settings: pages(2), Programs: []Program{renderNested(a), render(b), render(c), render(c)},
		Faults: 2, Menu: OpenFails | CloseFails | Hangs,
	},
	{
		Name: "four-nested", Says: "four root leases of four affinities, each with a nested one, on " +
			"four pages: all end",
		Settings: pages(4), Full: true, Held: true,
		Programs: []Program{renderNested(a), renderNested(b), renderNested(c), renderNested(d)},
	},
	callersAndHangs("spin-3", 3),
}, slices.Concat(rare, reserve, sessions, sick, freezing, doubted, outgrown, owned)...)
