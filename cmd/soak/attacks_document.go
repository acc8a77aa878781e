package main

import (
	_ "embed"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pagepool/pagepool/internal/prose"
	"github.com/pagepool/pagepool/pool/chrome/attacks"
)

// attacksText is docs/attacks.md without its tables.
//
//go:embed attacks_document.txt
var attacksText string

// attacksDocument prints docs/attacks.md.
func (s *soak) attacksDocument(files []string) error {
	builds := make([]attackBuild, 0, len(files))
	for _, file := range files {
		r, err := readAttacks(file)
		if err != nil {
			return err
		}
		builds = append(builds, attackBuild{strings.TrimSuffix(filepath.Base(file), ".json"), r})
	}
	writeAttacks(s.stdout, builds)
	return nil
}

// attackBuild is one build and what was measured on it.
type attackBuild struct {
	name   string
	report *attacksReport
}

// trial is that of a page; nil: it was not tried.
func (b *attackBuild) trial(page string) *attackTrial {
	i := slices.IndexFunc(b.report.Trials, func(t attackTrial) bool { return t.Page == page })
	if i < 0 {
		return nil
	}
	return &b.report.Trials[i]
}

func writeAttacks(w io.Writer, builds []attackBuild) {
	all := attacks.All()
	var families []string
	for _, p := range all {
		if !slices.Contains(families, p.Family) {
			families = append(families, p.Family)
		}
	}
	var tables strings.Builder
	fmt.Fprintln(&tables, "| build | browser | processors | seconds | burner | pages | broken |")
	fmt.Fprintln(&tables, "| --- | --- | ---: | ---: | ---: | ---: | ---: |")
	for _, b := range builds {
		fmt.Fprintln(&tables, b.row())
	}
	writeReserves(&tables, builds)
	writeBroken(&tables, builds)
	for _, family := range families {
		writeFamily(&tables, family, builds)
	}
	fmt.Fprintf(w, attacksText, len(all), len(families), tables.String())
}

func writeFamily(w io.Writer, family string, builds []attackBuild) {
	fmt.Fprintf(w, "\n## The family %s\n\n| page | what it attacks |", family)
	for _, b := range builds {
		fmt.Fprintf(w, " %s |", b.name)
	}
	fmt.Fprintf(w, "\n| --- | --- |%s\n", strings.Repeat(" --- |", len(builds)))
	for _, p := range attacks.All() {
		if p.Family == family {
			writeAttack(w, p, builds)
		}
	}
}

// row is a build's in the first table.
func (b *attackBuild) row() string {
	broken := 0
	least, most := b.burn()
	for i := range b.report.Trials {
		if len(b.report.Trials[i].Broken) > 0 {
			broken++
		}
	}
	r := b.report
	return fmt.Sprintf("| %s | %s | %d | %.0f | %.0f to %.0f ms | %d | %d |",
		b.name, r.Browser, r.Processors, r.WallSeconds, least, most, len(r.Trials), broken)
}

// burn is the least and the largest median beside the page that burns a core.
func (b *attackBuild) burn() (least, most float64) {
	for i := range b.report.Trials {
		burn := b.report.Trials[i].Burn
		if most = max(most, burn); i == 0 || burn < least {
			least = burn
		}
	}
	return least, most
}

// noise is how much the burner's median varies on a machine that does something else as well.
const noise = 1.5

// writeReserves says what speaks against the figures.
func writeReserves(w io.Writer, builds []attackBuild) {
	reserve := func(text string) {
		fmt.Fprintf(w, "\n%s\n", strings.Join(wrap(text, 0), "\n"))
	}
	for _, b := range builds {
		if least, most := b.burn(); most > noise*least {
			reserve(fmt.Sprintf("**The machine was not quiet while %s was measured**: "+
				"the burner's median varied by a factor of %.1f. What breaks a promise "+
				"there may be the other work's doing.", b.name, most/least))
		}
		if b.report.Note != "" {
			reserve(b.report.Note)
		}
		if n := len(attacks.All()) - len(b.report.Trials); n > 0 {
			reserve(fmt.Sprintf("The run on %s was stopped before its end, and left out %s.",
				b.name, prose.Count(n, "page")))
		}
	}
}

// writeBroken lists the pages that break a promise.
func writeBroken(w io.Writer, builds []attackBuild) {
	fmt.Fprint(w, "\n## What breaks a promise\n\n")
	none := true
	for _, b := range builds {
		for i := range b.report.Trials {
			t := &b.report.Trials[i]
			for _, what := range t.Broken {
				none = false
				head := fmt.Sprintf("- `%s` on %s: ", t.Page, b.name)
				fmt.Fprintln(w, strings.Join(wrap(head+what+".", 0), "\n  "))
			}
		}
	}
	if none {
		fmt.Fprintln(w, "No page did.")
	}
}

func writeAttack(w io.Writer, p attacks.Page, builds []attackBuild) {
	says := p.Says
	if p.Shared != "" {
		says += " Marked: " + p.Shared + "."
	}
	fmt.Fprintf(w, "| `%s` | %s |", p.Name, says)
	for _, b := range builds {
		fmt.Fprintf(w, " %s |", b.trial(p.Name).cell())
	}
	fmt.Fprintln(w)
}

// cell is what a table has of a trial.
func (t *attackTrial) cell() string {
	if t == nil {
		return "not tried"
	}
	text := fmt.Sprintf("%.1f x, %.1f s", t.cost(), t.Back)
	if n := t.Failed + t.FailedLater; n > 0 {
		text += fmt.Sprintf(", %d of %d failed", n, t.Asked)
	}
	if len(t.Broken) > 0 {
		text = "**" + text + "**"
	}
	return text
}
