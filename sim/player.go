package sim

import (
	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim/fakebrowser"
)

// player plays the lines of a history that was changed as far as they are possible: what is not possible
// any more is left out, a deadline that comes due fires, and ids are those that the same things have now.
// What it writes down is a history again, and complete: replayed strictly, it is the same.
type player struct {
	replayer
	history   *history
	exact     bool // the ids are right as they are
	shift     core.Time
	line      int
	lastUse   map[core.TabID]int            // the last line of the history that names a tab
	granted   map[core.RequestID]core.TabID // in the history
	tabs      map[core.TabID]core.TabID     // from the history's ids to those of now
	tabOf     map[core.TabID]core.TabID     // and back
	contexts  map[core.ContextID]core.ContextID
	browsers  map[core.BrowserID]core.BrowserID
	owed      []opening // opened in the history by now, and not here
	extra     []opening // the other way round
	requests  map[core.RequestID]bool
	calls     map[core.CallID]bool
	fresh     deeds // since the last line of the history
	unsaid    deeds // since the last line written
	marks     []wish
	stepsSaid int // how many steps there were when a line was written last
	written   []wish
}

// played is what came of playing a history.
type played struct {
	*history // as it was written down
	report   *ReplayReport
	steps    int
	tabs     map[core.TabID]core.TabID
	moments  []moment // at the expectations
}

// play plays a history. exact: it is as it was read, and everything in it has its own id.
func play(h *history, exact bool) (*played, error) {
	p := &player{
		history: h, exact: exact, lastUse: map[core.TabID]int{}, granted: map[core.RequestID]core.TabID{},
		tabs: map[core.TabID]core.TabID{}, tabOf: map[core.TabID]core.TabID{},
		contexts: map[core.ContextID]core.ContextID{}, browsers: map[core.BrowserID]core.BrowserID{},
		requests: map[core.RequestID]bool{}, calls: map[core.CallID]bool{},
	}
	p.replayer = replayer{report: new(ReplayReport), wedged: map[core.Affinity]bool{}, names: *h.names}
	w, err := New(Options{Settings: h.settings, Timed: true, Observe: p.hear})
	if err != nil {
		return nil, err
	}
	p.world = w
	p.fresh.add(w.effects)
	out := &played{tabs: p.tabs}
	for i := range h.wishes {
		if tab := h.wishes[i].event.Tab; tab != 0 && !h.wishes[i].gone {
			p.lastUse[tab] = i
		}
		for _, g := range h.wishes[i].did.granted {
			p.granted[g.request] = g.tab
		}
	}
	for _, b := range p.fresh.launched {
		p.browsers[b] = b // the first launch is nobody's line
	}
	p.fresh = deeds{}
	for i := range h.wishes {
		if w.violation != nil {
			break
		}
		wish := &h.wishes[i]
		p.line = i
		if wish.expect != nil && !wish.gone {
			m, err := p.expectation(wish)
			if err != nil {
				return nil, &trace.Error{Line: wish.number, What: err.Error()}
			}
			out.moments = append(out.moments, m)
			continue
		}
		p.seen = p.seen[:0]
		if !wish.gone {
			p.wish(wish)
		}
		p.pair(&wish.did)
	}
	if w.violation != nil {
		p.last()
	}
	out.history, out.steps, out.report = h.with(p.written), w.steps, p.finish()
	return out, nil
}

// last writes down what broke a claim, where no line has.
func (p *player) last() {
	p.written = append(p.written, p.marks...)
	if n := len(p.written); p.history.auto && (n == 0 || p.written[n-1].at < p.world.now || p.world.steps > p.stepsSaid) {
		p.say(wish{})
	}
}

// hear collects what the core did.
func (p *player) hear(w *World, _ core.Event, effects []core.Effect) {
	p.seen = append(p.seen, effects...)
	p.fresh.add(effects)
	p.unsaid.add(effects)
}

// say writes down a line that happens now. The marks that came at this very instant are said before it,
// since a strict replay lets only those happen by themselves that came earlier.
func (p *player) say(w wish) {
	for _, mark := range p.marks {
		if mark.at == p.world.now {
			p.written = append(p.written, mark)
		}
	}
	p.marks = p.marks[:0]
	w.at, w.gone = p.world.now, false
	p.written = append(p.written, w)
}

// did notes what the line written last came to.
func (p *player) did() {
	p.written[len(p.written)-1].did = p.unsaid
	p.unsaid, p.stepsSaid = deeds{}, p.world.steps
}

// wish makes one line happen, if it is possible.
func (p *player) wish(w *wish) {
	switch {
	case w.settle:
		p.settle()
		p.shift = p.world.now - w.at
	case w.event.Kind.Deadline() && !p.history.auto:
		p.fire(w)
	case !p.reach(w.at + p.shift):
	case w.event.Kind.Deadline():
		p.fire(w)
	case w.act.verb != "":
		p.act(w)
	default:
		p.event(w)
	}
}

// reach brings the clock to an instant; deadlines before it fire, and are written down. It is false where a
// claim broke on the way.
func (p *player) reach(at core.Time) bool {
	w := p.world
	switch {
	case p.history.auto:
		return w.runUntil(max(at, w.now), &patience{})
	case p.history.untimed:
		w.now = max(w.now, at)
		return true
	}
	for w.violation == nil {
		d, ok := w.core.NextDeadline()
		if !ok || d.At >= at {
			w.now = max(w.now, at)
			return true
		}
		p.expire(d)
	}
	return false
}

// expire lets a deadline happen at its time.
func (p *player) expire(d core.Deadline) {
	w := p.world
	if !p.history.untimed {
		w.now = max(w.now, d.At)
	}
	line := wish{at: w.now, event: d.Event}
	if (graceMark(d.Event.Kind) || d.Event.Kind == core.BrowserStalled) && !p.history.untimed {
		p.marks = append(p.marks, line)
		w.step(d.Event)
		p.answerPing(d.Event)
		return
	}
	p.say(line)
	w.step(d.Event)
	p.did()
	p.pinged(d.Event)
}

// pinged lets a browser that was asked answer, where a strict replay does so too.
func (p *player) pinged(e core.Event) {
	if !p.history.untimed && !p.history.auto {
		p.answerPing(e)
	}
}

// fire lets the deadline of a line happen, if it is armed, and what is due before it.
func (p *player) fire(w *wish) {
	event := w.event
	event.Tab, event.Context, event.Browser = p.tab(event.Tab), p.context(event.Context), p.browser(event.Browser)
	for range 2 * len(p.world.core.Deadlines(nil)) {
		d, ok := p.armed(event)
		if !ok || p.history.auto && d.At > p.world.now {
			return
		}
		if !p.history.untimed && !p.reach(d.At) {
			return
		}
		if again, ok := p.armed(event); !ok || again != d {
			continue
		}
		if d.Event == event {
			p.expire(d)
			p.shift = max(p.shift, p.world.now-w.at)
			return
		}
		p.expire(d) // the grace comes first
	}
}

// armed finds the deadline of an event, or the grace that comes before it.
func (p *player) armed(event core.Event) (core.Deadline, bool) {
	var before core.Deadline
	for _, d := range p.world.core.Deadlines(nil) {
		if d.Event == event {
			return d, true
		}
		if d.Event.Tab != 0 && d.Event.Tab == event.Tab && graceMark(d.Event.Kind) {
			before = d
		}
	}
	return before, before.Event.Kind != core.NoEvent
}

// act makes what only the world can do happen, if it can.
func (p *player) act(w *wish) {
	a := w.act
	a.tab, a.browser = p.tab(a.tab), p.browser(a.browser)
	a.hold.Tab, a.hold.Context, a.hold.Browser = p.tab(a.hold.Tab), p.context(a.hold.Context), p.browser(a.hold.Browser)
	possible := true
	switch a.verb {
	case wedgeVerb:
		possible = p.world.Wedge(a.tab)
	case loopVerb:
		possible = p.world.Loop(a.tab)
	case silenceVerb:
		possible = p.world.FallSilent(a.browser)
	case hangVerb:
		p.world.Hold(a.hold)
	case unhangVerb:
		p.world.Unhold(a.hold)
	}
	if possible {
		p.say(wish{act: a, number: w.number})
	}
}

// event tells the core of what a line says, if it can happen.
func (p *player) event(w *wish) {
	if event, ok := p.possible(w); ok {
		p.perform(event, w.number)
	}
}

// perform makes an event happen and writes it down.
func (p *player) perform(event core.Event, number int) {
	said := wish{event: event, number: number}
	if kind, _ := answers(event.Kind); kind != 0 {
		plain := event
		plain.Operation = 0
		said.second = p.world.fake.Find(kind, event) < 0
		if i := p.world.fake.Find(kind, plain); i >= 0 && p.world.fake.Operations[i].ID == event.Operation {
			event, said.event = plain, plain // an answer is to the last question, unless it says otherwise
		}
		said.stale = event.Operation != 0
	}
	before := len(p.written)
	p.say(said)
	if err := p.world.Perform(event); err != nil {
		p.marks = append(p.marks, p.written[before:len(p.written)-1]...)
		p.written = p.written[:before]
		return
	}
	p.did()
	p.pinged(event)
}

// settle lets everything answer, a little after the other, until nothing more does.
func (p *player) settle() {
	const most = 200
	f := &p.world.fake
	for range most {
		i := 0
		for i < len(f.Operations) && !f.CanAnswer(&f.Operations[i]) {
			i++
		}
		if i == len(f.Operations) || !p.reach(p.world.now+Milliseconds) {
			return
		}
		if i >= len(f.Operations) {
			continue
		}
		if event, ok := answerTo(&f.Operations[i]); ok {
			p.perform(event, 0)
			continue
		}
		return
	}
}

// answerTo is the event by which an operation works.
func answerTo(o *fakebrowser.Operation) (core.Event, bool) {
	for kind := core.BrowserReady; kind < core.RetireDue; kind++ {
		if k, outcome := answers(kind); k == o.Kind && outcome == fakebrowser.Works {
			e := core.Event{Kind: kind}
			switch {
			case k.OfBrowser():
				e.Browser = o.Browser
			case k.OfContext():
				e.Context = o.Context
			default:
				e.Tab, e.Kept = o.Tab, o.Kept
			}
			return e, true
		}
	}
	return core.Event{}, false
}
