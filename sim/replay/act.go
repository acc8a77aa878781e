package replay

import (
	"fmt"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim/fakebrowser"
)

// The verbs of the world, which are no events of the core.
const (
	WedgeVerb   = "wedge"
	LoopVerb    = "loop"
	SilenceVerb = "silence"
	HangVerb    = "hang"
	UnhangVerb  = "unhang"
)

// Act is what only the world can do.
type Act struct {
	Verb    string
	Tab     core.TabID
	Browser core.BrowserID
	Hold    fakebrowser.Hold
}

func (a Act) String() string {
	h := a.Hold
	switch a.Verb {
	case WedgeVerb, LoopVerb:
		return fmt.Sprintf("%s t%d", a.Verb, a.Tab)
	case SilenceVerb:
		return fmt.Sprintf("%s b%d", a.Verb, a.Browser)
	}
	switch {
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
	case WedgeVerb, LoopVerb:
		a.Tab, err = oneTab(words)
	case SilenceVerb:
		id, ok := uint64(0), false
		if len(words) == 2 {
			id, ok = trace.ParseID(words[1], "b")
		}
		if a.Browser = core.BrowserID(id); !ok {
			err = fmt.Errorf("silence: want a browser such as b1")
		}
	case HangVerb, UnhangVerb:
		a.Hold, err = hold(words)
	default:
		return Act{}, nil
	}
	return a, err
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
	return fakebrowser.Hold{}, fmt.Errorf("%s: want open, probe, rescue, reset, close or kill and a tab, close-context and a context, or launch, ping or close-browser and a browser, such as %s close t1",
		words[0].Text, words[0].Text)
}
