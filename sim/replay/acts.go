package replay

import (
	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim"
	"github.com/pagepool/pagepool/sim/fakebrowser"
)

// Acts notices what a world did to a page or to a browser, which is no event of the core. The zero
// value is ready.
type Acts struct {
	wedged, looping, floods map[core.TabID]bool
	shared                  map[core.BrowserID][len(fakebrowser.Parts)]fakebrowser.Health
}

// Of returns what has happened since the step before.
func (a *Acts) Of(w *sim.World) (acts []Act) {
	if a.wedged == nil {
		a.wedged, a.looping = map[core.TabID]bool{}, map[core.TabID]bool{}
		a.floods = map[core.TabID]bool{}
		a.shared = map[core.BrowserID][len(fakebrowser.Parts)]fakebrowser.Health{}
	}
	f := w.Fake()
	for i := range f.Tabs {
		t := &f.Tabs[i]
		if t.Wedged && !a.wedged[t.ID] {
			a.wedged[t.ID] = true
			acts = append(acts, Act{Verb: WedgeVerb, Tab: t.ID})
		}
		if t.Looping && !a.looping[t.ID] {
			acts = append(acts, Act{Verb: LoopVerb, Tab: t.ID})
		}
		if t.Looping || a.looping[t.ID] {
			a.looping[t.ID] = t.Looping
		}
		if t.Floods != a.floods[t.ID] {
			a.floods[t.ID] = t.Floods
			if t.Floods {
				acts = append(acts, Act{Verb: FloodVerb, Tab: t.ID})
			} else if !t.Dead {
				acts = append(acts, Act{Verb: CutOffVerb, Tab: t.ID})
			}
		}
	}
	for i := range f.Browsers {
		b := &f.Browsers[i]
		was := a.shared[b.ID]
		now := was
		for _, p := range fakebrowser.Parts {
			if now[p] = b.Parts[p].Health; now[p] != was[p] {
				acts = append(acts, Turn(b.ID, p, now[p]))
			}
		}
		if now != was {
			a.shared[b.ID] = now
		}
	}
	return acts
}
