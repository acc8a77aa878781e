package sim

import (
	"time"

	"github.com/pagepool/pagepool/pool/core"
)

// sessions are small worlds in which each lease has a session of its own.
var sessions = []*Scenario{
	{
		Name: "session", Says: "the session of a lease ends, and that of the next one begins, before " +
			"the page is idle", Sessions: true,
		Settings: small(core.Settings{MaxPages: 1, RescueTimeout: time.Second, OrphanCap: 1}),
		Programs: []Program{render(a), {get(a), discardWedged}},
		Faults:   2, Menu: Doubts | Loops | Hangs | Late | Leaves,
	},
	{
		Name: "session-reset", Says: "between the two, the page is reset", Sessions: true,
		Settings: small(core.Settings{MaxPages: 1, Reset: true, RescueTimeout: time.Second}),
		Programs: []Program{render(a), {get(a), discardWedged}},
		Faults:   2, Menu: Doubts | Loops | Hangs | Leaves,
	},
	{
		Name: "session-shared", Says: "what a lease leaves in a context closes every page that shares it",
		Sessions: true,
		Settings: small(core.Settings{MaxPages: 2, TabsPerContext: 2, OrphanCap: 1}),
		Programs: []Program{renderNested(a), {get(a), release}},
		Faults:   1, Menu: Leaves | Crashes | OpenFails,
	},
	{
		Name: "session-stuck", Says: "a page on which no navigation of two leases finished is closed, " +
			"if one did elsewhere", Sessions: true,
		Settings: small(core.Settings{MaxPages: 2, RescueTimeout: time.Second}),
		Programs: []Program{{get(a), release, get(a), release, get(a), release}, render(b)},
		Faults:   1, Menu: Leaves,
	},
}
