package fleet

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim"
)

var update = flag.Bool("update", false, "write the table into deploy/fleet/README.md")

// The table stands between these lines.
const (
	document    = "../../deploy/fleet/README.md"
	tableBegins = "<!-- on paper: go test ./sim/fleet -run Table -update -->\n"
	tableEnds   = "<!-- end of paper -->\n"
)

// big is a fleet that one machine cannot run: 60 % of its tabs are at work in the mean.
var big = Options{
	Servers: 100, Pages: 4, Affinities: 100_000, Skew: 1, Rate: 400,
	Render:   sim.Latency{Shortest: 400 * sim.Milliseconds, Longest: 800 * sim.Milliseconds},
	MapDelay: 50 * sim.Milliseconds, Bound: 1.5, Lasts: core.Time(2 * time.Minute),
	Fails: 20 * sim.Seconds, Down: 10 * sim.Seconds, Seed: 1,
}

// The table of the documents is what the simulation says now.
func TestFleetTableOfTheDocuments(t *testing.T) {
	var table strings.Builder
	table.WriteString(
		"\n| policy | warm grants | wait p50 | p99 | busiest server, of the mean | sent again |\n",
	)
	table.WriteString("| --- | ---: | ---: | ---: | ---: | ---: |\n")
	for p := range policies {
		o := big
		o.Policy = p
		r, err := Run(o)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&table, "| %v | %.1f %% | %d ms | %d ms | %.2f | %d |\n", p,
			100*float64(r.Warm)/float64(r.Grants), r.P50, r.P99, r.Busiest, r.Repeated)
	}
	table.WriteString("\n")
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), tableBegins)
	was, after, ok2 := strings.Cut(rest, tableEnds)
	switch {
	case !ok || !ok2:
		t.Fatalf("%s has no table between %q and %q", document, tableBegins, tableEnds)
	case *update:
		err = os.WriteFile(
			document,
			[]byte(before+tableBegins+table.String()+tableEnds+after),
			0o644,
		)
		if err != nil {
			t.Fatal(err)
		}
	case was != table.String():
		t.Errorf(
			"the simulation says\n%s\nthe document\n%s\n-update writes it",
			table.String(),
			was,
		)
	}
}
