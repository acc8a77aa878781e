package pool

import (
	"time"

	"github.com/pagepool/pagepool/pool/core"
)

// The one timer of a pool: it feeds the core every deadline that is due.

// timer is one arming of the clock for the next deadline.
type timer struct {
	at   core.Time
	stop func() bool
}

// armLocked sets the timer no later than the next deadline. A timer that fires too early costs one
// wake-up; moving it on every step would cost every step, and so would searching for the next
// deadline: the core says what it has armed.
func (p *Pool[P]) armLocked() {
	at := p.mu.armed
	p.mu.armed = noDeadline
	if at == noDeadline || p.mu.finished || p.mu.timer != nil && p.mu.timer.at <= at {
		return
	}
	p.disarmLocked()
	a := &timer{at: at}
	p.mu.timer = a
	p.mu.running++
	a.stop = p.clock.AfterFunc(time.Duration(at-p.nowLocked()), func() { p.fire(a) })
}

func (p *Pool[P]) disarmLocked() {
	if a := p.mu.timer; a != nil {
		p.mu.timer = nil
		if a.stop() {
			p.mu.running--
		} // Otherwise it fires already, and fire counts running down when it has ended.
	}
}

// fire tells the core of every deadline that is due.
func (p *Pool[P]) fire(a *timer) {
	p.mu.Lock()
	defer p.unlock()
	for { // While a fires it stays armed, so that no step arms another for what comes next here.
		d, ok := p.mu.core.NextDeadline()
		if !ok || d.At > p.nowLocked() {
			break
		}
		p.stepLocked(d.Event)
	}
	if p.mu.timer == a {
		p.mu.timer = nil
	}
	if d, ok := p.mu.core.NextDeadline(); ok {
		p.mu.armed = d.At
		p.armLocked()
	}
	p.mu.running--
	p.finishLocked()
}
