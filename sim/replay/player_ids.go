package replay

import (
	"fmt"
	"slices"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim/fakebrowser"
)

// tab, context and browser are the present ids of what a history calls so; 0: there is no such
// thing.
func (p *player) tab(id core.TabID) core.TabID {
	if p.exact {
		return id
	}
	return p.tabs[id]
}

func (p *player) context(id core.ContextID) core.ContextID {
	if p.exact {
		return id
	}
	return p.contexts[id]
}

func (p *player) browser(id core.BrowserID) core.BrowserID {
	if p.exact {
		return id
	}
	return p.browsers[id]
}

// bind notes that a tab of the history is this one now. What was that tab until now becomes the
// other one.
func (p *player) bind(was, is core.TabID) {
	old, bound := p.tabs[was]
	other, taken := p.tabOf[is]
	if taken && other == was {
		return
	}
	p.tabs[was], p.tabOf[is] = is, was
	switch {
	case taken && bound:
		p.tabs[other], p.tabOf[old] = old, other
	case taken:
		delete(p.tabs, other)
	case bound:
		delete(p.tabOf, old)
	}
}

// pair goes through what a line of the history led to then and now: openings and launches are the
// same thing in their order, those of one step first, and a tab is that of the lease that it
// serves.
func (p *player) pair(then *Deeds) {
	now := p.fresh
	p.fresh = Deeds{}
	if p.exact {
		return
	}
	same := min(len(then.Opened), len(now.Opened))
	for i := range same {
		p.pairOpening(then.Opened[i], now.Opened[i])
	}
	p.owed, p.extra = append(p.owed, then.Opened[same:]...), append(p.extra, now.Opened[same:]...)
	for len(p.extra) > 0 && len(p.owed) > 0 {
		was := p.owed[0]
		p.owed = p.owed[1:]
		if _, bound := p.tabs[was.Tab]; bound || p.lastUse[was.Tab] <= p.line {
			continue
		}
		p.pairOpening(was, p.extra[0])
		p.extra = p.extra[1:]
	}
	for i := range min(len(then.Launched), len(now.Launched)) {
		p.browsers[then.Launched[i]] = now.Launched[i]
	}
	for _, g := range now.Granted {
		if i := slices.IndexFunc(then.Granted, func(t Granted) bool {
			return t.Request == g.Request
		}); i >= 0 {
			p.bind(then.Granted[i].Tab, g.Tab)
		} else if was, ok := p.granted[g.Request]; ok {
			p.bind(was, g.Tab)
		}
	}
}

func (p *player) pairOpening(was, is Opening) {
	if _, taken := p.tabOf[is.Tab]; taken {
		return // it has served somebody by now
	}
	p.bind(was.Tab, is.Tab)
	p.contexts[was.Context] = is.Context
	p.browsers[was.Browser] = is.Browser
}

// possible is the event of a line as it can happen now.
func (p *player) possible(w *Line) (core.Event, bool) {
	e := w.Event
	switch e.Kind {
	case core.Requested:
		ok := !p.requests[e.Request]
		p.requests[e.Request] = true
		return e, ok
	case core.Abandoned, core.Released, core.Discarded:
		return e, p.requests[e.Request]
	case core.Disposed, core.WarmRequested, core.RecycleRequested:
		ok := e.Call == 0 || !p.calls[e.Call]
		p.calls[e.Call] = true
		return e, ok
	case core.CallAbandoned:
		return e, p.calls[e.Call]
	case core.Crashed:
		e.Tab = p.tab(e.Tab)
		t := p.world.Fake().Tab(e.Tab)
		return e, t != nil && !t.Opening && !t.Dead
	}
	switch {
	case e.Kind == core.BrowserGone, e.Is(core.Failed, core.Launch):
		return p.browserEnds(e)
	case e.Is(core.Failed, core.Ping):
		e.Browser = p.browser(e.Browser)
		b := p.world.Fake().Browser(e.Browser)
		return e, b != nil && !b.Launching && !b.Lost
	}
	if kind, _ := fakebrowser.OperationOf(e); kind != 0 {
		return p.answer(kind, w)
	}
	return e, true
}

// browserEnds is the end of a browser, asked for or not; where the one that it was is not there,
// the oldest one ends.
func (p *player) browserEnds(e core.Event) (core.Event, bool) {
	f := p.world.Fake()
	e.Browser = p.browser(e.Browser)
	if f.Browser(e.Browser) == nil && !p.exact && len(f.Browsers) > 0 {
		e.Browser = f.Browsers[0].ID
	}
	b := f.Browser(e.Browser)
	return e, b != nil && b.Launching == e.Is(core.Failed, core.Launch)
}

// answer finds the question that a line answers. Where what it is about is not asked, it is the
// oldest question of its kind about something that nothing in the history is yet.
func (p *player) answer(kind fakebrowser.OperationKind, w *Line) (core.Event, bool) {
	f := p.world.Fake()
	e := w.Event
	e.Tab, e.Context, e.Browser = p.tab(e.Tab), p.context(e.Context), p.browser(e.Browser)
	if p.exact || w.Second {
		return e, true
	}
	if w.Stale {
		e.Operation = 0
		for i := range f.Operations {
			if o := &f.Operations[i]; o.Kind == kind && o.Tab == e.Tab && !o.Echo {
				e.Operation = o.ID
				return e, true
			}
		}
		return e, false
	}
	if f.Find(kind, e) >= 0 && (e.Tab|core.TabID(e.Context)|core.TabID(e.Browser)) != 0 {
		return e, true
	}
	if p.world.ClosedAnyway(e) {
		return e, true
	}
	for i := range f.Operations {
		o := &f.Operations[i]
		if o.Kind != kind || o.Echo || w.Event.Kept != o.Kept {
			continue
		}
		switch {
		case kind.OfBrowser():
			e.Browser = o.Browser
			p.browsers[w.Event.Browser] = o.Browser
			return e, true
		case kind.OfContext():
			e.Context = o.Context
			p.contexts[w.Event.Context] = o.Context
			return e, true
		}
		if was, taken := p.tabOf[o.Tab]; !taken || p.lastUse[was] < p.line {
			e.Tab = o.Tab
			p.bind(w.Event.Tab, o.Tab)
			return e, true
		}
	}
	return e, false
}

// nothing is the id of what there is not.
const nothing = 1 << 20

// Moment is what an expectation met.
type Moment struct {
	Number int
	Failed bool
	Got    string
	Stands string // how the tabs and requests that it names stand
}

// expectation checks an expectation, in the present ids.
func (p *player) expectation(w *Line) (Moment, error) {
	m := Moment{Number: w.Number}
	s := p.world.Core()
	words := renamed(w.Expect, func(prefix string, id uint64) uint64 {
		switch prefix {
		case "t":
			id = uint64(p.tab(core.TabID(id)))
			t, ok := s.Tab(core.TabID(id))
			m.Stands += fmt.Sprintf(" tab %v %v", ok, t.State)
		case "c":
			id = uint64(p.context(core.ContextID(id)))
			m.Stands += fmt.Sprintf(" context %v", s.HasContext(core.ContextID(id)))
		case "b":
			id = uint64(p.browser(core.BrowserID(id)))
		case "r":
			r := core.RequestID(id)
			_, holds := s.Holds(r)
			m.Stands += fmt.Sprintf(" request %v %v %v", p.requests[r], s.Waits(r), holds)
		}
		if id == 0 {
			id = nothing
		}
		return id
	})
	before := len(p.report.Failed)
	if err := p.expect(&trace.Line{Number: w.Number, Words: words}); err != nil {
		return m, err
	}
	if m.Failed = len(p.report.Failed) > before; m.Failed {
		m.Got = p.report.Failed[before].Got
	}
	p.written = append(p.written, Line{At: p.world.Now(), Expect: words, Number: w.Number})
	return m, nil
}
