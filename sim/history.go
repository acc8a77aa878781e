package sim

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim/fakebrowser"
)

// history is a trace that can be changed: every line read, with what the core did in it.
type history struct {
	settings core.Settings
	auto     bool
	untimed  bool
	names    *Keys
	wishes   []wish
}

// wish is one line of a history: what is to happen, or to be expected, in the ids of the history.
type wish struct {
	at     core.Time
	number int // of the line in the file
	event  core.Event
	act    act          // of the world, where its verb is not empty
	expect []trace.Word // an expectation, where there are words
	settle bool         // everything outstanding answers, and what comes after follows closely: see player.settle
	gone   bool         // it was removed
	stale  bool         // an answer to a question that is not the last one
	second bool         // an answer to what has been answered

	did deeds // what the core did when it was recorded
}

// deeds are what numbers depend on: what was opened, launched and granted, in order.
type deeds struct {
	opened   []opening
	launched []core.BrowserID
	granted  []grant
}

type opening struct {
	tab     core.TabID
	context core.ContextID
	browser core.BrowserID
}

type grant struct {
	request core.RequestID
	tab     core.TabID
}

func (d *deeds) add(effects []core.Effect) {
	for i := range effects {
		switch e := &effects[i]; e.Kind {
		case core.OpenTab:
			d.opened = append(d.opened, opening{e.Tab, e.Context, e.Browser})
		case core.Launch:
			d.launched = append(d.launched, e.Browser)
		case core.Grant:
			d.granted = append(d.granted, grant{e.Request, e.Tab})
		}
	}
}

// The verbs of the world, which are no events of the core.
const (
	wedgeVerb   = "wedge"
	loopVerb    = "loop"
	silenceVerb = "silence"
	hangVerb    = "hang"
	unhangVerb  = "unhang"
)

// act is what only the world can do.
type act struct {
	verb    string
	tab     core.TabID
	browser core.BrowserID
	hold    fakebrowser.Hold
}

func (a act) String() string {
	h := a.hold
	switch a.verb {
	case wedgeVerb, loopVerb:
		return fmt.Sprintf("%s t%d", a.verb, a.tab)
	case silenceVerb:
		return fmt.Sprintf("%s b%d", a.verb, a.browser)
	}
	switch {
	case h.Kind.OfBrowser():
		return fmt.Sprintf("%s %v b%d", a.verb, h.Kind, h.Browser)
	case h.Kind.OfContext():
		return fmt.Sprintf("%s %v c%d", a.verb, h.Kind, h.Context)
	}
	return fmt.Sprintf("%s %v t%d", a.verb, h.Kind, h.Tab)
}

// parseAct reads an act; one without a verb is none.
func parseAct(words []trace.Word) (act, error) {
	a := act{verb: words[0].Text}
	var err error
	switch a.verb {
	case wedgeVerb, loopVerb:
		a.tab, err = oneTab(words)
	case silenceVerb:
		id, ok := uint64(0), false
		if len(words) == 2 {
			id, ok = trace.ParseID(words[1], "b")
		}
		if a.browser = core.BrowserID(id); !ok {
			err = fmt.Errorf("silence: want a browser such as b1")
		}
	case hangVerb, unhangVerb:
		a.hold, err = hold(words)
	default:
		return act{}, nil
	}
	return a, err
}

// readHistory reads the lines of a trace. The error is a *trace.Error.
func readHistory(t *trace.Trace) (*history, error) {
	h := &history{settings: t.Settings, auto: t.Auto, untimed: t.Untimed, names: new(Keys)}
	for i := range t.Lines {
		line := &t.Lines[i]
		w := wish{at: line.At, number: line.Number}
		var err error
		if line.Expect {
			w.expect = line.Words
		} else if w.act, err = parseAct(line.Words); err == nil && w.act.verb == "" {
			w.event, err = trace.ParseEvent(line.Words, h.names)
		}
		if err != nil {
			return nil, &trace.Error{Line: line.Number, What: err.Error()}
		}
		h.wishes = append(h.wishes, w)
	}
	return h, nil
}

// text is what stands in the line of a wish.
func (w *wish) text(names trace.Names) string {
	if w.act.verb != "" {
		return w.act.String()
	}
	return string(trace.AppendEvent(nil, w.event, names))
}

// write writes a history as a trace.
func (h *history) write(comments ...string) []byte {
	var out bytes.Buffer
	tw := trace.NewWriter(&out, &trace.Trace{Settings: h.settings, Auto: h.auto, Untimed: h.untimed}, nil, comments...)
	for i := range h.wishes {
		switch w := &h.wishes[i]; {
		case w.gone:
		case w.expect != nil:
			tw.Expect(trace.JoinWords(w.expect))
		default:
			tw.Step(w.at, w.text(h.names))
		}
	}
	if err := tw.Flush(); err != nil {
		panic("sim: BUG: a buffer that takes not everything: " + err.Error())
	}
	return out.Bytes()
}

// trace is a history as a trace that was read.
func (h *history) trace() (*trace.Trace, error) {
	return trace.Read(bytes.NewReader(h.write()))
}

// with is a history with other wishes.
func (h *history) with(wishes []wish) *history {
	changed := *h
	changed.wishes = wishes
	return &changed
}

// lines is how many lines a history has.
func (h *history) lines() int {
	n := 0
	for i := range h.wishes {
		if !h.wishes[i].gone {
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
