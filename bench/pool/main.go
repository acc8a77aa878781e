// Pool measures what a lease costs where no browser is to be waited for: a warm GetPage and Release of this
// pool, beside other ways of lending things in Go.
//
//	go run ./pool                      everything, five rounds
//	go run ./pool -rounds 1 -for 100ms a look
//	go run ./pool -write README.md     the results go into that file as well
//
// A round measures every row once, one after the other. Figures are medians over the rounds, and ratios are medians
// of each round's ratio.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/pagepool/pagepool/bench/report"
)

func main() {
	rounds := flag.Int("rounds", 5, "how often everything is measured")
	during := flag.Duration("for", 500*time.Millisecond, "how long each row is measured in a round")
	which := flag.String("rows", "", "the tables to measure, separated by commas: "+strings.Join(names(), ", ")+"; empty: all")
	contexts := flag.Int("contexts", 10_000, "how many contexts the table of that name has; each round takes time that grows with its square")
	write := flag.String("write", "", "a file into which the results go as well, between its lines <!-- pool --> and <!-- end of pool -->")
	flag.Parse()
	if err := run(*rounds, *during, *which, *contexts, *write); err != nil {
		fmt.Fprintln(os.Stderr, "pool:", err)
		os.Exit(1)
	}
}

func names() []string {
	var all []string
	for _, g := range groups(1) {
		all = append(all, g.name)
	}
	return all
}

func run(rounds int, during time.Duration, which string, contexts int, write string) error {
	if rounds < 1 || during <= 0 || contexts < 1 {
		return fmt.Errorf("-rounds is %d, -for is %v and -contexts is %d: all have to be more than 0", rounds, during, contexts)
	}
	chosen := groups(contexts)
	if which != "" {
		wanted := strings.Split(which, ",")
		for _, name := range wanted {
			if !slices.Contains(names(), name) {
				return fmt.Errorf("-rows has %q: it is one of %s", name, strings.Join(names(), ", "))
			}
		}
		chosen = slices.DeleteFunc(chosen, func(g group) bool { return !slices.Contains(wanted, g.name) })
	}
	tables := make([]report.Table, len(chosen))
	for i, g := range chosen {
		tables[i] = report.Table{Title: g.title, Note: g.note, Reference: g.reference, Columns: []report.Column{
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
	text := fmt.Sprintf("%s.\nMedians of %d rounds of %v each; ns is the time for one lease of any goroutine.\n\n", machine, rounds, during)
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
