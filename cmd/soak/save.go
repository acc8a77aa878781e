package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim"
)

// regressions is where failures are kept, seen from the root of the repository.
const regressions = "testdata/regressions"

// saveRun runs a failed seed again and writes its whole history as a trace, which replays without
// the seed: among the regressions where the command runs in the repository, and otherwise here.
func saveRun(o sim.RunOptions, want *sim.Violation) (file string, err error) {
	file = fmt.Sprintf("%s-%s-%d.trace", want.Property, o.Profile.Name, o.Seed)
	if info, err := os.Stat(regressions); err == nil && info.IsDir() {
		file = filepath.Join(regressions, file)
	}
	out, err := os.Create(file)
	if err != nil {
		return "", err
	}
	defer func() {
		if closeErr := out.Close(); err == nil {
			err = closeErr
		}
	}()
	var tw *core.TraceWriter
	var names sim.Keys
	for i := range core.Affinity(1 << 10) {
		names.Handle(fmt.Sprintf("a%d", i+1))
	}
	o.Observe = func(w *sim.World, event core.Event, _ []core.Effect) {
		if tw == nil {
			tw = core.NewTraceWriter(out, &core.Trace{Settings: *w.Core().Settings()},
				fmt.Sprintf("%s: %s", want.Property, want.Says),
				fmt.Sprintf("Found by soak run %s -seed %d -hours %v: %s.", o.Profile.Name, o.Seed, o.Hours, want.What))
		}
		if event.Kind != core.NoEvent {
			tw.Step(w.Now(), string(core.AppendEvent(nil, event, &names)))
		}
	}
	again, err := sim.Run(o)
	if err != nil {
		return "", err
	}
	if again.Violation == nil || *again.Violation != *want {
		return "", fmt.Errorf("the failure does not repeat: the second run says %v", again.Violation)
	}
	return file, tw.Flush()
}
