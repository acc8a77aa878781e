package linear

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// History is what callers did to one pool, and the rules that the pool has.
type History struct {
	Rules      Rules
	Operations []porcupine.Operation // Input and Output are those of this package
}

// Verdict is what a search for a linearization came to.
type Verdict struct {
	Result porcupine.CheckResult // Unknown: it was given up
	model  porcupine.Model
	info   porcupine.LinearizationInfo
}

// patience is when a search is given up: the problem is NP-hard, and a history that cannot be
// decided in this time says nothing.
const patience = 10 * time.Second

// Check looks for an order in which the calls of a short history, each at an instant between its
// call and its return, are a history of the specification.
func (h *History) Check() porcupine.CheckResult {
	return porcupine.CheckOperationsTimeout(h.model(), h.Operations, patience)
}

// CheckParts looks at each affinity by itself: its own calls, and what Stats and WarmAffinities say
// of it. A history that is linearizable is so in every part, and parts are checked in a time that
// grows with their length, which is what long histories need. What is lost is what concerns several
// affinities at once: the sums of Stats, the limits of the pool, and whose a context was before.
// Where tabs are reassigned, what happens to one affinity depends on others, and the history is
// checked as a whole.
func (h *History) CheckParts() porcupine.CheckResult {
	return porcupine.CheckOperationsTimeout(h.modelInParts(), h.Operations, patience)
}

func (h *History) modelInParts() porcupine.Model {
	m := h.model()
	if !h.Rules.Reassign {
		m.Partition = parts
	}
	return m
}

// Explain checks once more and keeps what a picture needs.
func (h *History) Explain(inParts bool) Verdict {
	v := Verdict{model: h.model()}
	if inParts {
		v.model = h.modelInParts()
	}
	v.Result, v.info = porcupine.CheckOperationsVerbose(v.model, h.Operations, patience)
	return v
}

// Draw writes porcupine's picture of the history into an HTML file.
func (v *Verdict) Draw(path string) error { return porcupine.VisualizePath(v.model, v.info, path) }

// Stuck says how far the search came: the longest order that it found, the state at its end, and of
// the calls left out the one whose answer came first.
func (v *Verdict) Stuck(h *History) string {
	histories := [][]porcupine.Operation{h.Operations}
	if v.model.Partition != nil {
		histories = v.model.Partition(h.Operations)
	}
	for i, partials := range v.info.PartialLinearizations() {
		var longest []int
		for _, partial := range partials {
			if len(partial) > len(longest) {
				longest = partial
			}
		}
		if len(longest) == len(histories[i]) {
			continue
		}
		state, left := v.model.Init(), slices.Clone(histories[i])
		for _, n := range longest {
			_, state = v.model.Step(state, left[n].Input, left[n].Output)
			left[n].Return = -1
		}
		left = slices.DeleteFunc(left, func(o porcupine.Operation) bool { return o.Return < 0 })
		next := slices.MinFunc(left, func(a, b porcupine.Operation) int {
			return cmp.Compare(a.Return, b.Return)
		})
		return fmt.Sprintf("The longest order has %d of %d calls, and then: %v\nOf those left out, the "+
			"first to return is %s", len(longest), len(histories[i]), state,
			Describe(next.Input.(Input), next.Output.(Output)))
	}
	return "Every part is right by itself."
}

func (h *History) model() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return new(State) },
		Step: func(state, input, output any) (bool, any) {
			return h.Rules.step(state.(*State), input.(Input), output.(Output))
		},
		Equal: func(a, b any) bool { return a.(*State).equal(b.(*State)) },
		DescribeOperation: func(input, output any) string {
			return Describe(input.(Input), output.(Output))
		},
		DescribeState: func(state any) string { return state.(*State).String() },
	}
}

// parts are the histories of the affinities, one for each.
func parts(history []porcupine.Operation) [][]porcupine.Operation {
	var keys []string
	for _, o := range history {
		if key := o.Input.(Input).Key; key != "" && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	var all [][]porcupine.Operation
	for _, key := range keys {
		var part []porcupine.Operation
		for _, o := range history {
			if in := o.Input.(Input); in.Key == "" {
				o.Output = project(o.Output.(Output), key)
			} else if in.Key != key {
				continue
			}
			part = append(part, o)
		}
		all = append(all, part)
	}
	return all
}

// project is what an answer about the whole pool says of one affinity.
func project(out Output, key string) Output {
	if out.View != nil {
		v := View{Part: true}
		for _, row := range out.View.Rows {
			if row.Key == key {
				v.Rows = []Row{row}
			}
		}
		out.View = &v
	}
	if out.Keys = slices.Clone(out.Keys); slices.Contains(out.Keys, key) {
		out.Keys = []string{key}
	} else {
		out.Keys = nil
	}
	return out
}

func (s *State) equal(o *State) bool {
	return s.grants == o.grants && s.reuses == o.reuses && s.phase == o.phase &&
		slices.Equal(s.leases, o.leases) && slices.Equal(s.tabs, o.tabs) &&
		slices.Equal(s.calls, o.calls) &&
		slices.EqualFunc(s.affinities, o.affinities, func(a, b affinity) bool {
			return a.key == b.key && a.generation == b.generation && a.most == b.most &&
				slices.Equal(a.idle, b.idle) && slices.Equal(a.primaries, b.primaries)
		})
}

// String is the state in a picture.
func (s *State) String() string {
	var b strings.Builder
	b.WriteString([]string{"serving", "closing", "closed"}[s.phase])
	for _, l := range s.leases {
		fmt.Fprintf(&b, "; %s holds t%d (c%d) as lease %d", l.key, l.tab, l.context, l.number)
	}
	for _, a := range s.affinities {
		fmt.Fprintf(&b, "; %s: at most %d of tabs %v idle, primary one of %v", a.key, a.most, a.idle,
			a.primaries)
	}
	return b.String()
}

// Describe is one call and its answer in a line.
func Describe(in Input, out Output) string {
	words := []string{
		"GetPage " + in.Key, "GiveBack", "End", "DisposeAffinity " + in.Key,
		"DisposeAffinity " + in.Key + " answers",
		"Stats", "WarmAffinities", "EvictIdle", "Close", "Close answers",
	}
	text := words[in.Kind]
	if in.Number != 0 {
		text += fmt.Sprintf(" #%d", in.Number)
	}
	for _, w := range []struct {
		said bool
		word string
	}{{in.Nested, "nested"}, {in.Retain, "retain"}, {in.Spoiled, "spoiled"}} {
		if w.said {
			text += " " + w.word
		}
	}
	switch {
	case out.Err != "":
		return text + " -> " + out.Err
	case in.Kind == Get && out.Reused:
		return fmt.Sprintf("%s -> t%d in c%d, used before", text, out.Tab, out.Context)
	case in.Kind == Get:
		return fmt.Sprintf("%s -> t%d in c%d, new", text, out.Tab, out.Context)
	case out.Nothing:
		return text + " -> it had ended"
	case in.Kind == End && out.Dead:
		return text + " and its tab"
	case len(out.Alive) > 0:
		return fmt.Sprintf("%s, and tabs %v are alive", text, out.Alive)
	case in.Kind == List || in.Kind == Sweep:
		return fmt.Sprintf("%s -> %v", text, out.Keys)
	case out.View != nil:
		return fmt.Sprintf("%s -> %+v", text, *out.View)
	}
	return text
}

// ByCall are the calls in the order in which they were made.
func (h *History) ByCall() []porcupine.Operation {
	ordered := slices.Clone(h.Operations)
	slices.SortFunc(ordered, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
	return ordered
}

// Text is a history with one line for each call, in the order of the calls.
func (h *History) Text() string {
	var b strings.Builder
	for _, o := range h.ByCall() {
		fmt.Fprintf(&b, "%5d to %5d  client %d  %s\n", o.Call, o.Return, o.ClientId,
			Describe(o.Input.(Input), o.Output.(Output)))
	}
	return b.String()
}
