package fakebrowser

import (
	"errors"
	"fmt"
	"slices"

	"github.com/pagepool/pagepool/pool/core"
)

// Possible is what a browser may be, to somebody who hears only what it is asked and what it
// answers: the States that explain all of it so far. An answer that none of them can give is one
// that the fake browser never gives. Its zero value is a machine without a browser.
//
// Some of what is heard comes from the pool's shell, and not from a browser. An operation that a
// deadline gave up ends with an error, whatever its page does. What is outstanding when a browser
// ends is answered after it, and to nobody. What a failed opening has not left is closed without
// asking. A launch that was given up and works all the same is told of by the browser's end alone.
type Possible struct {
	states  []State            // without two that are equal
	givenUp []core.OperationID // whose end is not the browser's answer any more
	// of browsers that are gone: what was outstanding on their pages and contexts
	bereft []Operation
}

// possibleMost is how many states are kept in mind. More than a few is a mistake of this file.
const possibleMost = 1024

// Asked takes in one of the core's effects.
func (p *Possible) Asked(e core.Effect) {
	p.begin()
	if e.Kind == core.CloseBrowser {
		p.giveUp(func(o *Operation) bool {
			return o.Browser == e.Browser && (e.Force || o.Kind == Launch)
		})
	}
	if e.Kind == core.CloseTab {
		// What a page was asked ends with an error when the page is closed, though its main thread
		// be held.
		p.giveUp(func(o *Operation) bool { return o.Tab == e.Tab && o.Kind.OfPage() })
	}
	if e.Tab != 0 {
		// Whatever else is asked of a page ends its freezing.
		p.giveUp(func(o *Operation) bool { return o.Tab == e.Tab && o.Kind == Freeze })
	}
	var next []State
	for i := range p.states {
		s := &p.states[i]
		t := s.Tab(e.Tab)
		if (e.Kind == core.CloseTab || e.Kind == core.CloseAgain) && t != nil && t.Opening && !t.Made &&
			!e.Kept {
			// Whether the context of an opening is there already is not known.
			made := s.clone()
			made.Tab(e.Tab).Made = true
			made.Begin(e)
			next = append(next, made)
		}
		s.Begin(e)
		next = append(next, *s)
	}
	p.states = distinct(next)
}

func (p *Possible) begin() {
	if len(p.states) == 0 {
		p.states = []State{{}}
	}
}

func (s *State) clone() State {
	var c State
	c.CopyFrom(s)
	return c
}

// distinct leaves one of several equal states.
func distinct(states []State) []State {
	var out []State
	for i := range states {
		if !slices.ContainsFunc(out, func(s State) bool { return s.equal(&states[i]) }) {
			out = append(out, states[i])
		}
	}
	return out
}

func (s *State) equal(o *State) bool {
	return slices.Equal(s.Browsers, o.Browsers) && slices.Equal(s.Contexts, o.Contexts) &&
		slices.Equal(s.Tabs, o.Tabs) &&
		slices.Equal(s.Operations, o.Operations) && slices.Equal(s.Holds, o.Holds)
}

// Answered takes in an event that is a browser's. It is an error where no possible browser brings
// it now.
func (p *Possible) Answered(e core.Event) error {
	p.begin()
	e.Jitter = 0
	if i := slices.IndexFunc(p.bereft, func(o Operation) bool { return o.endsWithItsBrowser(e) }); i >=
		0 {
		p.bereft = slices.Delete(p.bereft, i, i+1)
		return nil
	}
	var next []State
	for i := range p.states {
		next = append(next, p.after(&p.states[i], e)...)
	}
	if len(next) == 0 {
		return p.refusal(e)
	}
	if e.Kind == core.BrowserGone || e.Is(core.Failed, core.Launch) {
		for _, o := range p.states[0].Operations {
			if o.Browser == e.Browser && !o.Kind.OfBrowser() {
				p.bereft = append(p.bereft, o)
			}
		}
	}
	p.states = distinct(next)
	p.forget()
	if len(p.states) > possibleMost {
		return fmt.Errorf("%d browsers would be possible then, and %d can be kept in mind", len(p.states),
			possibleMost)
	}
	return nil
}

// after is what a browser may be when it has brought an event; nothing where it cannot.
func (p *Possible) after(s *State, e core.Event) (next []State) {
	for i := range s.Operations {
		o := &s.Operations[i]
		for _, outcome := range []Outcome{Works, Fails, FailsAnyway} {
			can := s.answers(o) || outcome != Works && p.isGivenUp(o) ||
				outcome == Works && s.closesNothing(o)
			if !can || !o.CanEnd(outcome) || outcome == FailsAnyway && s.stopped(o) {
				continue
			}
			after := s.clone()
			if brought := after.Answer(i, outcome); same(brought, e) {
				next = append(next, after)
			}
		}
	}
	after := s.clone()
	var brought core.Event
	ok := false
	switch {
	case e.Kind == core.Crashed:
		brought, ok = after.Crash(e.Tab)
		brought.TooLarge = e.TooLarge
	case e.Kind == core.Measured:
		brought, ok = e, after.Tab(e.Tab) != nil || after.Browser(e.Browser) != nil
	case e.Kind == core.BrowserGone:
		if b := after.Browser(e.Browser); b != nil && b.Launching && p.asksToEnd(s, e.Browser) {
			b.Launching = false // it was started, and ended at once: the shell tells of the end alone
		}
		brought, ok = after.Die(e.Browser)
	case e.Is(core.Failed, core.Ping):
		brought, ok = after.Disconnect(e.Browser)
	case e.Is(core.Failed, core.Launch):
		brought, ok = after.Die(e.Browser)
	}
	if ok && brought == e {
		next = append(next, after)
	}
	return next
}

// stopped says whether an operation is one that its browser has not even begun.
func (s *State) stopped(o *Operation) bool {
	p, hung := s.has(Hung, o)
	return hung && p == Main
}

// closesNothing says whether an operation is the close of what a failed opening has not left: the
// shell asks no browser for that.
func (s *State) closesNothing(o *Operation) bool {
	return o.Kind == Close && s.Tab(o.Tab) == nil && (o.Kept || s.Context(o.Context) == nil)
}

// same says whether an answer is the one that was heard. One that does not say which question it
// answers may answer any.
func same(brought, heard core.Event) bool {
	if heard.Operation == 0 {
		brought.Operation = 0
	}
	// What a holder does, and what the driver can, is not heard of before.
	brought.Left, brought.Navigation, brought.Sessions, brought.Checks = heard.Left, heard.Navigation,
		heard.Sessions, heard.Checks
	return brought == heard
}

func (o *Operation) answers(e core.Event, outcome Outcome) bool { return same(o.Event(outcome), e) }

// endsWithItsBrowser says whether an event can be the end of an operation whose browser is gone: it
// failed, or what it was to end is gone with the browser.
func (o *Operation) endsWithItsBrowser(e core.Event) bool {
	ends := o.Kind == Close || o.Kind == CloseContext || o.Kind == Kill
	return o.answers(e, Fails) || ends && o.answers(e, Works)
}

func (p *Possible) asksToEnd(s *State, id core.BrowserID) bool {
	return slices.ContainsFunc(s.Operations, func(o Operation) bool {
		return o.Kind == CloseBrowser && o.Browser == id
	})
}

// refusal says why no possible browser brings an event.
func (p *Possible) refusal(e core.Event) error {
	s := &p.states[0]
	asked, held, failing := false, false, false
	part := Main
	for i := range s.Operations {
		if o := &s.Operations[i]; o.answers(e, Works) || o.answers(e, Fails) {
			asked, held = true, held || !s.answers(o)
			for _, h := range []Health{Hung, Dead} {
				if p, has := s.has(h, o); has {
					part, failing = p, s.mustFail(o)
				}
			}
		}
	}
	t, b := s.Tab(e.Tab), s.Browser(e.Browser)
	switch {
	case held && t != nil && (t.Looping || t.Wedged):
		return fmt.Errorf("the main thread of t%d is held, and cannot answer that", e.Tab)
	case held:
		return fmt.Errorf("%v of its browser is hung, and it cannot answer that", part)
	case failing:
		return fmt.Errorf("%v of its browser is %v, and it can only fail", part, b.Parts[part].Health)
	case asked:
		return errors.New("it was asked, and cannot answer in this way")
	case e.Tab != 0 && t == nil:
		return fmt.Errorf("no page of t%d is there, and nothing about it was asked that this answers",
			e.Tab)
	case e.Browser != 0 && b == nil:
		return fmt.Errorf("no browser b%d is there, and nothing about it was asked that this answers",
			e.Browser)
	case e.Kind == core.Crashed:
		return fmt.Errorf("the page of t%d is not open, or has crashed before", e.Tab)
	}
	return errors.New("nothing was asked that this answers")
}

// GaveUp takes in a deadline of the core. With it the shell gives up what is under way.
func (p *Possible) GaveUp(e core.Event) {
	p.begin()
	switch {
	case e.Kind != core.Silent, e.Of == core.Ping:
	case e.Tab != 0:
		p.giveUp(func(o *Operation) bool { return o.Tab == e.Tab })
	case e.Of == core.CheckBrowser:
		p.giveUp(func(o *Operation) bool { return o.Kind == Check && o.Browser == e.Browser })
	case e.Context != 0:
		p.giveUp(func(o *Operation) bool { return o.Kind == CloseContext && o.Context == e.Context })
	default:
		p.giveUp(func(o *Operation) bool { return o.Browser == e.Browser })
	}
}

// WriteOff notes that the pool has given a browser up, and with it all that was asked of it.
func (p *Possible) WriteOff(id core.BrowserID) {
	for i := range p.states {
		p.states[i].WriteOff(id)
	}
}

func (p *Possible) giveUp(which func(*Operation) bool) {
	for i := range p.states {
		for k := range p.states[i].Operations {
			if o := &p.states[i].Operations[k]; which(o) && !p.isGivenUp(o) {
				p.givenUp = append(p.givenUp, o.ID)
			}
		}
	}
}

func (p *Possible) isGivenUp(o *Operation) bool {
	return slices.Contains(p.givenUp, o.ID)
}

// forget drops what was given up and has ended.
func (p *Possible) forget() {
	p.givenUp = slices.DeleteFunc(p.givenUp, func(id core.OperationID) bool {
		for i := range p.states {
			if slices.ContainsFunc(p.states[i].Operations, func(o Operation) bool { return o.ID == id }) {
				return false
			}
		}
		return true
	})
	const mostBereft = 64 // an operation whose browser is gone ends soon, or never
	if extra := len(p.bereft) - mostBereft; extra > 0 {
		p.bereft = slices.Delete(p.bereft, 0, extra)
	}
}

// Loop notes that something holds the main thread of a tab's page until it is rescued. It is false
// where no such page can be open.
func (p *Possible) Loop(id core.TabID) bool {
	return p.each(func(s *State) bool { return s.Loop(id) })
}

// Flood notes that a page floods from now on, and when it is cut off at the latest. Meanwhile
// answers are slow, and come. It is false where no such page is open.
func (p *Possible) Flood(id core.TabID, until core.Time) bool {
	return p.each(func(s *State) bool { return s.Flood(id, until) })
}

// CutOff notes that a page that floods is not heard any more. It is false where none does.
func (p *Possible) CutOff(id core.TabID) bool {
	return p.each(func(s *State) bool {
		_, floods := s.CutOff(id, false)
		return floods
	})
}

// FloodsOn is a page that floods, though it had to be cut off before; 0: there is none.
func (p *Possible) FloodsOn(at core.Time) (on core.TabID) {
	for i := range p.states {
		id, until := p.states[i].NextCutOff()
		if until >= at {
			return 0
		}
		on = id
	}
	return on
}

// Turn notes that a part of a browser is so from now on. One that is dead, or busy, is fine
// again some time, which nobody hears.
func (p *Possible) Turn(id core.BrowserID, part Part, h Health) bool {
	if !p.each(func(s *State) bool { return s.Turn(id, part, h) }) {
		return false
	}
	if h == Dead || h == Hung && part == Pipe {
		for _, s := range p.states {
			again := s.clone()
			again.Turn(id, part, Fine)
			p.states = append(p.states, again)
		}
		p.states = distinct(p.states)
	}
	return true
}

// Worked notes that a part has done its work for the holder of a tab. It is false where it cannot
// have.
func (p *Possible) Worked(id core.TabID, part Part) bool {
	return p.each(func(s *State) bool { return s.Serves(id, part) })
}

// each changes every state that can be changed so, and leaves the others out.
func (p *Possible) each(change func(*State) bool) bool {
	var next []State
	for i := range p.states {
		if s := p.states[i].clone(); change(&s) {
			next = append(next, s)
		}
	}
	if len(next) == 0 {
		return false
	}
	p.states = distinct(next)
	return true
}

// Any is one of the states, to be read, and Count is how many there are.
func (p *Possible) Any() *State {
	p.begin()
	return &p.states[0]
}

// Count is explained with Any.
func (p *Possible) Count() int { return len(p.states) }
