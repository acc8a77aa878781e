package pool

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/pagepool/pagepool/pool/core"
)

// The calls into the driver that a deadline of the core gives up.

// giveUpLocked ends the calls into the driver that a deadline gives up. The core's deadlines are what
// bounds them: there is one clock, and one order of what it brings.
func (p *Pool[P]) giveUpLocked(e core.Event) {
	set := &p.settings
	if e.Kind != core.Silent {
		return
	}
	switch t, b := p.mu.tabs[e.Tab], p.mu.browsers[e.Browser]; e.Of {
	case core.OpenTab:
		p.mu.lastFailure = p.silentLocked("opening "+t.name, "OpenTimeout", set.OpenTimeout)
		t.giveUp(p.mu.lastFailure)
	case core.ProbeTab:
		t.lastError = p.probeSilentLocked(t)
		t.giveUp(t.lastError)
	case core.RescueTab:
		t.giveUp(p.silentLocked("probing and rescuing "+t.name, "RescueTimeout", set.RescueTimeout))
	case core.ResetTab:
		t.lastError = p.resetSilentLocked(t)
		t.giveUp(t.lastError)
	case core.CloseContext:
		c := p.mu.contexts[e.Context]
		setting, limit := "CloseTimeout", set.CloseTimeout
		if c.silent {
			setting, limit = "KillTimeout", set.KillTimeout
		}
		c.silent = true
		c.giveUp(p.silentLocked("closing "+c.name, setting, limit))
	case core.CheckBrowser:
		p.checkSilentLocked(b)
	case core.Ping:
		p.mu.lastFailure = p.silentLocked("an answer of "+b.name(), "StallTimeout", set.StallTimeout)
	case core.CloseTab:
		t.giveUp(p.silentLocked("closing "+t.name, "CloseTimeout", set.CloseTimeout))
	case core.KillTab:
		t.giveUp(p.silentLocked("killing the renderer of "+t.name, "KillTimeout", set.KillTimeout))
	case core.Launch:
		p.mu.lastFailure = p.silentLocked("launching "+b.name(), "LaunchTimeout", set.LaunchTimeout)
		b.end(p.mu.lastFailure)
	case core.CloseBrowser:
		b.end(p.silentLocked("closing "+b.name(), "BrowserCloseTimeout", set.BrowserCloseTimeout))
	}
}

// probeSilentLocked says which limit a probe has reached. That of a suspect is one for all that is done
// about it, of which the first probe has half.
func (p *Pool[P]) probeSilentLocked(t *tab[P]) error {
	set := &p.settings
	switch view, _ := p.mu.core.Tab(t.id); {
	case !view.Suspect:
		return p.silentLocked("probing "+t.name, "ProbeBudget", set.ProbeTimeout())
	case !view.Rescued:
		return p.silentLocked("probing "+t.name, "half of RescueTimeout", set.RescueTimeout/2)
	}
	return p.silentLocked("probing and rescuing "+t.name, "RescueTimeout", set.RescueTimeout)
}

// resetSilentLocked says which limit has been reached between two leases.
func (p *Pool[P]) resetSilentLocked(t *tab[P]) error {
	set := &p.settings
	switch view, _ := p.mu.core.Tab(t.id); view.Part {
	case core.PartEnd:
		return p.silentLocked("ending the session of the last lease on "+t.name, "RescueTimeout", set.EndTimeout())
	case core.PartBegin:
		return p.silentLocked("beginning the session of the next lease on "+t.name, "ProbeBudget", set.BeginTimeout())
	case core.PartHalt:
		return p.silentLocked("stopping the scripts of "+t.name, "RescueTimeout", set.EndTimeout())
	}
	return p.silentLocked("resetting "+t.name, "OpenTimeout", set.OpenTimeout)
}

func (p *Pool[P]) silentLocked(what, setting string, limit time.Duration) error {
	err := fmt.Errorf("%s took longer than %s (%v)", what, setting, limit)
	p.noteLocked(slog.LevelWarn, "operation given up", "error", err)
	return err
}
