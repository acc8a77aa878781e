package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pagepool/pagepool/internal/prose"
	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim/shrink"
)

// shrinkReport is what `soak shrink` prints.
type shrinkReport struct {
	Command     string      `json:"command"`
	File        string      `json:"file"`
	Saved       string      `json:"saved"`
	StepsBefore int         `json:"steps_before"`
	Steps       int         `json:"steps"`
	WallSeconds float64     `json:"-"`
	Violations  []violation `json:"violations"`
	Interrupted bool        `json:"interrupted,omitempty"`

	found *shrink.Result
}

func (s *soak) shrinkCommand() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:   "shrink FILE",
		Short: "Find the smallest schedule that still fails",
		Long: paragraphs(
			"Find the smallest trace in which the same property breaks, or the same expect line fails, as "+
				"in FILE. Calls are taken away first, then faults, settings, and single lines; where what is "+
				"left is small, a search makes it the shortest there is. The result is saved as a trace, "+
				"with what it shows on top, and replays to the failure.",
			"With --set, FILE itself may hold. Then the result is saved beside FILE, and never in "+
				regressions+", whose "+
				"traces go test replays.",
			"The exit is 1, since the trace that was saved fails; 2 where FILE cannot be read, or nothing "+
				"fails in it. After Ctrl-C the smallest so far is saved.",
		),
		Args: oneFile("trace that fails"),
		RunE: func(_ *cobra.Command, args []string) error {
			report, err := s.shrink(args[0], out)
			if err != nil {
				return err
			}
			s.broke()
			return s.print(report, report.write)
		},
	}
	c.Flags().StringVarP(&out, "out", "o", "",
		"the `FILE` to save to (default NAME.min.trace, in "+regressions+
			" where that is, and otherwise, or with --set, beside FILE)")
	s.takesSettings(c)
	_ = c.MarkFlagFilename("out", "trace") // it is a flag of this command
	return c
}

// shrink shrinks one file and saves the result.
func (s *soak) shrink(file, out string) (*shrinkReport, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%w; want a trace that fails", err)
	}
	tr, err := trace.Read(bytes.NewReader(data))
	if err != nil {
		return nil, inFile(file, err)
	}
	options := shrink.Options{}
	if len(s.sets) > 0 {
		own := tr.Settings
		options.Own = &own
	}
	if tr.Settings, err = s.settings(tr.Settings); err != nil {
		return nil, err
	}
	if out, err = s.savedAs(file, out); err != nil {
		return nil, err
	}
	began := time.Now()
	bar := s.progress(-1, "shrinking")
	defer bar.done()
	options.Progress = func(doing string, lines int) bool {
		bar.say(fmt.Sprintf("shrinking: %s, %d lines", doing, lines))
		return s.goesOn()
	}
	found, err := shrink.Run(tr, filepath.Base(file)+s.setFlags(), options)
	switch {
	case errors.Is(err, shrink.ErrNothingFails):
		return nil, fmt.Errorf("nothing fails in %s: nothing to shrink", file)
	case err != nil:
		return nil, inFile(file, err)
	}
	if err := os.WriteFile(out, found.Text, 0o644); err != nil {
		return nil, err
	}
	shrunk := shrunkViolation(found, out)
	s.addPage(&shrunk)
	report := &shrinkReport{
		Command: "shrink", File: file, Saved: out, StepsBefore: found.Before.Steps,
		Steps:       found.After.Steps,
		WallSeconds: time.Since(began).Seconds(), Violations: []violation{shrunk},
		Interrupted: s.ctx.Err() != nil, found: found,
	}
	return report, nil
}

// shrunkViolation is what a shrunk trace shows.
func shrunkViolation(found *shrink.Result, file string) violation {
	return violation{
		Property: found.Failure.Property, Says: found.Failure.Says, What: found.Failure.What,
		Step: found.After.Steps, File: file, Repeat: "soak replay " + quote(file),
	}
}

// savedAs is where the command saves what is left of a file; out is what -out says. A trace that
// was shrunk with -set says what is so under those settings, which is no failure of the pool, so it
// is not saved where go test replays it.
func (s *soak) savedAs(file, out string) (string, error) {
	given := out != ""
	switch {
	case given:
	case len(s.sets) == 0:
		out = smallName(file)
	default:
		if out = filepath.Join(filepath.Dir(file), minName(file)); replayedByTests(out) {
			out = minName(file)
		}
	}
	switch {
	case same(out, file):
		return "", fmt.Errorf("--out %s: want another file than the one that is shrunk", out)
	case len(s.sets) > 0 && replayedByTests(out):
		return "", fmt.Errorf("--out %s: go test replays every trace there, and with --set a trace may "+
			"fail by its settings alone; want another folder", out)
	}
	return out, nil
}

// replayedByTests says whether a file would lie in the folder whose traces go test replays.
func replayedByTests(file string) bool {
	folder, err := filepath.Abs(filepath.Dir(file))
	return err == nil && strings.HasSuffix(filepath.ToSlash(folder), "/"+regressions)
}

// smallName is where the smaller trace of a file goes.
func smallName(file string) string {
	name := minName(file)
	if in := kept(name); in != name {
		return in
	}
	return filepath.Join(filepath.Dir(file), name)
}

func minName(file string) string {
	return strings.TrimSuffix(filepath.Base(file), ".trace") + ".min.trace"
}

// same says whether two names are of one file.
func same(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// inFile says in which file and line an error is.
func inFile(file string, err error) error {
	var at *trace.Error
	if errors.As(err, &at) && at.Line > 0 {
		return fmt.Errorf("%s:%d: %s", file, at.Line, at.What)
	}
	return fmt.Errorf("%s: %w", file, err)
}

func (r *shrinkReport) write(w io.Writer) {
	how := "no line of it can be left out"
	switch {
	case r.Interrupted:
		how = "interrupted: the smallest so far"
	case r.found.Shortest:
		how = "the shortest schedule of its callers and faults"
	case r.found.Cut:
		how = "the effort was used up: the smallest so far"
	}
	say(w, "", fmt.Sprintf("shrunk %s: %s became %d, in %.2f s; %s",
		filepath.ToSlash(r.File), prose.Count(r.StepsBefore, "step"), r.Steps, r.WallSeconds, how))
	for line := range strings.Lines(string(r.found.Text)) {
		fmt.Fprintf(w, "  %s", line)
	}
	writeViolations(w, r.Violations)
	fmt.Fprintf(w, "saved %s\n", filepath.ToSlash(r.Saved))
}
