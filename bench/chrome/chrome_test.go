package main

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pagepool/pagepool/bench/report"
	"github.com/pagepool/pagepool/pool"
)

// begin begins a span, and returns what ends it with an outcome.
func begin(r *recoveries, kind pool.SpanKind, tab string) func(outcome string) {
	_, end := r.Start(context.Background(), pool.Span{Kind: kind, Tab: tab})
	return func(outcome string) { end(pool.SpanEnd{Outcome: outcome}) }
}

func TestARescuedSlotIsBackWhenItsTabAnswersAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecoveries()
		begin(r, pool.SpanLease, "t1")("wedged")
		probe := begin(r, pool.SpanProbe, "t1")
		<-time.After(250 * time.Millisecond)
		probe("given-up")
		rescue := begin(r, pool.SpanRescue, "t1")
		<-time.After(20 * time.Millisecond)
		rescue("done")
		begin(r, pool.SpanProbe, "t2")("done") // another's
		again := begin(r, pool.SpanProbe, "t1")
		<-time.After(3 * time.Millisecond)
		again("done")
		if detected, back := r.figures(); !slices.Equal(detected, []float64{250}) ||
			!slices.Equal(back, []float64{23}) {
			t.Errorf("it was detected after %v ms and back after %v, want 250 and 23", detected, back)
		}
	})
}

func TestAClosedSlotIsBackWhenAnotherTabHasOpened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecoveries()
		before := begin(r, pool.SpanOpen, "t2") // for some other slot
		begin(r, pool.SpanLease, "t1")("wedged")
		<-time.After(time.Millisecond)
		closing := begin(r, pool.SpanClose, "t1")
		<-time.After(30 * time.Millisecond)
		before("done")
		closing("done")
		opening := begin(r, pool.SpanOpen, "t3")
		<-time.After(40 * time.Millisecond)
		opening("done")
		if detected, back := r.figures(); !slices.Equal(detected, []float64{1}) ||
			!slices.Equal(back, []float64{70}) {
			t.Errorf("it was detected after %v ms and back after %v, want 1 and 70", detected, back)
		}
	})
}

func TestATabThatWasNotStuckCountsForNothing(t *testing.T) {
	r := newRecoveries()
	begin(r, pool.SpanLease, "t1")("wedged")
	begin(r, pool.SpanProbe, "t1")("done") // its request was slow
	begin(r, pool.SpanLease, "t1")("released")
	begin(r, pool.SpanClose, "t1")("done") // for an eviction
	begin(r, pool.SpanOpen, "t2")("done")
	if detected, back := r.figures(); len(detected)+len(back) > 0 {
		t.Errorf("it was detected after %v ms and back after %v", detected, back)
	}
}

func TestEverySecondRoundGoesBackwards(t *testing.T) {
	programs, chosen := []string{"one", "other"}, groups()
	there, back := turns(programs, chosen, 0), turns(programs, chosen, 1)
	slices.Reverse(back)
	if !slices.Equal(there, back) {
		t.Errorf("the second round is %v, from its end", back)
	}
	for i, g := range chosen {
		for k, r := range g.rows {
			if !slices.Contains(there, turn{1, i, k}) {
				t.Errorf("a round has no %s/%s on the second browser", g.name, r.name)
			}
		}
	}
}

// A row or a column that gets another name would be left out in silence.
func TestEveryTargetIsHeldAgainstAFigure(t *testing.T) {
	chosen := groups()
	var tables []report.Table
	for _, g := range chosen {
		table := report.Table{Reference: g.reference, Columns: g.columns}
		for _, r := range g.rows {
			row := &report.Row{Name: r.name, Rounds: []map[string]float64{{}}, Samples: []float64{2}}
			for _, c := range g.columns {
				row.Rounds[0][c.Name] = 2
			}
			table.Rows = append(table.Rows, row)
		}
		tables = append(tables, table)
	}
	text := against("/usr/bin/chromium", chosen, tables)
	for _, goal := range targets() {
		if !strings.Contains(text, "| "+goal.says+" |") {
			t.Errorf("nothing is held against the target of %q", goal.says)
		}
	}
	for _, want := range []string{
		"| one in forty loops: good requests that fail | at most 0 | 2 | **no** |",
		"| pages/s, as a multiple of rod: a pool of warm pages | at least 1 | 1 | yes |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %q:\n%s", want, text)
		}
	}
	if text := against("/usr/bin/chromium-headless-shell", chosen, tables); strings.Contains(text,
		"page mode") || !strings.Contains(text, "at most 250") {
		t.Errorf("on headless-shell it says\n%s", text)
	}
}

func TestRowsAreChosenByTableOrByName(t *testing.T) {
	chosen, err := choose("kill,stuck/pagepool")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, g := range chosen {
		for _, r := range g.rows {
			names = append(names, g.name+"/"+r.name)
		}
	}
	if want := []string{"stuck/pagepool", "kill/pagepool"}; !slices.Equal(names, want) {
		t.Errorf("they are %q, want %q", names, want)
	}
	if _, err := choose("pages,speed"); err == nil || !strings.Contains(err.Error(), `"speed"`) ||
		!strings.Contains(err.Error(), "pages") {
		t.Errorf("a table that is not there: %v", err)
	}
}
