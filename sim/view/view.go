// Package view makes one self-contained page of a run: slots and callers over steps or over time,
// and at every step the event, the state, who waits for what and why, and what else could have
// happened. It needs no network and no build step: Write fills a template with the run as JSON, and
// plain SVG and script draw it. Handler serves it on loopback beside the timeline for
// ui.perfetto.dev.
package view

import (
	"embed"
	"fmt"
	"html/template"
	"io"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim/steps"
)

// Page is what a page shows: a run, or two side by side.
type Page struct {
	Title string `json:"title"`
	Runs  []Run  `json:"runs"`
	// Viewer is the origin of the viewer that the page hands its timeline to; empty: there is no
	// server behind the page, and it says how to open the timeline instead.
	Viewer string `json:"viewer,omitempty"`
	Open   string `json:"open"` // the command that writes the timeline
	// the command that writes this page, to be given another -first
	Again string `json:"again,omitempty"`
	// Differs is the first step in which two runs differ; 0: they are the same, or there is one.
	Differs int `json:"differs,omitempty"`
}

// Run is one run.
type Run struct {
	Name     string            `json:"name"`
	Comments []string          `json:"comments,omitempty"` // the lead of its trace
	Labels   map[string]string `json:"labels,omitempty"`   // what its requests are for
	Settings string            `json:"settings"`
	Capacity int               `json:"capacity"` // MaxPages; one spare comes on top
	Total    int               `json:"total"`    // steps, those that the page does not have included
	Steps    []Step            `json:"steps"`
	Menu     []string          `json:"menu"` // the labels of what could have happened
	Broken   string            `json:"broken,omitempty"`
	Says     string            `json:"says,omitempty"` // the claim in words
	Failed   []string          `json:"failed,omitempty"`
	// the step after which nothing avoids the end; 0: not known
	NoReturn int       `json:"noReturn,omitempty"`
	Figures  []Figure  `json:"figures,omitempty"`
	Begin    core.Time `json:"begin"`
	End      core.Time `json:"end"`
	Overview *Overview `json:"overview,omitempty"` // of the whole run, where Steps are a part of it
	Thinned  string    `json:"thinned,omitempty"`
	Untimed  bool      `json:"untimed,omitempty"`
}

// Step is a step whose choices are numbers: eight times the place of the label in Menu, and one for
// a fault, two for the default, four for what happened. Labels are most of a page otherwise.
type Step struct {
	steps.Step
	Choices []int `json:"choices,omitempty"`
}

// Figure is one line of the comparison of two runs.
type Figure struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Step  int    `json:"step,omitempty"` // where it can be seen; 0: nowhere in particular
}

// MostSteps is how many steps a page has: fewer where there are many lanes, so that it opens at
// once.
func MostSteps(lanes int) int { return max(100, min(1500, 20_000/(lanes+1))) }

//go:embed page.html page.css *.js
var files embed.FS

var page = template.Must(template.New("page.html").ParseFS(files, "page.html"))

// Write writes a page.
func (p *Page) Write(w io.Writer) error {
	if len(p.Runs) == 0 || len(p.Runs) > 2 {
		return fmt.Errorf("view: a page of %d runs: want one, or two side by side", len(p.Runs))
	}
	css, err := files.ReadFile("page.css")
	if err != nil {
		return err
	}
	var script []byte
	for _, name := range []string{"overview.js", "paper.js", "page.js"} { // the last one begins
		part, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		script = append(script, part...)
	}
	return page.Execute(w, struct {
		*Page
		CSS    template.CSS
		Script template.JS
	}{p, template.CSS(css), template.JS(script)})
}
