package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/pagepool/pagepool/internal/prose"
	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim/fromlog"
)

// importReport is what `soak import` prints.
type importReport struct {
	Command string   `json:"command"`
	File    string   `json:"file"`
	Trace   string   `json:"trace"`
	Lines   int      `json:"lines"`
	Others  int      `json:"others"`
	Leases  int      `json:"leases"`
	Unsaid  []string `json:"unsaid"`
}

func (s *soak) importCommand() *cobra.Command {
	out := ""
	c := &cobra.Command{
		Use:   "import LOG",
		Short: "Make a trace of a pool's log, as far as a log can tell",
		Long: paragraphs(
			"Make a trace of the log that a pool wrote through slog's JSON handler (Config.Logger), to be "+
				"replayed, looked at and searched around like any other.",
			"A log tells what went wrong: leases that ended without their holder, pages that had to be "+
				"killed, browsers that were lost. It does not tell of requests that went well, of settings "+
				"(-set gives those that the pool had), or of how long the browser took. The comments on top "+
				"of the trace say what it does not have. A dump (Pool.Dump) has everything.",
			"Lines of other programs are left out, where they are JSON. Lines of two pools have to be in "+
				"two files.",
		),
		Args: oneFile("log of a pool"),
		RunE: func(_ *cobra.Command, args []string) error { return s.importLog(args[0], out) },
	}
	c.Flags().StringVarP(&out, "out", "o", "",
		"write the trace to this `FILE`; without it, it is LOG.trace")
	s.takesSettings(c)
	return c
}

func (s *soak) importLog(file, out string) error {
	settings, err := s.settings(core.Settings{})
	if err != nil {
		return err
	}
	if err := notOver("-o", out, file); err != nil {
		return err
	}
	log, err := os.Open(file)
	if err != nil {
		return err
	}
	defer log.Close()
	imported, err := fromlog.Read(log, settings)
	if err != nil {
		return inFile(file, err)
	}
	if out == "" {
		out = file + ".trace"
	}
	if err := writeFile(out, func(w io.Writer) error {
		_, err := w.Write(imported.Text)
		return err
	}); err != nil {
		return err
	}
	report := importReport{"import", file, out, imported.Lines, imported.Others, imported.Leases,
		imported.Unsaid}
	return s.print(report, report.write)
}

func (r *importReport) write(w io.Writer) {
	fmt.Fprintf(w, "wrote %s: %s of the pool's, %s\n", filepath.ToSlash(r.Trace),
		prose.Count(r.Lines, "line"), prose.Count(r.Leases, "lease"))
	if r.Others > 0 {
		fmt.Fprintf(w, "%s of others left out\n", prose.Count(r.Others, "line"))
	}
	for _, what := range r.Unsaid {
		say(w, "  not in it: ", what)
	}
	fmt.Fprintf(w, "soak replay %s\n", quote(r.Trace))
}
