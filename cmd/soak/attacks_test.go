package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pagepool/pagepool/pool/chrome/attacks"
	"github.com/pagepool/pagepool/pool/chrome/loopback"
)

// docs/attacks.md is what the command prints of the figures that are kept, which are of the corpus.
func TestTheDocumentOfAttacksIsWhatTheCommandPrints(t *testing.T) {
	files, err := filepath.Glob("../../testdata/attacks/*.json")
	if err != nil || len(files) != 2 {
		t.Fatalf("%q, %v: want a file for each build", files, err)
	}
	args := append([]string{"chrome", "attacks", "-markdown"}, files...)
	exit, stdout, stderr := soaked(t, args...)
	document, err := os.ReadFile("../../docs/attacks.md")
	if exit != exitHeld || err != nil || stdout != string(document) {
		t.Errorf("exit %d, %v: docs/attacks.md is another; its end says how it is written\n%s",
			exit, err, stderr)
	}
}

// Figures that are not worth much say so.
func TestTheDocumentOfAttacksNamesItsReserves(t *testing.T) {
	trial := func(burn float64) attackTrial {
		return attackTrial{Trial: loopback.Trial{Page: attacks.Burn}, Burn: burn}
	}
	quiet := slices.Repeat([]attackTrial{trial(10)}, len(attacks.All()))
	busy := append([]attackTrial{trial(30)}, quiet[4:]...)
	var b strings.Builder
	writeReserves(&b, []attackBuild{
		{"quiet", &attacksReport{Trials: quiet}},
		{"busy", &attacksReport{Trials: busy}},
	})
	const want = `
**The machine was not quiet while busy was measured**: the burner's median
varied by a factor of 3.0. What breaks a promise there may be the other work's
doing.

The run on busy was stopped before its end, and left out 3 pages.
`
	if b.String() != want {
		t.Errorf("got %s\nwant %s", b.String(), want)
	}
}

func TestOfSlowTrialsTheMiddleOneCountsWithTheMostFailures(t *testing.T) {
	round := func(p50, back float64, failed int) attackTrial {
		trial := loopback.Trial{Begun: true, P50: p50, Back: back, Failed: failed}
		return attackTrial{Trial: trial, Burn: 10}
	}
	for _, c := range []struct {
		rounds    []attackTrial
		p50, back float64
		broken    int
	}{
		{[]attackTrial{round(15, 3, 0)}, 15, 3, 0},
		{[]attackTrial{round(30, 3, 0), round(11, 3, 0), round(12, 3, 0)}, 12, 3, 0},
		{[]attackTrial{round(30, 3, 0), round(25, 3, 1), round(12, 3, 0)}, 25, 3, 2},
		{[]attackTrial{round(15, 9, 0), round(12, 3, 0), round(10, 5, 0)}, 10, 5, 1},
		{[]attackTrial{round(30, 9, 0), round(25, 3, 0)}, 25, 3, 1},
	} {
		got := middle(attacks.Page{}, c.rounds)
		if got.P50 != c.p50 || got.Back != c.back || len(got.Broken) != c.broken ||
			got.Rounds != len(c.rounds) {
			t.Errorf("%+v: got %+v", c, got)
		}
	}
}
