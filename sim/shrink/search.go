package shrink

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/pagepool/pagepool/internal/prose"
	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim"
	"github.com/pagepool/pagepool/sim/fakebrowser"
	"github.com/pagepool/pagepool/sim/replay"
	"github.com/pagepool/pagepool/sim/search"
)

// What is small enough for a search.
const (
	mostClients = 6
	mostFaults  = 4 // of a search; a trace with more is searched for one with as few
)

// search makes a small trace the shortest there is: its callers become the programs of a scenario,
// its faults the scenario's menu, and the search visits every schedule of them, breadth first:
// without a fault, with one, and so on, to as many as the trace has. What it finds takes the place
// of the trace where it is shorter.
func (s *shrinker) search(out *Result, from string) {
	scenario, ok := scenario(s.base)
	if !ok {
		return
	}
	budget := scenario.Faults
	for scenario.Faults = 0; scenario.Faults <= budget; scenario.Faults++ {
		s.doing = fmt.Sprintf("a search with %s", prose.Count(scenario.Faults, "fault"))
		x, err := sim.Explore(scenario,
			sim.ExploreOptions{MaxStates: s.options.States, Progress: func(search.Progress) bool {
				return !s.tired()
			}})
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

// timeless are settings without the durations that are on by default: in an untimed world any of
// them may pass at any time. ProbeMaxAge is left: whether it is shorter than a step makes a
// difference.
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
		s.ended = !s.options.Progress(s.doing, s.base.Count())
	}
	return s.ended
}

// found takes in the shortest schedule of a scenario that breaks the claim.
func (s *shrinker) found(out *Result, scenario *sim.Scenario, x *sim.Exploration, from string) {
	of := fmt.Sprintf("of the schedules of %s with %s", prose.Count(len(scenario.Programs), "caller"),
		prose.Count(scenario.Faults, "fault"))
	searched := fmt.Sprintf("(%s searched).", prose.Count(x.States, "state"))
	note := "The shortest: " + of +
		", none with fewer actions breaks it, and none with fewer faults " + searched
	text, err := replay.Counterexample(scenario, x, s.base.Names, s.head(from, note)...)
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
	note = "The shortest: what a search finds " + of +
		" has no fewer steps, and none with fewer faults breaks it " + searched
	out.Text = s.base.Text(s.head(from, note)...)
}

// scenario is a history as a small world: a client for each call, and the faults that occur in it.
// ok is false where that is too large to search, or no client can do what the history does.
func scenario(h *replay.History) (s *sim.Scenario, ok bool) {
	s = &sim.Scenario{Name: "shrunk", Settings: timeless(h.Settings), Menu: menu(h),
		Sessions: hasSessions(h), Checks: hasChecks(h)}
	holder := map[core.TabID]core.RequestID{}
	clients := map[core.RequestID]int{}
	programs := [][]sim.Instruction{}
	calls := map[core.CallID]int{}
	add := func(client int, in sim.Instruction) {
		programs[client] = append(programs[client], in)
	}
	newClient := func(in sim.Instruction) int {
		programs = append(programs, nil)
		add(len(programs)-1, in)
		return len(programs) - 1
	}
	ended := map[core.RequestID]bool{}
	ok = true
	for i := range h.Lines {
		w := &h.Lines[i]
		client, known := clients[w.Event.Request]
		if at, held := holder[w.Act.Tab|w.Event.Tab]; held &&
			(w.Act.Verb != "" || w.Event.Kind == core.Crashed) {
			client, known = clients[at]
		}
		switch kind := w.Event.Kind; {
		case w.Act.Verb == replay.WedgeVerb && known:
			add(client, sim.Instruction{Verb: sim.Wedge})
		case w.Act.Verb == replay.LoopVerb && known:
			add(client, sim.Instruction{Verb: sim.Loop})
		case kind == core.Crashed && known:
			add(client, sim.Instruction{Verb: sim.Crash})
		case kind == core.Requested:
			clients[w.Event.Request] = newClient(sim.Instruction{
				Verb: sim.Get, Affinity: w.Event.Affinity, Class: w.Event.Class, Priority: w.Event.Priority,
				MaxLease: w.Event.MaxLease,
			})
		case known && ended[w.Event.Request] && kind == core.Released:
			programs[client][len(programs[client])-1].Verb = sim.ReleaseTwice
		case known && kind == core.Released:
			add(client, sim.Instruction{Verb: sim.Release})
		case known && kind == core.Discarded && w.Event.Wedged:
			add(client, sim.Instruction{Verb: sim.DiscardWedged})
		case known && kind == core.Discarded:
			add(client, sim.Instruction{Verb: sim.Discard})
		case known && kind == core.Abandoned && waits(h, w.Event.Request, i):
			programs[client][0].GivesUp = true
		case known && kind == core.Abandoned:
			add(client, sim.Instruction{Verb: sim.AbandonLate})
		case known && kind == core.Expired:
			add(client, sim.Instruction{Verb: sim.Sit})
		case kind == core.Disposed:
			calls[w.Event.Call] = newClient(
				sim.Instruction{Verb: sim.Dispose, Affinity: w.Event.Affinity, NoWait: w.Event.NoWait,
					Retain: w.Event.Retain})
		case kind == core.WarmRequested:
			calls[w.Event.Call] = newClient(sim.Instruction{Verb: sim.WarmUp})
		case kind == core.RecycleRequested:
			calls[w.Event.Call] = newClient(sim.Instruction{Verb: sim.Recycle})
		case kind == core.SweepRequested:
			newClient(sim.Instruction{Verb: sim.Sweep, Lasting: core.Time(w.Event.MaxIdle)})
		case kind == core.CloseRequested:
			calls[0] = newClient(sim.Instruction{Verb: sim.ClosePool})
		case kind == core.CallAbandoned, kind == core.CloseExpired:
			if client, known := calls[w.Event.Call]; known {
				programs[client][0].GivesUp = true
			}
		}
		if kind := w.Event.Kind; kind == core.Released || kind == core.Discarded {
			ended[w.Event.Request] = true
		}
		for _, g := range w.Did.Granted {
			holder[g.Tab] = g.Request
		}
		if costs(h, i) {
			s.Faults++
		}
	}
	for _, instructions := range programs {
		var p sim.Program
		ok = ok && len(instructions) <= len(p)
		copy(p[:], instructions)
		s.Programs = append(s.Programs, p)
	}
	s.Faults = min(s.Faults, mostFaults)
	return s, ok && len(programs) <= mostClients
}

// waits says whether a request had not been granted by a line.
func waits(h *replay.History, r core.RequestID, line int) bool {
	for i := range h.Lines[:line] {
		if slices.ContainsFunc(h.Lines[i].Did.Granted, func(g replay.Granted) bool {
			return g.Request == r
		}) {
			return false
		}
	}
	return true
}

// menuOf are the deviations of a search by which a line can happen.
func menuOf(w *replay.Line) sim.Menu {
	switch w.Event.Kind {
	case core.Failed:
		return menuOfFailure(w.Event.Of)
	case core.BrowserGone:
		return sim.Deaths
	case core.Crashed:
		return sim.Crashes | sim.Outgrows
	case core.Measured:
		return sim.Swells
	case core.Abandoned, core.CallAbandoned, core.CloseExpired:
		return sim.GivesUp
	case core.Expired:
		return sim.Expires
	case core.BrowserWorn, core.CheckDue, core.RetireDue, core.FreezeDue, core.IdleDue, core.RetryDue,
		core.RelaunchDue, core.ContractDue:
		return 0
	}
	switch {
	case w.Event.Left != core.Clean, w.Event.Navigation == core.Stuck:
		return sim.Leaves
	case w.Event.Kind.Deadline():
		return sim.Late | sim.Hangs
	case w.Second:
		return sim.Twice
	case w.Act.Verb == replay.WedgeVerb:
		return sim.Wedges
	case w.Act.Verb == replay.LoopVerb:
		return sim.Loops
	case w.Act.Verb == replay.FloodVerb:
		return sim.Floods
	case w.Act.Hold.Kind != 0:
		return sim.Hangs
	}
	return menuOfShared(&w.Act)
}

// menuOfShared is that by which something that tabs share becomes what an act says.
func menuOfShared(a *replay.Act) sim.Menu {
	h, ok := a.Turns()
	switch {
	case !ok:
		return 0
	case h == fakebrowser.Fine:
		return sim.GoesOn
	case h == fakebrowser.Dead:
		return sim.HelperDies
	}
	return [...]sim.Menu{sim.Silences, sim.LongMessages, sim.Sickens, sim.HelperHangs,
		sim.HelperHangs}[a.Part]
}

// menuOfFailure are those by which an operation can fail.
func menuOfFailure(of core.EffectKind) sim.Menu {
	switch of {
	case core.Launch:
		return sim.LaunchFails | sim.Deaths
	case core.OpenTab:
		return sim.OpenFails | sim.OpenFailsLeaving
	case core.CloseTab, core.CloseContext:
		return sim.CloseFails | sim.CloseFailsAnyway
	case core.KillTab:
		return sim.KillFails
	case core.Ping:
		return sim.Losses
	}
	return sim.Doubts
}

// hasSessions says whether the driver gives each lease a session of its own.
func hasSessions(h *replay.History) bool {
	return slices.ContainsFunc(h.Lines, func(w replay.Line) bool { return w.Event.Sessions })
}

// hasChecks says whether the driver can check its browsers.
func hasChecks(h *replay.History) bool {
	return slices.ContainsFunc(h.Lines, func(w replay.Line) bool { return w.Event.Checks })
}

func menu(h *replay.History) sim.Menu {
	var all sim.Menu
	for i := range h.Lines {
		if all |= menuOf(&h.Lines[i]); passes(h, i) {
			all |= sim.Late | sim.Hangs
		}
	}
	return all
}

// passes says whether time passes before a line that is no deadline. Times are as short as can be
// by now, so something was too slow for its grace.
func passes(h *replay.History, line int) bool {
	return !h.Untimed && line > 0 && h.Lines[line].At > h.Lines[line-1].At &&
		!h.Lines[line].Event.Kind.Deadline()
}

// costs says whether a line takes a fault of a search.
func costs(h *replay.History, line int) bool {
	return menuOf(&h.Lines[line]) != 0 && h.Lines[line].Event.Kind != core.Overdue || passes(h, line)
}
