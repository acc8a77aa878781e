// Soak runs the page pool in a simulated world: it replays incidents, simulates a day in seconds,
// explores every interleaving of small scenarios, and says of every promise whether it was kept.
//
// Rules of output: with -json, standard output is exactly one JSON object, for bad usage too. Help
// and completion are text all the same, for people and shells. Progress and prose go to standard
// error, and progress is drawn on a terminal only. Prose has 80 columns. The exit is 0 when every
// property and every expect line held, 1 when one broke, 2 for bad usage or input, 130 after
// Ctrl-C. The same command prints the same bytes with -json, but for fields that begin with wall_,
// end in _per_second, or are called workers or memory_bytes; prose has times of the wall in it.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim/replay"
	"github.com/pagepool/pagepool/sim/view"
)

// Exit codes.
const (
	exitHeld        = 0
	exitBroke       = 1
	exitUsage       = 2
	exitInterrupted = 130
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // whoever does not want to wait for the report presses Ctrl-C again
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// soak is one invocation.
type soak struct {
	ctx    context.Context
	stdin  io.Reader // nil: the process's own
	stdout io.Writer
	stderr io.Writer
	json   yesNo
	sets   assignments
	exit   int
	cut    bool // Ctrl-C came before the work was done
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	out := &remembering{to: stdout}
	s := &soak{ctx: ctx, stdout: out, stderr: stderr}
	root := s.command()
	args = doubleDashes(args)
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(stderr)
	c, err := root.ExecuteContextC(ctx)
	if err == nil && out.err != nil {
		err = fmt.Errorf("standard output: %w", out.err)
	}
	if errors.Is(err, view.ErrStopped) {
		err = s.interrupted(c)
	}
	if err != nil {
		what := strings.ReplaceAll(err.Error(), "\n", "; ")
		fmt.Fprintf(stderr, "soak: %s\n", what)
		if asksForJSON(args) {
			s.json = true
			_ = s.print(failure{Command: commandName(c), Error: what}, nil)
		}
		return exitUsage
	}
	if s.exit == exitHeld && s.cut {
		return exitInterrupted
	}
	return s.exit
}

// interrupted reports that Ctrl-C came before there was anything to show.
func (s *soak) interrupted(c *cobra.Command) error {
	s.cut = true
	fmt.Fprintln(s.stderr, "soak: interrupted before the end of the run")
	return s.print(interruption{commandName(c), true}, func(io.Writer) {})
}

// interruption is what -json prints then.
type interruption struct {
	Command     string `json:"command"`
	Interrupted bool   `json:"interrupted"`
}

// failure is what -json prints of bad usage or input.
type failure struct {
	Command string `json:"command"`
	Error   string `json:"error"`
}

// commandName is what reports call a command.
func commandName(c *cobra.Command) string {
	if !c.HasParent() {
		return "demo"
	}
	return c.Name()
}

// asksForJSON says whether -json is among the arguments, though what comes before it may be wrong.
func asksForJSON(args []string) (asks bool) {
	for _, a := range args {
		switch a {
		case "--":
			return asks
		case "--json", "--json=true":
			asks = true
		case "--json=false":
			asks = false
		}
	}
	return asks
}

// remembering is an output that keeps its first error, which prose has no use for as it is written.
type remembering struct {
	to  io.Writer
	err error
}

func (r *remembering) Write(b []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.to.Write(b)
	r.err = err
	return n, err
}

var singleDash = regexp.MustCompile(`^-[a-z][a-z-]+(=|$)`)

// doubleDashes lets flags be written as in Go's own tools, with one dash: a flag of one letter with
// its value in the same word, such as -ofile, is the price.
func doubleDashes(args []string) []string {
	out := make([]string, 0, len(args))
	for i, a := range args {
		if a == "--" {
			return append(out, args[i:]...)
		}
		if singleDash.MatchString(a) {
			a = "-" + a
		}
		out = append(out, a)
	}
	return out
}

func (s *soak) command() *cobra.Command {
	var version yesNo
	root := &cobra.Command{
		Use:   "soak",
		Short: "Replay, simulate and explore the page pool",
		Long: paragraphs(
			"Replay, simulate and explore the page pool.",
			"Without a command: the demonstration. It replays the Glimmer-loop incident on the production "+
				"core, then 24 hours of staging traffic, and says of every promise whether it was kept.",
			"After an incident, soak view DUMP shows what a pool recorded (Pool.Dump), with who waits for "+
				"what and why, and soak replay DUMP checks every claim on it. Without a dump, soak import LOG "+
				"makes a trace of the pool's log. A trace is text; docs/traces.md has its words.",
			"Flags may be written with one dash or with two.",
			"The exit is 0 when every property and every expect line held, 1 when one broke, 2 for bad "+
				"usage or input, and 130 when Ctrl-C came before the end; a second Ctrl-C ends the command "+
				"without a report.",
		),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArguments,
		RunE: func(*cobra.Command, []string) error {
			if version {
				return s.version()
			}
			return s.demo()
		},
	}
	root.Flags().VarPF(&version, "version", "v", "print which build this is").NoOptDefVal = "true"
	root.PersistentFlags().VarPF(&s.json, "json", "",
		"print one JSON object on standard output").NoOptDefVal = "true"
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), "FlagUsages ",
		fmt.Sprintf("FlagUsagesWrapped %d ", columns)))
	root.SetHelpCommand(helpCommand(root))
	root.AddCommand(s.runCommand(), s.replayCommand(), s.exploreCommand(), s.shrinkCommand(),
		s.chromeCommand(),
		s.traceCommand(), s.viewCommand(), s.importCommand(), s.mergeCommand(), s.listCommand(),
		completionCommand(root))
	return root
}

// versionReport is what `soak --version` prints.
type versionReport struct {
	Command string `json:"command"`
	Version string `json:"version"`
	Go      string `json:"go"`
}

// version says which build of the module this is.
func (s *soak) version() error {
	report := versionReport{"version", "of an unknown version", runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		report.Version = info.Main.Version
	}
	return s.print(report, func(w io.Writer) {
		fmt.Fprintf(w, "soak version %s, %s\n", report.Version, report.Go)
	})
}

// paragraphs are texts that help shows, one below the other.
func paragraphs(texts ...string) string {
	for i, text := range texts {
		texts[i] = strings.Join(wrap(text, 0), "\n")
	}
	return strings.Join(texts, "\n\n")
}

// helpCommand is cobra's, but for what it says of commands that do not exist.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about a command",
		RunE: func(_ *cobra.Command, args []string) error {
			c, rest, err := root.Find(args)
			if err == nil {
				err = noArguments(c, rest)
			}
			if err != nil {
				return err
			}
			return c.Help()
		},
	}
}

func noArguments(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		var names []string
		for _, other := range c.Root().Commands() {
			if other.IsAvailableCommand() {
				names = append(names, other.Name())
			}
		}
		return fmt.Errorf("unknown command %q; the commands are %s", args[0], strings.Join(names, ", "))
	}
	return nil
}

// print writes a report: as one JSON object, or as prose.
func (s *soak) print(report any, prose func(io.Writer)) error {
	if !s.json {
		prose(s.stdout)
		return nil
	}
	return encode(s.stdout, report)
}

// encode writes a report as JSON.
func encode(w io.Writer, report any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(report)
}

// goesOn is asked by all work that may take long.
func (s *soak) goesOn() bool { return s.ctx.Err() == nil }

// broke notes that a property or an expectation did not hold.
func (s *soak) broke() { s.exit = exitBroke }

// violation is a broken claim as a report has it. Where File is what is left of a run or a search,
// What and Step are those of its replay; where nothing is saved, they are those of the run itself.
type violation struct {
	Property string `json:"property"`
	Says     string `json:"says"`
	What     string `json:"what"`
	Seed     uint64 `json:"seed"`
	Step     int    `json:"step"`
	File     string `json:"file"`
	Repeat   string `json:"repeat"`
	Page     string `json:"-"` // of the trace that was saved, to be opened in a browser
}

// savedIn has a violation be as the replay of the trace that was saved of it shows it. It is false
// where the replay does not show it.
func (v *violation) savedIn(file string, text []byte) bool {
	v.File = file
	tr, err := trace.Read(bytes.NewReader(text))
	if err != nil {
		return false
	}
	report, err := replay.Run(tr, nil)
	if err != nil || report.Violation == nil || report.Violation.Property != v.Property {
		return false
	}
	v.What, v.Step = report.Violation.What, report.Violation.Step
	v.Repeat = "soak replay " + quote(file)
	return true
}
