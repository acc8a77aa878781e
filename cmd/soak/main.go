// Soak runs the page pool in a simulated world: it replays incidents, simulates a day in a second,
// explores every interleaving of small scenarios, and says of every promise whether it was kept.
//
// Rules of output: with -json, standard output is exactly one JSON object; progress and prose go to
// standard error, and progress is drawn on a terminal only. The exit is 0 when every property and
// every expect line held, 1 when one broke, 2 for bad usage or input, 130 after Ctrl-C. The same
// command prints the same bytes with -json, but for fields that begin with wall_, end in _per_second, or
// are called workers or memory_bytes; prose has times of the wall in it.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
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
	root.SetArgs(doubleDashes(args))
	root.SetOut(out)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil && out.err != nil {
		err = fmt.Errorf("standard output: %w", out.err)
	}
	if err != nil {
		fmt.Fprintf(stderr, "soak: %s\n", strings.ReplaceAll(singleDashes(err.Error()), "\n", "; "))
		return exitUsage
	}
	if s.exit == exitHeld && s.cut {
		return exitInterrupted
	}
	return s.exit
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

// doubleDashes lets flags be written as in Go's own tools, with one dash.
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

var doubleDash = regexp.MustCompile(`(^|[ "])--([a-z])`)

// singleDashes is the inverse, for help and errors.
func singleDashes(text string) string { return doubleDash.ReplaceAllString(text, "$1-$2") }

func (s *soak) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "soak",
		Short: "Replay, simulate and explore the page pool",
		Long: "Replay, simulate and explore the page pool.\n\n" +
			"Without a command: the demonstration. It replays the Glimmer-loop incident on the production\n" +
			"core, then 24 hours of staging traffic, and says of every promise whether it was kept.\n\n" +
			"The exit is 0 when every property and every expect line held, 1 when one broke, 2 for bad usage or\n" +
			"input, and 130 when Ctrl-C came before the end; a second Ctrl-C ends the command without a report.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArguments,
		RunE:          func(*cobra.Command, []string) error { return s.demo() },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.PersistentFlags().VarPF(&s.json, "json", "", "print one JSON object on standard output").NoOptDefVal = "true"
	cobra.AddTemplateFunc("singleDashes", singleDashes)
	root.SetUsageTemplate(strings.NewReplacer("FlagUsages | ", "FlagUsages | singleDashes | ", " --help", " -help").
		Replace(root.UsageTemplate()))
	root.SetHelpCommand(helpCommand(root))
	root.AddCommand(s.runCommand(), s.replayCommand(), s.exploreCommand(), s.shrinkCommand(), s.chromeCommand(), s.listCommand())
	return root
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
		return fmt.Errorf("unknown command %q; the commands are run, replay, explore, shrink, chrome and list", args[0])
	}
	return nil
}

// print writes a report: as one JSON object, or as prose.
func (s *soak) print(report any, prose func(io.Writer)) error {
	if !s.json {
		prose(s.stdout)
		return nil
	}
	encoder := json.NewEncoder(s.stdout)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(report)
}

// goesOn is asked by all work that may take long.
func (s *soak) goesOn() bool { return s.ctx.Err() == nil }

// broke notes that a property or an expectation did not hold.
func (s *soak) broke() { s.exit = exitBroke }

// violation is a broken claim as a report has it.
type violation struct {
	Property string `json:"property"`
	Says     string `json:"says"`
	What     string `json:"what"`
	Seed     uint64 `json:"seed"`
	Step     int    `json:"step"`
	File     string `json:"file"`
	Repeat   string `json:"repeat"`
}

func (v violation) write(w io.Writer) {
	fmt.Fprintf(w, "BROKEN  %s: %s\n", v.Property, v.Says)
	fmt.Fprintf(w, "        %s, at step %d\n", v.What, v.Step)
	fmt.Fprintf(w, "        repeat: %s\n", v.Repeat)
}
