package fleet

import (
	"flag"
	"os"
	"strings"
)

var update = flag.Bool("update", false, "write the figures of this run into README.md")

// The table in README.md stands between these lines.
const (
	tableBegins = "<!-- figures: PAGEPOOL_CHROME=1 go -C deploy test ./fleet -update -->\n"
	tableEnds   = "<!-- end -->\n"
)

// update writes the figures down, where somebody asked for that.
func (f *fleet) update() {
	text, err := os.ReadFile("README.md")
	if err != nil {
		f.t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), tableBegins)
	_, after, ok2 := strings.Cut(rest, tableEnds)
	if !ok || !ok2 {
		f.t.Fatalf("README.md has no table between %q and %q", tableBegins, tableEnds)
	}
	table := "\n| what | figure |\n| --- | ---: |\n"
	for _, row := range f.rows {
		table += "| " + row[0] + " | " + row[1] + " |\n"
		if !strings.Contains(rest, "| "+row[0]+" |") && !*update {
			f.t.Errorf("README.md has no figure of %q; -update writes it", row[0])
		}
	}
	if !*update {
		return
	}
	if err := os.WriteFile("README.md", []byte(before+tableBegins+table+"\n"+tableEnds+after),
		0o644); err != nil {
		f.t.Fatal(err)
	}
}
