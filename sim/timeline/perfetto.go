package timeline

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"github.com/pagepool/pagepool/pool/core"
)

// The processes under which a viewer groups the lanes. The pool itself has the counters and the
// instants, and affinities are asynchronous slices.
const (
	poolProcess     = 1
	slotsProcess    = 2
	browsersProcess = 3
	callersProcess  = 4
	keysProcess     = 5
)

var processNames = map[int]string{
	poolProcess: "pool", slotsProcess: "slots", browsersProcess: "browsers", callersProcess: "callers",
	keysProcess: "affinities",
}

// traceEvent is one event of the trace-event format, with the fields that it has for its phase.
type traceEvent struct {
	Name  string         `json:"name"`
	Phase string         `json:"ph"`
	At    micros         `json:"ts"`
	Long  *micros        `json:"dur,omitempty"`
	PID   int            `json:"pid"`
	TID   int            `json:"tid"`
	Cat   string         `json:"cat,omitempty"`
	ID    string         `json:"id,omitempty"`
	Scope string         `json:"s,omitempty"`
	Bind  string         `json:"bp,omitempty"`
	Args  map[string]any `json:"args,omitempty"`
}

// micros is an instant or a duration in microseconds, to the nanosecond.
type micros core.Time

func (m micros) MarshalJSON() ([]byte, error) {
	b := strconv.AppendInt(nil, int64(m)/1000, 10)
	if rest := int64(m) % 1000; rest != 0 {
		b = fmt.Appendf(b, ".%03d", rest)
	}
	return b, nil
}

// WriteTraceEvents writes a finished timeline as a JSON object in Chrome's trace-event format.
// title names the file that it is of.
func (t *Timeline) WriteTraceEvents(w io.Writer, title string) error {
	out := &eventWriter{w: bufio.NewWriterSize(w, 1<<16)}
	head, err := json.Marshal(map[string]any{
		"title": title, "steps": t.Steps, "thinned": t.Thinned(), "times": "virtual, in microseconds",
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(out.w, "{\"displayTimeUnit\":\"ms\",\"otherData\":%s,\"traceEvents\":[", head)
	t.writeNames(out, title)
	granted := map[core.RequestID]Slice{} // by request: its wait, to draw the arrow from
	for _, s := range t.Slices {
		if s.Track == Callers && s.Level == 0 && s.Name == "waits" {
			granted[s.Request] = s
		}
	}
	for i := range t.Slices {
		t.writeSlice(out, &t.Slices[i], granted)
	}
	for i, list := range t.Counters {
		for _, s := range list {
			out.event(traceEvent{Name: CounterNames[i], Phase: "C", At: micros(s.At), PID: poolProcess,
				Args: map[string]any{"tabs": s.Value}})
		}
	}
	for _, i := range t.Instants {
		out.event(traceEvent{Name: i.Kind + ": " + i.Text, Phase: "i", At: micros(i.At), PID: poolProcess,
			Scope: "g", Cat: i.Kind})
	}
	t.writeLives(out)
	fmt.Fprint(out.w, "]}\n")
	if out.err != nil {
		return out.err
	}
	return out.w.Flush()
}

type eventWriter struct {
	w    *bufio.Writer
	some bool
	err  error
}

func (o *eventWriter) event(e traceEvent) {
	text, err := json.Marshal(e)
	if err != nil && o.err == nil {
		o.err = err
	}
	if o.some {
		o.w.WriteByte(',')
	}
	o.some = true
	o.w.WriteByte('\n')
	o.w.Write(text)
}

// writeNames names the processes and lanes, in the order in which they are to be shown.
func (t *Timeline) writeNames(out *eventWriter, title string) {
	name := func(kind string, pid, tid int, args map[string]any) {
		out.event(traceEvent{Name: kind, Phase: "M", PID: pid, TID: tid, Args: args})
	}
	for pid := poolProcess; pid <= keysProcess; pid++ {
		called := processNames[pid]
		if pid == poolProcess {
			called += " " + title
			if thinned := t.Thinned(); thinned != "" {
				called += " (" + thinned + ")"
			}
		}
		name("process_name", pid, 0, map[string]any{"name": called})
		name("process_sort_index", pid, 0, map[string]any{"sort_index": pid})
	}
	for track := range Tracks {
		for lane := range t.Lanes(track) {
			pid := slotsProcess + int(track)
			name("thread_name", pid, lane+1, map[string]any{"name": LaneName(track, lane)})
			name("thread_sort_index", pid, lane+1, map[string]any{"sort_index": lane})
		}
	}
}

// Lanes is how many lanes a track has.
func (t *Timeline) Lanes(track Track) int {
	n := 0
	for i := range t.Slices {
		if s := &t.Slices[i]; s.Track == track {
			n = max(n, int(s.Lane)+1)
		}
	}
	return n
}

// LaneName is what a lane is called.
func LaneName(track Track, lane int) string {
	return [...]string{"slot ", "browser ", "caller "}[track] + strconv.Itoa(lane+1)
}

// Label is what a slice says: the state and whose it is.
func (s *Slice) Label() string {
	switch {
	case s.Merged > 0:
		return fmt.Sprintf("%d short", s.Merged)
	case s.Level > 0:
		return s.Name
	case s.Track == Browsers:
		return fmt.Sprintf("b%d %s", s.Browser, s.Name)
	case s.Track == Callers && s.Tab != 0:
		return fmt.Sprintf("r%d %s t%d", s.Request, s.Name, s.Tab)
	case s.Track == Callers:
		return fmt.Sprintf("r%d %s", s.Request, s.Name)
	case s.Request != 0:
		return fmt.Sprintf("t%d %s by r%d", s.Tab, s.Name, s.Request)
	}
	return fmt.Sprintf("t%d %s", s.Tab, s.Name)
}

func (t *Timeline) writeSlice(out *eventWriter, s *Slice, granted map[core.RequestID]Slice) {
	pid, tid, long := slotsProcess+int(s.Track), int(s.Lane)+1, micros(s.End-s.Begin)
	args := map[string]any{}
	if s.Key != "" {
		args["affinity"] = s.Key
	}
	if s.Reason != core.ReasonNone {
		args["reason"] = s.Reason.String()
	}
	out.event(traceEvent{Name: s.Label(), Phase: "X", At: micros(s.Begin), Long: &long, PID: pid,
		TID: tid,
		Cat: s.Name, Args: args})
	if s.Track != Slots || s.Level > 0 || s.Request == 0 {
		return
	}
	wait, ok := granted[s.Request]
	if !ok || wait.End != s.Begin {
		return
	}
	arrow := traceEvent{Name: "grant", Cat: "grant", ID: fmt.Sprintf("r%d", s.Request),
		PID: callersProcess,
		TID: int(wait.Lane) + 1, Phase: "s", At: micros(wait.Begin)}
	out.event(arrow)
	arrow.Phase, arrow.Bind, arrow.PID, arrow.TID, arrow.At = "f", "e", pid, tid, micros(s.Begin)
	out.event(arrow)
}

// writeLives writes affinities and their leases as asynchronous slices, each with an id of its own,
// as they overlap.
func (t *Timeline) writeLives(out *eventWriter) {
	ids := map[string]int{}
	for i := range t.Lives {
		l := &t.Lives[i]
		if _, ok := ids[l.Key]; !ok {
			ids[l.Key] = len(ids) + 1
		}
		e := traceEvent{Name: l.Key, Cat: "warm", Phase: "b", At: micros(l.Begin), PID: keysProcess,
			ID: fmt.Sprintf("k%d.%d", ids[l.Key], i)}
		if l.Request != 0 {
			e.Cat = "lease"
			e.Args = map[string]any{"request": fmt.Sprintf("r%d", l.Request),
				"tab": fmt.Sprintf("t%d", l.Tab)}
		}
		out.event(e)
		e.Phase, e.At, e.Args = "e", micros(l.End), nil
		out.event(e)
	}
}
