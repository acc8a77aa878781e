package fakebrowser_test

import (
	"testing"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim/fakebrowser"
)

// What a browser would do about each close, if it were not silent, doubled what is possible each
// time.
func TestABrowserThatIsSilentDoesNothing(t *testing.T) {
	const tabs = 12
	var p fakebrowser.Possible
	heard := func(e core.Event) {
		t.Helper()
		if err := p.Answered(e); err != nil {
			t.Fatal(err)
		}
	}
	p.Asked(core.Effect{Kind: core.Launch, Browser: 1, Operation: 100})
	heard(core.Event{Kind: core.Done, Of: core.Launch, Browser: 1})
	for id := core.TabID(1); id <= tabs; id++ {
		p.Asked(core.Effect{Kind: core.OpenTab, Browser: 1, Context: core.ContextID(id), Tab: id,
			Operation: core.OperationID(id)})
		heard(core.Event{Kind: core.Done, Of: core.OpenTab, Tab: id})
	}
	if !p.Turn(1, fakebrowser.Main, fakebrowser.Hung) {
		t.Fatal("it cannot fall silent")
	}
	for id := core.TabID(1); id <= tabs; id++ {
		p.Asked(core.Effect{Kind: core.CloseTab, Browser: 1, Context: core.ContextID(id), Tab: id,
			Operation: core.OperationID(200 + id)})
		p.GaveUp(core.Event{Kind: core.Silent, Of: core.CloseTab, Tab: id})
		heard(core.Event{Kind: core.Failed, Of: core.CloseTab, Tab: id})
	}
	if n := p.Count(); n != 1 {
		t.Errorf("%d browsers are possible, want the one that did nothing", n)
	}
}

// An overdue probe is closed for those who wait, and Chrome ends it when it ends its page.
func TestAPageThatIsClosedEndsWhatItWasAsked(t *testing.T) {
	for _, closed := range []bool{false, true} {
		var p fakebrowser.Possible
		p.Asked(core.Effect{Kind: core.Launch, Browser: 1, Operation: 1})
		p.Asked(core.Effect{Kind: core.OpenTab, Browser: 1, Context: 1, Tab: 1, Operation: 2})
		for _, e := range []core.Event{{Kind: core.Done, Of: core.Launch, Browser: 1},
			{Kind: core.Done, Of: core.OpenTab, Tab: 1}} {
			if err := p.Answered(e); err != nil {
				t.Fatal(err)
			}
		}
		if !p.Loop(1) {
			t.Fatal("it cannot loop")
		}
		p.Asked(core.Effect{Kind: core.ProbeTab, Tab: 1, Operation: 3})
		if closed {
			p.Asked(core.Effect{Kind: core.CloseTab, Browser: 1, Context: 1, Tab: 1, Operation: 4})
		}
		err := p.Answered(core.Event{Kind: core.Failed, Of: core.ProbeTab, Tab: 1, Operation: 3})
		if (err == nil) != closed {
			t.Errorf("closed %t: a probe of a page that loops fails, and: %v", closed, err)
		}
	}
}
