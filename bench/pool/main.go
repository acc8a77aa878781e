// Pool measures what a lease costs where no browser is to be waited for: a warm GetPage and Release
// of this pool, beside other ways of lending things in Go.
//
//	go run ./pool                      everything, five rounds
//	go run ./pool -rounds 1 -for 100ms a look
//	go run ./pool -rows alone/pagepool -for 5s -cpuprofile cpu.prof
//	go run ./pool -write README.md     the results go into that file as well
//
// A round measures every row once, one after the other. Figures are medians over the rounds, and
// ratios are medians of each round's ratio.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime/pprof"
	"slices"
	"strings"
	"time"

	"github.com/pagepool/pagepool/bench/report"
)

func main() {
	rounds := flag.Int("rounds", 5, "how often everything is measured")
	during := flag.Duration("for", 500*time.Millisecond, "how long each row is measured in a round")
	only := flag.String("rows", "", "the tables or single rows to measure, separated by commas, as "+
		"TABLE or TABLE/ROW; empty: all. Tables: "+strings.Join(names(), ", "))
	write := flag.String("write", "", "a file into which the results go as well, between its lines "+
		"<!-- pool --> and <!-- end of pool -->")
	profile := flag.String("cpuprofile", "", "a file for a profile of all of it, for go tool pprof")
	flag.Parse()
	if err := profiled(*profile, func() error { return run(*rounds, *during, *only, *write) }); err !=
		nil {
		fmt.Fprintln(os.Stderr, "pool:", err)
		os.Exit(1)
	}
}

// profiled runs fn, and writes a profile of it where a path is given.
func profiled(path string, fn func() error) error {
	if path == "" {
		return fn()
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return errors.Join(err, file.Close())
	}
	err = fn()
	pprof.StopCPUProfile()
	return errors.Join(err, file.Close())
}

func names() []string {
	var all []string
	for _, g := range groups() {
		all = append(all, g.name)
	}
	return all
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

func run(rounds int, during time.Duration, only, write string) error {
	if rounds < 1 || during <= 0 {
		return fmt.Errorf("-rounds is %d and -for is %v: both have to be more than 0", rounds, during)
	}
	chosen, err := choose(only)
	if err != nil {
		return err
	}
	tables := make([]report.Table, len(chosen))
	for i, g := range chosen {
		tables[i] = report.Table{Title: g.title, Note: g.note, Reference: g.reference,
			Columns: []report.Column{
				{Name: "ns", Digits: 0, Ratio: true}, {Name: "allocations", Digits: 2},
			}}
		for _, r := range g.rows {
			tables[i].Rows = append(tables[i].Rows, &report.Row{Name: r.name})
		}
	}
	machine := report.Machine()
	for round := range rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, rounds)
		for i, g := range chosen {
			for j, r := range g.rows {
				figures, err := one(r, g.workers, during)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", g.name, r.name, err)
				}
				tables[i].Rows[j].Rounds = append(tables[i].Rows[j].Rounds, figures)
			}
		}
	}
	text := fmt.Sprintf("%s.\nMedians of %d rounds of %v each; ns is the time for one lease of any "+
		"goroutine.\n\n", machine, rounds, during)
	for _, t := range tables {
		text += t.String() + "\n"
	}
	fmt.Print(text)
	if write == "" {
		return nil
	}
	return report.Write(write, "pool", text)
}

// one sets a row up, measures it, and ends it.
func one(r row, workers int, during time.Duration) (map[string]float64, error) {
	s, err := r.make()
	if err != nil {
		return nil, err
	}
	figures, err := measure(s, workers, during)
	if ended := s.close(); err == nil {
		err = ended
	}
	return figures, err
}
