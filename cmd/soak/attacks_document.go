package main

import (
	_ "embed"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

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
	fmt.Fprintln(&tables, "| build | browser | processors | seconds | burner's p50 | pages | broken |")
	fmt.Fprintln(&tables, "| --- | --- | ---: | ---: | ---: | ---: | ---: |")
	for _, b := range builds {
		fmt.Fprintln(&tables, b.row())
	}
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
	least, most := b.report.Trials[0].Burn, 0.0
	for i := range b.report.Trials {
		t := &b.report.Trials[i]
		least, most = min(least, t.Burn), max(most, t.Burn)
		if len(t.Broken) > 0 {
			broken++
		}
	}
	r := b.report
	return fmt.Sprintf("| %s | %s | %d | %.0f | %.0f to %.0f ms | %d | %d |",
		b.name, r.Browser, r.Processors, r.WallSeconds, least, most, len(r.Trials), broken)
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
