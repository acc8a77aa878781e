package sim

import (
	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim/fakebrowser"
	"github.com/pagepool/pagepool/sim/scheduler"
)

// WorldFrom makes the untimed world that goes on where a timed one stands, for a search that begins
// there: a holder gives its page back some time, or waits for its lease to be ended where the page
// answers nobody; a caller that waits may give up. The callers of the scenario come on top, and its
// faults. Where the timed world has no browser, there is one as the pool knows it.
func (s *Scenario) WorldFrom(from *World) (*World, error) {
	if err := checkFaults(s.Faults); err != nil {
		return nil, err
	}
	w := &World{plain: plain{
		closer: -1, nextArrival: never, nextMishap: never, faults: int8(s.Faults), now: from.now,
		reached: new(Reached), scratch: new(scratch),
		fixed: &fixed{chance: Chance{scheduler.Default{}}, conditions: &DefaultConditions, menu: s.Menu,
			tick: s.Tick, only: s.Only, observe: s.Observe},
	}}
	w.core.CopyFrom(&from.core)
	w.ledger.CopyFrom(&from.ledger)
	if from.recorded {
		w.fake = fakebrowser.Behind(&w.core)
	} else {
		w.fake.CopyFrom(&from.fake)
		for i := range w.fake.Operations {
			if o := &w.fake.Operations[i]; !o.Echo {
				o.Outcome, o.Twice = fakebrowser.Works, false
			}
		}
	}
	w.recordClients()
	recorded := len(w.programs)
	for _, p := range s.Programs {
		w.programs = append(w.programs, p)
		w.clients = append(w.clients, client{state: ready})
	}
	if like := alike(w.programs[recorded:]); like != nil {
		for i := range recorded {
			w.like = append(w.like, int32(i))
		}
		for _, i := range like {
			w.like = append(w.like, i+int32(recorded))
		}
	}
	return w, nil
}

// recordClients makes a client of every lease, request and call that a state has.
func (w *World) recordClients() {
	add := func(number uint64, c client, p Program) {
		w.recordedTo = max(w.recordedTo, number)
		w.clients = append(w.clients, c)
		w.programs = append(w.programs, p)
	}
	w.core.EachTab(func(t core.TabView) {
		if t.State != core.Leased {
			return
		}
		c := client{state: ready, held: 1}
		c.leases[0] = lease{request: t.Holder, tab: t.ID}
		p := Program{release}
		if page := w.fake.Tab(t.ID); page != nil && (page.Wedged || page.Looping) {
			c.state, p = sitting, Program{{Verb: Sit}}
		}
		add(uint64(t.Holder), c, p)
	})
	w.core.EachRequest(func(q core.RequestView) {
		c := client{state: waiting, held: 1}
		c.leases[0] = lease{request: q.ID}
		add(uint64(q.ID), c, Program{
			{Verb: Get, Affinity: q.Affinity, Class: q.Class, Priority: q.Priority, GivesUp: true}, release})
	})
	w.core.EachCall(func(q core.CallView) {
		verbs := map[core.EventKind]Verb{core.Disposed: Dispose, core.WarmRequested: WarmUp,
			core.RecycleRequested: Recycle}
		add(uint64(q.ID), client{state: calling, call: q.ID},
			Program{{Verb: verbs[q.Kind], Affinity: q.Of, GivesUp: true}})
	})
	if w.core.Closing() && !w.core.Ended() {
		w.closer = int32(len(w.clients))
		add(0, client{state: calling}, Program{{Verb: ClosePool, GivesUp: true}})
	}
}
