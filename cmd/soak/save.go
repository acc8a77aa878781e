package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pagepool/pagepool/internal/prose"
	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim"
	"github.com/pagepool/pagepool/sim/replay"
	"github.com/pagepool/pagepool/sim/shrink"
	"github.com/pagepool/pagepool/sim/traffic"
)

// regressions is where failures are kept, seen from the root of the repository.
const regressions = "testdata/regressions"

// saveRun runs a failed seed again and writes its whole history as a trace: among the regressions
// where the command runs in the repository, and otherwise here. repeat is the command that does it
// with the seed. A failure that the second run does not repeat is an error.
func saveRun(o traffic.Options, want *sim.Violation, repeat string) (file string, text []byte,
	err error) {
	var names replay.Keys
	for i := range 1 << 10 {
		names.Handle(fmt.Sprintf("a%d", i+1))
	}
	transcript := replay.Transcript{Names: &names}
	var settings core.Settings
	o.Observe = func(w *sim.World, event core.Event, effects []core.Effect) {
		settings = w.Core().Settings
		transcript.Observe(w, event, effects)
	}
	again, err := traffic.Run(o)
	if err != nil {
		return "", nil, err
	}
	if again.Violation == nil || *again.Violation != *want {
		return "", nil, fmt.Errorf("the failure does not repeat; the second run says: %v",
			again.Violation)
	}
	text = transcript.Timed(settings, fmt.Sprintf("%s: %s", want.Property, want.Says),
		fmt.Sprintf("Found by %s: %s.", repeat, want.What))
	file = kept(fmt.Sprintf("%s-%s-%d.trace", want.Property, o.Profile.Name, o.Seed))
	return file, text, os.WriteFile(file, text, 0o644)
}

// kept is where a failure is saved: among the regressions where the command runs in the repository,
// and otherwise here.
func kept(name string) string {
	if info, err := os.Stat(regressions); err == nil && info.IsDir() {
		return filepath.Join(regressions, name)
	}
	return name
}

// saveExplored writes the schedule by which a search broke a claim as a trace: among the
// regressions, or beside the trace that the search began with. repeat is the command of the search.
// What never ends cannot be seen in a trace, and is an error.
func saveExplored(how searched, c *sim.Scenario, x *sim.Exploration, repeat string) (file string,
	text []byte, err error) {
	v := x.Violation
	comments := []string{fmt.Sprintf("%s: %s", v.Property, v.Says),
		fmt.Sprintf("Found by %s: %s.", repeat, v.What)}
	if how.from == nil && x.Recorded == 0 {
		comments = append(comments, fmt.Sprintf(
			"The shortest: no schedule of this scenario with fewer than %s breaks it.",
			prose.Count(len(x.Trace), "action")))
		comments = append(comments, noReturnComment(c, x)...)
	}
	if text, err = how.text(x, comments...); err != nil {
		return "", nil, err
	}
	file = how.file(v.Property)
	return file, text, os.WriteFile(file, text, 0o644)
}

// The effort for a failure that is shrunk by itself: some ten seconds at most. The command shrink
// takes more.
var inPassing = shrink.Options{Steps: 2_000_000, States: 20_000}

// shrinkSaved shrinks the trace of a violation that was just saved, and saves what is left beside
// it. That is what the violation is of from then on.
func (s *soak) shrinkSaved(v *violation, text []byte) error {
	tr, err := trace.Read(bytes.NewReader(text))
	if err != nil {
		return err
	}
	o := inPassing
	o.Progress = func(string, int) bool { return s.goesOn() }
	found, err := shrink.Run(tr, filepath.Base(v.File), o)
	if err != nil {
		return err
	}
	small := smallName(v.File)
	if err := os.WriteFile(small, found.Text, 0o644); err != nil {
		return err
	}
	fmt.Fprintf(s.stderr, "soak: %s, shrunk from %s to %d: %s\n", v.File,
		prose.Count(found.Before.Steps, "step"), found.After.Steps, small)
	shrunk := shrunkViolation(found, small)
	shrunk.Seed = v.Seed
	*v = shrunk
	return nil
}
