package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pagepool/pagepool/internal/prose"
	"github.com/pagepool/pagepool/sim/view"
)

// viewReport is what `soak view` prints.
type viewReport struct {
	Command     string  `json:"command"`
	File        string  `json:"file"`
	Page        string  `json:"page,omitempty"`
	Address     string  `json:"address,omitempty"`
	Steps       int     `json:"steps"`
	WallSeconds float64 `json:"wall_seconds"`
}

type viewOptions struct {
	watchOptions
	out    string
	beside string
	port   count
	first  count
}

func (s *soak) viewCommand() *cobra.Command {
	o := viewOptions{watchOptions: watchOptions{seed: seedRange{1, 1}, hours: hours{24 * time.Hour}}}
	c := &cobra.Command{
		Use:   "view FILE|PROFILE",
		Short: "Show a run on a page",
		Long: paragraphs("Show a trace, a dump, or the run of a profile with a seed, on one page: slots "+
			"and callers over steps or time, and at every step the state, who waits for what and why, and "+
			"what else could have happened. With -o it is written to a file, which needs no network; "+
			"otherwise it is served on 127.0.0.1 until Ctrl-C, and hands the timeline to ui.perfetto.dev "+
			"at a click.",
			"With -set, the run as it is stands beside the run with those settings; with -beside, another "+
				"run does."),
		Example: "  soak view dump.trace -o dump.html\n  soak view dump.trace -set MaxLease=20s",
		Args:    oneFile("trace or dump, or one profile"),
		RunE: func(c *cobra.Command, args []string) error {
			o.changed = c.Flags().Changed
			return s.view(args[0], o)
		},
	}
	c.Flags().StringVarP(&o.out, "out", "o", "", "write the page to this `FILE`")
	c.Flags().StringVar(&o.beside, "beside", "", "a second run, a `FILE` or a profile, to be shown "+
		"beside the first")
	c.Flags().Var(within{&o.port, 0, 65535}, "port", "serve on port `N` of 127.0.0.1; 0: any")
	c.Flags().Var(&o.first, "first",
		"the first step on the page, of a long run; without it, the last ones are there")
	s.takesWatch(c, &o.watchOptions)
	return c
}

func (s *soak) view(argument string, o viewOptions) error {
	began := time.Now()
	if o.out != "" && o.changed("port") {
		return fmt.Errorf("-port %v: want it without -o, which writes the page and serves none", &o.port)
	}
	if err := notOver("-o", o.out, argument, o.beside); err != nil {
		return err
	}
	runs, err := s.viewRuns(argument, o)
	if err != nil {
		return err
	}
	page, err := s.page(argument, runs, o)
	if err != nil {
		return err
	}
	report := &viewReport{Command: "view", File: argument, Page: o.out}
	for i := range page.Runs {
		report.Steps = max(report.Steps, page.Runs[i].Total)
	}
	report.WallSeconds = time.Since(began).Seconds()
	if o.out == "" {
		return s.serve(page, runs[len(runs)-1], report, int(o.port))
	}
	if err := writeFile(o.out, page.Write); err != nil {
		return err
	}
	return s.print(report, func(w io.Writer) {
		fmt.Fprintf(w, "wrote %s: %s; open it in a browser, it needs no network\n",
			filepath.ToSlash(o.out), prose.Count(report.Steps, "step"))
	})
}

func (s *soak) page(argument string, runs []*view.Source, o viewOptions) (*view.Page, error) {
	shown, differs, err := view.Runs(runs, int(o.first))
	if err != nil {
		return nil, err
	}
	again := quote(argument) + o.flags() + s.setFlags()
	page := &view.Page{
		Title: runs[0].Title, Runs: shown, Differs: differs,
		Open: "soak trace " + again + " -perfetto OUT.json", Again: "soak view " + again,
	}
	if o.beside != "" {
		page.Again += " -beside " + quote(o.beside)
	}
	if o.out != "" {
		page.Again += " -o " + quote(o.out)
	}
	if len(runs) == 2 {
		page.Title += " beside " + runs[1].Title
	}
	return page, nil
}

// flags are those of the run of a profile, where they are not the defaults.
func (o *watchOptions) flags() (flags string) {
	if o.seed != (seedRange{1, 1}) {
		flags += " -seed " + o.seed.String()
	}
	if o.hours.Duration != 24*time.Hour {
		flags += " -hours " + o.hours.String()
	}
	return flags
}

// viewRuns are the one or two runs of a page. With -set, the first one is as it was.
func (s *soak) viewRuns(argument string, o viewOptions) ([]*view.Source, error) {
	if o.beside != "" && len(s.sets) > 0 {
		return nil, fmt.Errorf("-beside and -set: want one of the two, since a page has two runs at most")
	}
	var runs []*view.Source
	if len(s.sets) > 0 {
		run, err := s.asItIs().watch(argument, o.watchOptions)
		if err != nil {
			return nil, err
		}
		runs = append(runs, run)
	}
	for _, name := range []string{argument, o.beside} {
		if name == "" {
			continue
		}
		run, err := s.watch(name, o.watchOptions)
		if err != nil {
			return nil, err
		}
		runs = append(runs, run)
	}
	return runs, o.check(argument, o.beside)
}

// asItIs is the command without -set. It is a copy, since a run is played later.
func (s *soak) asItIs() *soak {
	was := *s
	was.sets = nil
	return &was
}

// serve serves a page until Ctrl-C.
func (s *soak) serve(page *view.Page, run *view.Source, report *viewReport, port int) error {
	t, _, err := run.Timeline(0)
	if err != nil {
		return err
	}
	var events bytes.Buffer
	if err := t.WriteTraceEvents(&events, run.Title); err != nil {
		return err
	}
	page.Viewer = view.Perfetto
	handler, err := view.Handler(page, events.Bytes())
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return fmt.Errorf("-port %d: %w", port, err)
	}
	report.Address = "http://" + listener.Addr().String() + "/"
	if err := s.print(report, func(w io.Writer) {
		fmt.Fprintf(w, "%s: %s at %s\nCtrl-C ends it. \"open in Perfetto\" on the page hands the "+
			"timeline to %s;\n"+
			"without a network: %s\n", page.Title, prose.Count(report.Steps, "step"), report.Address,
			view.Perfetto, page.Open)
	}); err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-s.ctx.Done()
		_ = server.Close() // nobody is owed the rest of an answer
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// addPage writes the page of a failure's trace beside it. Where that cannot be, the failure is as
// good without it.
func (s *soak) addPage(v *violation) {
	page, err := s.asItIs().savePage(v.File) // the trace that was saved has its settings in it
	if err != nil {
		fmt.Fprintf(s.stderr, "soak: the page of %s was not written: %v\n", v.File, err)
		return
	}
	v.Page = page
}

func (s *soak) savePage(file string) (name string, err error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	source, err := s.watchTrace(file, data)
	if err != nil {
		return "", err
	}
	run, err := source.Run(0)
	if err != nil {
		return "", err
	}
	name = strings.TrimSuffix(file, filepath.Ext(file)) + ".html"
	page := &view.Page{Title: source.Title, Runs: []view.Run{*run},
		Open: "soak trace " + quote(file) + " -perfetto OUT.json"}
	return name, writeFile(name, page.Write)
}
