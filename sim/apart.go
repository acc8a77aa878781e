package sim

import (
	"sync/atomic"

	"github.com/pagepool/pagepool/pool/canon"
	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim/spec"
)

// What a search leaves out, because it has checked the same before. A claim sees the pool and the
// ledger, and neither the clients nor the browser behind them. So a step is the same as another one
// where the pool, the ledger and the event are, up to a renaming that keeps the order of ids; there
// are three to nine times as many transitions as such steps, and as many states as pools. Times are
// no part of a state, so claims that look at them are checked all the same; those about when things
// are due, where the step or the state is new: nothing is due at a wrong time in a state from which
// the search goes on. One transition in 128 is checked whole.

// checked is what one worker looks up, and *passed what broke no claim, of all workers.
type checked struct {
	*passed
	canon canon.Canon
	from  uint64 // the state of the pool before the step
	step  uint64 // the last that was not in steps, and broke no claim yet; 0: there is none
}

type passed struct{ steps, states recent }

// recent is a set of hashes that forgets: of those with the same last bits it keeps the last. A
// worker puts in what it has checked to the end, so what another one finds does not depend on it.
type recent [1 << 20]atomic.Uint64

func (r *recent) has(h uint64) bool { return r[h%uint64(len(r))].Load() == h }

func (r *recent) add(h uint64) { r[h%uint64(len(r))].Store(h) }

func newChecked(p *passed) *checked {
	c := &checked{passed: p}
	c.canon.KeepOrder = true
	return c
}

// poolHash is a hash of the pool and the ledger.
func (w *World) poolHash() uint64 {
	if w.pool != 0 {
		return w.pool
	}
	k := &w.checked.canon
	k.Reset()
	k.Tick, k.Now = w.tick, w.now
	k.AddIDs(&w.core.Facts)
	w.ledger.AddIDs(k)
	k.Seal()
	k.Hash(&w.core.Facts)
	k.HashWaiting(&w.core.Facts)
	w.ledger.Hash(k)
	w.ledger.HashWaiting(k)
	w.ledger.HashRest(k)
	w.pool = k.Sum()
	return w.pool
}

// stepHash is a hash of an event in a pool. Things are named by how many are older.
func stepHash(pool uint64, before *core.Facts, e core.Event) uint64 {
	var tab, context, browser, answers uint64
	for i := range before.Tabs {
		t := &before.Tabs[i]
		tab += flag(t.State != 0 && t.ID < e.Tab, 0)
		answers |= flag(t.State != 0 && t.ID == e.Tab, 0) | flag(t.State != 0 && t.ID == e.Tab &&
			t.Number == e.Operation, 1)
	}
	for i := range before.Contexts {
		c := &before.Contexts[i]
		context += flag(c.State != 0 && c.ID < e.Context, 0)
		answers |= flag(c.State != 0 && c.ID == e.Context, 2)
	}
	for i := range before.Browsers {
		b := &before.Browsers[i]
		browser += flag(b.ID < e.Browser, 0)
		answers |= flag(b.ID == e.Browser, 3)
	}
	answers |= flag(e.Tab != 0, 4) | flag(e.Context != 0, 5) | flag(e.Browser != 0,
		6) | flag(e.Operation != 0, 7)
	e.Tab, e.Context, e.Browser, e.Operation = core.TabID(tab), core.ContextID(context),
		core.BrowserID(browser), 0
	return hashStep(mix(pool, answers), 0, &e, nil)
}

// DoFrom is Do in a copy of another world, whose core is then the one before the step. It leaves
// claims to CheckState that hold where the state was met before.
func (w *World) DoFrom(from *World, a *Action) {
	w.given, w.leftOut = &from.core, false
	if w.apart = w.checked != nil; w.apart {
		w.checked.note()
		w.checked.from = from.poolHash()
	}
	w.Do(a)
	w.given, w.apart = nil, false
}

// CheckState checks the claims that DoFrom has left out: all of them, or where the state is new
// those that were checked neither with the same step nor in the same state of the pool before.
func (w *World) CheckState(isNew bool) {
	if w.leftOut && w.violation == nil {
		switch {
		case isNew && w.repeated:
			w.breaks(spec.CheckTimes(&w.transition, w.broken[:0]))
		case !isNew || !w.checked.states.has(w.poolHash()):
			w.breaks(spec.CheckState(&w.transition, w.broken[:0]))
			if isNew && w.violation == nil {
				w.checked.states.add(w.pool)
			}
		}
		w.compare()
	}
	w.leftOut = false
}

// checkApart checks what a step to a known state can break, if that was not done before.
func (w *World) checkApart(first bool) {
	c := w.checked
	step := stepHash(c.from, &w.before.Facts, w.transition.Event)
	if w.repeated = first && c.steps.has(step); w.repeated {
		w.breaks(spec.CheckAgain(&w.transition, w.broken[:0]))
	} else {
		if first {
			c.step = step
		}
		w.breaks(spec.CheckStep(&w.transition, w.broken[:0]))
	}
	w.leftOut = true
}

// note puts the last step into the set, once it has broken no claim, in no state that it led to.
func (c *checked) note() {
	if c.step != 0 {
		c.steps.add(c.step)
		c.step = 0
	}
}
