package main

import (
	"fmt"
	"math"
	"strings"

	"github.com/pagepool/pagepool/bench/report"
)

// target is what a figure, or a ratio, of the tables is held against. What has no row in the
// tables, because it was not measured, is left out.
type target struct {
	says               string
	table, row, column string
	ratio              bool
	least              bool    // the figure is to be at least that, and not at most
	full, shell        float64 // on full Chromium and on headless-shell; NaN: there is none
}

func targets() []target {
	const warm, context = "chromedp: a warm tab", "chromedp: a context per request"
	const idle, restless = "frozen", "as they are"
	speed := func(row string, full, shell float64) target {
		return target{"pages/s, as a multiple of " + row, "pages", row, "pages/s", true, true, full,
			shell}
	}
	return []target{
		speed(warm, 0.95, 0.95),
		{"CPU ms/page, as a multiple of " + warm, "pages", warm, "CPU ms/page", true, false, 1 / 0.95,
			1 / 0.95},
		speed(context, 3, 2),
		speed("puppeteer-cluster: page mode", 1.5, math.NaN()),
		speed("puppeteer-cluster: context mode", 3, math.NaN()),
		speed("rod: a pool of warm pages", 1, 1),
		{"CPU ms/page, as a multiple of " + resetting, "pages", resetting, "CPU ms/page", true, true,
			1 / 1.25, 1 / 1.25},
		{"one in forty loops: good requests that fail", "stuck", ours, "failed", false, false, 0, 0},
		{"one in forty loops: p99, as a multiple of that where none does", "stuck", ours, "p99 ms", true,
			false, 1.5, 1.5},
		{"one in forty loops: ms from the detection until the slot is back", "stuck", ours,
			"slot back ms", false, false, 200, 100},
		{"closes during a redirect: pages still open", "closes", ours, "still open", false, false, 0, 0},
		{"closes during a redirect: ms that the caller waits, p50", "closes", ours, callerWaits, false,
			false, 1, 1},
		{"closes during a redirect: ms that the caller waits, p99", "closes", ours, "p99 ms", false,
			false, 1, 1},
		{"the browser is killed: ms until holders are told", "kill", ours, "holders told ms", false,
			false, 100, 100},
		{"the browser is killed: ms until a new page is held", "kill", ours, "new page held ms", false,
			false, 700, 250},
		{"the browser is killed: ms until /app is complete in it", "kill", ours, "/app complete ms",
			false, false, 700, 250},
		{"tabs that nobody holds: percent of a core that 8 take", "idle", idle, "CPU %", false, false, 2,
			2},
		{"tabs that nobody holds: MB for each, as a multiple of one that is not frozen", "idle",
			restless, "MB per tab", true, false, 0.6, 0.6},
		{"tabs that nobody holds: probes after which a page is dark", "idle", idle, "dark", false,
			false, 0, 0},
	}
}

// against holds the tables of one browser against the targets.
func against(program string, chosen []group, tables []report.Table) string {
	var b strings.Builder
	for _, t := range targets() {
		wanted := t.full
		if strings.Contains(program, "headless-shell") {
			wanted = t.shell
		}
		measured := math.NaN()
		for i, g := range chosen {
			if g.name == t.table {
				measured = tables[i].Figure(t.row, t.column, t.ratio)
			}
		}
		if math.IsNaN(wanted) || math.IsNaN(measured) {
			continue
		}
		limit, holds := "at most", measured <= wanted
		if t.least {
			limit, holds = "at least", measured >= wanted
		}
		verdict := "yes"
		if !holds {
			verdict = "**no**"
		}
		fmt.Fprintf(&b, "| %s | %s %.4g | %.3g | %s |\n", t.says, limit, wanted, measured, verdict)
	}
	if b.Len() == 0 {
		return ""
	}
	return "### Against the targets\n\n| pagepool | target | measured | met |\n| --- | ---: | ---: " +
		"| --- |\n" + b.String() + "\n"
}
