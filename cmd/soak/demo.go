package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/pagepool/pagepool/internal/prose"
	"github.com/pagepool/pagepool/sim"
	"github.com/pagepool/pagepool/sim/spec"
	"github.com/pagepool/pagepool/sim/traffic"
	"github.com/pagepool/pagepool/testdata"
)

// demoReport is what `soak` alone prints.
type demoReport struct {
	Command    string        `json:"command"`
	Replay     *replayReport `json:"replay"`
	Run        *runReport    `json:"run"`
	Promises   []promise     `json:"promises"` // none where Ctrl-C left too little to judge by
	Violations []violation   `json:"violations"`

	Interrupted bool `json:"interrupted,omitempty"`
}

// promise is one line of the table at the end.
type promise struct {
	Name   string  `json:"name"`
	Held   bool    `json:"held"`
	Figure float64 `json:"figure"`
	Bound  float64 `json:"bound"`
	Unit   string  `json:"unit"`

	says string
}

func (s *soak) demo() error {
	data, err := testdata.Files.ReadFile(testdata.Incident)
	if err != nil {
		return err
	}
	replay, err := s.replay("testdata/"+testdata.Incident, data, false)
	if err != nil {
		return err
	}
	s.judgeReplay(replay)
	run, err := s.run(runOptions{
		profile: traffic.ProfileNamed("staging"), seeds: seedRange{1, 1},
		hours: hours{24 * time.Hour}, shard: shard{1, 1},
	})
	if err != nil {
		return err
	}
	report := &demoReport{
		Command: "demo", Replay: replay, Run: run, Promises: []promise{}, Violations: []violation{},
		Interrupted: replay.Interrupted || run.Interrupted,
	}
	report.Violations = append(append(report.Violations, replay.Violations...), run.Violations...)
	if !report.Interrupted {
		report.Promises = promises(replay, run)
	}
	for _, p := range report.Promises {
		if !p.Held {
			s.broke()
		}
	}
	if len(report.Violations) > 0 {
		s.broke()
	}
	return s.print(report, report.write)
}

// promises are the figures of both halves against their bounds.
func promises(replay *replayReport, run *runReport) []promise {
	settings := run.first.Settings
	found := replay.found
	broken := map[string]float64{}
	for _, v := range append(append([]violation{}, replay.Violations...), run.Violations...) {
		broken[v.Property]++
	}
	var list []promise
	listed := map[string]bool{}
	add := func(name string, figure, bound float64, unit, says string) {
		listed[name] = true
		list = append(list, promise{name, figure <= bound &&
			broken[name] == 0, figure, bound, unit, says})
	}
	opening := sim.DefaultConditions.Close.Shortest + sim.DefaultConditions.Open.Shortest
	recovery := settings.MaxLease + max(0, settings.RescueTimeout) + settings.CloseTimeout +
		settings.KillTimeout
	worst := max(found.WorstRecovery.Duration().Seconds(), run.WorstRecovery)
	if found.Unrecovered > 0 {
		worst = max(worst, replay.SimulatedSeconds)
	}
	add("stuck-isolated", found.LongestWait.Duration().Seconds(), opening.Duration().Seconds(), "s",
		"longest wait of an unrelated affinity during the incident, against one close and one opening")
	add("bounded-recovery", worst, recovery.Seconds(), "s",
		"longest time from a wedged render to full capacity")
	add("capacity", float64(max(found.MostAlive, run.CapacityMax)), float64(settings.MaxPages+1),
		"tabs",
		"most tabs alive at one time, against capacity and the spare")
	add("answered", float64(run.unanswered), 0, "requests",
		"left without an answer once the faults had stopped")
	for _, name := range []string{"refilled", "nested-progress"} {
		add(name, broken[name], 0, "violations", sim.Says(name))
	}
	for _, v := range spec.Invariants {
		if !listed[v.Name] {
			add(v.Name, broken[v.Name], 0, "violations", v.Says)
		}
	}
	return list
}

func (r *demoReport) write(w io.Writer) {
	fmt.Fprintln(w, "1. The Glimmer-loop incident, replayed on the production core")
	r.Replay.write(w)
	fmt.Fprintln(w, "\n2. A day of staging traffic on the same core, with faults")
	r.Run.write(w)
	if r.Interrupted {
		fmt.Fprintln(w, "\n3. The promises: not judged, since Ctrl-C cut the run short")
		return
	}
	fmt.Fprintln(w, "\n3. The promises")
	var held []string
	for _, p := range r.Promises {
		verdict := "held  "
		switch {
		case !p.Held:
			verdict = "BROKEN"
		case p.Unit == "violations":
			held = append(held, p.Name)
			continue
		}
		fmt.Fprintf(w, "  %-*s %s  %s\n", nameWidth, p.Name, verdict, p.measure())
		say(w, "      ", p.says)
	}
	fmt.Fprintln(w, "  held after each step and at the end (soak list says what each means):")
	say(w, "      ", strings.Join(held, ", "))
	fmt.Fprintf(w, "\n%s, %s and %s in all.\n",
		prose.Count(uint64(r.Replay.found.Grants)+r.Run.Grants, "grant"),
		prose.Count(uint64(r.Replay.found.Evictions)+r.Run.Reached["closed_eviction"], "eviction"),
		prose.Count(uint64(r.Replay.found.Kills)+r.Run.Reached["kill"], "kill"))
}

func (p promise) measure() string {
	if p.Unit == "s" {
		return fmt.Sprintf("%s of %s", seconds(p.Figure), seconds(p.Bound))
	}
	return fmt.Sprintf("%v of %v %s", p.Figure, p.Bound, p.Unit)
}
