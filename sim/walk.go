package sim

import "github.com/pagepool/pagepool/sim/scheduler"

// Walk lets one schedule of a scenario happen, as a source chooses, until a claim breaks, nothing can happen any more,
// or so many actions were taken. Walks are what random strategies, and fuzzers, make of the worlds that a search
// visits.
func (s *Scenario) Walk(source scheduler.Source, most int) (*World, error) {
	w, err := s.World()
	if err != nil {
		return nil, err
	}
	var actions []Action
	var actors []uint64
	offerer, _ := source.(scheduler.Offerer)
	for range most {
		if actions = w.Actions(actions[:0]); len(actions) == 0 || w.violation != nil {
			break
		}
		if offerer != nil {
			actors = actors[:0]
			for i := range actions {
				actors = append(actors, w.actor(&actions[i]))
			}
			offerer.Offer(actors)
		}
		w.Do(&actions[source.Choose(len(actions))])
	}
	return w, nil
}

// actor is a number for who does an action: a client, the operation that answers, a deadline; a fault is its own.
func (w *World) actor(a *Action) uint64 {
	n := uint64(a.kind)<<56 | flag(a.Fault, 55)
	switch a.kind {
	case operationAnswers, operationHangs:
		return n | uint64(a.outcome)<<48 | uint64(w.fake.Operations[a.index].ID)
	case deadlineFires:
		return n | uint64(a.event.Kind)<<40 | uint64(a.event.Tab)<<20 ^ uint64(a.event.Request)<<10 ^ uint64(a.event.Browser)<<5 ^ uint64(a.event.Context)
	case pageCrashes, pageWedges, pageLoops:
		return n | uint64(w.fake.Tabs[a.index].ID)
	case browserEnds, browserFallsSilent:
		return n | uint64(w.fake.Browsers[a.index].ID)
	default:
		return n | uint64(a.index)
	}
}
