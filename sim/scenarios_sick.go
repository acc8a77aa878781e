package sim

import (
	"time"

	"github.com/pagepool/pagepool/pool/core"
)

// doubting are settings with checks on evidence alone: those of CheckEvery would come for ever.
func doubting(s core.Settings) core.Settings {
	s.BrowserDoubt, s.CheckEvery = 2, core.Off
	return small(s)
}

// Browsers that answer and do no work.
var sick = []*Scenario{
	{
		Name: "sick", Says: "a browser with evidence of two affinities is checked, and replaced where " +
			"it is sick",
		Settings: doubting(core.Settings{MaxPages: 1}), Checks: true,
		Programs: []Program{{get(a), discardWedged}, {get(b), discardWedged}, render(b)},
		Faults:   1, Menu: Sickens | Hangs,
	},
	{
		Name: "sick-one", Says: "one affinity's doubts are evidence only where it alone is served",
		Settings: doubting(core.Settings{MaxPages: 1}), Checks: true,
		Programs: []Program{{get(b), discardWedged}, {get(a), discardWedged, get(a), discardWedged}},
		Faults:   1, Menu: Sickens | OpenFails | Deaths,
	},
	{
		Name: "sick-again", Says: "the next browser that a check finds sick is replaced after a pause",
		Settings: doubting(core.Settings{MaxPages: 1}), Checks: true,
		Programs: []Program{
			{get(a), discardWedged, get(a), discardWedged, get(a), discardWedged, get(a), discardWedged}},
		Faults: 2, Menu: Sickens | Deaths,
	},
	{
		Name: "sick-recycle", Says: "a check that is under way when its browser is replaced holds up " +
			"nothing",
		Settings: doubting(core.Settings{MaxPages: 1}), Checks: true,
		Programs: []Program{{get(a), discardWedged, get(a), discardWedged}, {recycle}},
		Faults:   1, Menu: Hangs | Sickens,
	},
	{
		Name: "sick-judged", Says: "the end of a lease is judged once, by the first question to its page",
		Settings: doubting(core.Settings{MaxPages: 1, ProbeBudget: time.Second, ProbeMaxAge: 1,
			RescueTimeout: time.Second}), Checks: true,
		Programs: []Program{{get(a), release, get(a), release}},
		Faults:   2, Menu: Doubts,
	},
	{
		Name: "sick-reset", Says: "an end is doubtful where the first part of a reset fails, and not " +
			"where the second does",
		Settings: doubting(core.Settings{MaxPages: 1, Reset: true}), Checks: true,
		Programs: []Program{render(a), render(b)},
		Faults:   2, Menu: Doubts,
	},
	{
		Name: "shared", Says: "a check kills the helper that hangs beside two affinities, and the " +
			"browser serves on",
		Settings: doubting(core.Settings{MaxPages: 2}), Checks: true, Repairs: true,
		Programs: []Program{drawn(a), drawn(b)},
		Faults:   1, Menu: Sickens,
	},
	{
		Name: "shared-died", Says: "helpers that hang and die beside two affinities",
		Settings: doubting(core.Settings{MaxPages: 1}), Checks: true, Repairs: true,
		Programs: []Program{drawn(a), drawn(b)},
		Faults:   2, Menu: Sickens | HelperHangs | HelperDies,
	},
	{
		Name: "shared-well", Says: "a browser whose helper goes on before it is replaced is not replaced",
		Settings: doubting(core.Settings{MaxPages: 1}), Checks: true,
		Programs: []Program{
			{get(a), discardWedged, get(a), discardWedged, get(a), discardWedged, get(a), discardWedged,
				get(a), discardWedged, get(a), discardWedged}},
		Faults: 3, Menu: Sickens | GoesOn,
	},
	{
		Name: "stall-goes-on", Says: "a browser that is stopped, or busy with a long message, is " +
			"asked, and serves on",
		Settings: small(core.Settings{MaxPages: 1, StallTimeout: 10 * time.Second}),
		Programs: []Program{render(a)},
		Faults:   2, Menu: Silences | LongMessages | GoesOn,
	},
	{
		Name: "flood", Says: "a page floods the pipe beside another affinity, and is cut off",
		Settings: small(core.Settings{MaxPages: 2, StallTimeout: 10 * time.Second}), Sessions: true,
		Programs: []Program{{get(a), release, get(a), release}, drawn(b)},
		Faults:   2, Menu: Floods,
	},
	{
		Name: "flood-beside", Says: "a page floods the pipe while other things hang",
		Settings: doubting(core.Settings{MaxPages: 1, StallTimeout: 10 * time.Second}), Checks: true,
		Programs: []Program{{get(a), discardWedged}},
		Faults:   3, Menu: Floods | Hangs,
	},
}
