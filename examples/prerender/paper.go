package main

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/chromedp/cdproto/page"
)

// paper are the options of a PDF. Lengths are numbers with their unit, such as 21cm, 8.5in, 10mm or
// 96px.
type paper struct {
	Format            string  `json:"format"` // such as A4; the default is Letter
	PaperWidth        string  `json:"paperWidth"`
	PaperHeight       string  `json:"paperHeight"`
	Landscape         bool    `json:"landscape"`
	Scale             float64 `json:"scale"`  // 0.1 to 2; the default is 1
	Margin            string  `json:"margin"` // of all four sides; the default is 1cm
	MarginTop         string  `json:"marginTop"`
	MarginRight       string  `json:"marginRight"`
	MarginBottom      string  `json:"marginBottom"`
	MarginLeft        string  `json:"marginLeft"`
	PrintBackground   *bool   `json:"printBackground"` // the default is true
	PageRanges        string  `json:"pageRanges"`      // such as 1-3, 5
	PreferCSSPageSize bool    `json:"preferCSSPageSize"`
	HeaderTemplate    string  `json:"headerTemplate"` // HTML; see Page.printToPDF for its classes
	FooterTemplate    string  `json:"footerTemplate"`
}

// formats are the sizes of paper by their names in lower case, in inches.
var formats = map[string][2]float64{
	"letter": {8.5, 11}, "legal": {8.5, 14}, "tabloid": {11, 17}, "ledger": {17, 11},
	"a0": {33.11, 46.81}, "a1": {23.39, 33.11}, "a2": {16.54, 23.39}, "a3": {11.69, 16.54},
	"a4": {8.27, 11.69}, "a5": {5.83, 8.27}, "a6": {4.13, 5.83},
}

// paperInches is the longest side of a sheet.
const paperInches = 200

// units are in inches.
var units = map[string]float64{"in": 1, "cm": 1 / 2.54, "mm": 1 / 25.4, "px": 1. / 96,
	"pt": 1. / 72}

var lengths = regexp.MustCompile(`^(\d+(?:\.\d+)?)(in|cm|mm|px|pt)$`)

// inches reads a length. An empty text leaves what is there.
func inches(name, text string, into *float64) error {
	if text == "" {
		return nil
	}
	m := lengths.FindStringSubmatch(text)
	if m == nil {
		return badRequest("%s is %.80q: it must be a number with a unit, in, cm, mm, px or pt, such as "+
			"2.5cm", name, text)
	}
	number, err := strconv.ParseFloat(m[1], 64)
	if *into = number * units[m[2]]; err != nil || *into > paperInches {
		return badRequest("%s is %.80q: it must be at most %din", name, text, paperInches)
	}
	return nil
}

// print are the options as the browser takes them.
func (p *paper) print() (func(*page.PrintToPDFParams), error) {
	size := formats["letter"]
	if p.Format != "" {
		known := false
		if size, known = formats[strings.ToLower(p.Format)]; !known {
			return nil, badRequest("format is %.80q: it must be one of %s", p.Format,
				strings.Join(slices.Sorted(maps.Keys(formats)), ", "))
		}
	}
	margin := 1 / 2.54
	if err := inches("margin", p.Margin, &margin); err != nil {
		return nil, err
	}
	top, right, bottom, left := margin, margin, margin, margin
	for _, length := range []struct {
		name, text string
		into       *float64
	}{
		{"paperWidth", p.PaperWidth, &size[0]}, {"paperHeight", p.PaperHeight, &size[1]},
		{"marginTop", p.MarginTop, &top},
		{"marginRight", p.MarginRight, &right}, {"marginBottom", p.MarginBottom, &bottom},
		{"marginLeft", p.MarginLeft, &left},
	} {
		if err := inches(length.name, length.text, length.into); err != nil {
			return nil, err
		}
	}
	if p.Scale != 0 && (p.Scale < 0.1 || p.Scale > 2) {
		return nil, badRequest("scale is %v: it must be 0.1 to 2", p.Scale)
	}
	background, banner := p.PrintBackground == nil || *p.PrintBackground, p.HeaderTemplate != "" ||
		p.FooterTemplate != ""
	return func(params *page.PrintToPDFParams) {
		params.PaperWidth, params.PaperHeight, params.Scale = size[0], size[1], p.Scale
		params.MarginTop, params.MarginRight, params.MarginBottom, params.MarginLeft = &top, &right,
			&bottom, &left
		params.Landscape, params.PrintBackground, params.PreferCSSPageSize = &p.Landscape, &background,
			&p.PreferCSSPageSize
		params.PageRanges, params.DisplayHeaderFooter = p.PageRanges, &banner
		// The browser puts a default in the place of an empty template.
		params.HeaderTemplate, params.FooterTemplate = orNothing(p.HeaderTemplate),
			orNothing(p.FooterTemplate)
	}, nil
}

func orNothing(template string) string {
	if template == "" {
		return "<span></span>"
	}
	return template
}
