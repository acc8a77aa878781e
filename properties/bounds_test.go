package properties

import (
	"reflect"
	"testing"
	"time"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim"
	"github.com/pagepool/pagepool/sim/scheduler"
	"github.com/pagepool/pagepool/sim/traffic"
)

// staged lets the callers of the staging profile come to a browser with these faults alone, and
// says what every step did.
func staged(t *testing.T, seed uint64, settings core.Settings, gap core.Time, faults sim.Faults,
	hours int,
	observe func(*sim.World, core.Event, []core.Effect)) *sim.World {
	t.Helper()
	staging := traffic.ProfileNamed("staging")
	conditions, arrivals := staging.Conditions, staging.Arrivals
	conditions.Faults = faults
	arrivals.Gap, arrivals.Discards, arrivals.Sweeps = gap, 0, 0
	callers, err := arrivals.Callers(&conditions, settings)
	if err != nil {
		t.Fatal(err)
	}
	w, err := sim.New(sim.Options{
		Settings: settings, Timed: true, Choices: scheduler.NewRandom(seed, 3), Conditions: &conditions,
		Arrivals: callers,
		Observe:  observe,
	})
	if err != nil {
		t.Fatal(err)
	}
	if !w.RunUntil(core.Time(hours) * 3600 * sim.Seconds) {
		t.Fatalf("seed %d: %v", seed, w.Violation())
	}
	return w
}

// flux is what any tab may be short of at any time: one close and one opening, at their slowest.
const flux = 450 * time.Millisecond

// Where renders wedge and nothing else goes wrong, full capacity is back within MaxLease +
// RescueTimeout + CloseTimeout + KillTimeout of each; where a rescue helps, within MaxLease +
// RescueTimeout.
func TestPropertyRecoveryIsBounded(t *testing.T) {
	for name, loops := range map[string]int{"beyond rescue": 0, "rescued": 10_000} {
		t.Run(name, func(t *testing.T) {
			settings, err := core.Settings{MaxLease: 20 * time.Second}.Resolve()
			if err != nil {
				t.Fatal(err)
			}
			bound := settings.MaxLease + settings.RescueTimeout
			if loops == 0 {
				bound += settings.CloseTimeout + settings.KillTimeout
			}
			for seed := range uint64(4) {
				rescued := 0
				w := staged(t, seed, settings, sim.Seconds,
					sim.Faults{Wedges: 20, Loops: loops, SilentWedges: 5000}, 3,
					func(_ *sim.World, e core.Event, _ []core.Effect) {
						if e.Is(core.Done, core.RescueTab) {
							rescued++
						}
					})
				worst := w.WorstRecovery().Duration()
				if worst > bound+flux || worst < time.Second {
					t.Errorf("seed %d: recovered in %v; want at most %v, and something to recover from", seed,
						worst, bound+flux)
				}
				if (rescued > 0) != (loops > 0) {
					t.Errorf("seed %d: %d rescues", seed, rescued)
				}
			}
		})
	}
}

// While browsers are replaced, over and over, and many of them do not start, no request is refused
// for it, no lease is lost, and nobody waits longer than for one close and one opening.
func TestPropertyAReplacedBrowserRefusesNobody(t *testing.T) {
	settings := core.Settings{
		MaxPages: 6, BrowserMaxAge: 45 * time.Second, BrowserMaxTabs: 30, LaunchTimeout: 5 * time.Second,
		OpenBackoffMax: time.Second,
	}
	faults := sim.Faults{LaunchFails: 3000, LaunchHangs: 500, LaunchSlow: 1000}
	for seed := range uint64(4) {
		play := func(settings core.Settings, faults sim.Faults) (browsers int, worst time.Duration) {
			staged(t, seed, settings, 4*sim.Seconds, faults, 3,
				func(w *sim.World, e core.Event, effects []core.Effect) {
					if w.Now() < 10*sim.Seconds {
						return // the first browser may not start either
					}
					if e.Is(core.Done, core.Launch) {
						browsers++
					}
					for _, f := range effects {
						switch {
						case f.Kind == core.Refuse && f.Reason != core.RequestAbandoned:
							t.Errorf("seed %d, %v: r%d is refused: %v", seed, w.Now().Duration(), f.Request, f.Reason)
						case f.Kind == core.EndLease && f.Reason == core.BrowserLost:
							t.Errorf("seed %d, %v: the lease of r%d is lost", seed, w.Now().Duration(), f.Request)
						case f.Kind == core.Grant:
							worst = max(worst, (f.Waits.Total() - f.Waits.Admission).Duration())
						}
					}
				})
			return browsers, worst
		}
		_, usual := play(core.Settings{MaxPages: settings.MaxPages}, sim.Faults{})
		replaced, worst := play(settings, faults)
		if replaced < 60 || worst > usual+flux {
			t.Errorf("seed %d: %d browsers, and a wait of %v; want many, and at most %v", seed, replaced,
				worst, usual+flux)
		}
	}
}

// Every setting is drawn by some seed of the most hostile profile, or is derived from one that is.
func TestPropertyEverySettingIsDrawn(t *testing.T) {
	profile := traffic.ProfileNamed("hostile")
	s := reflect.TypeFor[core.Settings]()
	values := make([]map[any]bool, s.NumField())
	for i := range values {
		values[i] = map[any]bool{}
	}
	for seed := range uint64(200) {
		full, err := profile.Draw(seed).Settings.Resolve()
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for i := range values {
			values[i][reflect.ValueOf(full).Field(i).Interface()] = true
		}
	}
	for i, v := range values {
		if len(v) < 2 {
			t.Errorf("every seed has the same %s", s.Field(i).Name)
		}
	}
}
