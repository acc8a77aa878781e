// Package report is what the benchmarks share: the machine in words, medians over rounds, and
// tables with absolute figures and ratios side by side.
package report

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Median is the middle of values; of none it is not a number.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// Quantile is the value below which this part of values lies; of none it is not a number.
func Quantile(values []float64, part float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)-1, int(part*float64(len(sorted))))]
}

// Row is what one thing measured, once for each round.
type Row struct {
	Name    string
	Rounds  []map[string]float64 // by column
	Samples []float64            // of all rounds, for columns that are a quantile
	Trouble string               // why a round brought no figures; empty: all did
}

// Column is one kind of figure.
type Column struct {
	Name   string
	Digits int
	// Ratio is set where the reference row's figure is compared with each other's. Each round gives a
	// ratio, and the median of these is shown, so what slows a whole round down does not show in them.
	Ratio bool
	// Inverse is set where each row's figure is divided by the reference's, and not the other way
	// round.
	Inverse bool
	// Sum is set for what must not happen even once, and for counts: a median over the rounds would
	// hide it.
	Sum bool
	// Quantile is the part of the samples of all rounds below which the figure lies: one round's are
	// too few for the last hundredth. 0: the figure is a median over the rounds.
	Quantile float64
}

// Table compares rows, in the order in which they are given.
type Table struct {
	Title     string
	Note      string // what was done
	Reference string // the row that the others are compared with
	Columns   []Column
	Rows      []*Row
}

// String is the table as Markdown.
func (t Table) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n\n", t.Title)
	if t.Note != "" {
		fmt.Fprintf(&b, "%s\n\n", t.Note)
	}
	head, rule := "| |", "| --- |"
	for _, c := range t.Columns {
		head, rule = head+" "+c.Name+" |", rule+" ---: |"
		if c.Ratio {
			head, rule = head+" "+t.ratioName(c)+" |", rule+" ---: |"
		}
	}
	fmt.Fprintf(&b, "%s\n%s\n", head, rule)
	for _, row := range t.Rows {
		fmt.Fprintf(&b, "| %s |", row.Name)
		if row.Trouble != "" && !row.measured() {
			fmt.Fprintf(&b, " not measured: %s |\n", strings.ReplaceAll(row.Trouble, "\n", " "))
			continue
		}
		for _, c := range t.Columns {
			fmt.Fprintf(&b, " %s |", figure(row.figure(c), c.Digits))
			if c.Ratio {
				fmt.Fprintf(&b, " %s |", figure(t.ratio(row, c), 2))
			}
		}
		b.WriteString("\n")
	}
	for _, row := range t.Rows {
		if row.Trouble != "" && row.measured() {
			fmt.Fprintf(&b, "\nA round brought no figures for %s: %s\n", row.Name,
				strings.ReplaceAll(row.Trouble, "\n", " "))
		}
	}
	return b.String()
}

func (t Table) ratioName(c Column) string {
	if c.Inverse {
		return "it / " + t.Reference
	}
	return t.Reference + " / it"
}

// Figure is a row's figure in a column, or its ratio; where there is none, it is not a number.
func (t Table) Figure(row, column string, ratio bool) float64 {
	for _, c := range t.Columns {
		for _, r := range t.Rows {
			switch {
			case c.Name != column || r.Name != row:
			case ratio:
				return t.ratio(r, c)
			default:
				return r.figure(c)
			}
		}
	}
	return math.NaN()
}

func figure(value float64, digits int) string {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return "-"
	}
	return fmt.Sprintf("%.*f", digits, value)
}

// measured says whether any round brought figures.
func (r *Row) measured() bool {
	return slices.ContainsFunc(r.Rounds, func(figures map[string]float64) bool {
		return len(figures) > 0
	})
}

// figure is a row's figure for all rounds.
func (r *Row) figure(c Column) float64 {
	if c.Quantile > 0 {
		return Quantile(r.Samples, c.Quantile)
	}
	var values []float64
	sum := 0.0
	for _, round := range r.Rounds {
		if v, ok := round[c.Name]; ok {
			values = append(values, v)
			sum += v
		}
	}
	if c.Sum && len(values) > 0 {
		return sum
	}
	return Median(values)
}

// ratio compares a row with the reference: round by round, or by the figures for all rounds where
// these are no medians.
func (t Table) ratio(row *Row, c Column) float64 {
	at := slices.IndexFunc(t.Rows, func(r *Row) bool { return r.Name == t.Reference })
	if at < 0 || t.Rows[at] == row {
		return math.NaN()
	}
	above, below := t.Rows[at], row
	if c.Inverse {
		above, below = below, above
	}
	if c.Sum || c.Quantile > 0 {
		return above.figure(c) / below.figure(c)
	}
	var ratios []float64
	for i := range min(len(above.Rounds), len(below.Rounds)) {
		one, hasOne := above.Rounds[i][c.Name]
		other, hasOther := below.Rounds[i][c.Name]
		if hasOne && hasOther && other != 0 {
			ratios = append(ratios, one/other)
		}
	}
	return Median(ratios)
}

// Chosen returns which of the rows, each given as TABLE/ROW, a flag named -rows asks for: those of
// a table, or a single one, separated by commas; all where it is empty.
func Chosen(names string, rows []string) (map[string]bool, error) {
	chosen := map[string]bool{}
	var tables []string
	for _, name := range strings.Split(names, ",") {
		found := false
		for _, row := range rows {
			table, _, _ := strings.Cut(row, "/")
			if !slices.Contains(tables, table) {
				tables = append(tables, table)
			}
			if names == "" || name == table || name == row {
				chosen[row], found = true, true
			}
		}
		if !found {
			return nil, fmt.Errorf("-rows has %q: it has to be one of the tables %s, or TABLE/ROW", name,
				strings.Join(tables, ", "))
		}
	}
	return chosen, nil
}

// Machine is where it was measured: processor, cores, memory, load before the run, system and Go.
func Machine() string {
	return fmt.Sprintf("%s, %d cores, %s of memory, load %s before the run; %s, %s, %s",
		cpuinfo("model name"), runtime.NumCPU(), memory(), load(), kernel(), runtime.Version(),
		time.Now().UTC().Format(time.DateOnly))
}

func cpuinfo(name string) string {
	if value := field("/proc/cpuinfo", name); value != "" {
		return value
	}
	return runtime.GOARCH
}

func memory() string {
	var kilobytes float64
	if _, err := fmt.Sscanf(field("/proc/meminfo", "MemTotal"), "%f", &kilobytes); err != nil {
		return "an unknown amount"
	}
	return fmt.Sprintf("%.0f GiB", kilobytes/(1<<20))
}

// field is what stands behind the first name in a file of "name: value" lines; empty: nothing does.
func field(path, name string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if left, right, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(left) == name {
			return strings.TrimSpace(right)
		}
	}
	return ""
}

func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

func kernel() string {
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return runtime.GOOS
	}
	return runtime.GOOS + " " + strings.TrimSpace(string(text))
}

// Write puts text into a file, between the lines "<!-- NAME -->" and "<!-- end of NAME -->".
func Write(path, name, text string) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	begin, end := "<!-- "+name+" -->\n", "<!-- end of "+name+" -->\n"
	before, rest, hasBegin := strings.Cut(string(old), begin)
	_, after, hasEnd := strings.Cut(rest, end)
	if !hasBegin || !hasEnd {
		return fmt.Errorf("%s has no lines %q and %q to write between", path, strings.TrimSpace(begin),
			strings.TrimSpace(end))
	}
	return os.WriteFile(path, []byte(before+begin+text+end+after), 0o644)
}
