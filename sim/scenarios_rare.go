package sim

import (
	"time"

	"github.com/pagepool/pagepool/pool/core"
)

// rare are small worlds about what seldom comes together: a small change of the core shows nowhere else.
var rare = []*Scenario{
	{
		Name: "close-while-replaced", Says: "a pool closes while a browser that was replaced has been asked to end",
		Settings: pages(1), Programs: []Program{{recycle}, {closePool}, render(a)},
	},
	{
		Name: "contraction-in-doubt", Says: "an idle pool is to shrink, and every page that it has is in doubt",
		Settings: small(core.Settings{MinPages: 1, InitialPages: 2, MaxPages: 2, RescueTimeout: time.Second}), Full: true,
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
		Name: "disposed-and-swept", Says: "a disposal waits for the generation that it ended, and for no orphan that the next one has left",
		Settings: small(core.Settings{MaxPages: 1, OrphanCap: 1}),
		Programs: []Program{{get(a), release, dispose(a)}, {get(a), discard, {Verb: Sweep}}},
	},
	{
		Name: "retained-and-swept", Says: "nor does it wait for the orphan that it retained itself, when that is swept",
		Settings: small(core.Settings{MaxPages: 2, OrphanCap: 1}),
		Programs: []Program{render(a), {get(a), release, dispose(a).retain()}, {{Verb: Sweep}}},
	},
	{
		Name: "retained-and-lost", Says: "the same, where the browser of that orphan is given up",
		Settings: small(core.Settings{MaxPages: 2, OrphanCap: 1, StallTimeout: 10 * time.Second}), Full: true, Held: true,
		Programs: []Program{render(a), {get(a), release, dispose(a).retain()}},
		Faults:   2, Menu: Late,
	},
	{
		Name: "older-first", Says: "the slot that an older request needs is not for a page inside an orphan, though an opening hangs",
		Settings: small(core.Settings{MaxPages: 1, OrphanCap: 1}),
		Programs: []Program{{get(a), discard, get(a), release}, render(b)},
		Faults:   1, Menu: Hangs | Late,
	},
	{
		Name: "unused-page", Says: "a page that opened inside an orphan has served nobody, and needs no probe",
		Settings: small(core.Settings{MaxPages: 1, OrphanCap: 1, ProbeBudget: time.Second, ProbeMaxAge: 1}),
		Programs: []Program{{get(a), discard, get(a), release}, render(b)},
	},
	{
		Name: "own-limit-late", Says: "an opening in an orphan that is late answers when its affinity has all that it may own",
		Settings: small(core.Settings{MaxPages: 2, AffinityTabs: 1, RootCap: 1, OrphanCap: 1}),
		Programs: []Program{{get(a), discard, get(a), release}, render(a)},
		Faults:   1, Menu: Hangs | Late,
	},
	{
		Name: "nested-inside", Says: "a nested page opens inside its primary though root work that no permit is left for came first",
		Settings: small(core.Settings{MaxPages: 1, TabsPerContext: 2}),
		Programs: []Program{renderNested(a), render(b)},
		Faults:   1, Menu: OpenFails | Crashes,
	},
	{
		Name: "refused-at-release", Says: "who has sat through the failed rounds is refused as soon as there is a permit that he could use",
		Settings: pages(1), Programs: []Program{render(a), render(b)},
		Faults: 3, Menu: OpenFails,
	},
}
