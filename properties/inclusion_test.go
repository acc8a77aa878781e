package properties

import (
	"errors"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pagepool/pagepool/pool/canon"
	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim"
	"github.com/pagepool/pagepool/sim/follow"
	"github.com/pagepool/pagepool/sim/replay"
	"github.com/pagepool/pagepool/sim/traffic"
	"github.com/pagepool/pagepool/testdata"
)

// What was recorded on a real browser is held against the fake one, on which everything else is
// proven.

// recordedTraces are those of `soak chrome -record`, by name.
func recordedTraces(t *testing.T) map[string]*trace.Trace {
	t.Helper()
	names, err := fs.Glob(testdata.Files, "chrome/*.trace")
	if err != nil || len(names) < 3 {
		t.Fatalf("%d recorded traces, %v", len(names), err)
	}
	traces := map[string]*trace.Trace{}
	for _, name := range names {
		traces[strings.TrimSuffix(path.Base(name), ".trace")] = readTrace(t, traceFile(t, name))
	}
	return traces
}

func TestInclusionWhatARealBrowserDidTheFakeOneCanDo(t *testing.T) {
	var all sim.Reached
	for name, tr := range recordedTraces(t) {
		f, err := follow.Include(tr)
		if err != nil {
			t.Errorf("testdata/chrome/%s.trace: %v", name, err)
			continue
		}
		if !f.Core().Ended() {
			t.Errorf("%s: the pool has not ended", name)
		}
		reached := f.Report().Reached
		all.Add(&reached)
	}
	// What the recorded traces have to have in them, to be worth the name.
	for _, what := range []string{
		"looped", "rescue_silent", "browser_died", "browser_fell_silent", "lease_crashed", "reset",
		"lease_expired",
		"page_flooded", "page_cut_off", "drawing_hung", "network_hung", "storage_hung", "helper_died",
		"part_went_on",
		"browser_checked",
	} {
		if all.Map()[what] == 0 {
			t.Errorf("no recorded trace has %s in it", what)
		}
	}
}

// edit is a recorded trace that is being changed.
type edit struct {
	t     *testing.T
	lines []trace.Line
}

func text(l trace.Line) string { return trace.JoinWords(l.Words) }

// find is the first line from a place on that has a form, and what the form's groups are.
func (e *edit) find(from int, form string) (int, []string) {
	e.t.Helper()
	r := regexp.MustCompile("^" + form + "$")
	for i := from; i < len(e.lines); i++ {
		if m := r.FindStringSubmatch(text(e.lines[i])); m != nil {
			return i, m
		}
	}
	e.t.Fatalf("no line %q", form)
	return 0, nil
}

// insert says something before a line, at its instant.
func (e *edit) insert(before int, what string) {
	words, err := trace.Words(what)
	if err != nil {
		e.t.Fatal(err)
	}
	e.lines = slices.Insert(e.lines, before,
		trace.Line{Number: e.lines[before].Number, At: e.lines[before].At, Words: words})
}

// move has a line come before another, at its instant.
func (e *edit) move(line, before int) {
	what := text(e.lines[line])
	e.lines = slices.Delete(e.lines, line, line+1)
	e.insert(before, what)
}

// following says something after the first line of a form; its groups stand for $1 and so on.
func following(form, what string) func(*edit) {
	return func(e *edit) {
		i, m := e.find(0, form)
		for n := len(m) - 1; n > 0; n-- {
			what = strings.ReplaceAll(what, "$"+string(rune('0'+n)), m[n])
		}
		e.insert(i+1, what)
	}
}

// doubled has the first line of a form come twice.
func doubled(form string) func(*edit) {
	return func(e *edit) {
		i, m := e.find(0, form)
		e.insert(i+1, m[0])
	}
}

// foremost has the first line of a form come before everything else.
func foremost(form string) func(*edit) {
	return func(e *edit) {
		i, _ := e.find(0, form)
		e.move(i, 0)
	}
}

// without leaves out the first line of a form.
func without(form string) func(*edit) {
	return func(e *edit) {
		i, _ := e.find(0, form)
		e.lines = slices.Delete(e.lines, i, i+1)
	}
}

// worksWhileHung has a part do its work for a holder once more after it began to hang.
func worksWhileHung(e *edit) {
	hung, m := e.find(0, `hang (\w+) b1`)
	last := ""
	for i, n := e.find(0, `work `+m[1]+` t\d+`); i < hung; i, n = e.find(i+1, `work `+m[1]+` t\d+`) {
		last = n[0]
	}
	e.insert(hung+1, last)
}

// impossible are changes after which a trace is that of no browser, and what is to be said of each.
var impossible = []struct {
	name, trace, says string
	change            func(*edit)
}{
	{"a page opens before its browser is there", "staging", "no page of t",
		foremost(`opened t\d+ sessions`)},
	{"a page opens twice", "staging", "nothing was asked", doubled(`opened t\d+ sessions`)},
	{"a page opens that nobody asked for", "staging", "no page of t999",
		following(`browser ready b1`, "opened t999")},
	{"a browser is ready twice", "staging", "nothing was asked", doubled(`browser ready b\d+`)},
	{"a browser is ready that nobody launched", "staging", "no browser b9",
		following(`browser ready b1`, "browser ready b9")},
	{"a launch fails that has worked", "staging", "nothing was asked",
		following(`browser ready b1`, "browser failed b1")},
	{"a browser answers that nobody asked", "staging", "nothing was asked",
		following(`browser ready b1`, "browser answers b1")},
	{"a browser that is gone goes again", "hostile", "no browser b", doubled(`browser gone b\d+`)},
	{"a page is closed that nobody closes", "staging", "nothing was asked",
		following(`opened (t\d+) sessions`, "closed $1")},
	{"a page is closed twice", "staging", "no page of t", doubled(`closed t\d+`)},
	{"a close fails after it has worked", "staging", "no page of t",
		following(`closed (t\d+)`, "close-failed $1")},
	{"the answer to a close comes before it", "staging", "nothing was asked", func(e *edit) {
		i, m := e.find(0, `closed (t\d+)`)
		opened, _ := e.find(0, "opened "+m[1]+" sessions")
		e.move(i, opened+1)
	}},
	{"a page crashes that is gone", "staging", "no page of t",
		following(`closed (t\d+)`, "crashed $1")},
	{"a page crashes twice", "hostile", "has crashed before", doubled(`crashed t\d+`)},
	{"a page is killed that nobody kills", "staging", "nothing was asked",
		following(`opened (t\d+) sessions`, "killed $1")},
	{"a page answers that nobody asked", "staging", "nothing was asked",
		following(`opened (t\d+) sessions`, "probed $1")},
	{"a page is reset that nobody resets", "staging", "nothing was asked",
		following(`opened (t\d+) sessions`, "was-reset $1")},
	{"a page that loops answers", "incident", "main thread of t", func(e *edit) {
		i, m := e.find(0, `loop (t\d+)`)
		silent, _ := e.find(i, "probe-silent "+m[1])
		e.insert(silent, "probed "+m[1])
	}},
	{"a page that loops says that it does not answer", "incident", "main thread of t", func(e *edit) {
		i, m := e.find(0, `loop (t\d+)`)
		silent, _ := e.find(i, "probe-silent "+m[1])
		e.insert(silent, "probe-failed "+m[1])
	}},
	{"a page is rescued before anybody asks for it", "incident", "nothing was asked", func(e *edit) {
		i, m := e.find(0, `loop (t\d+)`)
		silent, _ := e.find(i, "probe-silent "+m[1])
		e.insert(silent, "rescued "+m[1])
	}},
	{"a page is rescued twice", "incident", "nothing was asked", doubled(`rescued t\d+.*`)},
	{"a page of a browser that is gone opens", "hostile", "no page of t", func(e *edit) {
		gone, _ := e.find(0, `browser gone b\d+`)
		_, m := e.find(0, `opened (t\d+) sessions`) // of the first browser, since it is the first page
		e.insert(gone+1, "opened "+m[1])
	}},
	{"a browser that is silent answers", "hostile", "main of its browser is hung", func(e *edit) {
		i, m := e.find(0, `browser stalled (b\d+)`) // it was asked whether it is there
		if silence, _ := e.find(0, "silence "+m[1]); silence > i {
			e.t.Fatalf("%s was not silent", m[1])
		}
		e.insert(i+1, "browser answers "+m[1])
	}},
	{"a screenshot ends while nothing is drawn", "drawing", "drawing of the browser of t",
		worksWhileHung},
	{"a page loads while nothing is loaded", "network", "network of the browser of t", worksWhileHung},
	{"a check passes while nothing is drawn", "drawing", "drawing of its browser is hung",
		without(`die drawing b1`)},
	{"a check passes while nothing is stored", "storage", "storage of its browser is hung",
		without(`die storage b1`)},
	{"a browser that is stopped, and will go on, answers", "main", "main of its browser is hung",
		func(e *edit) {
			i, _ := e.find(0, `silence b1`)
			answer, _ := e.find(i, `browser checked b1.*`) // it was asked before
			goesOn, _ := e.find(i, `unhang main b1`)
			if answer < goesOn {
				e.t.Fatal("it was not stopped")
			}
			e.move(answer, i+1)
		}},
	{"a page floods for half a minute", "pipe", "has not cut it off", func(e *edit) {
		i, _ := e.find(0, `flood t\d+`)
		for i++; i < len(e.lines); i++ {
			e.lines[i].At += 30 * sim.Seconds
		}
	}},
	{"another page is closed than the one that floods", "pipe", "browser of t", func(e *edit) {
		_, flooder := e.find(0, `flood (t\d+)`)
		crashed, _ := e.find(0, "crashed "+flooder[1])
		i, other := e.find(crashed, `work network (t\d+)`) // it is there
		for other[1] == flooder[1] {
			i, other = e.find(i+1, `work network (t\d+)`)
		}
		e.lines = slices.Delete(e.lines, crashed, crashed+1)
		e.insert(crashed, "crashed "+other[1])
	}},
	{"a page works after it was closed for a flood", "pipe", "network of the browser of t",
		func(e *edit) {
			_, m := e.find(0, `flood (t\d+)`)
			i, _ := e.find(0, "crashed "+m[1])
			e.insert(i+1, "work network "+m[1])
		}},
	{"a page is cut off that does not flood", "pipe", "no page of t", func(e *edit) {
		_, m := e.find(0, `cut-off (t\d+)`)
		without("flood " + m[1])(e)
	}},
	{"a page is cut off twice", "pipe", "no page of t", doubled(`cut-off t\d+`)},
	{"a browser goes on that was not stopped", "main", "is fine already", without(`silence b1`)},
	{"a context is gone that nobody closes", "staging", "nothing was asked",
		following(`browser ready b1`, "context-closed c1")},
	{"a deadline comes before its time", "staging", "it is due at",
		following(`opened t4 sessions`, "open-overdue t2")},
	{"a deadline comes that is not armed", "staging", "no such deadline",
		following(`opened (t\d+) sessions`, "probe-silent $1")},
}

func TestInclusionWhatNoBrowserDoesIsRefused(t *testing.T) {
	if len(impossible) < 20 {
		t.Fatalf("%d changes", len(impossible))
	}
	traces := recordedTraces(t)
	for _, c := range impossible {
		t.Run(c.name, func(t *testing.T) {
			tr := *traces[c.trace]
			e := &edit{t: t, lines: slices.Clone(tr.Lines)}
			c.change(e)
			tr.Lines = e.lines
			_, err := follow.Include(&tr)
			var at *trace.Error
			if !errors.As(err, &at) || !strings.Contains(at.What, c.says) {
				t.Errorf("the fake browser says %v; want a refusal with %q in it", err, c.says)
			}
		})
	}
}

// The other way round: what is to be refused would be worth nothing if the fake browser itself were
// refused.
func TestPropertyInclusionTheFakeBrowserIsOneOfItsOwn(t *testing.T) {
	var all sim.Reached
	for _, name := range []string{"staging", "nested", "hostile"} {
		profile := *traffic.ProfileNamed(name)
		f := &profile.Conditions.Faults
		// A real pool takes one answer to a call, and a page that only its end ends shows as one that
		// loops.
		f.Twice, f.Loops, f.SilencesPerThousandHours = 0, 10_000, 100_000
		f.SharedPerThousandHours, f.FloodsPipe, f.HangsDrawing = 200_000, 50, 50
		f.DeathsPerThousandHours = 10_000
		profile.Conditions.Checks, profile.Conditions.Repairs = true, true
		for seed := uint64(1); seed <= 4; seed++ {
			var follower *follow.Follower
			var acts replay.Acts
			observe := func(w *sim.World, event core.Event, _ []core.Effect) {
				if follower == nil {
					var err error
					if follower, err = follow.New(w.Core().Settings, false); err != nil {
						t.Fatal(err)
					}
				}
				for _, act := range acts.Of(w) {
					if h, ok := act.Turns(); ok {
						follower.Turn(w.Now(), act.Browser, act.Part, h)
						continue
					}
					switch act.Verb {
					case replay.LoopVerb:
						follower.Loop(w.Now(), act.Tab)
					case replay.FloodVerb:
						follower.Flood(w.Now(), act.Tab)
					case replay.CutOffVerb:
						follower.CutOff(w.Now(), act.Tab)
					}
				}
				follower.Step(w.Now(), "", event, canon.StateHash(&w.Core().Facts))
			}
			_, err := traffic.Run(traffic.Options{Profile: &profile, Seed: seed, Hours: 0.1, Unchecked: true,
				Observe: observe})
			if err != nil {
				t.Fatal(err)
			}
			if o := follower.Outside(); o != nil {
				t.Errorf("%s, seed %d: %v\n\t%s", name, seed, o, strings.Join(o.Last, "\n\t"))
			}
			if v := follower.Violation(); v != nil {
				t.Errorf("%s, seed %d: %v", name, seed, v)
			}
			reached := follower.Report().Reached
			all.Add(&reached)
		}
	}
	for _, what := range []string{"looped", "browser_fell_silent", "browser_died", "open_failed",
		"page_flooded", "page_cut_off", "pipe_busy",
		"kill_silent", "probe_silent", "rescue_failed", "launch_failed"} {
		if all.Map()[what] == 0 {
			t.Errorf("nothing had %s in it", what)
		}
	}
}
