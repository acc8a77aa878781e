package pool

import (
	"github.com/pagepool/pagepool/internal/shell"
	"github.com/pagepool/pagepool/pool/core"
)

// keeper is a launcher of this repository's own drivers that keeps something of an affinity for its
// next browser. Both methods run under the pool's lock, so it is no part of the API.
type keeper interface {
	// KeepsAffinities is called once, before the first launch. A keeper that is wrapped in another
	// type does not hear of it, and keeps nothing.
	KeepsAffinities(shell.Locked)
	// ForgetAffinity is called in the step in which an affinity is disposed, unless its context is
	// retained, and in the step in which a context of it is given up for any reason but that its
	// browser is lost or being replaced. What a lease that began before says later is not kept.
	ForgetAffinity(_ shell.Locked, affinity string)
}

func (p *Pool[P]) forgetLocked(affinity string) {
	if p.keeper != nil && affinity != "" {
		p.keeper.ForgetAffinity(shell.Locked{}, affinity)
	}
}

// givesUpContext says whether an effect ends a context, and what the affinity has in it.
func givesUpContext(e *core.Effect) bool {
	ends := e.Kind == core.CloseTab && !e.Kept || e.Kind == core.CloseContext
	switch e.Reason {
	case core.ReasonNone, core.Drain, core.BrowserLost:
		return false
	}
	return ends
}
