// Package steps records a run so that a person can go through it: at every step what happened, the
// state after it, who waits for what, what was due, and what else could have happened. The terminal
// prints it as a table and steps through it; package sim/view shows it on a page.
package steps

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/pool/why"
	"github.com/pagepool/pagepool/sim"
	"github.com/pagepool/pagepool/sim/replay"
)

// Step is one step, with the state after it.
type Step struct {
	Number  int       `json:"number"`         // from 1
	At      core.Time `json:"at"`             // in nanoseconds
	Acts    []string  `json:"acts,omitempty"` // what the world did before it: a page wedged
	Event   string    `json:"event"`
	Effects []string  `json:"effects,omitempty"`

	Slots   []Cell   `json:"slots"`
	Callers []Cell   `json:"callers"`
	Waits   []Wait   `json:"waits,omitempty"` // who waits for what and why, in the order of service
	Due     []string `json:"due,omitempty"`   // the next deadlines

	Browsers []string `json:"browsers,omitempty"` // each by name, with its tabs
	// the warm ones and those with an orphan, each by its key
	Affinities []string `json:"affinities,omitempty"`
	// what the step before had and this one has not, as it was
	Gone []string `json:"gone,omitempty"`

	Choices []Choice `json:"choices,omitempty"`
	// how it deviates from the default policy; empty: it does not
	Strays string `json:"strays,omitempty"`

	Capacity int `json:"capacity"`
	Alive    int `json:"alive"`
	Waiting  int `json:"waiting"`
	Orphans  int `json:"orphans"`
}

// Wait is why a request waits.
type Wait struct {
	Text     string `json:"text"` // it begins with the request
	Request  string `json:"request"`
	Key      string `json:"key,omitempty"`
	For      string `json:"for"`                // the cause
	By       string `json:"by,omitempty"`       // the tabs in its way, and who holds them
	Bypassed int    `json:"bypassed,omitempty"` // how often it has been overtaken
}

// Cell is what one slot or one caller does.
type Cell struct {
	Lane    int    `json:"lane"`
	Short   string `json:"short"`
	Long    string `json:"long,omitempty"`
	State   string `json:"state"`
	Key     string `json:"key,omitempty"`
	Changed bool   `json:"changed,omitempty"`
}

// Choice is one thing that could have happened instead of a step.
type Choice struct {
	Label   string `json:"label"`
	Fault   bool   `json:"fault,omitempty"`
	Default bool   `json:"default,omitempty"`
	Taken   bool   `json:"taken,omitempty"`
}

// Recorder records the steps from First to Last. Give its Step each step of a run.
type Recorder struct {
	First, Last int // numbers of steps; Last 0: to the end
	// note what else could have happened, which takes a copy of the world for each of it
	Choices bool
	Untimed bool // there is no clock in the run, so the order of things is the schedule's choice

	Told []Act // what the record says of pages and browsers, where no world knows it

	Steps []Step
	Total int // steps seen, recorded or not

	acts    replay.Acts
	lanes   lanes
	before  *sim.World // untimed, as it was before the next step
	last    core.Event // of a choice that is tried out
	slots   map[int]string
	callers map[int]string
	were    [kinds][]string // what the last step has by name
}

// Step takes in one step of a world, whose state is that after it.
func (r *Recorder) Step(w *sim.World, event core.Event, effects []core.Effect, names trace.Names) {
	r.Total++
	var acts []string
	for _, act := range r.acts.Of(w) {
		acts = append(acts, act.String())
	}
	for len(r.Told) > 0 && r.Told[0].At <= w.Now() {
		acts, r.Told = append(acts, r.Told[0].Text), r.Told[1:]
	}
	s := w.Core()
	r.lanes.step(s)
	if r.Total < r.First || r.Last > 0 && r.Total > r.Last {
		r.look(w)
		return
	}
	step := Step{
		Number: r.Total, At: w.Now(), Acts: acts, Event: string(trace.AppendEvent(nil, event, names)),
		Capacity: int(s.Capacity), Alive: s.Alive(), Orphans: s.Orphans(),
		Waiting: s.Waiting(core.Root) + s.Waiting(core.Nested),
	}
	for _, e := range effects {
		step.Effects = append(step.Effects, string(trace.AppendEffect(nil, e, names)))
	}
	step.Choices, step.Strays = r.choices(event, len(acts) > 0)
	step.Slots, step.Callers = r.cells(w, names)
	for _, wait := range why.Of(s) {
		step.Waits = append(step.Waits, Wait{
			wait.Text(s, names), fmt.Sprintf("r%d", wait.Request), names.Key(wait.Affinity),
			string(wait.For),
			inTheWay(s, wait), wait.Bypassed,
		})
	}
	step.Browsers, step.Affinities = browsers(s), affinities(s, names)
	step.Gone = r.gone(&step)
	step.Due = due(s, names)
	r.Steps = append(r.Steps, step)
	r.look(w)
}

// mostInTheWay is how many tabs in the way of a request are named one by one.
const mostInTheWay = 4

// inTheWay are the tabs that a request waits for, in few words, and who holds them.
func inTheWay(s *core.State, w why.Wait) string {
	if len(w.Tabs) > mostInTheWay {
		return fmt.Sprintf("%d tabs", len(w.Tabs))
	}
	var tabs []string
	for _, id := range w.Tabs {
		t, _ := s.Tab(id)
		tabs = append(tabs, short(t))
	}
	return strings.Join(tabs, ", ")
}

// look keeps what the world could do before the next step.
func (r *Recorder) look(w *sim.World) {
	next := r.Total + 1
	if !r.Choices || next < r.First || r.Last > 0 && next > r.Last {
		return
	}
	all := sim.Scenario{Faults: 1, Menu: sim.AllFaults,
		Observe: func(_ *sim.World, e core.Event, _ []core.Effect) { r.last = e }}
	r.before, _ = all.WorldFrom(w) // the error is of the number of faults
}

// mostChoices bounds what is tried out at one step.
const mostChoices = 200

// choices are what could have happened in place of an event, and how the event deviates from the
// default policy, by which nothing fails and, where there is no clock, the first of them happens:
// the oldest operation answers, then callers go on, then time passes.
func (r *Recorder) choices(event core.Event, acts bool) (list []Choice, strays string) {
	if r.before == nil {
		return nil, ""
	}
	actions := r.before.Actions(nil)
	taken := -1
	for i := range actions[:min(len(actions), mostChoices)] {
		a := &actions[i]
		list = append(list, Choice{Label: r.before.Label(a), Fault: a.Fault, Default: i == 0})
		if taken >= 0 || event.Kind == core.NoEvent {
			continue // it has been found; or what happened was nothing, which no choice is
		}
		r.last = core.Event{}
		r.before.Clone().Do(a)
		if same(r.last, event) {
			taken = i
			list[i].Taken = true
		}
	}
	switch {
	case taken > 0 && list[taken].Fault:
		strays = "a fault: " + list[taken].Label
	case taken > 0 && r.Untimed:
		strays = "before its turn: the default policy takes \"" + list[0].Label + "\" first"
	case acts:
		strays = "a fault of a page or a browser"
	}
	return list, strays
}

// same says whether two events are one, but for what is drawn when it happens.
func same(a, b core.Event) bool {
	a.Jitter, b.Jitter, a.Operation, b.Operation = 0, 0, 0, 0
	return a == b
}

// cells are what the slots and the callers do.
func (r *Recorder) cells(w *sim.World, names trace.Names) (slots, callers []Cell) {
	s := w.Core()
	was, were := r.slots, r.callers
	r.slots, r.callers = map[int]string{}, map[int]string{}
	for i := range s.Tabs {
		t, ok := s.Tab(s.Tabs[i].ID)
		if !ok || s.Tabs[i].State == 0 {
			continue
		}
		c := Cell{Lane: i, State: t.State.String(), Short: short(t), Long: why.Tab(s, t, names)}
		if page := w.Fake().Tab(t.ID); page != nil && (page.Wedged || page.Looping) {
			c.Short += " stuck"
			c.Long += "; its page answers nothing"
		}
		if t.State == core.Leased && s.Tabs[i].MaxLease < 0 {
			c.Long += "; its lease has no limit"
		}
		if t.Affinity != 0 {
			c.Key = names.Key(t.Affinity)
		}
		r.slots[i] = c.Short
		c.Changed = was[i] != c.Short
		slots = append(slots, c)
	}
	for lane, id := range r.lanes.of {
		if id == 0 {
			continue
		}
		c := Cell{Lane: lane, Short: fmt.Sprintf("r%d waits", id), State: "waits"}
		if tab, holds := s.Holds(id); holds {
			t, _ := s.Tab(tab)
			c.Short, c.State, c.Key = fmt.Sprintf("r%d has t%d", id, tab), "leased", names.Key(t.Affinity)
		} else {
			s.EachRequest(func(q core.RequestView) {
				if q.ID == id {
					c.Key = names.Key(q.Affinity)
				}
			})
		}
		r.callers[lane] = c.Short
		c.Changed = were[lane] != c.Short
		callers = append(callers, c)
	}
	return slots, callers
}

// short is a tab in a cell of a table.
func short(t core.TabView) string {
	text := fmt.Sprintf("t%d %s", t.ID, t.State)
	switch {
	case t.State == core.Leased:
		text = fmt.Sprintf("t%d by r%d", t.ID, t.Holder)
	case t.State == core.Opening && t.Frozen:
		text = fmt.Sprintf("t%d thawing", t.ID)
	case t.State == core.Closing || t.State == core.Lost:
		text += " " + t.Reason.String()
	}
	if t.Overdue {
		text += " overdue"
	}
	if t.Doomed && t.State == core.Leased {
		text += " doomed"
	}
	return text
}

// mostDue is how many deadlines a step shows.
const mostDue = 8

func due(s *core.State, names trace.Names) []string {
	all := slices.DeleteFunc(s.Deadlines(nil), func(d core.Deadline) bool {
		return d.At >= core.Never
	})
	slices.SortStableFunc(all, func(a, b core.Deadline) int { return int(min(1, max(-1, a.At-b.At))) })
	var list []string
	for _, d := range all[:min(len(all), mostDue)] {
		list = append(list, fmt.Sprintf("%s in %v", trace.AppendEvent(nil, d.Event, names),
			why.Round(max(0, d.At-s.Now).Duration())))
	}
	return list
}

// Time is an instant as a person reads it.
func Time(at core.Time) string {
	d := at.Duration()
	if d < time.Minute {
		return d.Round(time.Microsecond).String()
	}
	whole := d.Truncate(time.Minute)
	return strings.TrimSuffix(whole.String(), "0s") + (d - whole).Round(time.Millisecond).String()
}

// lanes gives each caller a column, which another gets once he has gone.
type lanes struct {
	of        []core.RequestID
	lastOrder uint64
	begun     bool
}

func (l *lanes) step(s *core.State) {
	here := func(id core.RequestID) bool {
		_, holds := s.Holds(id)
		return holds || s.Waits(id)
	}
	known := map[core.RequestID]bool{}
	for i, id := range l.of {
		if id != 0 && !here(id) {
			l.of[i] = 0
		}
		known[l.of[i]] = true
	}
	if l.begun && l.lastOrder == s.LastOrder {
		return
	}
	l.begun, l.lastOrder = true, s.LastOrder
	var fresh []core.RequestID
	s.EachRequest(func(q core.RequestView) { fresh = append(fresh, q.ID) })
	s.EachTab(func(t core.TabView) {
		if t.State == core.Leased {
			fresh = append(fresh, t.Holder)
		}
	})
	slices.Sort(fresh)
	for _, id := range fresh {
		if known[id] {
			continue
		}
		free := slices.Index(l.of, 0)
		if free < 0 {
			free = len(l.of)
			l.of = append(l.of, 0)
		}
		l.of[free] = id
	}
}
