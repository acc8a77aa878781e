package spec

import (
	"fmt"

	"github.com/pagepool/pagepool/pool/core"
)

// The claim about the memory of browsers.

// measured notes what a tab, or a browser as a whole, was measured to use.
func (l *Ledger) measured(most int64, e core.Event) {
	if t := l.tab(e.Tab); t != nil {
		t.memory = e.Memory
		return
	}
	b := l.browser(e.Browser)
	switch {
	case b == nil || most < 0:
	case e.Memory > most:
		b.heavy = true
	case e.Memory < most-most/10:
		b.heavy = false
	}
}

// browserMemory: each measurement above the limit closes the largest standby or idle tab, or where
// none is left has the browser replaced; nothing else does. What a heavy browser is not filled
// with, the plan says.
func browserMemory(t *Transition) error {
	before, s := t.Before, t.After
	if s.Settings.MaxBrowserMemory < 0 {
		return nil
	}
	for i := range s.Browsers {
		b := &s.Browsers[i]
		if known := t.Ledger.browser(b.ID); known != nil && b.Heavy != known.heavy {
			return fmt.Errorf("b%d is heavy: %t, and by what was measured: %t",
				b.ID, b.Heavy, known.heavy)
		}
	}
	if err := t.lightens(); err != nil {
		return err
	}
	if before.Lightened && !s.Lightened && !t.anyFull() {
		return fmt.Errorf("a browser may be replaced for its memory again, and none was full")
	}
	return nil
}

// lightens: what a measurement does, and that nothing else does it.
func (t *Transition) lightens() error {
	var closes []core.TabID
	for i := range t.Effects {
		if e := &t.Effects[i]; e.Kind == core.CloseTab && e.Reason == core.BrowserMemory {
			closes = append(closes, e.Tab)
		}
	}
	was := browserOf(&t.Before.Facts, t.Event.Browser)
	above := t.Event.Kind == core.Measured && t.Event.Tab == 0 &&
		t.Event.Memory > t.After.Settings.MaxBrowserMemory &&
		was != nil && (was.State == core.BrowserServing || was.State == core.BrowserDraining) &&
		t.Before.Phase < core.PhaseEnding
	largest, most, leaving := core.TabID(0), int64(-1), false
	for i := range t.Before.Tabs {
		tab := &t.Before.Tabs[i]
		e := t.Ledger.tab(tab.ID)
		switch {
		case !above || tab.State == 0 || tab.Browser != was.ID:
		case tab.State == core.Closing && !tab.Overdue:
			leaving = true
		case (tab.State == core.Standby || tab.State == core.Idle) && e != nil && e.memory > most:
			largest, most = tab.ID, e.memory
		}
	}
	replaced := !t.Before.Lightened && t.After.Lightened
	switch {
	case len(closes) > 0 && (!above || leaving || largest == 0):
		return fmt.Errorf("t%d is closed for its browser's memory, and should not be", closes[0])
	case above && !leaving && largest != 0 && len(closes) != 1:
		return fmt.Errorf("b%d uses %d, and of its tabs %d are closed, not t%d alone", was.ID,
			t.Event.Memory, len(closes), largest)
	case len(closes) == 1 && t.Ledger.tab(closes[0]).memory != most:
		return fmt.Errorf("t%d is closed for its browser's memory, and t%d is larger", closes[0], largest)
	case replaced != (above && !leaving && largest == 0 && was.State == core.BrowserServing &&
		!was.Worn && !t.Before.Lightened):
		return fmt.Errorf("a browser is replaced for its memory: %t, after %v of b%d", replaced,
			t.Event.Memory, t.Event.Browser)
	}
	return nil
}

// anyFull says whether a browser that was not to be replaced has as many tabs as capacity.
func (t *Transition) anyFull() bool {
	for i := range t.Before.Browsers {
		b := &t.Before.Browsers[i]
		tabs := t.Ledger.count(func(e *entry) bool { return e.browser == b.ID })
		if tabs >= int(t.After.Capacity) && !b.Worn {
			return true
		}
	}
	return false
}
