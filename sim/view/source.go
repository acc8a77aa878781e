package view

import (
	"fmt"

	"github.com/pagepool/pagepool/sim/replay"
	"github.com/pagepool/pagepool/sim/traffic"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim"
	"github.com/pagepool/pagepool/sim/steps"
	"github.com/pagepool/pagepool/sim/timeline"
)

// Source is a run that can be looked at. It is played as often as somebody looks, and is the same
// each time.
type Source struct {
	Title    string
	Untimed  bool        // it has no clock, so the order of things is the schedule's choice
	NoReturn int         // the step after which nothing avoids the end; 0: not known
	Acts     []steps.Act // of a run on a real browser, which the core goes through alone
	Play     func(step Observer) (*End, error)
}

// Observer takes in one step of a run; it keeps nothing of effects.
type Observer func(w *sim.World, event core.Event, effects []core.Effect, names trace.Names)

// End is what a run came to.
type End struct {
	Broken   *sim.Violation
	Failed   []replay.FailedExpectation
	Settings core.Settings
}

// OfTrace is the source of a trace or a dump. What the simulated browser cannot follow, because a
// real one did it, the core goes through alone. goOn ends a play early by false; nil never does.
func OfTrace(title string, tr *trace.Trace, goOn func() bool) (*Source, error) {
	s := &Source{Title: title, Untimed: tr.Untimed}
	if report, err := replay.RunWhile(tr, nil, goOn); err != nil && (report == nil || len(report.Failed) == 0) {
		alone, acts, ok := steps.Recorded(tr)
		if !ok {
			return nil, err
		}
		if _, aloneErr := replay.RunWhile(alone, nil, goOn); aloneErr != nil {
			return nil, err
		}
		tr, s.Acts = alone, acts
	}
	s.Play = func(step Observer) (*End, error) {
		report, err := replay.RunWhile(tr, func(t replay.Step) { step(t.World, t.Event, t.Effects, t.Names) }, goOn)
		if err != nil && (report == nil || len(report.Failed) == 0) {
			return nil, err
		}
		return &End{report.Violation, report.Failed, tr.Settings}, nil
	}
	return s, nil
}

// OfRun is the source of a seed of a profile. Its affinities are called a1, a2 and so on.
func OfRun(title string, o traffic.Options) *Source {
	names := new(replay.Keys)
	for i := range 1 << 10 {
		names.Handle(fmt.Sprintf("a%d", i+1))
	}
	return &Source{Title: title, Play: func(step Observer) (*End, error) {
		o.Observe = func(w *sim.World, event core.Event, effects []core.Effect) { step(w, event, effects, names) }
		report, err := traffic.Run(o)
		if err != nil {
			return nil, err
		}
		return &End{Broken: report.Violation, Settings: report.Settings}, nil
	}}
}

// Timeline plays the run into a timeline. most is how many slices that may have; 0: as many as a
// viewer opens at once.
func (s *Source) Timeline(most int) (*timeline.Timeline, *End, error) {
	return s.timeline(most, func(*sim.World, []core.Effect) {})
}

func (s *Source) timeline(most int, also func(*sim.World, []core.Effect)) (*timeline.Timeline, *End, error) {
	t, acts, told := &timeline.Timeline{Most: most}, new(steps.Acts), 0
	end, err := s.Play(func(w *sim.World, event core.Event, effects []core.Effect, names trace.Names) {
		for _, act := range acts.Of(w) {
			t.Note(w.Now(), "fault", act)
		}
		for ; told < len(s.Acts) && s.Acts[told].At <= w.Now(); told++ {
			t.Note(s.Acts[told].At, "fault", s.Acts[told].Text)
		}
		t.Step(w.Now(), string(trace.AppendEvent(nil, event, names)), effects, w.Core(), names)
		if t.Steps == s.NoReturn {
			t.Note(w.Now(), "no-return", "from here on, nothing that a fair browser does avoids the end")
		}
		also(w, effects)
	})
	if err != nil {
		return nil, nil, err
	}
	if v := end.Broken; v != nil {
		t.Note(t.End, "broken", v.Property+": "+v.What)
	}
	for _, f := range end.Failed {
		t.Note(t.End, "broken", failure(f))
	}
	t.Finish()
	return t, end, nil
}

func failure(f replay.FailedExpectation) string {
	return fmt.Sprintf("line %d of the trace: expected %s; got %s", f.Line, f.Want, f.Got)
}

// Steps plays the run into a recorder: most steps from first on, or the last ones, where first is
// 0.
func (s *Source) Steps(total, first, most int) (*steps.Recorder, *End, error) {
	r := &steps.Recorder{First: first, Last: first + most - 1, Choices: true, Untimed: s.Untimed, Told: s.Acts}
	if first == 0 {
		r.First, r.Last = max(1, total-most+1), total
	}
	end, err := s.Play(r.Step)
	return r, end, err
}

// Count plays the run, and counts its steps.
func (s *Source) Count() (n int, err error) {
	_, err = s.Play(func(*sim.World, core.Event, []core.Effect, trace.Names) { n++ })
	return n, err
}

// Figures plays the run, and counts what its callers got.
func (s *Source) Figures() ([]Figure, error) {
	counted := new(outcomes)
	_, err := s.Play(func(w *sim.World, _ core.Event, effects []core.Effect, _ trace.Names) { counted.step(w, effects) })
	return counted.list(), err
}

// Run plays the run twice: for the overview and the figures, and for the steps that the page has,
// which begin with first, or are the last ones where that is 0.
func (s *Source) Run(first int) (*Run, error) {
	counted, lanes := new(outcomes), 0
	overview, end, err := s.timeline(OverviewSlices, func(w *sim.World, effects []core.Effect) {
		counted.step(w, effects)
		lanes = max(lanes, w.Core().Alive()+w.Core().RequestCount()+w.Core().Leases())
	})
	if err != nil {
		return nil, err
	}
	total := overview.Steps
	if first > total {
		return nil, fmt.Errorf("-first %d: want a step from 1 to %d", first, total)
	}
	r, _, err := s.Steps(total, first, MostSteps(lanes))
	if err != nil {
		return nil, err
	}
	if len(r.Steps) == 0 {
		return nil, fmt.Errorf("%s: nothing happens in it, so there is nothing to show", s.Title)
	}
	settings, err := end.Settings.Resolve()
	if err != nil {
		return nil, err
	}
	run := &Run{
		Name: s.Title, Settings: end.Settings.Diff(), Capacity: settings.MaxPages, Total: total, Steps: r.Steps,
		Begin: overview.Begin, End: overview.End, Untimed: s.Untimed, Figures: counted.list(), NoReturn: s.NoReturn,
	}
	if len(r.Steps) < total {
		run.Overview, run.Thinned = OverviewOf(overview), overview.Thinned()
	}
	if v := end.Broken; v != nil {
		run.Broken, run.Says = fmt.Sprintf("%s, at step %d: %s", v.Property, v.Step, v.What), v.Says
	}
	for _, f := range end.Failed {
		run.Failed = append(run.Failed, failure(f))
	}
	return run, nil
}
