package sim

import (
	"slices"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim/fakebrowser"
)

// turns appends what becomes of what tabs share, without a fault: a page that floods is cut off, a
// long message ends, a helper that has died is started again, and a check kills one that hangs.
func (w *World) turns(out []Action) []Action {
	for i := range w.fake.Tabs {
		if w.fake.Overspends(&w.fake.Tabs[i]) {
			out = append(out, Action{kind: pageIsCutOff, index: int32(i)},
				Action{kind: pageIsCutOff, index: int32(i), closes: true})
		}
	}
	for i := range w.fake.Browsers {
		b := &w.fake.Browsers[i]
		for _, p := range fakebrowser.Parts[fakebrowser.Pipe:] {
			switch h := b.Parts[p].Health; {
			case h == fakebrowser.Dead, h == fakebrowser.Hung && p == fakebrowser.Pipe:
				out = append(out, Action{kind: partTurns, part: p, index: int32(i)})
			case w.fake.Kills(b, p):
				out = append(out, Action{kind: partTurns, part: p, health: fakebrowser.Dead, index: int32(i)})
			}
		}
	}
	return out
}

// leases says whether somebody holds a page of a browser.
func (w *World) leases(id core.BrowserID) bool {
	return slices.ContainsFunc(w.fake.Tabs, func(t fakebrowser.Tab) bool {
		held, _ := w.core.Tab(t.ID)
		return t.Browser == id && held.State == core.Leased
	})
}
