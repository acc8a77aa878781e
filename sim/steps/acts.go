package steps

import (
	"fmt"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim"
)

// Acts notices what a world did to a page or to a browser, which is no event of the core. The zero
// value is ready.
type Acts struct {
	wedged, looping map[core.TabID]bool
	silent          map[core.BrowserID]bool
}

// Of returns what has happened since the step before, in the words of a trace.
func (a *Acts) Of(w *sim.World) (acts []string) {
	if a.wedged == nil {
		a.wedged, a.looping, a.silent = map[core.TabID]bool{}, map[core.TabID]bool{}, map[core.BrowserID]bool{}
	}
	f := w.Fake()
	for i := range f.Tabs {
		t := &f.Tabs[i]
		if t.Wedged && !a.wedged[t.ID] {
			a.wedged[t.ID] = true
			acts = append(acts, fmt.Sprintf("wedge t%d", t.ID))
		}
		if t.Looping && !a.looping[t.ID] {
			acts = append(acts, fmt.Sprintf("loop t%d", t.ID))
		}
		if t.Looping || a.looping[t.ID] {
			a.looping[t.ID] = t.Looping
		}
	}
	for i := range f.Browsers {
		if b := &f.Browsers[i]; b.Silent && !a.silent[b.ID] {
			a.silent[b.ID] = true
			acts = append(acts, fmt.Sprintf("silence b%d", b.ID))
		}
	}
	return acts
}
