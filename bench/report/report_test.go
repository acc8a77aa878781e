package report

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMedianIsTheMiddle(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 2, 100}, 3}} {
		if got := Median(c.values); got != c.want {
			t.Errorf("of %v it is %v, want %v", c.values, got, c.want)
		}
	}
	if got := Median(nil); got == got {
		t.Errorf("of nothing it is %v", got)
	}
}

// A round that is slow for everybody shows in the figures and not in the ratio, and a round that
// one row has missed counts for the others.
func TestRatiosAreTakenRoundByRound(t *testing.T) {
	table := Table{
		Title: "speed", Reference: "ours", Columns: []Column{{Name: "ms", Digits: 1, Ratio: true}},
		Rows: []*Row{
			{Name: "ours", Rounds: []map[string]float64{{"ms": 1}, {"ms": 10}, {"ms": 3}}},
			{Name: "theirs", Rounds: []map[string]float64{{"ms": 2}, {"ms": 20}, nil}, Trouble: "once"},
			{Name: "missing", Rounds: []map[string]float64{nil, nil, nil}, Trouble: "no npm"},
		},
	}
	text := table.String()
	for _, want := range []string{"| ours | 3.0 | - |", "| theirs | 11.0 | 0.50 |",
		"| missing | not measured: no npm |", "| | ms | ours / it |"} {
		if !strings.Contains(text, want) {
			t.Errorf("the table has no %q:\n%s", want, text)
		}
	}
}

// One failure in three rounds is a failure, and the slowest hundredth is one of all pages and not
// of a round's.
func TestSumsAndQuantilesAreOfAllRounds(t *testing.T) {
	table := Table{
		Reference: "with none",
		Columns: []Column{{Name: "failed", Sum: true},
			{Name: "p90 ms", Quantile: 0.9, Ratio: true, Inverse: true}},
		Rows: []*Row{
			{Name: "with none", Rounds: []map[string]float64{{"failed": 0}, {"failed": 0}},
				Samples: []float64{1, 2, 3, 4, 5}},
			{Name: "with one", Rounds: []map[string]float64{{"failed": 0}, {"failed": 1}, nil},
				Samples: []float64{1, 10, 2}, Trouble: "it was late"},
		},
	}
	text := table.String()
	for _, want := range []string{
		"| | failed | p90 ms | it / with none |", "| with none | 0 | 5 | - |",
		"| with one | 1 | 10 | 2.00 |",
		"A round brought no figures for with one: it was late",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the table has no %q:\n%s", want, text)
		}
	}
}

func TestWriteReplacesWhatIsBetweenItsLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "README.md")
	if err := os.WriteFile(path, []byte("before\n<!-- a -->\nold\n<!-- end of a -->\nafter\n"),
		0o600); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, "a", "new\n"); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := "before\n<!-- a -->\nnew\n<!-- end of a -->\nafter\n"; string(got) != want {
		t.Errorf("the file is %q, want %q", got, want)
	}
	if err := Write(path, "b", "new\n"); err == nil || !strings.Contains(err.Error(), "end of b") {
		t.Errorf("without lines the error is %v", err)
	}
}
