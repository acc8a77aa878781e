package properties

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/pagepool/pagepool/properties/planted"
	"github.com/pagepool/pagepool/sim/spec"
	"github.com/pagepool/pagepool/testdata"
)

func plantedBugs(t *testing.T) []planted.Bug {
	t.Helper()
	bugs, err := planted.All()
	if err != nil || len(bugs) == 0 {
		t.Fatalf("no planted bugs: %v", err)
	}
	return bugs
}

// plantedRows is the table of how hard they are to find.
func plantedRows(t *testing.T) map[string]planted.Row {
	t.Helper()
	text, err := testdata.Files.ReadFile("power.txt")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := planted.ParseRows(string(text))
	if err != nil {
		t.Fatalf("power.txt: %v", err)
	}
	byName := map[string]planted.Row{}
	for _, r := range rows {
		byName[r.Bug] = r
	}
	return byName
}

// few are the bugs that every run looks for, of different claims. To compile the core anew takes
// three seconds for each, and there are more than a hundred: PAGEPOOL_PLANTED=all looks for them
// all.
func few(bugs []planted.Bug) []planted.Bug {
	taken := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(bugs), func(b planted.Bug) bool {
		skip := taken[b.Claim] || len(taken)%5 != 0
		taken[b.Claim] = true
		return skip
	})
}

// wanted are the bugs that PAGEPOOL_PLANTED names, with commas between; all; or by default some.
func wanted(t *testing.T, bugs, byDefault []planted.Bug) []planted.Bug {
	t.Helper()
	all := plantedBugs(t)
	switch names := os.Getenv("PAGEPOOL_PLANTED"); names {
	case "":
		return byDefault
	case "all":
		return bugs
	default:
		named := strings.Split(names, ",")
		unnamed := func(b planted.Bug) bool { return !slices.Contains(named, b.Name) }
		if n := len(slices.DeleteFunc(all, unnamed)); n != len(named) {
			t.Fatalf("PAGEPOOL_PLANTED=%s: %d of these %d are planted", names, n, len(named))
		}
		return slices.DeleteFunc(slices.Clone(bugs), unnamed)
	}
}

// Each planted bug passes where nothing goes wrong and nobody is preempted, so that it takes a
// search to see it. The exhaustive search then catches it, by the claim that it names, in as many
// states and by as short a way as the table says.
func TestPlantedBugsAreCaughtByName(t *testing.T) {
	bugs, rows := planted.Measured(plantedBugs(t)), plantedRows(t)
	sample := few(bugs)
	some := wanted(t, bugs, sample)
	t.Logf("%d of %d planted bugs; PAGEPOOL_PLANTED=all builds every one, or name some", len(some),
		len(bugs))
	for _, b := range some {
		t.Run(b.Name, func(t *testing.T) {
			t.Parallel()
			binary, err := b.Build("..", t.TempDir(), b.Command())
			if err != nil {
				t.Fatal(err)
			}
			byDefault, err := b.ByDefault(binary)
			if err != nil || len(byDefault.Claims) > 0 {
				t.Errorf("the default schedule breaks %v already: %v", byDefault, err)
			}
			row := rows[b.Name]
			found, err := b.MeasureSearch(binary)
			if err != nil {
				t.Fatal(err)
			}
			if found.Search.Never {
				t.Errorf("%s does not catch it in %s", b.Claim, b.Scenario)
			}
			if found.Search != row.Search || found.Steps != row.Steps {
				t.Errorf("caught in %v states by %d steps, and the table says %v and %d\nto measure it anew: "+
					"go run ./properties/power -update %s",
					found.Search, found.Steps, row.Search, row.Steps, b.Name)
			}
			if b.Scenario != "" {
				every, err := b.SearchEvery(binary)
				if err != nil || every.Schedules != found.Search.N || every.Steps != found.Steps {
					t.Errorf("with every claim on every transition: %+v, %v", every, err)
				}
			}
			if b.Claim != planted.Linearizable &&
				!slices.ContainsFunc(sample, func(f planted.Bug) bool { return f.Name == b.Name }) {
				return // the other columns are held to by a few
			}
			changed, err := b.Remeasure(binary, &row)
			if err != nil || len(changed) > 0 {
				t.Errorf("%v %v\nto measure it anew: go run ./properties/power -update %s", changed, err,
					b.Name)
			}
		})
	}
}

// What a test alone catches is in the shell. The test fails where the bug is planted, by its own
// words: it compiles, and it runs to its end.
func TestPlantedBugsOfTheShellFailTheirTests(t *testing.T) {
	bugs := slices.DeleteFunc(plantedBugs(t), func(b planted.Bug) bool { return !b.ByTest() })
	for _, b := range wanted(t, bugs, bugs[:1]) {
		t.Run(b.Name, func(t *testing.T) {
			t.Parallel()
			out, failed, err := b.RunTest("..", t.TempDir())
			switch {
			case err != nil:
				t.Fatal(err)
			case !failed || !strings.Contains(out, "--- FAIL: "+b.Claim) &&
				!strings.Contains(out, "panic: pool: BUG: "):
				t.Errorf("%s in %s does not fail: %s", b.Claim, b.Scenario, out)
			default:
				t.Log(firstFailure(out))
			}
		})
	}
}

// firstFailure is the first line that says what is wrong.
func firstFailure(out string) string {
	for line := range strings.Lines(out) {
		if strings.Contains(line, "_test.go:") || strings.Contains(line, "BUG") {
			return strings.TrimSpace(line)
		}
	}
	return out
}

// The table has a row for each bug, and no other, and something catches each.
func TestPlantedBugsHaveARowInTheTable(t *testing.T) {
	bugs, rows := planted.Measured(plantedBugs(t)), plantedRows(t)
	for _, b := range bugs {
		r, ok := rows[b.Name]
		if !ok || r.Claim != b.Claim || r.Scenario != b.Scenario {
			t.Errorf("%s, caught by %s in %q: the table says %+v", b.Name, b.Claim, b.Scenario, r)
		}
		if r.Caught() == 0 {
			t.Errorf("nothing catches %s", b.Name)
		}
		delete(rows, b.Name)
	}
	for name := range rows {
		t.Errorf("the table has a row for %s, which is not planted", name)
	}
}

// All of them still fit the code and compile, those that this run does not build included.
func TestPlantedBugsFitTheCode(t *testing.T) {
	tree := planted.NewTree("..")
	for _, b := range plantedBugs(t) {
		if err := tree.Compiles(&b); err != nil {
			t.Errorf("%s: %v\ngo run ./properties/planted/replant proposes what would fit", b.Name, err)
		}
	}
}

func TestPlantedBugsCoverEveryInvariant(t *testing.T) {
	bugs := plantedBugs(t)
	shell := slices.DeleteFunc(slices.Clone(bugs), func(b planted.Bug) bool {
		return b.Claim != planted.Linearizable
	})
	if len(shell) < 5 {
		t.Errorf("%d bugs are caught by histories alone, want at least five", len(shell))
	}
	for _, v := range spec.Invariants {
		if !slices.ContainsFunc(bugs, func(b planted.Bug) bool { return b.Claim == v.Name }) {
			t.Errorf("no planted bug is caught by %s, so nobody has seen it fail", v.Name)
		}
	}
}
