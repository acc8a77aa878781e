package sim

import (
	"time"

	"github.com/pagepool/pagepool/pool/core"
)

// rare are small worlds about what seldom comes together: a small change of the core shows nowhere
// else.
var rare = []*Scenario{
	{
		Name: "close-while-replaced", Says: "a pool closes while a browser that was replaced has been " +
			"asked to end",
		Settings: pages(1), Programs: []Program{{recycle}, {closePool}, render(a)},
	},
	{
		Name: "contraction-in-doubt", Says: "an idle pool is to shrink, and every page that it has is " +
			"in doubt",
		Settings: small(core.Settings{MinPages: 1, MaxPages: 2, RescueTimeout: time.Second}), Full: true,
		Programs: []Program{{get(a), discardWedged}, {get(b), discardWedged}},
		Faults:   1, Menu: Doubts,
	},
	{
		Name: "stalled-orphan", Says: "a disposal meets the orphan of a browser that has fallen silent",
		Settings: small(core.Settings{MaxPages: 1, OrphanCap: 1, StallTimeout: 10 * time.Second}),
		Programs: []Program{{get(a), discard, dispose(a).impatient()}, {dispose(a).retain()}},
		Faults:   1, Menu: Silences,
	},
	{
		Name: "disposed-and-swept", Says: "a disposal waits for the generation that it ended, and for " +
			"no orphan that the next one has left",
		Settings: small(core.Settings{MaxPages: 1, OrphanCap: 1}),
		Programs: []Program{{get(a), release, dispose(a)}, {get(a), discard, {Verb: Sweep}}},
	},
	{
		Name: "retained-and-swept", Says: "nor does it wait for the orphan that it retained itself, " +
			"when that is swept",
		Settings: small(core.Settings{MaxPages: 2, OrphanCap: 1}),
		Programs: []Program{render(a), {get(a), release, dispose(a).retain()}, {{Verb: Sweep}}},
	},
	{
		Name: "retained-and-lost", Says: "the same, where the browser of that orphan is given up",
		Settings: small(core.Settings{MaxPages: 2, OrphanCap: 1, StallTimeout: 10 * time.Second}),
		Full:     true, Held: true,
		Programs: []Program{render(a), {get(a), release, dispose(a).retain()}},
		Faults:   2, Menu: Late,
	},
	{
		Name: "unused-page", Says: "a page that opened inside an orphan has served nobody, and needs " +
			"no probe",
		Settings: small(core.Settings{MaxPages: 1, OrphanCap: 1, ProbeBudget: time.Second,
			ProbeMaxAge: 1}),
		Programs: []Program{{get(a), discard, get(a), release}, render(b)},
	},
	{
		Name: "own-limit-late", Says: "an opening in an orphan that is late answers when its affinity " +
			"has all that it may own",
		Settings: small(core.Settings{MaxPages: 2, AffinityTabs: 1, RootCap: 1, OrphanCap: 1}),
		Programs: []Program{{get(a), discard, get(a), release}, render(a)},
		Faults:   1, Menu: Hangs | Late,
	},
	{
		Name: "nested-inside", Says: "a nested page opens inside its primary though root work that no " +
			"permit is left for came first",
		Settings: small(core.Settings{MaxPages: 1, TabsPerContext: 2}),
		Programs: []Program{renderNested(a), render(b)},
		Faults:   1, Menu: OpenFails | Crashes,
	},
	{
		Name: "refused-at-release", Says: "who has sat through the failed rounds is refused as soon as " +
			"there is a permit that he could use",
		Settings: pages(1), Programs: []Program{render(a), render(b)},
		Faults: 3, Menu: OpenFails,
	},
	{
		Name: "E-17-orphan", Says: "a caller gives up while a page is opened in its orphan, and " +
			"another opening fails",
		Settings: small(core.Settings{MaxPages: 1, OrphanCap: 1}),
		Programs: []Program{{get(a), discard, get(a).impatient(), release}, render(b)},
		Faults:   2, Menu: OpenFails | GivesUp,
	},
	{
		Name: "ageing", Says: "who waits for long is as good as who is more urgent and comes later",
		Settings: small(core.Settings{MaxPages: 1, PriorityAging: time.Minute}),
		Tick:     core.Time(time.Minute),
		Programs: []Program{render(a), render(b), {get(c).priority(1), release},
			{get(b).priority(1), release}},
		Faults: 2, Menu: TimePasses | CloseFails,
	},
	{
		Name: "bypass-room", Says: "who waits for room is passed by so often and no more",
		Settings: small(core.Settings{MaxPages: 1, MaxBypass: 1}),
		Programs: []Program{{getNested(a), release}, {getNested(a), release}, {getNested(a), release},
			{getNested(a), release}, {getNested(b), release}},
	},
	{
		Name: "late-cancel", Says: "a caller gives up after its page was granted",
		Settings: pages(1), Programs: []Program{{get(a), {Verb: AbandonLate}, release}, renderNested(a)},
		Faults: 1, Menu: CloseFails | Hangs | Crashes,
	},
	{
		Name: "E-15-recycle", Says: "a pool that grew shrinks again, though its browser is replaced",
		Settings: small(core.Settings{MinPages: 1, MaxPages: 2}),
		Programs: []Program{{recycle}, render(a), render(b)},
		Faults:   1, Menu: LaunchFails | GivesUp | CloseFails,
	},
	{
		Name: "E-08", Says: "an innocent affinity is not evicted while a slot is about to come free",
		Settings: pages(2), Programs: []Program{render(a), {get(b), dispose(b).noWait(), release},
			render(c)},
		Faults: 1, Menu: CloseFails | Hangs,
	},
	{
		Name: "growth-cap", Says: "the pool does not grow for those whom their affinity's cap stops",
		Settings: small(core.Settings{MinPages: 1, MaxPages: 3, RootCap: 1, AffinityTabs: 2}),
		Programs: []Program{render(a), render(a), render(a), {get(b), discard}},
		Faults:   1, Menu: Hangs | CloseFails,
	},
	{
		Name: "late-standby", Says: "standbys of the browser that is replaced go first, however late " +
			"they open",
		Settings: pages(2), Programs: []Program{{recycle}, render(a), render(b)},
		Faults: 1, Menu: Late | OpenFails,
	},
	{
		Name: "orphans-lost", Says: "an orphan that is lost leaves less room for those to come",
		Settings: small(core.Settings{MaxPages: 1, OrphanCap: 1}),
		Programs: []Program{{get(a), discard, dispose(a).noWait()}, {get(b), discard}},
		Faults:   2, Menu: Hangs,
	},
	{
		Name: "reset-lost", Says: "a browser with a lost tab is replaced while a page of it is reset",
		Settings: small(core.Settings{MaxPages: 2, Reset: true}),
		Programs: []Program{{get(a), discard}, {get(b), release, get(b), release}},
		Faults:   2, Menu: Hangs | Late,
	},
	{
		Name: "nested-bound", Says: "one more nested request than may wait is refused",
		Settings: small(core.Settings{MaxPages: 1, MaxWaiting: 1}),
		Programs: []Program{{getNested(a), release}, {getNested(a), release}, {getNested(a), release},
			{getNested(a), release}, render(b)},
		Faults: 1, Menu: OpenFails | CloseFails,
	},
	{
		Name: "shared-retained", Says: "a disposal that retains meets two pages of one primary",
		Settings: small(core.Settings{MaxPages: 2, TabsPerContext: 2, OrphanCap: 1}),
		Programs: []Program{renderNested(a), {dispose(a).retain().noWait()}, render(a)},
		Faults:   1, Menu: CloseFails | Crashes,
	},
	{
		Name: "orphan-slot", Says: "no page opens in an orphan in the slot that an older request needs",
		Settings: small(core.Settings{MaxPages: 1, OrphanCap: 1}),
		Programs: []Program{{get(a), discard, get(a), release}, render(b), {getNested(c), release}},
	},
	{
		Name: "overdue-opening", Says: "a page that opens late is closed where its affinity has its " +
			"share by then",
		Settings: small(core.Settings{MaxPages: 2, AffinityTabs: 1, OrphanCap: 1}),
		Programs: []Program{{get(a), discard, get(a), release}, render(a), render(a)},
		Faults:   1, Menu: Late,
	},
	{
		Name: "stall-orphan", Says: "a browser that is given up is no home for an orphan",
		Settings: small(core.Settings{MaxPages: 1, StallTimeout: 10 * time.Second, OrphanCap: 1}),
		Tick:     core.Time(20 * time.Second),
		Programs: []Program{{get(a), discard, get(a), release}, render(b)},
		Faults:   2, Menu: Silences | Hangs | TimePasses,
	},
	{
		Name: "R-3-supplementary", Says: "a supplementary page is handed to another affinity, and its " +
			"old primary keeps its count",
		Settings: small(core.Settings{MaxPages: 1, AllowReassign: true}),
		Programs: []Program{renderNested(a), render(b), {getNested(c), release}},
		Faults:   1, Menu: CloseFails | Hangs,
	},
	{
		Name: "R-3-stopped", Says: "an idle page is handed to another affinity though its own has a " +
			"request that a limit stops",
		Settings: small(core.Settings{MaxPages: 1, AllowReassign: true}),
		Programs: []Program{renderNested(a), render(a), {getNested(c), release}},
		Faults:   1, Menu: CloseFails | Hangs,
	},
	{
		Name: "reset-overdue", Says: "no tab is idle, two resets hang, and the one that began first " +
			"makes room for a request that waits",
		Settings: small(core.Settings{MaxPages: 1, Reset: true, RescueTimeout: time.Second,
			OrphanCap: 1}),
		Programs: []Program{render(a), render(b), render(c)},
		Faults:   2, Menu: Hangs,
	},
	{
		Name: "overdue-beside-idle", Says: "a request that waits is given the room of an idle tab, and " +
			"not that of a reset that hangs", Full: true,
		Settings: small(core.Settings{MaxPages: 2, Reset: true, RescueTimeout: time.Second}),
		Programs: []Program{render(a), renderNested(b), render(c)},
		Faults:   1, Menu: Hangs,
	},
	{
		Name: "reset-heard", Says: "a page that has just been reset is granted without a probe",
		Settings: small(core.Settings{MaxPages: 1, Reset: true, ProbeBudget: time.Second,
			ProbeMaxAge: 1}),
		Programs: []Program{render(a), render(a)},
		Faults:   1, Menu: Doubts | Hangs,
	},
	{
		Name: "reset-worn", Says: "a page that is worn retires when it was reset or probed, though " +
			"nested work waits",
		Settings: small(core.Settings{MaxPages: 1, MaxUses: 1, Reset: true, MaxLease: 90 * time.Second,
			RescueTimeout: time.Second}),
		Programs: []Program{renderNested(a), {getNested(b), release}},
		Faults:   1, Menu: Doubts | Hangs | Late | Expires,
	},
	{
		Name: "D-9", Says: "AffinityTabs does not follow MaxPages, and one urgent request grows the " +
			"pool by one page",
		Settings: small(core.Settings{MaxPages: 3, ReservedPages: 2, AffinityTabs: 1}),
		Programs: []Program{{getNested(a), release}, render(a), render(b), {get(c).priority(1), release}},
		Faults:   1, Menu: Hangs,
	},
	{
		Name: "retries", Says: "a pause after failures ends",
		Settings: pages(1), Tick: core.Time(time.Minute),
		Programs: []Program{render(a)},
		Faults:   4, Menu: OpenFails | LaunchFails | TimePasses,
	},
	{
		Name: "R-3-shared", Says: "a page that shares its context is handed to no other affinity",
		Settings: small(core.Settings{MaxPages: 2, AllowReassign: true, TabsPerContext: 2}),
		Programs: []Program{renderNested(a), render(b), {getNested(c), release}},
		Faults:   1, Menu: CloseFails,
	},
	{
		Name: "S-4", Says: "a page that is opened for one request is not taken for that of the next",
		Settings: small(core.Settings{MaxPages: 2, OrphanCap: 1}),
		Programs: []Program{{get(a), discard, getNested(a), release}, {getNested(a), release},
			{getNested(c), release}, render(b)},
		Faults: 1, Menu: CloseHangs,
	},
	{
		Name: "warm-shrinks", Says: "a pool that shrinks lowers the target that somebody waits for",
		Settings: small(core.Settings{MinPages: 1, MaxPages: 2}),
		Programs: []Program{{{Verb: WarmUp}}, {get(a), discard}, {get(b), discard}},
		Faults:   2, Menu: OpenFails | CloseFails,
	},
	{
		Name: "recycle-twice", Says: "a browser is replaced twice, and the next one may die before it " +
			"serves",
		Settings: pages(1), Programs: []Program{{recycle}, {recycle}, render(a)},
		Faults: 1, Menu: Deaths | LaunchFails,
	},
	{
		Name: "recycle-shared", Says: "no tab is opened inside a primary whose browser is being replaced",
		Settings: small(core.Settings{MaxPages: 2, TabsPerContext: 2, AffinityTabs: 2}),
		Programs: []Program{render(a), render(a), {recycle}},
	},
	{
		Name: "silent-close", Says: "a page that is probed begins to close, and its browser falls silent",
		Settings: small(core.Settings{MaxPages: 1, ProbeBudget: time.Second, ProbeMaxAge: 1,
			StallTimeout: 10 * time.Second}), Tick: core.Time(20 * time.Second),
		Programs: []Program{{get(a), release, get(a), release}, {dispose(a).noWait()}},
		Faults:   2, Menu: Silences | TimePasses,
	},
	{
		Name: "sweep-held", Says: "a sweep leaves an affinity whose disposed generation is held",
		Settings: pages(2), Programs: []Program{{get(a), dispose(a).noWait(), release}, render(a),
			{{Verb: Sweep}}},
		Faults: 1, Menu: CloseFails | Crashes,
	},
	{
		Name: "R-3-doubt", Says: "an idle page is handed to who is short of one, and not to whose own " +
			"is in doubt",
		Settings: small(core.Settings{MaxPages: 2, AllowReassign: true, RescueTimeout: time.Second}),
		Programs: []Program{{get(a), discardWedged, get(a), release}, renderNested(c),
			{getNested(b), release}},
	},
	{
		Name: "orphans-crashed", Says: "pages crash, and of their contexts the two latest are kept",
		Settings: small(core.Settings{MaxPages: 1, OrphanCap: 2}),
		Programs: []Program{render(a), render(b), {get(c), release, get(a), release}},
		Faults:   3, Menu: Crashes,
	},
}
