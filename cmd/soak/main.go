// Soak runs the page pool in a simulated world: it replays incidents, simulates a day in a second,
// explores every interleaving of small scenarios, and says of every promise whether it was kept.
//
// Rules of output: with -json, standard output is exactly one JSON object; progress and prose go to
// standard error, and progress is drawn on a terminal only. The exit is 0 when every property and
// every expect line held, 1 when one broke, 2 for bad usage or input, 130 after Ctrl-C. The same
// command prints the same bytes, but for fields that begin with wall_, end in _per_second, or are
// called workers or memory_bytes.
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

	"github.com/pagepool/pagepool/pool/core"
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
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// soak is one invocation.
type soak struct {
	ctx    context.Context
	stdout io.Writer
	stderr io.Writer
	json   bool
	sets   []string
	exit   int
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	s := &soak{ctx: ctx, stdout: stdout, stderr: stderr}
	root := s.command()
	root.SetArgs(doubleDashes(args))
	root.SetOut(stdout)
	root.SetErr(stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintf(stderr, "soak: %s\n", strings.ReplaceAll(err.Error(), "\n", "; "))
		return exitUsage
	}
	if s.exit == exitHeld && ctx.Err() != nil {
		return exitInterrupted
	}
	return s.exit
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

func (s *soak) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "soak",
		Short: "Replay, simulate and explore the page pool",
		Long: "Replay, simulate and explore the page pool.\n\n" +
			"Without a command: the demonstration. It replays the Glimmer-loop incident on the production\n" +
			"core, then 24 hours of staging traffic, and says of every promise whether it was kept.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArguments,
		RunE:          func(*cobra.Command, []string) error { return s.demo() },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.PersistentFlags().BoolVar(&s.json, "json", false, "print one JSON object on standard output")
	root.AddCommand(s.runCommand(), s.replayCommand(), s.exploreCommand(), s.listCommand())
	return root
}

func noArguments(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("unknown command %q; the commands are run, replay, explore and list", args[0])
	}
	return nil
}

// takesSettings gives a command the flag -set.
func (s *soak) takesSettings(c *cobra.Command) {
	c.Flags().StringArrayVar(&s.sets, "set", nil, "a setting, as Name=value; repeatable")
}

// settings are those given with -set, on top of others. The rules are checked as well.
func (s *soak) settings(base core.Settings) (core.Settings, error) {
	for _, set := range s.sets {
		name, value, ok := strings.Cut(set, "=")
		if !ok {
			return base, fmt.Errorf("-set %s: want Name=value", set)
		}
		if err := base.Set(name, value); err != nil {
			return base, fmt.Errorf("-set %s: %w", set, err)
		}
	}
	if _, err := base.Resolve(); err != nil {
		return base, fmt.Errorf("-set: %w", err)
	}
	return base, nil
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
