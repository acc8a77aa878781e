package pool

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/pagepool/pagepool/pool/core"
)

// The calls into the driver that the core gives up: there is one clock, and one order of what it
// brings.

// giveUpLocked ends the call of an operation that the core gives up.
func (p *Pool[P]) giveUpLocked(e *core.Effect) {
	switch t, c, b := p.mu.tabs[e.Tab], p.mu.contexts[e.Context], p.mu.browsers[e.Browser]; {
	case t != nil:
		t.lastError = p.tabSilentLocked(e, t.name)
		if e.Of == core.OpenTab {
			p.mu.lastFailure = t.lastError
		}
		t.giveUp(t.lastError)
	case c != nil:
		c.giveUp(p.closeSilentLocked(e, c.name))
	case b != nil:
		p.giveUpBrowserLocked(b, e)
	default:
		p.bugLocked("operation kind %d of t%d, c%d, b%d is given up, and is not there", e.Of, e.Tab,
			e.Context, e.Browser)
	}
}

func (p *Pool[P]) giveUpBrowserLocked(b *browser[P], e *core.Effect) {
	switch set := &p.settings; e.Of {
	case core.CheckBrowser:
		b.giveUpCheck(p.silentLocked("checking "+b.name(), "StallTimeout", set.CheckTimeout()))
	case core.Ping:
		p.mu.lastFailure = p.silentLocked("an answer of "+b.name(), "StallTimeout", set.StallTimeout)
	case core.Launch:
		p.mu.lastFailure = p.silentLocked("launching "+b.name(), "LaunchTimeout", set.LaunchTimeout)
		b.end(p.mu.lastFailure)
	case core.CloseBrowser:
		b.end(p.silentLocked("closing "+b.name(), "BrowserCloseTimeout", set.BrowserCloseTimeout))
	}
}

// tabSilentLocked says which limit an operation on a tab has reached.
func (p *Pool[P]) tabSilentLocked(e *core.Effect, tab string) error {
	set := &p.settings
	switch e.Of {
	case core.OpenTab:
		return p.silentLocked("opening "+tab, "OpenTimeout", set.OpenTimeout)
	case core.ProbeTab:
		if e.Suspect { // one limit is for all that is done about it, of which the first probe has half
			return p.silentLocked("probing "+tab, "half of RescueTimeout", set.RescueTimeout/2)
		}
		return p.silentLocked("probing "+tab, "ProbeBudget", set.ProbeTimeout())
	case core.RescueTab:
		if e.Halt {
			return p.silentLocked("stopping the scripts of "+tab, "RescueTimeout", set.EndTimeout())
		}
		return p.silentLocked("probing and rescuing "+tab, "RescueTimeout", set.RescueTimeout)
	case core.ResetTab:
		return p.silentLocked("resetting "+tab, "OpenTimeout", set.OpenTimeout)
	case core.EndSession:
		return p.silentLocked("ending the session of the last lease on "+tab, "RescueTimeout",
			set.EndTimeout())
	case core.BeginSession:
		return p.silentLocked("beginning the session of the next lease on "+tab, "ProbeBudget",
			set.BeginTimeout())
	case core.KillTab:
		return p.silentLocked("killing the renderer of "+tab, "KillTimeout", set.KillTimeout)
	}
	return p.closeSilentLocked(e, tab)
}

// closeSilentLocked says which rung of a close is over. A context has no renderer to kill.
func (p *Pool[P]) closeSilentLocked(e *core.Effect, what string) error {
	if e.Of == core.KillTab {
		return p.silentLocked("closing "+what, "KillTimeout", p.settings.KillTimeout)
	}
	return p.silentLocked("closing "+what, "CloseTimeout", p.settings.CloseTimeout)
}

func (p *Pool[P]) silentLocked(what, setting string, limit time.Duration) error {
	err := fmt.Errorf("%s took longer than %s (%v)", what, setting, limit)
	p.noteLocked(slog.LevelWarn, "operation given up", "error", err)
	return err
}
