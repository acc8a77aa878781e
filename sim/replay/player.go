package replay

import (
	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim"
	"github.com/pagepool/pagepool/sim/fakebrowser"
)

// player plays the lines of a history that was changed as far as they are possible: what is not
// possible any more is left out, a deadline that comes due fires, and ids are those that the same
// things have now. What it writes down is a history again, and complete: replayed strictly, it is
// the same.
type player struct {
	replayer
	history   *History
	exact     bool // the ids are right as they are
	shift     core.Time
	line      int
	lastUse   map[core.TabID]int            // the last line of the history that names a tab
	granted   map[core.RequestID]core.TabID // in the history
	tabs      map[core.TabID]core.TabID     // from the history's ids to those of now
	tabOf     map[core.TabID]core.TabID     // and back
	contexts  map[core.ContextID]core.ContextID
	browsers  map[core.BrowserID]core.BrowserID
	owed      []Opening // opened in the history by now, and not here
	extra     []Opening // the other way round
	requests  map[core.RequestID]bool
	calls     map[core.CallID]bool
	fresh     Deeds // since the last line of the history
	unsaid    Deeds // since the last line written
	marks     []Line
	stepsSaid int // how many steps there were when a line was written last
	written   []Line
}

// Played is what came of playing a history.
type Played struct {
	*History // as it was written down
	Report   *Report
	Steps    int
	Moments  []Moment // at the expectations
}

// Play plays a history as far as it is possible. exact: it is as it was read, and everything in it
// has its own id.
func (h *History) Play(exact bool) (*Played, error) {
	p := &player{
		history: h, exact: exact, lastUse: map[core.TabID]int{}, granted: map[core.RequestID]core.TabID{},
		tabs: map[core.TabID]core.TabID{}, tabOf: map[core.TabID]core.TabID{},
		contexts: map[core.ContextID]core.ContextID{}, browsers: map[core.BrowserID]core.BrowserID{},
		requests: map[core.RequestID]bool{}, calls: map[core.CallID]bool{},
	}
	p.replayer = replayer{report: new(Report), wedged: map[core.Affinity]bool{}, names: *h.Names}
	w, err := sim.New(sim.Options{Settings: h.Settings, Timed: true, Observe: p.hear})
	if err != nil {
		return nil, err
	}
	p.world = w
	p.fresh.add(w.Effects())
	out := new(Played)
	for i := range h.Lines {
		if tab := h.Lines[i].Event.Tab; tab != 0 && !h.Lines[i].Gone {
			p.lastUse[tab] = i
		}
		for _, g := range h.Lines[i].Did.Granted {
			p.granted[g.Request] = g.Tab
		}
	}
	for _, b := range p.fresh.Launched {
		p.browsers[b] = b // the first launch is nobody's line
	}
	p.fresh = Deeds{}
	for i := range h.Lines {
		if w.Violation() != nil {
			break
		}
		line := &h.Lines[i]
		p.line = i
		if line.Expect != nil && !line.Gone {
			m, err := p.expectation(line)
			if err != nil {
				return nil, &trace.Error{Line: line.Number, What: err.Error()}
			}
			out.Moments = append(out.Moments, m)
			continue
		}
		p.seen = p.seen[:0]
		if !line.Gone {
			p.happen(line)
		}
		p.pair(&line.Did)
	}
	if w.Violation() != nil {
		p.last()
	}
	out.History, out.Steps, out.Report = h.With(p.written), w.Steps(), p.finish()
	return out, nil
}

// last writes down what broke a claim, where no line has.
func (p *player) last() {
	p.written = append(p.written, p.marks...)
	if n := len(p.written); p.history.Auto &&
		(n == 0 || p.written[n-1].At < p.world.Now() || p.world.Steps() > p.stepsSaid) {
		p.say(Line{})
	}
}

// hear collects what the core did.
func (p *player) hear(w *sim.World, _ core.Event, effects []core.Effect) {
	p.seen = append(p.seen, effects...)
	p.fresh.add(effects)
	p.unsaid.add(effects)
}

// say writes down a line that happens now. The marks that came at this very instant are said before
// it, since a strict replay lets only those happen by themselves that came earlier.
func (p *player) say(w Line) {
	for _, mark := range p.marks {
		if mark.At == p.world.Now() {
			p.written = append(p.written, mark)
		}
	}
	p.marks = p.marks[:0]
	w.At, w.Gone = p.world.Now(), false
	p.written = append(p.written, w)
}

// did notes what the line written last came to.
func (p *player) did() {
	p.written[len(p.written)-1].Did = p.unsaid
	p.unsaid, p.stepsSaid = Deeds{}, p.world.Steps()
}

// happen makes one line happen, if it is possible.
func (p *player) happen(w *Line) {
	switch {
	case w.Settle:
		p.settle()
		p.shift = p.world.Now() - w.At
	case w.Event.Kind.Deadline() && !p.history.Auto:
		p.fire(w)
	case !p.reach(w.At + p.shift):
	case w.Event.Kind.Deadline():
		p.fire(w)
	case w.Act.Verb != "":
		p.act(w)
	default:
		p.event(w)
	}
}

// reach brings the clock to an instant; deadlines before it fire, and are written down. It is false
// where a claim broke on the way.
func (p *player) reach(at core.Time) bool {
	w := p.world
	switch {
	case p.history.Auto:
		return w.RunUntil(max(at, w.Now()))
	case p.history.Untimed:
		w.SetNow(max(w.Now(), at))
		return true
	}
	for w.Violation() == nil {
		d, ok := w.Core().NextDeadline()
		if !ok || d.At >= at {
			w.SetNow(max(w.Now(), at))
			return true
		}
		p.expire(d)
	}
	return false
}

// expire lets a deadline happen at its time.
func (p *player) expire(d core.Deadline) {
	w := p.world
	if !p.history.Untimed {
		w.SetNow(max(w.Now(), d.At))
	}
	line := Line{At: w.Now(), Event: d.Event}
	if (d.Event.Kind == core.Overdue || d.Event.Kind == core.BrowserStalled) && !p.history.Untimed {
		p.marks = append(p.marks, line)
		w.Fire(d.Event)
		p.answerPing(d.Event)
		return
	}
	p.say(line)
	w.Fire(d.Event)
	p.did()
	p.pinged(d.Event)
}

// pinged lets a browser that was asked answer, where a strict replay does so too.
func (p *player) pinged(e core.Event) {
	if !p.history.Untimed && !p.history.Auto {
		p.answerPing(e)
	}
}

// fire lets the deadline of a line happen, if it is armed, and what is due before it.
func (p *player) fire(w *Line) {
	event := w.Event
	event.Tab, event.Context, event.Browser = p.tab(event.Tab), p.context(event.Context),
		p.browser(event.Browser)
	for range 2 * len(p.world.Core().Deadlines(nil)) {
		d, ok := p.armed(event)
		if !ok || p.history.Auto && d.At > p.world.Now() {
			return
		}
		if !p.history.Untimed && !p.reach(d.At) {
			return
		}
		if again, ok := p.armed(event); !ok || again != d {
			continue
		}
		if d.Event == event {
			p.expire(d)
			p.shift = max(p.shift, p.world.Now()-w.At)
			return
		}
		p.expire(d) // the grace comes first
	}
}

// armed finds the deadline of an event, or the grace that comes before it.
func (p *player) armed(event core.Event) (core.Deadline, bool) {
	var before core.Deadline
	for _, d := range p.world.Core().Deadlines(nil) {
		if d.Event == event {
			return d, true
		}
		if d.Event.Tab != 0 && d.Event.Tab == event.Tab && d.Event.Kind == core.Overdue {
			before = d
		}
	}
	return before, before.Event.Kind != core.NoEvent
}

// act makes what only the world can do happen, if it can.
func (p *player) act(w *Line) {
	a := w.Act
	a.Tab, a.Browser = p.tab(a.Tab), p.browser(a.Browser)
	a.Hold.Tab, a.Hold.Context, a.Hold.Browser = p.tab(a.Hold.Tab), p.context(a.Hold.Context),
		p.browser(a.Hold.Browser)
	if Do(p.world, &a) {
		p.say(Line{Act: a, Number: w.Number})
	}
}

// event tells the core of what a line says, if it can happen.
func (p *player) event(w *Line) {
	if event, ok := p.possible(w); ok {
		p.perform(event, w.Number)
	}
}

// perform makes an event happen and writes it down.
func (p *player) perform(event core.Event, number int) {
	said := Line{Event: event, Number: number}
	if kind, _ := fakebrowser.OperationOf(event); kind != 0 {
		plain := event
		plain.Operation = 0
		said.Second = p.world.Fake().Find(kind, event) < 0
		if i := p.world.Fake().Find(kind, plain); i >= 0 &&
			p.world.Fake().Operations[i].ID == event.Operation {
			event, said.Event = plain, plain // an answer is to the last question, unless it says otherwise
		}
		said.Stale = event.Operation != 0
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
	f := p.world.Fake()
	for range most {
		i := 0
		for i < len(f.Operations) && !f.CanAnswer(&f.Operations[i]) {
			i++
		}
		if i == len(f.Operations) || !p.reach(p.world.Now()+sim.Milliseconds) {
			return
		}
		if i >= len(f.Operations) {
			continue
		}
		p.perform(answerTo(&f.Operations[i]), 0)
	}
}

// answerTo is the event by which an operation works.
func answerTo(o *fakebrowser.Operation) core.Event {
	e := o.Event(fakebrowser.Works)
	e.Operation = 0 // the last that was asked for
	return e
}
