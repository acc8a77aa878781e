package view

import (
	"fmt"
	"time"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim"
)

// Columns is how many columns an overview has at most.
const Columns = 300

// Overview is a whole run in columns of equal time, for a page that has a part of its steps alone.
type Overview struct {
	Column core.Time `json:"column"` // how long one lasts
	First  []int     `json:"first"`  // the first step of each column
	Slots  []Lane    `json:"slots"`
	Waited []int     `json:"waited"` // the most requests that waited in each column
	Faults []Fault   `json:"faults"`
}

// Lane is what one slot did: by state, the share of each column in hundredths. What is left of a
// column, the slot was empty.
type Lane map[string][]int

// Fault is a column in which something went wrong.
type Fault struct {
	Column int    `json:"c"`
	Times  int    `json:"n"`
	Text   string `json:"text"` // the first
	Step   int    `json:"step"`
	Broken bool   `json:"broken,omitempty"`
}

// columns fills an overview as a run goes on. It knows no end beforehand: once the columns are
// full, each two neighbours become one that lasts twice as long. So its memory is bounded.
type columns struct {
	begin, last core.Time
	width       core.Time
	first       []int
	waited      []int
	faults      []*Fault // by column; nil: none
	slots       [][]inStates
	now         []core.TabState // what each slot does since last
	waiting     int
	started     bool
}

// inStates is how long a slot was in each state.
type inStates [core.TabStates]core.Time

func (c *columns) step(w *sim.World, number int, faults []string) {
	s, at := w.Core(), w.Now()
	if !c.started {
		c.begin, c.last, c.width, c.started = at, at, core.Time(time.Millisecond), true
	}
	c.spend(at, number)
	for len(c.slots) < len(s.Tabs) {
		c.slots, c.now = append(c.slots, make([]inStates, len(c.first))), append(c.now, 0)
	}
	for i := range s.Tabs {
		c.now[i] = s.Tabs[i].State
	}
	c.waiting = s.Waiting(core.Root) + s.Waiting(core.Nested)
	col := c.column(at, number)
	c.waited[col] = max(c.waited[col], c.waiting)
	for _, text := range faults {
		c.fault(col, Fault{Times: 1, Text: text, Step: number})
	}
}

func (c *columns) fault(col int, f Fault) {
	if is := c.faults[col]; is != nil {
		is.Times += f.Times
		is.Broken = is.Broken || f.Broken
		return
	}
	c.faults[col] = &f
}

// spend gives the time since the last step to the state that each slot was in.
func (c *columns) spend(until core.Time, number int) {
	for c.last < until {
		col := c.column(c.last, number)
		end := until
		if columns := core.Time(col + 1); columns <= (until-c.begin)/c.width {
			end = c.begin + columns*c.width // where it is later, it may be beyond all times
		}
		for i, state := range c.now {
			c.slots[i][col][state] += end - c.last
		}
		c.waited[col] = max(c.waited[col], c.waiting)
		c.last = end
	}
}

// column is that of an instant. It makes room for it.
func (c *columns) column(at core.Time, number int) int {
	for (at-c.begin)/c.width >= Columns {
		c.halve()
	}
	col := int((at - c.begin) / c.width)
	for len(c.first) <= col {
		c.first, c.waited, c.faults = append(c.first, number), append(c.waited, 0), append(c.faults, nil)
		for i := range c.slots {
			c.slots[i] = append(c.slots[i], inStates{})
		}
	}
	return col
}

// halve makes one column of each two.
func (c *columns) halve() {
	c.width *= 2
	n := (len(c.first) + 1) / 2
	for col := range n {
		a, b := 2*col, 2*col+1
		c.first[col], c.waited[col] = c.first[a], c.waited[a]
		f := c.faults[a]
		if b < len(c.first) {
			c.waited[col] = max(c.waited[col], c.waited[b])
		}
		c.faults[col] = f
		if b < len(c.first) && c.faults[b] != nil {
			if g := *c.faults[b]; f == nil {
				c.faults[col] = &g
			} else {
				c.fault(col, g)
			}
		}
		for i := range c.slots {
			sum := c.slots[i][a]
			if b < len(c.slots[i]) {
				for state, t := range c.slots[i][b] {
					sum[state] += t
				}
			}
			c.slots[i][col] = sum
		}
	}
	c.first, c.waited, c.faults = c.first[:n], c.waited[:n], c.faults[:n]
	for i := range c.slots {
		c.slots[i] = c.slots[i][:n]
	}
}

// broken marks the last column.
func (c *columns) broken(text string, number int) {
	if n := len(c.first); n > 0 {
		c.faults[n-1] = nil // what broke is told, and not the fault that led to it
		c.fault(n-1, Fault{Times: 1, Text: text, Step: number, Broken: true})
	}
}

func (c *columns) overview() *Overview {
	o := &Overview{Column: c.width, First: c.first, Waited: c.waited, Faults: []Fault{}}
	for col, f := range c.faults {
		if f != nil {
			f.Column = col
			o.Faults = append(o.Faults, *f)
		}
	}
	for _, slot := range c.slots {
		lane := Lane{}
		for col, states := range slot {
			for state, t := range states {
				if share := int(100 * t / c.width); state > 0 && share > 0 {
					name := core.TabState(state).String()
					if lane[name] == nil {
						lane[name] = make([]int, len(slot))
					}
					lane[name][col] = share
				}
			}
		}
		o.Slots = append(o.Slots, lane)
	}
	return o
}

// Says tells how to read it.
func (o *Overview) Says() string {
	return fmt.Sprintf("thinned: a column is %v, and its colours are the shares of the states in "+
		"it; bars show the most requests that waited; the marks below are faults, higher where there "+
		"are more", o.Column.Duration())
}
