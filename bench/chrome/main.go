// Chrome measures this pool on a real browser, beside other ways of rendering pages with one.
//
//	go run ./chrome                          everything on both builds, three rounds: fifteen minutes
//	go run ./chrome -rounds 1 -seconds 3     a look
//	go run ./chrome -rows pages,memory,stuck/pagepool -browsers chromium
//	go run ./chrome -rows closes -rounds 1 -seconds 240 -browsers chromium   about a thousand closes
//	go run ./chrome -write README.md         the results go into that file as well
//
// A round measures every row once, one after the other, every second round from the last to the first, each in a
// process of its own that ends with all of its browsers. Figures are medians over the rounds, ratios are medians
// of each round's ratio, and a percentile is that of the pages of all rounds. Processor time is that of the process
// with everything it has started, the server of the pages included. Ctrl-C ends it with what was measured so far.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/pagepool/pagepool/bench/report"
)

// orders are the command's flags.
type orders struct {
	rounds   int
	seconds  float64
	browsers string
	rows     string
	write    string
	row      string // measure this one here and now, and print it as JSON
}

func main() {
	var o orders
	flag.IntVar(&o.rounds, "rounds", 3, "how often everything is measured")
	flag.Float64Var(&o.seconds, "seconds", 4, "how long each row is measured in a round")
	flag.StringVar(&o.browsers, "browsers", "chromium-headless-shell,chromium", "the browsers, separated by commas: paths, or names on the PATH")
	flag.StringVar(&o.rows, "rows", "", "the tables or single rows to measure, separated by commas; empty: all. Tables: "+strings.Join(tableNames(), ", "))
	flag.StringVar(&o.write, "write", "", "a file into which the results go as well, between its lines <!-- chrome --> and <!-- end of chrome -->")
	flag.StringVar(&o.row, "row", "", "for this command's own use: measure one row, given as TABLE/ROW")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "chrome:", err)
		os.Exit(1)
	}
}

func tableNames() []string {
	var names []string
	for _, g := range groups() {
		names = append(names, g.name)
	}
	return names
}

func run(ctx context.Context, o orders) error {
	if o.rounds < 1 || o.seconds < 1 {
		return fmt.Errorf("-rounds is %d and -seconds is %v: both have to be at least 1", o.rounds, o.seconds)
	}
	if o.row != "" {
		return here(ctx, o)
	}
	chosen, err := choose(o.rows)
	if err != nil {
		return err
	}
	var programs []string
	for _, name := range strings.Split(o.browsers, ",") {
		program, err := programOf(name)
		if err != nil {
			return err
		}
		programs = append(programs, program)
	}
	machine := report.Machine()
	tables := measure(ctx, o, programs, chosen)
	if ctx.Err() != nil {
		machine = "Interrupted. " + machine
	}
	text := fmt.Sprintf("%s.\nMedians of %d rounds; the rows of speed take %v s each.\n\n", machine, o.rounds, o.seconds)
	for i, program := range programs {
		text += fmt.Sprintf("## %s: %s\n\n", filepath.Base(program), version(program))
		for _, t := range tables[i] {
			text += t.String() + "\n"
		}
		text += against(program, chosen, tables[i])
	}
	fmt.Print(text)
	if o.write == "" {
		return nil
	}
	return report.Write(o.write, "chrome", text)
}

// choose returns the tables and rows that a flag names.
func choose(names string) ([]group, error) {
	all := groups()
	var paths []string
	for _, g := range all {
		for _, r := range g.rows {
			paths = append(paths, g.name+"/"+r.name)
		}
	}
	chosen, err := report.Chosen(names, paths)
	for i, g := range all {
		all[i].rows = slices.DeleteFunc(g.rows, func(r row) bool { return !chosen[g.name+"/"+r.name] })
	}
	return slices.DeleteFunc(all, func(g group) bool { return len(g.rows) == 0 }), err
}

// programOf is a browser itself, where a name stands for a distribution's script that starts it: all peers start
// the same.
func programOf(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("-browsers has %q: %w", name, err)
	}
	if behind := filepath.Join("/usr/lib/chromium", filepath.Base(path)); isFile(behind) {
		path = behind
	}
	return filepath.Abs(path)
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func version(program string) string {
	args := []string{"--version"}
	if root() {
		args = append(args, "--no-sandbox")
	}
	out, err := exec.Command(program, args...).Output()
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(out))
}

// measure goes through all rounds, and returns the tables of each browser.
func measure(ctx context.Context, o orders, programs []string, chosen []group) [][]report.Table {
	tables := make([][]report.Table, len(programs))
	for i := range programs {
		for _, g := range chosen {
			t := report.Table{Title: g.title, Note: g.note, Reference: g.reference, Columns: g.columns}
			for _, r := range g.rows {
				t.Rows = append(t.Rows, &report.Row{Name: r.name})
			}
			tables[i] = append(tables[i], t)
		}
	}
	noCluster := error(nil)
	if slices.ContainsFunc(chosen, func(g group) bool { return g.name == "pages" }) {
		noCluster = installCluster()
	}
	for round := range o.rounds {
		for _, at := range turns(programs, chosen, round) {
			if ctx.Err() != nil {
				return tables // with what there is
			}
			g, program := chosen[at.group], programs[at.program]
			name := g.rows[at.row].name
			fmt.Fprintf(os.Stderr, "round %d of %d, %s: %s, %s\n", round+1, o.rounds, filepath.Base(program), g.name, name)
			found, err := result{}, noCluster
			if !strings.HasPrefix(name, "puppeteer") || err == nil {
				found, err = elsewhere(ctx, o, program, g.name+"/"+name)
			}
			into := tables[at.program][at.group].Rows[at.row]
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				into.Trouble = err.Error()
			}
			into.Rounds = append(into.Rounds, found.Figures)
			into.Samples = append(into.Samples, found.Latencies...)
		}
	}
	return tables
}

// turn is one row on one browser.
type turn struct{ program, group, row int }

// turns is a round's order. Every second round goes backwards, so that no row always follows the same one.
func turns(programs []string, chosen []group, round int) []turn {
	var all []turn
	for i := range programs {
		for j, g := range chosen {
			for k := range g.rows {
				all = append(all, turn{i, j, k})
			}
		}
	}
	if round%2 == 1 {
		slices.Reverse(all)
	}
	return all
}

// patience is how long a row may take in all.
func (o orders) patience() time.Duration {
	return 2*time.Minute + 3*time.Duration(o.seconds*float64(time.Second))
}

// elsewhere measures a row in a process of its own.
func elsewhere(ctx context.Context, o orders, program, path string) (found result, err error) {
	self, err := os.Executable()
	if err != nil {
		return result{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, o.patience()+10*time.Second)
	defer cancel()
	command := exec.CommandContext(ctx, self, "-row", path, "-browsers", program, "-seconds", fmt.Sprint(o.seconds))
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) } // it sees to its browsers
	command.WaitDelay = 10 * time.Second
	var said bytes.Buffer
	command.Stderr = &said
	out, err := command.Output()
	if err != nil {
		lines := strings.Split(strings.TrimSpace(said.String()), "\n")
		return result{}, fmt.Errorf("%w: %s", err, lines[len(lines)-1])
	}
	return found, json.Unmarshal(out, &found)
}

// here measures a row in this process, and leaves nothing that it has started.
func here(ctx context.Context, o orders) error {
	table, name, _ := strings.Cut(o.row, "/")
	for _, g := range groups() {
		for _, r := range g.rows {
			if g.name != table || r.name != name {
				continue
			}
			family, err := newFamily()
			if err != nil {
				return err
			}
			defer family.end()
			site, err := newSite()
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(ctx, o.patience())
			defer cancel()
			found, err := r.measure(ctx, &stage{browser: o.browsers, seconds: o.seconds, site: site, family: family})
			if err != nil {
				return err
			}
			maps.DeleteFunc(found.Figures, func(_ string, v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }) // none
			return json.NewEncoder(os.Stdout).Encode(found)
		}
	}
	return errors.New("there is no row " + o.row)
}
