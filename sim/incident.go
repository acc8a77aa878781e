package sim

import "github.com/pagepool/pagepool/pool/core"

// incident is a wedged render, or a close that hangs, from its beginning until the capacity that it
// took is usable again.
type incident struct {
	tab   core.TabID
	since core.Time
}

// Incidents is how many of those that began have not ended.
func (w *World) Incidents() int { return len(w.incidents) }

// beginIncident notes that a tab is stuck from now on.
func (w *World) beginIncident(id core.TabID) {
	if !w.timed || w.healing {
		return
	}
	for _, x := range w.incidents {
		if x.tab == id {
			return
		}
	}
	w.incidents = append(w.incidents, incident{id, w.now})
}

// endIncidents ends those whose page answers again or whose tab has left the books, once the tabs
// that can serve, or are serving, are capacity less what other incidents still hold. It notes the
// longest.
//
// An incident whose tab is lost is left out: its bound is that of a whole browser.
func (w *World) endIncidents() {
	if len(w.incidents) == 0 {
		return
	}
	stuck, usable := 0, -1
	for _, x := range w.incidents {
		if w.stuck(x.tab) {
			stuck++
		}
	}
	kept := w.incidents[:0]
	for _, x := range w.incidents {
		if w.stuck(x.tab) {
			if t, _ := w.core.Tab(x.tab); t.State != core.Lost {
				kept = append(kept, x)
			}
			continue
		}
		if usable < 0 {
			usable = w.usable()
		}
		if usable < int(w.core.Capacity)-stuck-w.core.Count(core.Lost) {
			kept = append(kept, x)
			continue
		}
		w.worst = max(w.worst, w.now-x.since)
	}
	w.incidents = kept
}

// stuck says whether a tab that an incident began with is still on the books, and of no use.
func (w *World) stuck(id core.TabID) bool {
	t, alive := w.core.Tab(id)
	if !alive {
		return false
	}
	f := w.fake.Tab(id)
	return f == nil || f.Wedged || f.Looping || !t.Bound()
}

// usable counts the tabs that serve or can serve: neither opening nor on their way out, and their
// page answers.
func (w *World) usable() int {
	n := w.core.Count(core.Standby) + w.core.Count(core.Idle) + w.core.Count(core.Leased)
	for i := range w.fake.Tabs {
		if !w.fake.Tabs[i].Wedged && !w.fake.Tabs[i].Looping {
			continue
		}
		if t, ok := w.core.Tab(w.fake.Tabs[i].ID); ok && t.State != core.Closing && t.State != core.Lost {
			n--
		}
	}
	return n
}
