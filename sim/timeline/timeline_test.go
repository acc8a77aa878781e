package timeline_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pagepool/pagepool/sim/replay"
	"github.com/pagepool/pagepool/sim/traffic"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim"
	"github.com/pagepool/pagepool/sim/steps"
	"github.com/pagepool/pagepool/sim/timeline"
	"github.com/pagepool/pagepool/testdata"
)

// written is an event of the trace-event format as a viewer reads it.
type written struct {
	Name string
	Ph   string
	Ts   json.Number
	Dur  json.Number
	Pid  *int
	Tid  *int
	Cat  string
	ID   string
	S    string
	Bp   string
	Args map[string]any
}

type file struct {
	DisplayTimeUnit string
	OtherData       map[string]any
	TraceEvents     []written
}

// nanoseconds are those of a number of microseconds, which has three decimals at most.
func nanoseconds(t *testing.T, n json.Number) int64 {
	t.Helper()
	whole, part, _ := strings.Cut(n.String(), ".")
	v, err := strconv.ParseInt(whole+(part + "000")[:3], 10, 64)
	if err != nil || len(part) > 3 || v < 0 {
		t.Fatalf("the time %q is no number of microseconds from 0, to the nanosecond", n)
	}
	return v
}

type lane struct{ pid, tid int }

type span struct {
	begin, end int64
	name       string
}

// check says of a file whether a viewer shows all of it: slices of a lane nest, asynchronous slices
// and arrows have both ends, arrows are bound to slices, lanes have names.
func check(t *testing.T, text []byte) file {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	decoder.DisallowUnknownFields()
	var f file
	if err := decoder.Decode(&f); err != nil {
		t.Fatal(err)
	}
	spans, named := map[lane][]span{}, map[lane]bool{}
	open, arrows := map[string]int64{}, map[string]int64{}
	for _, e := range f.TraceEvents {
		if e.Pid == nil || e.Tid == nil || e.Name == "" {
			t.Fatalf("an event without a name, a process or a thread: %+v", e)
		}
		at, on, id := nanoseconds(t, e.Ts), lane{*e.Pid, *e.Tid}, e.Cat+" "+e.ID
		switch e.Ph {
		case "M":
			if e.Name == "thread_name" {
				named[on] = true
			}
		case "X":
			spans[on] = append(spans[on], span{at, at + nanoseconds(t, e.Dur), e.Name})
		case "C":
			for _, v := range e.Args {
				if n, err := v.(json.Number).Int64(); err != nil || n < 0 {
					t.Errorf("the counter %s shows %v", e.Name, v)
				}
			}
		case "i":
			if e.S != "g" {
				t.Errorf("the instant %q has the scope %q", e.Name, e.S)
			}
		case "b", "s":
			ends := map[string]map[string]int64{"b": open, "s": arrows}[e.Ph]
			if _, twice := ends[id]; twice || e.ID == "" {
				t.Errorf("%s %q begins twice", e.Ph, id)
			}
			ends[id] = at
		case "e", "f":
			begins := map[string]map[string]int64{"e": open, "f": arrows}[e.Ph]
			if since, ok := begins[id]; !ok || since > at {
				t.Errorf("%s %q ends at %d, and began at %d (%t)", e.Ph, id, at, since, ok)
			}
			delete(begins, id)
		default:
			t.Errorf("the phase %q", e.Ph)
		}
	}
	if len(open)+len(arrows) > 0 {
		t.Errorf("these have no end: %v %v", open, arrows)
	}
	for on, list := range spans {
		if !named[on] {
			t.Errorf("lane %v has no name", on)
		}
		nest(t, on, list)
	}
	for _, e := range f.TraceEvents {
		if e.Ph == "s" || e.Ph == "f" {
			at := nanoseconds(t, e.Ts)
			if !slices.ContainsFunc(spans[lane{*e.Pid, *e.Tid}], func(s span) bool {
				return s.begin <= at && at <= s.end
			}) {
				t.Errorf("the arrow %s %s at %d is bound to no slice", e.Ph, e.ID, at)
			}
		}
	}
	return f
}

// nest looks whether each slice of a lane lies within the one that it began in.
func nest(t *testing.T, on lane, list []span) {
	t.Helper()
	var stack []span
	for i, s := range list {
		if i > 0 && s.begin < list[i-1].begin {
			t.Fatalf("lane %v is not in order at %v", on, s)
		}
		for len(stack) > 0 && stack[len(stack)-1].end <= s.begin {
			stack = stack[:len(stack)-1]
		}
		if n := len(stack); n > 0 && s.end > stack[n-1].end {
			t.Errorf("lane %v: %v begins in %v and ends after it", on, s, stack[n-1])
		}
		if stack = append(stack, s); len(stack) > 2 {
			t.Errorf("lane %v: %v lies %d deep", on, s, len(stack))
		}
	}
}

func replayed(t *testing.T, tr *trace.Trace) *timeline.Timeline {
	t.Helper()
	line := new(timeline.Timeline)
	if _, err := replay.Run(tr, nil); err != nil {
		tr, _, _ = steps.Recorded(tr) // of a real browser, which did what the simulated one does not
	}
	_, err := replay.Run(tr, func(s replay.Step) {
		line.Step(s.At, string(trace.AppendEvent(nil, s.Event, s.Names)), s.Effects, s.State, s.Names)
	})
	if err != nil {
		t.Fatal(err)
	}
	line.Finish()
	return line
}

func text(t *testing.T, line *timeline.Timeline) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := line.WriteTraceEvents(&out, "a \"title\" </script>"); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func read(t *testing.T, name string) *trace.Trace {
	t.Helper()
	data, err := testdata.Files.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := trace.Read(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func TestTraceTimelinesOfAllFilesAreWellFormed(t *testing.T) {
	n := 0
	err := fs.WalkDir(testdata.Files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".trace" {
			return err
		}
		n++
		t.Run(path, func(t *testing.T) {
			line := replayed(t, read(t, path))
			f := check(t, text(t, line))
			if line.Steps == 0 || len(f.TraceEvents) < len(line.Slices) || line.Thinned() != "" {
				t.Errorf("%d steps, %d slices, %d events, %q", line.Steps, len(line.Slices), len(f.TraceEvents),
					line.Thinned())
			}
		})
		return nil
	})
	if err != nil || n < 40 {
		t.Fatalf("%d traces: %v", n, err)
	}
}

func TestTraceATimelineShowsWhatTheTraceSays(t *testing.T) {
	f := check(t, text(t, replayed(t, read(t, "traces/a-1-stuck-close.trace"))))
	var all []string
	for _, e := range f.TraceEvents {
		all = append(all, fmt.Sprintf("%s %s %s %s %s", e.Ph, e.Name, e.Ts, e.Dur, e.ID))
	}
	for _, want := range []string{
		"X t1 leased by r1 100000 200000 ",         // from 100 to 300 ms
		"X t1 closing 300000 5030000 ",             // until 5.33 s
		"X close 300000 5000000 ",                  // until it is silent
		"X kill 5300000 20000 ",                    // and then it is killed
		"X r3 waits 450000 210000 ",                // the whole wait
		"X tab 450000 110000 ",                     // its parts, one after the other
		"X startup 560000 100000 ",                 //
		"s grant 450000  r3", "f grant 660000  r3", // the arrow
		"i fault: close-silent t1 5300000  ", "b a 100000  k1.1", "C waiting 450000  ",
	} {
		if !slices.Contains(all, want) {
			t.Errorf("no event %q in\n%s", want, strings.Join(all, "\n"))
		}
	}
}

// A day is thinned, and what is left is as well formed, and covers the whole day.
func TestTraceTheTimelineOfALongRunIsThinned(t *testing.T) {
	line := &timeline.Timeline{Most: 3000}
	names := sim.Names
	_, err := traffic.Run(traffic.Options{Profile: traffic.ProfileNamed("staging"), Seed: 1, Hours: 1,
		Observe: func(w *sim.World, event core.Event, effects []core.Effect) {
			line.Step(w.Now(), string(trace.AppendEvent(nil, event, names)), effects, w.Core(), names)
			if len(line.Slices) > 3*line.Most {
				t.Fatalf("%d slices", len(line.Slices))
			}
		}})
	if err != nil {
		t.Fatal(err)
	}
	line.Finish()
	f := check(t, text(t, line))
	if n := len(line.Slices); n < line.Most/20 || n > line.Most || line.Thinned() == "" ||
		f.OtherData["thinned"] != line.Thinned() {
		t.Errorf("%d slices of %d, %q", n, line.Most, line.Thinned())
	}
	if line.End < core.Time(3600e9) ||
		line.Slices[len(line.Slices)-1].End < line.End-core.Time(600e9) {
		t.Errorf("it ends at %v, and the last slice at %v", line.End.Duration(),
			line.Slices[len(line.Slices)-1].End.Duration())
	}
}

// A dump begins in the midst of states, leases and waits.
func TestTraceATimelineOfADumpBeginsInTheMidst(t *testing.T) {
	whole := read(t, "incidents/glimmer-loop.trace")
	var dump bytes.Buffer
	var w *trace.Writer
	n := 0
	_, err := replay.Run(whole, func(s replay.Step) {
		switch n++; {
		case n == 40:
			snapshot := &trace.Snapshot{Keys: []string{""}}
			snapshot.Facts.CopyFrom(&s.State.Facts)
			for a := range s.State.Affinities[1:] {
				snapshot.Keys = append(snapshot.Keys, s.Names.Key(core.Affinity(a+1)))
			}
			w = trace.NewWriter(&dump, &trace.Trace{Settings: s.State.Settings, Snapshot: snapshot},
				s.Names.Key)
		case n > 40:
			w.Step(s.At, string(trace.AppendEvent(nil, s.Event, s.Names)))
		}
	})
	if err != nil || w.Flush() != nil {
		t.Fatal(err)
	}
	tr, err := trace.Read(&dump)
	if err != nil {
		t.Fatal(err)
	}
	line := replayed(t, tr)
	check(t, text(t, line))
	if line.Slices[0].Begin >= line.Begin {
		t.Errorf("the first slice begins at %v, and the dump at %v", line.Slices[0].Begin.Duration(),
			line.Begin.Duration())
	}
}
