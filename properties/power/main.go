// Power measures how hard the planted bugs are to find: for each, and for each strategy, how many
// schedules it takes until it is caught. With -update it writes testdata/power.txt, which the tests
// of planted bugs hold to; otherwise it prints the rows.
//
//	go run ./properties/power [-update] [BUG...]
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/pagepool/pagepool/properties/planted"
)

func main() {
	update := flag.Bool("update", false, "write the rows to testdata/power.txt")
	parallel := flag.Int("parallel", 2, "bugs at a time")
	flag.Parse()
	if err := run(*update, *parallel, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "power:", err)
		os.Exit(1)
	}
}

// table is where the rows are kept, from the root of the repository.
const table = "testdata/power.txt"

func run(update bool, parallel int, names []string) error {
	if parallel < 1 {
		return fmt.Errorf("-parallel %d: want 1 or more", parallel)
	}
	bugs, err := planted.All()
	if err != nil {
		return err
	}
	bugs = planted.Measured(bugs)
	for _, name := range names {
		if !slices.ContainsFunc(bugs, func(b planted.Bug) bool { return b.Name == name }) {
			return fmt.Errorf("no planted bug is called %q", name)
		}
	}
	if len(names) > 0 {
		bugs = slices.DeleteFunc(bugs, func(b planted.Bug) bool {
			return !slices.Contains(names, b.Name)
		})
	}
	rows, err := measureAll(bugs, parallel)
	if err != nil || !update {
		return err
	}
	text, err := os.ReadFile(table)
	if err != nil {
		return err
	}
	old, err := planted.ParseRows(string(text))
	if err != nil {
		return err
	}
	all, err := planted.All()
	if err != nil {
		return err
	}
	return os.WriteFile(table, []byte(planted.Table(planted.Merge(all, old, rows))), 0o600)
}

// measureAll measures several bugs at a time, and prints the row of each.
func measureAll(bugs []planted.Bug, parallel int) ([]planted.Row, error) {
	rows, errs := make([]planted.Row, len(bugs)), make([]error, len(bugs))
	turns := make(chan struct{}, parallel)
	var wait sync.WaitGroup
	for i := range bugs {
		turns <- struct{}{}
		wait.Go(func() {
			defer func() { <-turns }()
			row, err := measure(&bugs[i])
			if err != nil {
				errs[i] = err
				return
			}
			rows[i] = *row
			fmt.Println(row)
		})
	}
	wait.Wait()
	return rows, errors.Join(errs...)
}

// measure builds a bug and looks for it by every strategy.
func measure(b *planted.Bug) (*planted.Row, error) {
	dir, err := os.MkdirTemp("", "power-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary, err := b.Build(".", dir, b.Command())
	if err != nil {
		return nil, err
	}
	return b.Measure(binary)
}
