package replay

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim"
	"github.com/pagepool/pagepool/sim/fakebrowser"
)

// The verbs of the world, which are no events of the core.
const (
	WedgeVerb   = "wedge"
	LoopVerb    = "loop"
	SilenceVerb = "silence" // the same as hang main
	HangVerb    = "hang"
	UnhangVerb  = "unhang"
	FloodVerb   = "flood"
	CutOffVerb  = "cut-off" // of a page that floods and is not closed for that
	DieVerb     = "die"
	WorkVerb    = "work" // what a record says that a holder's page could do
)

var actVerbs = []string{WedgeVerb, LoopVerb, SilenceVerb, HangVerb, UnhangVerb, FloodVerb,
	CutOffVerb, DieVerb, WorkVerb}

// Act is what only the world can do.
type Act struct {
	Verb    string
	Tab     core.TabID
	Browser core.BrowserID
	Hold    fakebrowser.Hold
	Part    fakebrowser.Part // of Browser, or of that of Tab, where Hold has no kind
}

// Turn is the act by which a part of a browser becomes so.
func Turn(id core.BrowserID, p fakebrowser.Part, h fakebrowser.Health) Act {
	verb := [...]string{fakebrowser.Fine: UnhangVerb, fakebrowser.Hung: HangVerb,
		fakebrowser.Dead: DieVerb}[h]
	if p == fakebrowser.Main && h == fakebrowser.Hung {
		verb = SilenceVerb
	}
	return Act{Verb: verb, Browser: id, Part: p}
}

// Turns says how the part of an act's browser is from then on; false where it is not about one.
func (a Act) Turns() (fakebrowser.Health, bool) {
	switch {
	case a.Hold.Kind != 0:
		return 0, false
	case a.Verb == SilenceVerb, a.Verb == HangVerb:
		return fakebrowser.Hung, true
	case a.Verb == UnhangVerb:
		return fakebrowser.Fine, true
	}
	return fakebrowser.Dead, a.Verb == DieVerb
}

func (a Act) String() string {
	h := a.Hold
	switch a.Verb {
	case WedgeVerb, LoopVerb, FloodVerb, CutOffVerb:
		return fmt.Sprintf("%s t%d", a.Verb, a.Tab)
	case SilenceVerb:
		return fmt.Sprintf("%s b%d", a.Verb, a.Browser)
	case WorkVerb:
		return fmt.Sprintf("%s %v t%d", a.Verb, a.Part, a.Tab)
	}
	switch {
	case h.Kind == 0:
		return fmt.Sprintf("%s %v b%d", a.Verb, a.Part, a.Browser)
	case h.Kind.OfBrowser():
		return fmt.Sprintf("%s %v b%d", a.Verb, h.Kind, h.Browser)
	case h.Kind.OfContext():
		return fmt.Sprintf("%s %v c%d", a.Verb, h.Kind, h.Context)
	}
	return fmt.Sprintf("%s %v t%d", a.Verb, h.Kind, h.Tab)
}

// ParseAct reads an act; one without a verb is none.
func ParseAct(words []trace.Word) (Act, error) {
	a := Act{Verb: words[0].Text}
	var err error
	switch a.Verb {
	case WedgeVerb, LoopVerb, FloodVerb, CutOffVerb:
		a.Tab, err = oneTab(words)
	case SilenceVerb:
		id, ok := uint64(0), false
		if len(words) == 2 {
			id, ok = trace.ParseID(words[1], "b")
		}
		if a.Browser = core.BrowserID(id); !ok {
			err = fmt.Errorf("silence: want a browser such as b1")
		}
	case HangVerb, UnhangVerb, DieVerb, WorkVerb:
		if !a.shares(words) {
			a.Hold, err = hold(words)
		}
	default:
		return Act{}, nil
	}
	return a, err
}

// shares reads "hang drawing b1", "unhang main b1", "die network b1" or "work drawing t1".
func (a *Act) shares(words []trace.Word) bool {
	for _, p := range fakebrowser.Parts {
		if len(words) != 3 || words[1].Text != p.String() || a.Verb == DieVerb && !p.Helper() {
			continue
		}
		of := "b"
		if a.Verb == WorkVerb {
			of = "t"
		}
		id, ok := trace.ParseID(words[2], of)
		if a.Part = p; of == "b" {
			a.Browser = core.BrowserID(id)
		} else {
			a.Tab = core.TabID(id)
		}
		return ok
	}
	return false
}

func oneTab(words []trace.Word) (core.TabID, error) {
	if len(words) == 2 {
		if id, ok := trace.ParseID(words[1], "t"); ok {
			return core.TabID(id), nil
		}
	}
	return 0, fmt.Errorf("%s: want a tab such as t1", words[0].Text)
}

// hold reads "hang close t1", "hang launch b2" or "hang close-context c3".
func hold(words []trace.Word) (fakebrowser.Hold, error) {
	switch words[0].Text {
	case DieVerb:
		return fakebrowser.Hold{}, errors.New(
			"die: want drawing, network or storage and a browser, such as die drawing b1")
	case WorkVerb:
		return fakebrowser.Hold{}, errors.New(
			"work: want drawing, network or storage and a tab, such as work drawing t1")
	}
	if len(words) == 3 {
		for _, kind := range fakebrowser.OperationKinds {
			if words[1].Text != kind.String() {
				continue
			}
			h := fakebrowser.Hold{Kind: kind}
			switch {
			case kind.OfBrowser():
				id, ok := trace.ParseID(words[2], "b")
				if h.Browser = core.BrowserID(id); ok {
					return h, nil
				}
			case kind.OfContext():
				id, ok := trace.ParseID(words[2], "c")
				if h.Context = core.ContextID(id); ok {
					return h, nil
				}
			default:
				id, ok := trace.ParseID(words[2], "t")
				if h.Tab = core.TabID(id); ok {
					return h, nil
				}
			}
		}
	}
	return fakebrowser.Hold{}, fmt.Errorf("%s: want open, probe, rescue, reset, close or kill and a "+
		"tab, close-context and a context, launch, ping or close-browser and a browser, or main, pipe, "+
		"drawing, network or storage of one, such as %s close t1",
		words[0].Text, words[0].Text)
}

// Do makes an act happen in a world. It is false where it cannot happen now.
func Do(w *sim.World, a *Act) bool {
	if h, ok := a.Turns(); ok {
		return w.Turn(a.Browser, a.Part, h)
	}
	switch a.Verb {
	case WedgeVerb:
		return w.Wedge(a.Tab)
	case LoopVerb:
		return w.Loop(a.Tab)
	case FloodVerb:
		return w.Flood(a.Tab)
	case CutOffVerb:
		return w.CutOff(a.Tab, false)
	case HangVerb:
		w.Hold(a.Hold)
	case UnhangVerb:
		return w.Unhold(a.Hold)
	default:
		return w.Fake().Serves(a.Tab, a.Part)
	}
	return true
}

// impossible says what an act that cannot happen wants.
func (a *Act) impossible() string {
	switch {
	case a.Verb == WorkVerb:
		return fmt.Sprintf("%v of the browser of t%d does no work, or there is no such tab", a.Part,
			a.Tab)
	case a.Verb == FloodVerb:
		return fmt.Sprintf("no page of t%d is open, or it floods already", a.Tab)
	case a.Verb == CutOffVerb:
		return fmt.Sprintf("no page of t%d floods", a.Tab)
	case a.Verb == UnhangVerb && a.Hold.Kind != 0:
		return strings.TrimPrefix(a.String(), "unhang ") + " does not hang"
	case a.Browser != 0:
		return fmt.Sprintf("b%d does not serve, or its %v is so already", a.Browser, a.Part)
	}
	return fmt.Sprintf("no page of t%d is open and answers", a.Tab)
}
