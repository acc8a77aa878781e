package sim

import (
	"time"

	"github.com/pagepool/pagepool/pool/core"
)

// Pages that are reserved for urgent root requests, and the bound of one affinity's queue.
var reserve = []*Scenario{
	{
		Name: "reserve", Says: "root requests below ReservedPriority never have the reserve, lost tabs " +
			"or not",
		Settings: small(core.Settings{MaxPages: 3, MinPages: 1, ReservedPages: 1}),
		Programs: []Program{render(a), render(b), {get(c).priority(1), release}, {get(d), discard}},
		Faults:   1, Menu: CloseFails | Hangs,
	},
	{
		Name: "reserve-lost", Says: "a lost tab is taken from what the reserve leaves",
		Settings: small(core.Settings{MaxPages: 2, ReservedPages: 1}),
		Programs: []Program{{get(a), discard}, {get(b).priority(1), release}, render(c)},
		Faults:   1, Menu: Hangs,
	},
	{
		Name: "reserve-held", Says: "the pool grows by the permit that an older request keeps from an " +
			"urgent one",
		Settings: small(core.Settings{MaxPages: 2, ReservedPages: 1, OrphanCap: 1, MaxBypass: core.Off,
			PriorityAging: time.Minute}),
		Tick: core.Time(time.Minute),
		Programs: []Program{{get(b), discard, get(b), release},
			{get(c).priority(1), release, get(c).priority(1), release}},
		Faults: 2, Menu: TimePasses | OpenFails | CloseFails,
	},
	{
		Name: "reserve-not-held", Says: "the pool does not grow for an urgent request that no older " +
			"one keeps from the permit",
		Settings: small(core.Settings{MaxPages: 2, ReservedPages: 1, MaxBypass: 1,
			PriorityAging: time.Minute}),
		Tick: core.Time(time.Minute),
		Programs: []Program{{get(a), release, get(a), discard, get(a), release}, render(b),
			{get(b).priority(1), release}},
		Faults: 1, Menu: TimePasses,
	},
	{
		Name: "reserve-inside", Says: "the last permit that the reserve leaves goes to no idle tab " +
			"past an older request",
		Settings: small(core.Settings{MaxPages: 2, ReservedPages: 1, TabsPerContext: 2,
			MaxBypass: core.Off}),
		Programs: []Program{{get(a), release, get(a), release}, {get(c).priority(1), discard}, render(b)},
		Faults:   1, Menu: CloseFails | OpenFails,
	},
	{
		Name: "reserve-inside-two", Says: "no second tab is opened inside a primary whose idle tab is " +
			"kept from its requests for an older one",
		Settings: small(core.Settings{MaxPages: 2, ReservedPages: 1, TabsPerContext: 2,
			MaxBypass: core.Off}),
		Programs: []Program{{get(a), release, get(a), release}, render(a),
			{get(c).priority(1), discard}, render(b)},
	},
	{
		Name: "reserve-own", Says: "an urgent request leaves the last permit to no older one of its " +
			"own affinity",
		Settings: small(core.Settings{
			MaxPages: 2, ReservedPages: 1, OrphanCap: 1, TabsPerContext: 2, MaxBypass: core.Off,
			PriorityAging: time.Minute,
		}),
		Tick:     core.Time(time.Minute),
		Programs: []Program{{getNested(a), release}, {get(a), release}, {get(a).priority(1), release}},
		Faults:   2, Menu: TimePasses | OpenFails,
	},
	{
		Name: "reserve-nested", Says: "the pool grows into the reserve for a nested request of that " +
			"priority, and for no other",
		Settings: small(core.Settings{MaxPages: 2, ReservedPages: 1, AllowReassign: true}),
		Programs: []Program{render(a), {getNested(b), release}, {getNested(c), release},
			{getNested(d).priority(1), release}},
		Faults: 1, Menu: CloseFails | OpenFails,
	},
	{
		Name: "affinity-bound", Says: "one affinity fills its own part of the queue, and no other's",
		Settings: small(core.Settings{MaxPages: 1, MaxWaiting: 2, AffinityWaiting: 1}),
		Programs: []Program{render(a), render(a), {getNested(a), release}, {getNested(a), release},
			render(b)},
		Faults: 1, Menu: OpenFails,
	},
}
