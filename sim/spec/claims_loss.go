package spec

import (
	"errors"
	"fmt"

	"github.com/pagepool/pagepool/pool/core"
)

// The claim about browsers that are known to be lost before they have ended.

// lostBrowser: nobody holds a tab of a browser that is known to be lost, the browser was told to
// end, and each of its tabs is on the books. What single effects show is in lostIsLeft.
func lostBrowser(t *Transition) error {
	l, serves := t.Ledger, false
	for i := range l.browsers {
		b := &l.browsers[i]
		serves = serves || !b.ending && !b.drains
		if !b.lost {
			continue
		}
		if !b.ending {
			return fmt.Errorf("b%d is known to be lost, and is not told to end", b.id)
		}
		if browserOf(&t.After.Facts, b.id) == nil {
			return fmt.Errorf("b%d is known to be lost, and not to be gone, and the books forget it", b.id)
		}
		for k := range l.tabs {
			e := &l.tabs[k]
			if e.browser != b.id {
				continue
			}
			if e.holder != 0 {
				return fmt.Errorf("b%d is known to be lost, and r%d goes on holding t%d", b.id, e.holder, e.id)
			}
			if tabAt(&t.After.Facts, e.id) == core.None {
				return fmt.Errorf("t%d went with b%d, which is lost, and not known to be gone", e.id, b.id)
			}
		}
	}
	if !serves && len(l.browsers) < core.MaxBrowsers && !l.launches.on &&
		t.After.Phase < core.PhaseEnding {
		return errors.New("no browser serves or starts, nothing stops a launch, and none is launched")
	}
	return nil
}

// lostIsLeft looks at an effect about a browser that is known to be lost, or that was told to end.
func (l *Ledger) lostIsLeft(e *core.Effect) {
	id := e.Browser
	if t := l.tab(e.Tab); t != nil {
		id = t.browser
	}
	b := l.browser(id)
	if b == nil || !b.lost && !b.ending {
		return
	}
	switch e.Kind {
	case core.EndLease, core.CloseBrowser, core.GiveUp:
	case core.Grant:
		l.breach("lost-browser", "t%d is granted, and b%d is lost", e.Tab, id)
	case core.OpenTab:
		l.breach("lost-browser", "t%d opens in b%d, which is lost", e.Tab, id)
	default:
		l.breach("lost-browser", "effect kind %d is asked of b%d, which is lost", e.Kind, id)
	}
}
