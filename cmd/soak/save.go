package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim"
)

// regressions is where failures are kept, seen from the root of the repository.
const regressions = "testdata/regressions"

// saveRun runs a failed seed again and writes its whole history as a trace: among the regressions
// where the command runs in the repository, and otherwise here. repeats says whether the trace,
// replayed without the seed, breaks the same claim; repeat is the command that does it with the seed. A failure that the second run does not repeat
// is an error.
func saveRun(o sim.RunOptions, want *sim.Violation, repeat string) (file string, repeats bool, err error) {
	var names sim.Keys
	for i := range 1 << 10 {
		names.Handle(fmt.Sprintf("a%d", i+1))
	}
	transcript := sim.Transcript{Names: &names}
	var settings core.Settings
	o.Observe = func(w *sim.World, event core.Event, effects []core.Effect) {
		settings = *w.Core().Settings()
		transcript.Observe(w, event, effects)
	}
	again, err := sim.Run(o)
	if err != nil {
		return "", false, err
	}
	if again.Violation == nil || *again.Violation != *want {
		return "", false, fmt.Errorf("the failure does not repeat; the second run says: %v", again.Violation)
	}
	text := transcript.Timed(settings, fmt.Sprintf("%s: %s", want.Property, want.Says),
		fmt.Sprintf("Found by %s: %s.", repeat, want.What))
	file = fmt.Sprintf("%s-%s-%d.trace", want.Property, o.Profile.Name, o.Seed)
	if info, err := os.Stat(regressions); err == nil && info.IsDir() {
		file = filepath.Join(regressions, file)
	}
	return file, breaks(text, want.Property), os.WriteFile(file, text, 0o644)
}

// breaks says whether a trace, replayed, breaks a claim.
func breaks(data []byte, property string) bool {
	trace, err := core.ReadTrace(bytes.NewReader(data))
	if err != nil {
		return false
	}
	report, err := sim.Replay(trace, nil)
	return err == nil && report.Violation != nil && report.Violation.Property == property
}
