package sim

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim/search"
)

// What is small enough for a search.
const (
	mostClients = 6
	mostFaults  = 4 // of a search; a trace with more is searched for one with as few
)

// search makes a small trace the shortest there is: its callers become the programs of a scenario, its faults
// the scenario's menu, and the search visits every schedule of them, breadth first: without a fault, with
// one, and so on, to as many as the trace has. What it finds takes the place of the trace where it is shorter.
func (s *shrinker) search(out *Shrunk, from string) {
	scenario, ok := s.base.scenario()
	if !ok {
		return
	}
	budget := scenario.Faults
	for scenario.Faults = 0; scenario.Faults <= budget; scenario.Faults++ {
		s.doing = fmt.Sprintf("a search with %s", plural(scenario.Faults, "fault"))
		x, err := Explore(scenario, ExploreOptions{MaxStates: s.options.States, Progress: func(search.Progress) bool { return !s.tired() }})
		if err != nil || s.ended {
			return
		}
		if v := x.Violation; v == nil && x.Complete {
			continue // this few faults are not enough
		} else if v == nil || v.Property != s.failure.Property {
			return
		}
		s.found(out, scenario, x, from)
		return
	}
}

// timeless are settings without the durations that are on by default: in an untimed world any of them may
// pass at any time. ProbeMaxAge is left: whether it is shorter than a step makes a difference.
func timeless(s core.Settings) core.Settings {
	v := reflect.ValueOf(&s).Elem()
	for i := range v.NumField() {
		f := v.Field(i)
		d, ok := f.Interface().(time.Duration)
		if !ok || d <= 0 || v.Type().Field(i).Name == "ProbeMaxAge" {
			continue
		}
		f.SetInt(0)
		if full, err := s.Resolve(); err != nil || reflect.ValueOf(full).Field(i).Int() <= 0 {
			f.SetInt(int64(d))
		}
	}
	return s
}

// tired says whether somebody has ended the work. A search is bounded by its states.
func (s *shrinker) tired() bool {
	if !s.ended && s.options.Progress != nil {
		s.ended = !s.options.Progress(s.doing, s.base.lines())
	}
	return s.ended
}

// found takes in the shortest schedule of a scenario that breaks the claim.
func (s *shrinker) found(out *Shrunk, scenario *Scenario, x *Exploration, from string) {
	of := fmt.Sprintf("of the schedules of %s with %s", plural(len(scenario.Programs), "caller"), plural(scenario.Faults, "fault"))
	searched := fmt.Sprintf("(%s searched).", plural(x.States, "state"))
	note := "The shortest: " + of + ", none with fewer actions breaks it, and none with fewer faults " + searched
	text, err := CounterexampleTrace(scenario, x, s.base.names, s.head(from, note)...)
	if err != nil {
		return // it is one that a trace cannot show
	}
	after, err := reread(text)
	if err != nil || after.Violation == nil {
		return
	}
	out.Shortest = true
	if after.Steps < out.After.Steps {
		out.Text, out.After = text, after
		return
	}
	note = "The shortest: what a search finds " + of + " has no fewer steps, and none with fewer faults breaks it " + searched
	out.Text = s.base.write(s.head(from, note)...)
}

// CounterexampleTrace writes the schedule by which a search broke a claim as an untimed trace. It is an error
// where no trace shows it, since what broke is that something never ends. names are those of the affinities.
func CounterexampleTrace(scenario *Scenario, x *Exploration, names trace.Names, comments ...string) ([]byte, error) {
	if x.Violation == nil {
		return nil, fmt.Errorf("no claim broke in %s", scenario.Name)
	}
	transcript := Transcript{Names: names}
	if err := transcript.follow(scenario, x.Trace); err != nil {
		return nil, err
	}
	return transcript.Untimed(scenario.Settings, x.Violation.Property, comments...)
}

// follow takes in what a schedule of a scenario does, given by the labels of its actions.
func (t *Transcript) follow(scenario *Scenario, labels []string) error {
	observed := *scenario
	observed.Observe = t.Observe
	w, err := observed.World()
	if err != nil {
		return err
	}
	for _, label := range labels {
		actions := w.Actions(nil)
		i := slices.IndexFunc(actions, func(a Action) bool { return w.Label(&a) == label })
		if i < 0 {
			return fmt.Errorf("%s: %q is not possible where it was", scenario.Name, label)
		}
		w.Do(&actions[i])
	}
	return nil
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// scenario is a history as a small world: a client for each call, and the faults that occur in it. ok is
// false where that is too large to search, or no client can do what the history does.
func (h *history) scenario() (s *Scenario, ok bool) {
	s = &Scenario{Name: "shrunk", Settings: timeless(h.settings), Menu: h.menu(), Sessions: h.sessions()}
	holder := map[core.TabID]core.RequestID{}
	clients := map[core.RequestID]int{}
	programs := []writer{}
	calls := map[core.CallID]int{}
	add := func(client int, in Instruction) {
		if p := &programs[client]; p.length < programLength {
			p.add(in)
		} else {
			ok = false
		}
	}
	newClient := func(in Instruction) int {
		programs = append(programs, writer{})
		add(len(programs)-1, in)
		return len(programs) - 1
	}
	ended := map[core.RequestID]bool{}
	ok = true
	for i := range h.wishes {
		w := &h.wishes[i]
		client, known := clients[w.event.Request]
		if at, held := holder[w.act.tab|w.event.Tab]; held && (w.act.verb != "" || w.event.Kind == core.Crashed) {
			client, known = clients[at]
		}
		switch kind := w.event.Kind; {
		case w.act.verb == wedgeVerb && known:
			add(client, Instruction{Verb: Wedge})
		case w.act.verb == loopVerb && known:
			add(client, Instruction{Verb: Loop})
		case kind == core.Crashed && known:
			add(client, Instruction{Verb: Crash})
		case kind == core.Requested:
			clients[w.event.Request] = newClient(Instruction{
				Verb: Get, Affinity: w.event.Affinity, Class: w.event.Class, Priority: w.event.Priority, MaxLease: w.event.MaxLease,
			})
		case known && ended[w.event.Request] && kind == core.Released:
			programs[client].program[programs[client].length-1].Verb = ReleaseTwice
		case known && kind == core.Released:
			add(client, Instruction{Verb: Release})
		case known && kind == core.Discarded && w.event.Wedged:
			add(client, Instruction{Verb: DiscardWedged})
		case known && kind == core.Discarded:
			add(client, Instruction{Verb: Discard})
		case known && kind == core.Abandoned && h.waits(w.event.Request, i):
			programs[client].program[0].GivesUp = true
		case known && kind == core.Abandoned:
			add(client, Instruction{Verb: AbandonLate})
		case known && kind == core.Expired:
			add(client, Instruction{Verb: Sit})
		case kind == core.Disposed:
			calls[w.event.Call] = newClient(Instruction{Verb: Dispose, Affinity: w.event.Affinity, NoWait: w.event.NoWait, Retain: w.event.Retain})
		case kind == core.WarmRequested:
			calls[w.event.Call] = newClient(Instruction{Verb: WarmUp})
		case kind == core.RecycleRequested:
			calls[w.event.Call] = newClient(Instruction{Verb: Recycle})
		case kind == core.SweepRequested:
			newClient(Instruction{Verb: Sweep, Lasting: core.Time(w.event.MaxIdle)})
		case kind == core.CloseRequested:
			calls[0] = newClient(Instruction{Verb: ClosePool})
		case kind == core.DisposeAbandoned, kind == core.WarmAbandoned, kind == core.RecycleAbandoned, kind == core.CloseExpired:
			if client, known := calls[w.event.Call]; known {
				programs[client].program[0].GivesUp = true
			}
		}
		if kind := w.event.Kind; kind == core.Released || kind == core.Discarded {
			ended[w.event.Request] = true
		}
		for _, g := range w.did.granted {
			holder[g.tab] = g.request
		}
		if h.costs(i) {
			s.Faults++
		}
	}
	for i := range programs {
		s.Programs = append(s.Programs, programs[i].program)
	}
	s.Faults = min(s.Faults, mostFaults)
	return s, ok && len(programs) <= mostClients
}

// waits says whether a request had not been granted by a line.
func (h *history) waits(r core.RequestID, line int) bool {
	for i := range h.wishes[:line] {
		if slices.ContainsFunc(h.wishes[i].did.granted, func(g grant) bool { return g.request == r }) {
			return false
		}
	}
	return true
}

// menuOf are the deviations of a search by which a line can happen.
func (w *wish) menuOf() Menu {
	switch w.event.Kind {
	case core.BrowserFailed:
		return LaunchFails | Deaths
	case core.BrowserGone:
		return Deaths
	case core.OpenFailed:
		return OpenFails | OpenFailsLeaving
	case core.ProbeFailed, core.RescueFailed, core.ResetFailed, core.SessionEndFailed, core.SessionBeginFailed:
		return Doubts
	case core.CloseFailed, core.ContextCloseFailed:
		return CloseFails | CloseFailsAnyway
	case core.KillFailed:
		return KillFails
	case core.Crashed:
		return Crashes
	case core.Abandoned, core.DisposeAbandoned, core.WarmAbandoned, core.RecycleAbandoned, core.CloseExpired:
		return GivesUp
	case core.Expired:
		return Expires
	case core.BrowserWorn, core.RetireDue, core.RetryDue, core.RelaunchDue, core.ContractDue:
		return 0
	}
	switch {
	case w.event.Left != core.Clean, w.event.Navigation == core.Stuck:
		return Leaves
	case w.event.Kind.Deadline():
		return Late | Hangs
	case w.second:
		return Twice
	case w.act.verb == wedgeVerb:
		return Wedges
	case w.act.verb == loopVerb:
		return Loops
	case w.act.verb == silenceVerb:
		return Silences
	case w.act.verb == hangVerb:
		return Hangs
	}
	return 0
}

// sessions says whether the driver gives each lease a session of its own.
func (h *history) sessions() bool {
	return slices.ContainsFunc(h.wishes, func(w wish) bool { return w.event.Sessions })
}

func (h *history) menu() Menu {
	var all Menu
	for i := range h.wishes {
		if all |= h.wishes[i].menuOf(); h.passes(i) {
			all |= Late | Hangs
		}
	}
	return all
}

// passes says whether time passes before a line that is no deadline. Times are as short as can be by now, so
// something was too slow for its grace.
func (h *history) passes(line int) bool {
	return !h.untimed && line > 0 && h.wishes[line].at > h.wishes[line-1].at && !h.wishes[line].event.Kind.Deadline()
}

// costs says whether a line takes a fault of a search.
func (h *history) costs(line int) bool {
	return h.wishes[line].menuOf() != 0 && !graceMark(h.wishes[line].event.Kind) || h.passes(line)
}
