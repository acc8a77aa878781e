package properties

import (
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// roomImports are the rooms that each room imports, by the code: rooms are the rows of a table, by
// the packages that they name.
func roomImports(t *testing.T, rows [][]string) map[string]map[string]bool {
	t.Helper()
	rowOf := func(folder string) string {
		for ; folder != "."; folder = path.Dir(folder) {
			for _, row := range rows {
				if slices.Contains(row, folder) {
					return row[0]
				}
			}
		}
		return ""
	}
	imports, ofTests := map[string]map[string]bool{}, map[string]map[string]bool{}
	for _, f := range goFiles(t) {
		into, room := imports, rowOf(path.Dir(f.path))
		if f.test {
			into = ofTests
		}
		if room != "" && into[room] == nil {
			into[room] = map[string]bool{}
		}
		for _, imported := range f.imports() {
			imported, ours := strings.CutPrefix(imported, module+"/")
			if other := rowOf(imported); ours && room != "" && other != "" && other != room {
				into[room][other] = true
			}
		}
	}
	for room, all := range ofTests {
		if imports[room] == nil {
			imports[room] = all // it has nothing but tests
		}
	}
	return imports
}

// The table of rooms in ARCHITECTURE.md says what each room imports: the rooms on which it is
// built, without those that come with these.
func TestTidyArchitectureSaysWhatEachRoomImports(t *testing.T) {
	_, table, _ := strings.Cut(document(t, "ARCHITECTURE.md"), "\n| --- | --- | --- |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	name := regexp.MustCompile("`([a-z/]+)`")
	var rows [][]string
	said := map[string]string{}
	for line := range strings.SplitSeq(table, "\n") {
		cells := strings.Split(line, "|")
		var row []string
		for _, m := range name.FindAllStringSubmatch(cells[1], -1) {
			row = append(row, m[1])
		}
		rows = append(rows, row)
		said[row[0]] = strings.TrimSpace(cells[3])
	}
	if len(rows) < 20 {
		t.Fatalf("found %d rooms; the search is broken", len(rows))
	}
	imports := roomImports(t, rows)
	below := map[string]map[string]bool{} // what comes with a room
	var with func(room string) map[string]bool
	with = func(room string) map[string]bool {
		if below[room] == nil {
			below[room] = map[string]bool{} // rows that import each other end here
			for next := range imports[room] {
				below[room][next] = true
				maps.Copy(below[room], with(next))
			}
		}
		return below[room]
	}
	for room, says := range said {
		if says == "everything" {
			continue
		}
		var want, got []string
		for _, other := range slices.Sorted(maps.Keys(imports[room])) {
			comes := false
			for between := range imports[room] {
				comes = comes || with(between)[other]
			}
			if !comes {
				want = append(want, other)
			}
		}
		for word := range strings.SplitSeq(says, ", ") {
			if said[word] != "" || imports[word] != nil {
				got = append(got, word) // others are what the room imports of other modules
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("ARCHITECTURE.md: %s imports %q; by the code it is %q", room, strings.Join(got, ", "),
				strings.Join(want, ", "))
		}
	}
}
