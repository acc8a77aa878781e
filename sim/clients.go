package sim

import (
	"slices"
	"time"

	"fmt"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim/fakebrowser"
)

// Verb is what an instruction of a client's program does.
type Verb uint8

const (
	End Verb = iota // the program is over; what is still held is released
	// asks for a page of Affinity and waits for it, Lasting at most (0: for ever)
	Get
	Hold          // keeps the page for Lasting; in untimed worlds, a step without effect
	Draw          // has the page drawn, in untimed worlds; where that hangs, it sits
	Wedge         // the page held last stops answering, for ever
	Loop          // the page held last stops answering, until it is rescued
	Crash         // the renderer of the page held last dies
	Sit           // holds until the lease is ended by somebody else
	Release       // gives the page held last back
	ReleaseTwice  // the same, and once more
	Discard       // gives it back as spoiled
	DiscardWedged // gives it back as not answering
	AbandonLate   // gives up the request of the page held last, which was answered long ago
	// disposes of Affinity, and waits Lasting at most unless NoWait; Retain keeps its primary
	Dispose
	WarmUp    // waits until the standby target is met, Lasting at most
	Recycle   // has the browser replaced, and waits for that, Lasting at most
	Sweep     // evicts what has been idle for Lasting
	ClosePool // closes the pool and waits; after Lasting its leases are revoked
)

// Instruction is one step of a client's program.
type Instruction struct {
	Lasting  core.Time
	MaxLease time.Duration // of a Get: the lease's own limit; 0: the settings'
	Affinity core.Affinity
	Priority int32
	Verb     Verb
	Class    core.Class
	NoWait   bool
	Retain   bool
	GivesUp  bool // untimed: a Get, Dispose, WarmUp or Recycle that may give up at any moment
	Own      bool // of a Get: a context of Affinity is made for it
	_        [2]byte
}

// programLength is how many instructions a program has at most, the End not counted.
const programLength = 15

// Program is what a client does, one instruction after the other.
type Program [programLength]Instruction

// clientState says what a client is doing.
type clientState uint8

const (
	absent  clientState = iota // an unused slot
	ready                      // its next instruction can run
	holding                    // timed: keeps its page until its timer
	sitting                    // waits for its lease to be ended
	waiting                    // its request has not been answered
	calling                    // its Dispose, WarmUp or ClosePool has not been answered
	// something ended before its time: it gives up and releases what is left
	unwinding
	done
)

// depth is how many leases one client holds at most: an outer one and a nested one.
const depth = 2

// lease is one request of a client, answered or not.
type lease struct {
	request core.RequestID
	tab     core.TabID // 0: it is still waiting
	ended   bool       // somebody else has ended it; the holder has not released it yet
	_       [3]byte
}

// client is a caller as a value: where it is in its program, and what it holds.
type client struct {
	leases [depth]lease
	call   core.CallID
	serial uint32 // of its timer; timers with other numbers are stale
	pc     uint8
	held   uint8 // how many of leases are in use
	state  clientState
	late   bool // timed: its ClosePool has revoked the leases
}

func (c *client) innermost() *lease { return &c.leases[c.held-1] }

// number gives the present instruction of a client a number that no other has: a small one that
// depends on nothing else in untimed worlds, so that equal worlds have equal numbers, and the next
// one in timed worlds, where programs come and go.
func (w *World) number(i int) uint64 {
	if !w.timed {
		return w.recordedTo + uint64(i*(programLength+1)) + uint64(w.clients[i].pc) + 1
	}
	w.lastNumber++
	n := w.lastNumber
	for w.owners[n&uint64(len(w.owners)-1)].number != 0 {
		w.growOwners()
	}
	w.owners[n&uint64(len(w.owners)-1)] = owner{number: n, client: int32(i)}
	return n
}

// owns says whether a client waits for a number, or holds a page by it.
func (c *client) owns(number uint64) bool {
	owns := number != 0 && uint64(c.call) == number
	for n := range c.leases[:c.held] {
		owns = owns || number != 0 && uint64(c.leases[n].request) == number
	}
	return owns
}

// owner says which client a request or a call belongs to.
type owner struct {
	number uint64
	client int32
	_      [4]byte
}

func (w *World) growOwners() {
	old := w.owners
	w.owners = make([]owner, 2*len(old))
	for _, o := range old {
		if o.number != 0 {
			w.owners[o.number&uint64(len(w.owners)-1)] = o
		}
	}
}

// ownerOf finds the client of a request or call; ok is false where a script made it by hand.
func (w *World) ownerOf(number uint64) (int, bool) {
	if !w.timed {
		if number <= w.recordedTo {
			i := slices.IndexFunc(w.clients, func(c client) bool { return c.owns(number) })
			return max(0, i), i >= 0
		}
		i := int(number-w.recordedTo-1) / (programLength + 1)
		return i, i < len(w.clients)
	}
	o := w.owners[number&uint64(len(w.owners)-1)]
	return int(o.client), o.number == number && number != 0
}

func (w *World) disown(number uint64) {
	if w.timed {
		if o := &w.owners[number&uint64(len(w.owners)-1)]; o.number == number {
			*o = owner{}
		}
	}
}

// run does the next thing of a client that is ready, whose time has come, or that gives up.
func (w *World) run(i int) {
	c := &w.clients[i]
	switch c.state {
	case ready:
		w.instruct(i, w.programs[i][c.pc])
	case holding:
		if w.hangs(c.innermost()) {
			w.wake(i, askAgain)
			return
		}
		c.state = ready
		c.pc++
		w.run(i)
	case waiting, calling:
		w.giveUp(i)
	case unwinding:
		w.unwind(i)
	}
	w.endIfOver(i)
}

// askAgain is after how long it is asked again whether work goes on that hung.
const askAgain = 100 * Milliseconds

// hangs says whether the work on a page waits for something that all tabs of its browser share. It
// may do so until its lease reaches its limit.
func (w *World) hangs(l *lease) bool {
	i := slices.IndexFunc(w.core.Tabs, func(t core.Tab) bool {
		return t.ID == l.tab && t.Holder == l.request
	})
	if i < 0 || w.core.Tabs[i].MaxLease < 0 || w.healing {
		return false
	}
	return w.flooded(w.core.Tabs[i].Browser) ||
		!w.fake.Serves(l.tab, fakebrowser.Drawing, fakebrowser.Network)
}

// endIfOver ends the program of a client that has nothing left to do, so that it takes no turn.
func (w *World) endIfOver(i int) {
	if c := &w.clients[i]; c.state == ready && c.held == 0 && w.programs[i][c.pc].Verb == End {
		w.unwind(i)
	}
}

func (w *World) instruct(i int, in Instruction) {
	c := &w.clients[i]
	switch in.Verb {
	case End:
		c.state = unwinding
		w.unwind(i)
	case Get:
		w.get(i, in)
	case Hold:
		if !w.timed {
			c.pc++
			w.wake(i, 0)
			return
		}
		c.state = holding
		w.wake(i, in.Lasting)
	case Draw:
		if w.timed || w.fake.Serves(c.innermost().tab, fakebrowser.Drawing) {
			c.pc++
			w.wake(i, 0)
			return
		}
		c.state = sitting
	case Sit:
		c.state = sitting
		if w.healing {
			c.state = unwinding
			w.wake(i, 0)
		}
	case Wedge, Loop, Crash:
		c.pc++
		w.wake(i, 0)
		switch {
		case w.healing:
		case in.Verb == Wedge:
			w.Wedge(c.innermost().tab)
		case in.Verb == Loop:
			w.Loop(c.innermost().tab)
		default:
			w.Crash(c.innermost().tab, false)
		}
	case AbandonLate:
		c.pc++
		w.wake(i, 0)
		w.reached[abandonAfterGrant]++
		w.step(core.Event{Kind: core.Abandoned, Request: c.innermost().request})
	case Release, ReleaseTwice, Discard, DiscardWedged:
		w.giveBack(i, in.Verb)
	default:
		w.callPool(i, in)
	}
}

func (w *World) get(i int, in Instruction) {
	c := &w.clients[i]
	number := w.number(i)
	c.state = waiting
	c.leases[c.held] = lease{request: core.RequestID(number)}
	c.held++
	if in.Lasting > 0 {
		w.wake(i, in.Lasting)
	}
	w.step(core.Event{
		Kind: core.Requested, Request: core.RequestID(number), Affinity: in.Affinity,
		Class: in.Class, Priority: in.Priority, MaxLease: in.MaxLease, Own: in.Own,
	})
}

// giveBack ends the lease that the client took last.
func (w *World) giveBack(i int, verb Verb) {
	c := &w.clients[i]
	request := c.innermost().request
	event := w.ending(c.innermost())
	if verb == Discard || verb == DiscardWedged {
		event.Kind, event.Wedged = core.Discarded, event.Wedged || verb == DiscardWedged
	}
	c.held--
	w.disown(uint64(request))
	c.pc++
	w.wake(i, 0)
	w.step(event)
	if verb == ReleaseTwice {
		w.reached[releaseTwice]++
		w.step(event)
	}
}

// callPool makes a call that is not about one page.
func (w *World) callPool(i int, in Instruction) {
	c := &w.clients[i]
	event := core.Event{Kind: core.Disposed, Affinity: in.Affinity, NoWait: in.NoWait,
		Retain: in.Retain}
	switch in.Verb {
	case WarmUp:
		event = core.Event{Kind: core.WarmRequested}
	case Recycle:
		event = core.Event{Kind: core.RecycleRequested}
	case Sweep:
		event, in.NoWait = core.Event{Kind: core.SweepRequested, MaxIdle: in.Lasting.Duration()}, true
	case ClosePool:
		event = core.Event{Kind: core.CloseRequested}
		w.closer = int32(i)
	}
	number := w.number(i)
	if in.NoWait {
		if in.Verb == Dispose {
			event.Call = core.CallID(number)
		}
		w.disown(number)
		c.pc++
		w.wake(i, 0)
		w.step(event)
		return
	}
	c.call = core.CallID(number)
	c.state = calling
	if in.Verb != ClosePool {
		event.Call = c.call
	}
	if in.Lasting > 0 {
		w.wake(i, in.Lasting)
	}
	w.step(event)
}

// giveUp ends the wait of a client that waits.
func (w *World) giveUp(i int) {
	c := &w.clients[i]
	if c.state == waiting {
		w.reached[abandonWaiting]++
		w.abandon(c.innermost().request)
		return
	}
	if w.programs[i][c.pc].Verb == ClosePool {
		// Close goes on after its ctx has ended; only the leases do not.
		if !c.late {
			c.late = true
			w.step(core.Event{Kind: core.CloseExpired})
		}
		return
	}
	event := w.callAbandonment(c, i)
	w.answerCall(i)
	w.step(event)
}

// abandon takes a request back that waits. It is gone in the same step.
func (w *World) abandon(request core.RequestID) {
	w.step(core.Event{Kind: core.Abandoned, Request: request})
	if w.core.Waits(request) {
		w.Violate("abandon-prompt", fmt.Sprintf("r%d waits after its caller has gone", request))
	}
}

func (w *World) callAbandonment(c *client, i int) core.Event {
	w.reached[callAbandoned]++
	of := core.FinishDispose
	switch w.programs[i][c.pc].Verb {
	case WarmUp:
		of = core.FinishWarm
	case Recycle:
		of = core.FinishRecycle
	}
	return core.Event{Kind: core.CallAbandoned, Of: of, Call: c.call}
}

// unwind gives up and releases what a client has left, one thing at a time.
func (w *World) unwind(i int) {
	c := &w.clients[i]
	if c.call != 0 {
		event := w.callAbandonment(c, i)
		w.disown(uint64(c.call))
		c.call = 0
		w.wake(i, 0)
		w.step(event)
		return
	}
	if c.held == 0 {
		c.state = done
		if w.timed {
			*c = client{serial: c.serial + 1}
			w.freeClients = append(w.freeClients, int32(i))
			w.active--
		}
		return
	}
	l := c.innermost()
	w.wake(i, 0)
	if l.tab == 0 {
		// Its answer, the refusal, takes the lease off.
		w.abandon(l.request)
		return
	}
	if l.ended {
		w.reached[releaseAfterEnd]++
	}
	event := w.ending(l)
	c.held--
	w.disown(uint64(event.Request))
	w.step(event)
}

// ending is how a holder gives a page back. In timed worlds a render of a wedged page does not end,
// so its holder knows.
func (w *World) ending(l *lease) core.Event {
	if t := w.fake.Tab(l.tab); w.timed && t != nil && (t.Wedged || t.Looping) && !l.ended {
		return core.Event{Kind: core.Discarded, Request: l.request, Wedged: true}
	}
	return core.Event{Kind: core.Released, Request: l.request}
}

// answerCall ends the wait of a client for a call.
func (w *World) answerCall(i int) {
	c := &w.clients[i]
	w.disown(uint64(c.call))
	c.call = 0
	c.pc++
	c.state = ready
	w.wake(i, 0)
	w.endIfOver(i)
}

// tell passes one of the core's effects on to the client that it concerns.
func (w *World) tell(e *core.Effect) {
	switch e.Kind {
	case core.FinishClose:
		if w.closer >= 0 && w.clients[w.closer].state == calling {
			w.answerCall(int(w.closer))
		}
		return
	case core.FinishDispose, core.FinishWarm, core.FinishRecycle:
		if i, ok := w.ownerOf(uint64(e.Call)); ok && w.clients[i].state == calling {
			w.answerCall(i)
		}
		return
	}
	i, ok := w.ownerOf(uint64(e.Request))
	if !ok {
		return
	}
	c := &w.clients[i]
	for n := range c.leases[:c.held] {
		l := &c.leases[n]
		if l.request != e.Request {
			continue
		}
		switch e.Kind {
		case core.Grant:
			l.tab = e.Tab
			if c.state == waiting {
				c.state = ready
				c.pc++
			}
		case core.Refuse:
			c.held--
			w.disown(uint64(e.Request))
			c.state = unwinding
		case core.EndLease:
			l.ended = true
			c.state = unwinding
		}
		w.wake(i, 0)
		return
	}
}
