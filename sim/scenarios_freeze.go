package sim

import (
	"time"

	"github.com/pagepool/pagepool/pool/core"
)

// freezes are settings with pages that are frozen while nobody has them.
func freezes(s core.Settings) core.Settings {
	s.FreezeAfter = time.Second
	return small(s)
}

// Pages that are frozen, and affinities that are closed, while nobody has them.
var freezing = []*Scenario{
	{
		Name: "freeze", Says: "an idle tab is frozen, and thawed before it is granted again",
		Settings: freezes(core.Settings{MaxPages: 1}),
		Programs: []Program{{get(a), release, get(a), release}},
		Faults:   2, Menu: Doubts | Hangs | Twice | Crashes,
	},
	{
		Name: "freeze-standby", Says: "a frozen standby is thawed for those who wait, and for each but " +
			"one",
		Settings: freezes(core.Settings{MaxPages: 2}),
		Programs: []Program{{get(a).impatient(), release}, render(b)},
		Faults:   1, Menu: Doubts | Hangs | Crashes | Late | GivesUp,
	},
	{
		Name: "freeze-wanted", Says: "a page that is frozen when somebody comes is probed at once, " +
			"whatever the freezing answers",
		Settings: freezes(core.Settings{MaxPages: 1, RescueTimeout: time.Second}), Sessions: true,
		Programs: []Program{{get(a), release, get(a).impatient(), release}},
		Faults:   1, Menu: Loops | Doubts | Hangs | GivesUp,
	},
	{
		Name: "freeze-reassign", Says: "where idle tabs are handed to other affinities, none is frozen",
		Settings: freezes(core.Settings{MaxPages: 1, AllowReassign: true}),
		Programs: []Program{render(a), render(b), render(c)},
		Faults:   1, Menu: Doubts | Hangs,
	},
	{
		Name: "max-idle", Says: "an affinity that nobody has held or waited for is closed, with its " +
			"orphan",
		Settings: small(core.Settings{MaxPages: 1, MaxIdle: time.Minute, OrphanCap: 1}),
		Programs: []Program{{get(a), discard, get(a), release}, {get(a).impatient(), release}},
		Faults:   1, Menu: Hangs | GivesUp | Crashes,
	},
	{
		Name: "freeze-recycle", Says: "a browser with frozen tabs is replaced",
		Settings: freezes(core.Settings{MaxPages: 1}),
		Programs: []Program{render(a), {recycle}, render(b)},
		Faults:   1, Menu: Hangs | Deaths,
	},
}
