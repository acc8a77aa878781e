package sim

import (
	"time"

	"github.com/pagepool/pagepool/pool/core"
)

// doubts are settings by which two doubtful ends in a row give a context up.
func doubts(s core.Settings) core.Settings {
	s.AffinityDoubt = 2
	return small(s)
}

// Affinities whose leases end in doubt.
var doubted = []*Scenario{
	{
		Name: "doubt", Says: "an affinity whose leases end in doubt loses its context, if another's " +
			"end well",
		Settings: doubts(core.Settings{MaxPages: 2, ProbeBudget: time.Second, ProbeMaxAge: 1,
			RescueTimeout: time.Second}),
		Programs: []Program{{get(a), discardWedged, get(a), discardWedged},
			{get(b), release, get(b), release}},
		Faults: 1, Menu: Doubts,
	},
	{
		Name: "doubt-orphan", Says: "an orphan that a doubtful lease has left behind is given up",
		Settings: doubts(core.Settings{MaxPages: 1, OrphanCap: 2, ProbeBudget: time.Second,
			ProbeMaxAge: 1}),
		Programs: []Program{render(b), render(b), {get(a), discardWedged, get(a), discardWedged}},
		Faults:   1, Menu: Doubts | CloseFails,
	},
	{
		Name: "doubt-cleared", Says: "an orphan is kept for which a later lease in it ended well, " +
			"whatever others of its affinity come to",
		Settings: doubts(core.Settings{MaxPages: 1, OrphanCap: 1}),
		Programs: []Program{{get(a), discardWedged, get(a), release, get(a), discard,
			get(a), discardWedged, get(a), discardWedged},
			{getNested(b), release, getNested(b), release}},
	},
	{
		Name: "doubt-held", Says: "a tab that is held in a context that is given up is closed when its " +
			"lease ends",
		Settings: doubts(core.Settings{
			MaxPages: 3, TabsPerContext: 2, OrphanCap: 1, AffinityTabs: 2,
			ProbeBudget: time.Second, ProbeMaxAge: 1, RescueTimeout: time.Second,
		}),
		Programs: []Program{render(b), render(b), {get(a), discardWedged, get(a), discardWedged},
			render(a)},
	},
	{
		Name: "doubt-reset", Says: "the first part of a reset is what judges the end of a lease",
		Settings: doubts(core.Settings{MaxPages: 2, OrphanCap: 2, Reset: true}),
		Programs: []Program{{get(a), release, get(a), release}, {get(b), release}},
		Faults:   2, Menu: Doubts,
	},
}

// Pages that use more memory than they may.
var outgrown = []*Scenario{
	{
		Name: "memory", Says: "a page that is too large ends its lease, and is closed, whoever has it",
		Settings: small(core.Settings{MaxPages: 1, ProbeBudget: time.Second, ProbeMaxAge: 1,
			OrphanCap: 1}),
		Programs: []Program{{get(a), release, get(a), release}, render(b)},
		Faults:   1, Menu: Outgrows | Hangs,
	},
	{
		Name: "browser-memory", Says: "a browser that uses too much loses its largest idle tab, and is " +
			"replaced where none is left",
		Settings: small(core.Settings{MaxPages: 2, MaxBrowserMemory: 1}),
		Programs: []Program{{get(a), release, get(a), release}, render(b)},
		Faults:   3, Menu: Swells,
	},
	{
		Name: "browser-memory-again", Says: "the next browser is not replaced for its memory before it " +
			"was full",
		Settings: small(core.Settings{MaxPages: 1, MaxBrowserMemory: 1}),
		Programs: []Program{{get(a), release, get(a), release}},
		Faults:   4, Menu: Swells | CloseHangs,
	},
}
