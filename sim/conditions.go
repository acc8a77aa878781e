package sim

import (
	"time"

	"github.com/pagepool/pagepool/pool/core"
)

// Latency is how long an operation takes: the shortest by default, otherwise drawn between.
type Latency struct{ Shortest, Longest core.Time }

// Chances is how finely faults are drawn: a chance of 1 is one in ten thousand.
const Chances = 10_000

// Faults are chances that an operation goes wrong, in ten thousandths, drawn when it begins.
type Faults struct {
	LaunchFails, LaunchSlow, LaunchHangs int
	OpenFails, OpenLeaves                int // it fails, leaving nothing or its page behind
	OpenSlow, OpenHangs                  int
	CloseFails, CloseFailsAnyway         int // it fails, and the page is there or gone
	CloseSlow, CloseHangs                int
	KillFails, KillSlow, KillHangs       int
	BrowserCloseSlow, BrowserCloseHangs  int
	ProbeFails, ProbeSlow, ProbeHangs    int
	RescueFails, RescueSlow              int
	ResetFails, ResetSlow, ResetHangs    int
	EndFails, EndSlow, EndHangs          int // of the session of a lease
	BeginFails, BeginSlow, BeginHangs    int // of the session of the next one
	// a holder leaves something that no end of a session undoes
	SpoilsTab, SpoilsContext int
	NavigatesNoMore          int // a page answers everything but navigations
	LoopsLate                int // a page begins to loop when its lease ends
	// a page has its browser draw no more, drawn for each grant
	HangsDrawing int
	// a page floods the pipe of its browser, likewise
	FloodsPipe                           int
	CheckFails, CheckSlow, CheckHangs    int // of a browser that is well
	FreezeFails, FreezeSlow, FreezeHangs int
	// a page uses more memory, drawn for each grant, where browsers are measured
	Swells                   int
	Leaks                    int // the same of its browser
	Twice                    int // the answer comes twice
	Wedges, Crashes          int // of renders, drawn when their program is made
	Loops                    int // of the wedged renders: a rescue helps
	SilentWedges             int // of the wedged renders: nobody notices, and the lease expires
	DeathsPerThousandHours   int // of the browser
	CrashesPerThousandHours  int // of a page, whoever has it
	SilencesPerThousandHours int // of the browser: it answers nothing any more
	// something that its tabs share hangs, or ends, or it is stopped and goes on
	SharedPerThousandHours int
}

// Conditions are how a simulated browser behaves.
type Conditions struct {
	Launch, Open, Close, Kill, BrowserClose Latency
	Probe, Rescue, Reset, Ping              Latency
	EndSession, BeginSession, Check, Freeze Latency
	Sessions                                bool    // each lease has a session of its own
	Checks                                  bool    // browsers can be checked
	Repairs                                 bool    // a check may kill a helper that hangs
	Clears                                  bool    // a reset clears what the context keeps
	Slow                                    Latency // of what is slow
	Echo                                    core.Time
	Faults                                  Faults
	// Measured are distributions to draw from in place of all between the shortest and the longest
	// alike.
	Measured Latencies
	// Boundaries draws the latency of slow operations around the deadlines that they run into: just
	// before, at the same instant, just after, long after.
	Boundaries bool
}

// Milliseconds and Seconds are units of virtual time.
const (
	Milliseconds = core.Time(time.Millisecond)
	Seconds      = core.Time(time.Second)
)

// DefaultConditions is a healthy browser: every operation works and takes its usual time.
var DefaultConditions = Conditions{
	Launch:       Latency{300 * Milliseconds, 300 * Milliseconds},
	Open:         Latency{150 * Milliseconds, 150 * Milliseconds},
	Close:        Latency{10 * Milliseconds, 10 * Milliseconds},
	Kill:         Latency{20 * Milliseconds, 20 * Milliseconds},
	BrowserClose: Latency{50 * Milliseconds, 50 * Milliseconds},
	Probe:        Latency{2 * Milliseconds, 2 * Milliseconds},
	Rescue:       Latency{60 * Milliseconds, 60 * Milliseconds},
	Reset:        Latency{40 * Milliseconds, 40 * Milliseconds},
	Ping:         Latency{1 * Milliseconds, 1 * Milliseconds},
	EndSession:   Latency{1 * Milliseconds, 1 * Milliseconds},
	BeginSession: Latency{2 * Milliseconds, 2 * Milliseconds},
	Check:        Latency{50 * Milliseconds, 50 * Milliseconds},
	Freeze:       Latency{2 * Milliseconds, 2 * Milliseconds},
	Echo:         5 * Milliseconds,
}

// MishapRates are how often the browser dies, a page does, the browser falls silent, and something
// happens to what its tabs share, in a thousand hours.
func (f *Faults) MishapRates() [4]int {
	return [4]int{f.DeathsPerThousandHours, f.CrashesPerThousandHours, f.SilencesPerThousandHours,
		f.SharedPerThousandHours}
}

// UntilMishap draws how long it takes until one of these happens by itself; fakebrowser.Never: none
// does.
func (f *Faults) UntilMishap(c Chance) core.Time {
	rate := 0
	for _, r := range f.MishapRates() {
		rate += r
	}
	if rate == 0 {
		return never
	}
	mean := core.Time(1000*time.Hour) / core.Time(rate)
	return c.Between(Latency{mean / 50, 2 * mean})
}
