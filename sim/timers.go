package sim

import (
	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim/fakebrowser"
)

// timer is when a client goes on. One whose serial is not its client's any more is stale.
type timer struct {
	at     core.Time
	order  uint64 // among timers of one instant, the first made comes first
	client int32
	serial uint32
}

func (t *timer) before(u *timer) bool { return t.at < u.at || t.at == u.at && t.order < u.order }

// wake lets a client go on after a while, and not before. Untimed clients need no waking.
func (w *World) wake(i int, after core.Time) {
	if !w.timed {
		return
	}
	c := &w.clients[i]
	c.serial++
	w.lastTimer++
	w.timers = append(w.timers, timer{w.now + after, w.lastTimer, int32(i), c.serial})
	for n := len(w.timers) - 1; n > 0; {
		parent := (n - 1) / 2
		if !w.timers[n].before(&w.timers[parent]) {
			break
		}
		w.timers[n], w.timers[parent] = w.timers[parent], w.timers[n]
		n = parent
	}
}

func (w *World) popTimer() timer {
	top := w.timers[0]
	last := len(w.timers) - 1
	w.timers[0] = w.timers[last]
	w.timers = w.timers[:last]
	for n := 0; ; {
		child := 2*n + 1
		if child >= last {
			break
		}
		if child+1 < last && w.timers[child+1].before(&w.timers[child]) {
			child++
		}
		if !w.timers[child].before(&w.timers[n]) {
			break
		}
		w.timers[n], w.timers[child] = w.timers[child], w.timers[n]
		n = child
	}
	return top
}

// dropStale leaves the earliest timer that still counts on top.
func (w *World) dropStale() {
	for len(w.timers) > 0 && w.clients[w.timers[0].client].serial != w.timers[0].serial {
		w.popTimer()
	}
}

// admit gives a client a slot and a program, and lets it begin now.
func (w *World) admit(p *Program) {
	var i int32
	if n := len(w.freeClients); n > 0 {
		i = w.freeClients[n-1]
		w.freeClients = w.freeClients[:n-1]
		w.programs[i] = *p
	} else {
		i = int32(len(w.clients))
		w.clients = append(w.clients, client{})
		w.programs = append(w.programs, *p)
	}
	w.clients[i] = client{state: ready, serial: w.clients[i].serial}
	w.active++
	w.wake(int(i), 0)
}

// never is the instant of what does not happen by itself.
const never = fakebrowser.Never
