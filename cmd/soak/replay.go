package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/pagepool/pagepool/internal/prose"
	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim/replay"
	"github.com/pagepool/pagepool/testdata"
)

// replayReport is what `soak replay` prints.
type replayReport struct {
	Command          string         `json:"command"`
	File             string         `json:"file"`
	Steps            int            `json:"steps"`
	SimulatedSeconds float64        `json:"simulated_seconds"`
	WallSeconds      float64        `json:"wall_seconds"`
	StateHash        string         `json:"state_hash"`
	HistoryHash      string         `json:"history_hash"`
	ExpectFailed     []expectFailed `json:"expect_failed"`
	Violations       []violation    `json:"violations"`
	Interrupted      bool           `json:"interrupted,omitempty"`

	found  *replay.Report
	shrink string // the command that makes a failure smaller
}

type expectFailed struct {
	Line int    `json:"line"`
	Want string `json:"want"`
	Got  string `json:"got"`
}

func (s *soak) replayCommand() *cobra.Command {
	var steps, step yesNo
	c := &cobra.Command{
		Use:   "replay FILE",
		Short: "Replay a dump, an incident, a regression",
		Long: paragraphs("Replay a trace or a dump on the production core, and check every claim and "+
			"every expect line of it.",
			"With -set, it is replayed with other settings, and what differs stands beside what was.",
			"The exit is 0 when all held, 1 when a claim or an expect line did not, and 2 when the file "+
				"cannot be read or a line of it cannot happen."),
		Example: "  soak replay testdata/" + testdata.Incident + " -set MaxLease=20s",
		Args:    oneFile("trace or dump"),
		RunE: func(_ *cobra.Command, args []string) error {
			data, err := os.ReadFile(args[0])
			if err != nil {
				return fmt.Errorf("%w; want a trace file, such as testdata/%s", err, testdata.Incident)
			}
			if step {
				return s.walk(args[0], data)
			}
			report, err := s.replay(args[0], data, bool(steps))
			if err != nil {
				return err
			}
			s.judgeReplay(report)
			if len(s.sets) == 0 || bool(s.json) {
				return s.print(report, report.write)
			}
			before, after, err := s.besides(args[0], data)
			return errors.Join(err, s.print(report, func(w io.Writer) {
				report.write(w)
				if err == nil {
					writeBesides(w, s.setFlags(), before, after)
				}
			}))
		},
	}
	c.Flags().VarPF(&steps, "steps", "", "print every step to standard error").NoOptDefVal = "true"
	c.Flags().VarPF(&step, "step", "",
		"walk through it by commands from the terminal or standard input; help lists "+
			"them").NoOptDefVal = "true"
	s.takesSettings(c)
	return c
}

// oneFile are the arguments of a command that takes one file of a kind.
func oneFile(kind string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("want one %s, got %s", kind, prose.Count(len(args), "argument"))
		}
		return nil
	}
}

// replay replays one trace. An error is the input's: it names the file and the line.
func (s *soak) replay(file string, data []byte, steps bool) (*replayReport, error) {
	tr, err := trace.Read(bytes.NewReader(data))
	if err != nil {
		return nil, inFile(file, err)
	}
	if err := s.change(tr); err != nil {
		return nil, err
	}
	var tell func(replay.Step)
	if steps {
		tell = s.tell
	}
	began := time.Now()
	found, err := replay.RunWhile(tr, tell, s.goesOn)
	if err != nil && (found == nil || len(found.Failed) == 0) {
		return nil, inFile(file, err)
	}
	report := &replayReport{
		Command: "replay", File: file, Steps: found.Steps,
		SimulatedSeconds: found.Elapsed.Duration().Seconds(), WallSeconds: time.Since(began).Seconds(),
		StateHash:   fmt.Sprintf("%016x", found.StateHash),
		HistoryHash: fmt.Sprintf("%016x", found.HistoryHash),
		found:       found, shrink: "soak shrink " + quote(file) + s.setFlags(),
		ExpectFailed: []expectFailed{}, Violations: []violation{}, Interrupted: found.Stopped,
	}
	s.cut = s.cut || report.Interrupted
	for _, f := range found.Failed {
		report.ExpectFailed = append(report.ExpectFailed, expectFailed{f.Line, f.Want, f.Got})
	}
	if at := (*trace.Error)(nil); errors.As(err, &at) {
		// What an expectation had noticed before made this line impossible.
		report.ExpectFailed = append(report.ExpectFailed,
			expectFailed{at.Line, "a line that can happen", at.What})
	}
	if v := found.Violation; v != nil {
		report.Violations = append(report.Violations, violation{
			Property: v.Property, Says: v.Says, What: v.What, Step: v.Step, File: file,
			Repeat: "soak replay " + quote(file) + s.setFlags(),
		})
	}
	return report, nil
}

func (s *soak) judgeReplay(r *replayReport) {
	if len(r.ExpectFailed)+len(r.Violations) > 0 {
		s.broke()
	}
}

func (s *soak) tell(t replay.Step) {
	fmt.Fprintf(s.stderr, "%-12v %s\n", t.At.Duration(), trace.AppendEvent(nil, t.Event, t.Names))
	for _, e := range t.Effects {
		fmt.Fprintf(s.stderr, "%-12s     %s\n", "", trace.AppendEffect(nil, e, t.Names))
	}
}

func (r *replayReport) write(w io.Writer) {
	say(w, "", fmt.Sprintf("replayed %s: %s, %s of virtual time", filepath.ToSlash(r.File),
		prose.Count(r.Steps, "step"), seconds(r.SimulatedSeconds)))
	for _, f := range r.ExpectFailed {
		say(w, "", fmt.Sprintf("%s:%d: expected %s; got %s", filepath.ToSlash(r.File), f.Line, f.Want,
			f.Got))
	}
	writeViolations(w, r.Violations)
	if len(r.ExpectFailed)+len(r.Violations) > 0 {
		fmt.Fprintf(w, "shrink: %s\n", r.shrink)
	}
	f := r.found
	if f.WorstRecovery > 0 {
		fmt.Fprintf(w, "full capacity was back %s after the render wedged\n",
			seconds(f.WorstRecovery.Duration().Seconds()))
	}
	if f.Unrecovered > 0 {
		say(w, "", fmt.Sprintf("full capacity was NOT back at the end: wedged renders still "+
			"hold %s", prose.Count(f.Unrecovered, "tab")))
	}
	fmt.Fprintf(w, "%s, %s, %s; at most %s alive\n", prose.Count(f.Grants, "grant"),
		prose.Count(f.Evictions, "eviction"), prose.Count(f.Kills, "kill"),
		prose.Count(f.MostAlive, "tab"))
	switch {
	case r.Interrupted:
		fmt.Fprintln(w, "interrupted before the end of the trace")
	case len(r.ExpectFailed)+len(r.Violations) == 0:
		fmt.Fprintln(w, "every claim and every expectation held")
	}
}

func seconds(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(time.Millisecond).String()
}

// setFlags repeats the -set flags of this invocation.
func (s *soak) setFlags() string {
	var flags string
	for _, set := range s.sets {
		flags += " -set " + quote(set)
	}
	return flags
}

// quote writes an argument so that a shell reads it back.
func quote(arg string) string {
	for _, c := range []byte(arg) {
		plain := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
			bytes.IndexByte([]byte("/-_.:=,+@"), c) >= 0
		if !plain {
			return "'" + string(bytes.ReplaceAll([]byte(arg), []byte("'"), []byte(`'\''`))) + "'"
		}
	}
	return arg
}
