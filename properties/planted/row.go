package planted

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pagepool/pagepool/properties/catch/look"
)

// Row says how hard a bug is to find: by strategy, how many schedules it takes until it is caught.
type Row struct {
	Bug, Claim string
	Schedules  [strategies]Figure // the median of the repetitions
	Search     Figure             // states visited until it is caught
	Steps      int                // of the shortest counterexample
	// where the walks and the search look; empty: the bug is in the shell
	Scenario string
}

// Caught is how many strategies catch the bug.
func (r *Row) Caught() int {
	n := 0
	for _, f := range append(r.Schedules[:], r.Search) {
		if f != Nothing && !f.Never {
			n++
		}
	}
	return n
}

// Figure is a number of schedules; Never where so many were not enough, and Nothing where a
// strategy cannot look.
type Figure struct {
	N     int
	Never bool
}

// Nothing is the figure of a strategy that cannot look.
var Nothing = Figure{}

func (f Figure) String() string {
	switch {
	case f == Nothing:
		return "-"
	case f.Never:
		return ">" + strconv.Itoa(f.N)
	}
	return strconv.Itoa(f.N)
}

func parseFigure(text string) (Figure, error) {
	if text == "-" {
		return Nothing, nil
	}
	digits, never := strings.CutPrefix(text, ">")
	n, err := strconv.Atoi(digits)
	if err != nil || n < 1 {
		return Nothing, fmt.Errorf("%q is no number of schedules", text)
	}
	return Figure{n, never}, nil
}

// The random strategies, in the order of their columns.
const (
	seeds = iota
	walk
	pct
	histories
	strategies
)

// strategyNames are how the commands that look for bugs call them.
var strategyNames = [strategies]string{"seeds", "walk", "pct", "histories"}

// enough is after how many schedules a strategy gives up, and searchEnough after how many states.
var enough = [strategies]int{seeds: 50, walk: 2_000, pct: 2_000, histories: 20_000}

const searchEnough = 200_000

// repetitions is how often a strategy looks, each time with other seeds.
const repetitions = 5

// apart is how far the seeds of two repetitions are from each other.
const apart = 1_000_000

// can says whether a strategy can look for a bug.
func (b *Bug) can(strategy int) bool {
	switch {
	case b.Claim == Linearizable:
		return strategy == histories
	case strategy == walk || strategy == pct:
		return b.Scenario != ""
	}
	return strategy == seeds
}

// look runs a build of a bug.
func (b *Bug) look(binary, strategy string, first, most int) (*look.Caught, error) {
	args := []string{"-strategy", strategy, "-claim", b.Claim, "-seed", strconv.Itoa(first), "-most",
		strconv.Itoa(most)}
	if b.Scenario != "" {
		args = append(args, "-scenario", b.Scenario)
	}
	return Run(binary, args...)
}

// Measure looks for a bug by every strategy that can, in a build of it.
func (b *Bug) Measure(binary string) (*Row, error) {
	row, err := b.MeasureSearch(binary)
	if err != nil {
		return nil, err
	}
	for strategy := range strategies {
		if row.Schedules[strategy], err = b.median(binary, strategy, enough[strategy]); err != nil {
			return nil, err
		}
	}
	return row, nil
}

// MeasureSearch does so by the exhaustive search alone.
func (b *Bug) MeasureSearch(binary string) (*Row, error) {
	row := &Row{Bug: b.Name, Claim: b.Claim, Scenario: b.Scenario}
	if b.Scenario == "" {
		return row, nil
	}
	caught, err := b.look(binary, "search", 1, searchEnough)
	if err != nil {
		return nil, err
	}
	row.Search, row.Steps = Figure{caught.Schedules, len(caught.Claims) == 0}, caught.Steps
	return row, nil
}

// SearchEvery does so with every claim on every transition.
func (b *Bug) SearchEvery(binary string) (*look.Caught, error) {
	return b.look(binary, "every", 1, searchEnough)
}

// ByDefault looks for a bug where nothing goes wrong and nobody is preempted.
func (b *Bug) ByDefault(binary string) (*look.Caught, error) {
	return b.look(binary, "default", 1, 1)
}

// median is how many schedules a strategy takes: the middle of the repetitions, none of which goes
// on beyond most.
func (b *Bug) median(binary string, strategy, most int) (Figure, error) {
	if !b.can(strategy) {
		return Nothing, nil
	}
	var took []int
	for n := range repetitions {
		caught, err := b.look(binary, strategyNames[strategy], 1+n*apart, most)
		if err != nil {
			return Nothing, err
		}
		if len(caught.Claims) == 0 {
			caught.Schedules = most + 1
		}
		took = append(took, caught.Schedules)
	}
	slices.Sort(took)
	if middle := took[repetitions/2]; middle <= most {
		return Figure{N: middle}, nil
	}
	return Figure{most, true}, nil
}

// quick is up to which figure a test measures a strategy again.
var quick = [strategies]int{seeds: 5, walk: 200, pct: 200}

// Remeasure measures the figures of a row again that take no time, and says which have changed.
// Histories are those of goroutines, and no two runs have the same: they have to catch the bug,
// whenever.
func (b *Bug) Remeasure(binary string, row *Row) (changed []string, err error) {
	for strategy := range strategies {
		was := row.Schedules[strategy]
		if strategy == histories && b.can(histories) {
			caught, err := b.look(binary, strategyNames[histories], 1, enough[histories])
			if err != nil {
				return nil, err
			}
			if len(caught.Claims) == 0 {
				changed = append(changed, fmt.Sprintf("histories: none of %d catches it", enough[histories]))
			}
			continue
		}
		if b.can(strategy) && (was.Never || was.N > quick[strategy]) {
			continue
		}
		is, err := b.median(binary, strategy, max(1, was.N))
		if err != nil {
			return nil, err
		}
		if is != was {
			changed = append(changed, fmt.Sprintf("%s: %v, and the table says %v", strategyNames[strategy],
				is, was))
		}
	}
	return changed, nil
}

const rowFormat = "%-44s %-20s %6s %8s %8s %9s %8s %5s  %s"

func (r *Row) String() string {
	steps, scenario := "-", "-"
	if r.Scenario != "" {
		steps, scenario = strconv.Itoa(r.Steps), r.Scenario
	}
	return fmt.Sprintf(rowFormat, r.Bug, r.Claim, r.Schedules[seeds], r.Schedules[walk],
		r.Schedules[pct], r.Schedules[histories], r.Search, steps, scenario)
}

// Table is the text of rows.
func Table(rows []Row) string {
	var text strings.Builder
	fmt.Fprintf(&text, "# How many schedules it takes until a planted bug is caught: the median of "+
		"%d repetitions with other seeds; > where\n", repetitions)
	fmt.Fprintf(&text, "# so many are not enough, - where a strategy cannot look. Written by go run "+
		"./properties/power -update [BUG...]\n#\n")
	fmt.Fprintf(&text, "# seeds: quarters of an hour of traffic, of each profile in turn, until any "+
		"claim breaks. walk, pct: random walks, and\n")
	fmt.Fprintf(&text, "# walks by priority, in the scenario, likewise. histories: of the "+
		"concurrent pool. states, steps: what the search visits\n")
	fmt.Fprintf(&text, "# until the bug's own claim breaks, whatever others see before, and how "+
		"long the shortest counterexample is.\n#\n")
	fmt.Fprintf(&text, rowFormat+"\n", "# bug", "claim", "seeds", "walk", "pct", "histories", "states",
		"steps", "scenario")
	for i := range rows {
		fmt.Fprintln(&text, &rows[i])
	}
	return text.String()
}

// ParseRows reads a table.
func ParseRows(text string) ([]Row, error) {
	var rows []Row
	for n, line := range strings.Split(text, "\n") {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		if len(words) != 9 {
			return nil, fmt.Errorf("line %d: %d words, want 9", n+1, len(words))
		}
		row := Row{Bug: words[0], Claim: words[1]}
		figures := []*Figure{&row.Schedules[seeds], &row.Schedules[walk], &row.Schedules[pct],
			&row.Schedules[histories], &row.Search}
		for i, f := range figures {
			var err error
			if *f, err = parseFigure(words[2+i]); err != nil {
				return nil, fmt.Errorf("line %d: %w", n+1, err)
			}
		}
		if words[8] != "-" {
			row.Scenario = words[8]
			var err error
			if row.Steps, err = strconv.Atoi(words[7]); err != nil {
				return nil, fmt.Errorf("line %d: %w", n+1, err)
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// Measured are the bugs that have a row: all but those that a test catches.
func Measured(bugs []Bug) []Bug {
	return slices.DeleteFunc(slices.Clone(bugs), func(b Bug) bool { return b.ByTest() })
}

// Merge puts new rows in the place of old ones, and leaves out those of bugs that are no more.
func Merge(bugs []Bug, old, fresh []Row) []Row {
	var rows []Row
	for i := range bugs {
		named := func(r Row) bool { return r.Bug == bugs[i].Name }
		if n := slices.IndexFunc(fresh, named); n >= 0 {
			rows = append(rows, fresh[n])
		} else if n := slices.IndexFunc(old, named); n >= 0 {
			rows = append(rows, old[n])
		}
	}
	return rows
}
