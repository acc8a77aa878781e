package sim

import (
	"time"

	"github.com/pagepool/pagepool/pool/core"
)

// own is a request of an affinity whose contexts are made for it.
func (in Instruction) own() Instruction {
	in.Own = true
	return in
}

// Affinities with terms of their own, whose contexts are made for them: no standby serves them.
var owned = []*Scenario{
	{
		Name: "own", Says: "a tab is opened for an affinity with terms of its own, beside standbys " +
			"that others adopt",
		Settings: small(core.Settings{MaxPages: 2, MinPages: 1}),
		Programs: []Program{{get(a).own().impatient(), release, get(a).own(), release}, render(b)},
		Faults:   1, Menu: OpenFails | Hangs | GivesUp,
	},
	{
		Name: "own-standby", Says: "the youngest standby is closed for it where no slot is free and no " +
			"idle tab is left",
		Settings: small(core.Settings{MaxPages: 2}),
		Programs: []Program{{get(b), discard}, {get(a).own().impatient(), release}, render(c)},
		Faults:   1, Menu: CloseHangs | GivesUp,
	},
	{
		Name: "own-nested", Says: "a nested request of it has the spare",
		Settings: small(core.Settings{MaxPages: 1}),
		Programs: []Program{{get(a).own(), getNested(a).own(), release, release}, render(b)},
		Faults:   1, Menu: OpenFails | CloseFails,
	},
	{
		Name: "own-grows", Says: "the pool grows for a nested request of it, though there is a standby",
		Settings: small(core.Settings{MaxPages: 2, MinPages: 1}),
		Programs: []Program{{get(a).own(), getNested(a).own(), release, release}, render(b)},
		Faults:   1, Menu: OpenFails | CloseFails,
	},
	{
		Name: "own-reassign", Says: "no tab of it is handed to another affinity, and it is handed none",
		Settings: small(core.Settings{MaxPages: 1, AllowReassign: true}),
		Programs: []Program{render(b), {get(a).own(), release}, render(c)},
		Faults:   1, Menu: OpenFails | CloseHangs,
	},
	{
		Name: "own-orphan", Says: "its orphan is used again",
		Settings: small(core.Settings{MaxPages: 1, OrphanCap: 1}),
		Programs: []Program{{get(a).own(), discard, get(a).own(), release}, {dispose(a).retain()},
			render(b)},
		Faults: 1, Menu: OpenFails,
	},
	{
		Name: "own-frozen", Says: "no frozen standby is thawed for it",
		Settings: freezes(core.Settings{MaxPages: 1}),
		Programs: []Program{{get(a).own(), release}, {get(b).impatient(), release}},
		Faults:   1, Menu: Doubts | Hangs | GivesUp,
	},
	{
		Name: "own-mixed", Says: "the first request says whether the contexts of an affinity are made " +
			"for it",
		Settings: small(core.Settings{MaxPages: 2}),
		Programs: []Program{{get(a).own().impatient(), discard}, {get(a).impatient(), release},
			{get(a).own(), release}},
		Faults: 1, Menu: OpenFails | GivesUp,
	},
	{
		Name: "own-kept", Says: "an affinity keeps its terms as long as the pool has an orphan of it",
		Settings: small(core.Settings{MaxPages: 1, OrphanCap: 1}),
		Programs: []Program{{get(a).own(), discard}, {get(a), discard}},
	},
	{
		Name: "own-held", Says: "one that has an idle tab and is held back needs no slot, so another " +
			"opens a tab in its orphan",
		Settings: small(core.Settings{MaxPages: 2, ReservedPages: 1, ReservedPriority: 1, OrphanCap: 1,
			MaxBypass: core.Off}),
		Programs: []Program{render(a),
			{get(b).own().priority(1), release, get(b).own(), release}, {get(b).own(), release},
			{get(c), discard, get(c), release}},
	},
	{
		Name: "own-behind", Says: "no tab is closed for one while older requests have the permits",
		Settings: small(core.Settings{MaxPages: 1}),
		Programs: []Program{render(a), {get(b), discard}, render(c),
			{get(d).own().impatient(), release}},
		Faults: 1, Menu: GivesUp,
	},
	{
		Name: "own-recycle", Says: "a browser with contexts that were made for an affinity is replaced",
		Settings: small(core.Settings{MaxPages: 1, OrphanCap: 1, ProbeBudget: time.Second,
			ProbeMaxAge: 1}),
		Programs: []Program{{get(a).own(), discard, get(a).own(), release}, {recycle}},
		Faults:   1, Menu: Hangs | Deaths,
	},
}
