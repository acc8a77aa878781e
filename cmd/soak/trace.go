package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/pagepool/pagepool/internal/prose"
	"github.com/pagepool/pagepool/sim/steps"
)

// traceReport is what `soak trace` prints.
type traceReport struct {
	Command     string       `json:"command"`
	File        string       `json:"file"`
	Perfetto    string       `json:"perfetto,omitempty"`
	Steps       int          `json:"steps"`
	Slices      int          `json:"slices,omitempty"`
	Thinned     string       `json:"thinned,omitempty"`
	WallSeconds float64      `json:"wall_seconds"`
	Table       []steps.Step `json:"table,omitempty"`

	shown string // which steps the table has, where not all
}

// tableSteps is how many steps a table has where nothing else is said.
const tableSteps = 400

type traceOptions struct {
	watchOptions
	perfetto    string
	first, last count
}

func (s *soak) traceCommand() *cobra.Command {
	o := traceOptions{watchOptions: watchOptions{seed: seedRange{1, 1}, hours: hours{24 * time.Hour}}}
	c := &cobra.Command{
		Use:   "trace FILE|PROFILE",
		Short: "Show a run as a table, or as a timeline for a viewer",
		Long: paragraphs("Show a trace, a dump, or the run of a profile with a seed: as a table with a "+
			"column for each slot and each caller, or, with -perfetto, as a file in Chrome's trace-event "+
			"format. Open that at https://ui.perfetto.dev (Open trace file), or in about:tracing; nothing "+
			"is uploaded.",
			"Of a table with more than "+fmt.Sprint(tableSteps)+" steps, the last ones are shown, unless "+
				"-first and -last say otherwise. A long run is thinned for viewers, and the file says how."),
		Example: "  soak trace dump.trace\n  soak trace burst -seed 3 -hours 1 -perfetto out.json",
		Args:    oneFile("trace or dump, or one profile"),
		RunE: func(c *cobra.Command, args []string) error {
			o.changed = c.Flags().Changed
			report, err := s.trace(args[0], o)
			if err != nil {
				return err
			}
			return s.print(report, report.write)
		},
	}
	c.Flags().StringVar(&o.perfetto, "perfetto", "",
		"write the timeline to this `FILE`, for ui.perfetto.dev")
	c.Flags().Var(&o.first, "first", "the first step of the table")
	c.Flags().Var(&o.last, "last", "the last step of the table")
	s.takesWatch(c, &o.watchOptions)
	return c
}

// takesWatch gives a command the flags that say what to look at.
func (s *soak) takesWatch(c *cobra.Command, o *watchOptions) {
	c.Flags().Var(&o.seed, "seed", "of a profile: the seed `N`")
	c.Flags().Var(&o.hours, "hours", "of a profile: virtual time")
	s.takesSettings(c)
}

func (s *soak) trace(argument string, o traceOptions) (*traceReport, error) {
	began := time.Now()
	if err := notOver("-perfetto", o.perfetto, argument); err != nil {
		return nil, err
	}
	if o.perfetto != "" && (o.changed("first") || o.changed("last")) {
		return nil, fmt.Errorf("-first, -last: want them without -perfetto, whose timeline has each step")
	}
	run, err := s.watch(argument, o.watchOptions)
	if err == nil {
		err = o.check(argument)
	}
	if err != nil {
		return nil, err
	}
	report := &traceReport{Command: "trace", File: argument, Perfetto: o.perfetto}
	if o.perfetto != "" {
		t, _, err := run.Timeline(0)
		if err != nil {
			return nil, err
		}
		if err := writeFile(o.perfetto, func(w io.Writer) error {
			return t.WriteTraceEvents(w, run.Title)
		}); err != nil {
			return nil, err
		}
		report.Steps, report.Slices, report.Thinned = t.Steps, len(t.Slices), t.Thinned()
		report.WallSeconds = time.Since(began).Seconds()
		return report, nil
	}
	if report.Steps, err = run.Count(); err != nil {
		return nil, err
	}
	first, last := int(o.first), int(o.last)
	if last == 0 {
		last = report.Steps
	}
	if first == 0 {
		first = max(1, last-tableSteps+1)
	}
	if first > last || last > report.Steps {
		return nil, fmt.Errorf("-first %d, -last %d: want steps from 1 to %d, the first one first", first,
			last, report.Steps)
	}
	r, _, err := run.Steps(report.Steps, first, last-first+1)
	if err != nil {
		return nil, err
	}
	report.Table, report.WallSeconds = r.Steps, time.Since(began).Seconds()
	if last-first+1 < report.Steps {
		report.shown = fmt.Sprintf("steps %d to %d of %d; -first and -last choose others", first, last,
			report.Steps)
	}
	return report, nil
}

func (r *traceReport) write(w io.Writer) {
	if r.Perfetto == "" {
		if r.shown != "" {
			fmt.Fprintln(w, r.shown)
		}
		_ = steps.WriteTable(w, r.Table) // the output remembers its error
		return
	}
	fmt.Fprintf(w, "wrote %s: %s as %s", filepath.ToSlash(r.Perfetto), prose.Count(r.Steps, "step"),
		prose.Count(r.Slices, "slice"))
	if r.Thinned != "" {
		fmt.Fprintf(w, "; %s", r.Thinned)
	}
	fmt.Fprintln(w, "\nopen it at https://ui.perfetto.dev (Open trace file), or: soak view "+
		quote(r.File))
}

// writeFile writes a file whole, or leaves none behind.
func writeFile(name string, write func(io.Writer) error) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	buffered := bufio.NewWriterSize(f, 1<<16)
	if err = write(buffered); err == nil {
		err = buffered.Flush()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if info, statErr := os.Stat(name); err != nil && statErr == nil && info.Mode().IsRegular() {
		os.Remove(name)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// notOver refuses an output that is one of the inputs, under whatever name.
func notOver(flag, out string, inputs ...string) error {
	is, err := os.Stat(out)
	if err != nil {
		return nil // there is nothing to lose
	}
	for _, input := range inputs {
		if was, err := os.Stat(input); err == nil && os.SameFile(is, was) {
			return fmt.Errorf("%s %s: that is the input, which it would overwrite; want another file", flag,
				out)
		}
	}
	return nil
}
