package view

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"

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
	Comments []string          // the lead of its trace
	Labels   map[string]string // what its requests are for, by request
	Untimed  bool              // it has no clock, so the order of things is the schedule's choice
	NoReturn int               // the step after which nothing avoids the end; 0: not known
	Acts     []steps.Act       // of a run on a real browser, which the core goes through alone
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

// ErrStopped is what a play comes to that did not reach the end of the run, because it was told to
// stop. What it has shown by then is of no use: it looks like the whole.
var ErrStopped = errors.New("stopped before the end of the run")

// OfTrace is the source of a trace or a dump. What the simulated browser cannot follow, because a
// real one did it, the core goes through alone. Where goOn says false, a play ends early, with
// ErrStopped; nil never does.
func OfTrace(title string, tr *trace.Trace, goOn func() bool) (*Source, error) {
	s := &Source{Title: title, Untimed: tr.Untimed}
	if report, err := replay.RunWhile(tr, nil, goOn); err != nil &&
		(report == nil || len(report.Failed) == 0) {
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
		report, err := replay.RunWhile(tr, func(t replay.Step) {
			step(t.World, t.Event, t.Effects, t.Names)
		}, goOn)
		if err != nil && (report == nil || len(report.Failed) == 0) {
			return nil, err
		}
		if report.Stopped {
			return nil, ErrStopped
		}
		return &End{report.Violation, report.Failed, tr.Settings}, nil
	}
	return s, nil
}

// OfRun is the source of a seed of a profile. Its affinities are called a1, a2 and so on. Where
// o.Progress says false, a play ends early, with ErrStopped.
func OfRun(title string, o traffic.Options) *Source {
	names := new(replay.Keys)
	for i := range 1 << 10 {
		names.Handle(fmt.Sprintf("a%d", i+1))
	}
	return &Source{Title: title, Play: func(step Observer) (*End, error) {
		o.Observe = func(w *sim.World, event core.Event, effects []core.Effect) {
			step(w, event, effects, names)
		}
		report, err := traffic.Run(o)
		if err != nil {
			return nil, err
		}
		if report.Stopped {
			return nil, ErrStopped
		}
		return &End{Broken: report.Violation, Settings: report.Settings}, nil
	}}
}

// faults are what went wrong with each step, as far as events and the world tell.
type faults struct {
	acts replay.Acts
	told []steps.Act
}

func (f *faults) of(w *sim.World, event string) (list []string) {
	for _, act := range f.acts.Of(w) {
		list = append(list, act.String())
	}
	for len(f.told) > 0 && f.told[0].At <= w.Now() {
		list, f.told = append(list, f.told[0].Text), f.told[1:]
	}
	if timeline.IsFault(event) {
		list = append(list, event)
	}
	return list
}

// Timeline plays the run into a timeline. most is how many slices that may have; 0: as many as a
// viewer opens at once.
func (s *Source) Timeline(most int) (*timeline.Timeline, *End, error) {
	t, acts, told := &timeline.Timeline{Most: most}, new(replay.Acts), 0
	end, err := s.Play(func(w *sim.World, event core.Event, effects []core.Effect, names trace.Names) {
		for _, act := range acts.Of(w) {
			t.Note(w.Now(), "fault", act.String())
		}
		for ; told < len(s.Acts) && s.Acts[told].At <= w.Now(); told++ {
			t.Note(s.Acts[told].At, "fault", s.Acts[told].Text)
		}
		t.Step(w.Now(), string(trace.AppendEvent(nil, event, names)), effects, w.Core(), names)
		if t.Steps == s.NoReturn {
			t.Note(w.Now(), "no-return", "from here on, nothing that a fair browser does avoids the end")
		}
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
	r := &steps.Recorder{First: first, Last: first + most - 1, Choices: true, Untimed: s.Untimed,
		Told: s.Acts}
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
	_, err := s.Play(func(w *sim.World, _ core.Event, effects []core.Effect, _ trace.Names) {
		counted.step(w, effects)
	})
	return counted.list(), err
}

// A survey is what the first play of a run finds: what decides which of its steps a page has.
type survey struct {
	end     *End
	columns columns
	figures []Figure
	total   int
	lanes   int
	sums    []uint64 // of each step: when, what happened, and what the pool did
}

func (s *Source) survey(sums bool) (*survey, error) {
	v, counted, wrong := new(survey), new(outcomes), faults{told: s.Acts}
	var text []byte
	end, err := s.Play(func(w *sim.World, event core.Event, effects []core.Effect, names trace.Names) {
		v.total++
		counted.step(w, effects)
		v.lanes = max(v.lanes, w.Core().Alive()+w.Core().RequestCount()+w.Core().Leases())
		text = trace.AppendEvent(text[:0], event, names)
		v.columns.step(w, v.total, wrong.of(w, string(text)))
		if sums {
			v.sums = append(v.sums, sumOf(w.Now(), text, effects, names))
		}
	})
	if err != nil {
		return nil, err
	}
	if v.total == 0 {
		return nil, fmt.Errorf("%s: nothing happens in it, so there is nothing to show", s.Title)
	}
	if b := end.Broken; b != nil {
		v.columns.broken(b.Property+": "+b.What, v.total)
	}
	v.end, v.figures = end, counted.list()
	return v, nil
}

func sumOf(at core.Time, event []byte, effects []core.Effect, names trace.Names) uint64 {
	h := fnv.New64a()
	_ = binary.Write(h, binary.LittleEndian, int64(at))
	_, _ = h.Write(event)
	for _, e := range effects {
		_, _ = h.Write(trace.AppendEffect([]byte{'\n'}, e, names))
	}
	return h.Sum64()
}

// leadIn is how many steps before the first difference of two runs a page has.
const leadIn = 40

// Runs are the runs of a page, one or two. Each is played twice: for the overview and the figures,
// and for the steps that the page has. These begin with first; where that is 0, a long run has its
// last ones, and two runs those around the first step in which they differ. differs is that step;
// 0: they are the same, or there is one run alone.
func Runs(sources []*Source, first int) (runs []Run, differs int, err error) {
	surveys := make([]*survey, len(sources))
	for i, s := range sources {
		if surveys[i], err = s.survey(len(sources) > 1); err != nil {
			return nil, 0, err
		}
	}
	if len(sources) > 1 {
		differs = differ(surveys[0].sums, surveys[1].sums)
	}
	if most := surveys[0].total; first > most {
		return nil, 0, fmt.Errorf("-first %d: want a step from 1 to %d", first, most)
	}
	for i, s := range sources {
		from := first
		if first == 0 && differs > 0 && surveys[i].total > MostSteps(surveys[i].lanes) {
			from = max(1, differs-leadIn)
		}
		run, err := s.show(surveys[i], from)
		if err != nil {
			return nil, 0, err
		}
		runs = append(runs, *run)
	}
	return runs, differs, nil
}

// differ is the first step, counted from 1, in which two runs differ; 0: there is none.
func differ(a, b []uint64) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i + 1
		}
	}
	if len(a) == len(b) {
		return 0
	}
	return min(len(a), len(b)) + 1
}

// Run is the one run of a page.
func (s *Source) Run(first int) (*Run, error) {
	runs, _, err := Runs([]*Source{s}, first)
	if err != nil {
		return nil, err
	}
	return &runs[0], nil
}

// leaveOutWhatStays leaves out of each step the lists that are those of the step before; an empty
// one that was not is told.
func leaveOutWhatStays(all []steps.Step) {
	for i := len(all) - 1; i >= 0; i-- {
		var before steps.Step
		if i > 0 {
			before = all[i-1]
		}
		for _, list := range []struct{ now, was *[]string }{
			{&all[i].Browsers, &before.Browsers}, {&all[i].Affinities, &before.Affinities},
		} {
			switch same := slices.Equal(*list.now, *list.was); {
			case same:
				*list.now = nil
			case len(*list.now) == 0:
				*list.now = []string{"none"}
			}
		}
	}
}

func (s *Source) show(v *survey, first int) (*Run, error) {
	r, _, err := s.Steps(v.total, min(first, v.total), MostSteps(v.lanes))
	if err != nil {
		return nil, err
	}
	leaveOutWhatStays(r.Steps)
	settings, err := v.end.Settings.Resolve()
	if err != nil {
		return nil, err
	}
	run := &Run{
		Name: s.Title, Comments: s.Comments, Labels: s.Labels, Settings: v.end.Settings.Diff(),
		Capacity: settings.MaxPages,
		Total:    v.total, Begin: v.columns.begin, End: v.columns.last, Untimed: s.Untimed,
		Figures:  v.figures,
		NoReturn: s.NoReturn,
	}
	run.serve(r.Steps)
	if len(r.Steps) < v.total {
		run.Overview = v.columns.overview()
		run.Thinned = run.Overview.Says()
	}
	if b := v.end.Broken; b != nil {
		run.Broken, run.Says = fmt.Sprintf("%s, at step %d: %s", b.Property, b.Step, b.What), b.Says
	}
	for _, f := range v.end.Failed {
		run.Failed = append(run.Failed, failure(f))
	}
	return run, nil
}

// serve gives a run its steps, and the menu of what could have happened in them.
func (r *Run) serve(all []steps.Step) {
	places := map[string]int{}
	r.Steps = make([]Step, 0, len(all))
	for _, s := range all {
		step := Step{Step: s}
		for _, c := range s.Choices {
			place, ok := places[c.Label]
			if !ok {
				place = len(r.Menu)
				places[c.Label], r.Menu = place, append(r.Menu, c.Label)
			}
			number := place << 3
			for bit, is := range []bool{c.Fault, c.Default, c.Taken} {
				if is {
					number |= 1 << bit
				}
			}
			step.Choices = append(step.Choices, number)
		}
		r.Steps = append(r.Steps, step)
	}
}
