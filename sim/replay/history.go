package replay

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
)

// History is a trace that can be changed: every line read, with what the core did in it.
type History struct {
	Settings core.Settings
	Auto     bool
	Untimed  bool
	Names    *Keys
	Lines    []Line
}

// Line is one line of a history: what is to happen, or to be expected, in the ids of the history.
type Line struct {
	At     core.Time
	Number int // of the line in the file
	Event  core.Event
	Act    Act          // of the world, where its verb is not empty
	Expect []trace.Word // an expectation, where there are words
	Settle bool         // everything outstanding answers, and what comes after follows closely
	Gone   bool         // it was removed
	Stale  bool         // an answer to a question that is not the last one
	Second bool         // an answer to what has been answered

	Did Deeds // what the core did when it was recorded
}

// Deeds are what numbers depend on: what was opened, launched and granted, in order.
type Deeds struct {
	Opened   []Opening
	Launched []core.BrowserID
	Granted  []Granted
}

// Opening is one tab that the core asked for.
type Opening struct {
	Tab     core.TabID
	Context core.ContextID
	Browser core.BrowserID
}

// Granted is one grant.
type Granted struct {
	Request core.RequestID
	Tab     core.TabID
}

func (d *Deeds) add(effects []core.Effect) {
	for i := range effects {
		switch e := &effects[i]; e.Kind {
		case core.OpenTab:
			d.Opened = append(d.Opened, Opening{e.Tab, e.Context, e.Browser})
		case core.Launch:
			d.Launched = append(d.Launched, e.Browser)
		case core.Grant:
			d.Granted = append(d.Granted, Granted{e.Request, e.Tab})
		}
	}
}

// ReadHistory reads the lines of a trace. The error is a *trace.Error.
func ReadHistory(t *trace.Trace) (*History, error) {
	h := &History{Settings: t.Settings, Auto: t.Auto, Untimed: t.Untimed, Names: new(Keys)}
	for i := range t.Lines {
		line := &t.Lines[i]
		w := Line{At: line.At, Number: line.Number}
		var err error
		if line.Expect {
			w.Expect = line.Words
		} else if w.Act, err = ParseAct(line.Words); err == nil && w.Act.Verb == "" {
			w.Event, err = trace.ParseEvent(line.Words, h.Names)
		}
		if err != nil {
			return nil, &trace.Error{Line: line.Number, What: err.Error()}
		}
		h.Lines = append(h.Lines, w)
	}
	return h, nil
}

// text is what stands in a line.
func (w *Line) text(names trace.Names) string {
	if w.Act.Verb != "" {
		return w.Act.String()
	}
	return string(trace.AppendEvent(nil, w.Event, names))
}

// Text writes a history as a trace.
func (h *History) Text(comments ...string) []byte {
	var out bytes.Buffer
	tw := trace.NewWriter(&out, &trace.Trace{Settings: h.Settings, Auto: h.Auto, Untimed: h.Untimed},
		nil, comments...)
	for i := range h.Lines {
		switch w := &h.Lines[i]; {
		case w.Gone:
		case w.Expect != nil:
			tw.Expect(trace.JoinWords(w.Expect))
		default:
			tw.Step(w.At, w.text(h.Names))
		}
	}
	if err := tw.Flush(); err != nil {
		panic("replay: BUG: a buffer that takes not everything: " + err.Error())
	}
	return out.Bytes()
}

// Trace is a history as a trace that was read.
func (h *History) Trace() (*trace.Trace, error) {
	return trace.Read(bytes.NewReader(h.Text()))
}

// With is a history with other lines.
func (h *History) With(lines []Line) *History {
	changed := *h
	changed.Lines = lines
	return &changed
}

// Count is how many lines a history has.
func (h *History) Count() int {
	n := 0
	for i := range h.Lines {
		if !h.Lines[i].Gone {
			n++
		}
	}
	return n
}

// renamed puts other ids in an expectation, such as t3 or context=c3.
func renamed(words []trace.Word, rename func(prefix string, id uint64) uint64) []trace.Word {
	out := make([]trace.Word, len(words))
	for i, w := range words {
		out[i] = w
		if w.Quoted {
			continue
		}
		name, value, ok := strings.Cut(w.Text, "=")
		if !ok {
			name, value = "", w.Text
		} else {
			name += "="
		}
		for _, prefix := range []string{"r", "d", "w", "y", "t", "c", "b"} {
			if id, ok := trace.ParseID(trace.Word{Text: value}, prefix); ok {
				out[i].Text = fmt.Sprintf("%s%s%d", name, prefix, rename(prefix, id))
			}
		}
	}
	return out
}

// Renumbered counts requests and calls from 1, in the order in which they come.
func (h *History) Renumbered() *History {
	requests, calls := map[uint64]uint64{}, map[uint64]uint64{}
	number := func(of map[uint64]uint64, id uint64) uint64 {
		if id == 0 {
			return 0
		}
		if of[id] == 0 {
			of[id] = uint64(len(of)) + 1
		}
		return of[id]
	}
	lines := slices.Clone(h.Lines)
	for i := range lines {
		w := &lines[i]
		w.Event.Request = core.RequestID(number(requests, uint64(w.Event.Request)))
		w.Event.Call = core.CallID(number(calls, uint64(w.Event.Call)))
		w.Did.Granted = slices.Clone(w.Did.Granted)
		for n := range w.Did.Granted {
			g := &w.Did.Granted[n]
			g.Request = core.RequestID(number(requests, uint64(g.Request)))
		}
		if w.Expect != nil {
			w.Expect = renamed(w.Expect, func(prefix string, id uint64) uint64 {
				switch prefix {
				case "r":
					return number(requests, id)
				case "d", "w", "y":
					return number(calls, id)
				}
				return id
			})
		}
	}
	return h.With(lines)
}
