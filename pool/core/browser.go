package core

import (
	"slices"
	"time"
)

// Browsers: at most two are alive at a time, and at most one of them takes new tabs. One that is worn is
// replaced: the next is started first, and the old one drains from the step in which the next is ready.

// browserState says where a browser is in its life. Gone ones and written-off ones are forgotten.
type browserState uint8

const (
	starting browserState = iota // launched, not answered
	ready                        // serves, and takes new tabs
	draining                     // serves what is left in it
	ended                        // asked to end, not answered; its tabs are closing with it
)

type browser struct {
	since      Time // when the present state began
	heardAt    Time // when it answered anything last
	askedAt    Time // since when it was asked whether it is there; never: it was not
	arrivedAt  Time // when a lease on a tab of it ended in which a navigation finished
	id         BrowserID
	tabs       uint32 // how many were opened in it
	state      browserState
	unlaunched bool // the answer to its launch is still out
	worn       bool // it is to be replaced
}

func (s *State) browser(id BrowserID) *browser {
	for i := range s.browsers {
		if s.browsers[i].id == id {
			return &s.browsers[i]
		}
	}
	return nil
}

func (s *State) browserIn(state browserState) *browser {
	for i := range s.browsers {
		if s.browsers[i].state == state {
			return &s.browsers[i]
		}
	}
	return nil
}

// ready is the browser that new tabs open in.
func (s *State) ready() *browser { return s.browserIn(ready) }

// draining says whether a browser is being replaced by one that serves.
func (s *State) draining(id BrowserID) bool {
	b := s.browser(id)
	return b != nil && b.state == draining
}

// serves says whether tabs of this browser are still closed one by one.
func (s *State) serves(id BrowserID) bool {
	b := s.browser(id)
	return b != nil && (b.state == ready || b.state == draining)
}

// hear notes that a browser has answered something.
func (s *State) hear(id BrowserID) {
	if b := s.browser(id); b != nil {
		if b.askedAt != never {
			s.arm(s.now.after(s.settings.StallTimeout))
		}
		b.heardAt, b.askedAt = s.now, never
	}
}

// wear marks a browser to be replaced.
func (s *State) wear(id BrowserID) {
	if b := s.browser(id); b != nil {
		b.worn = true
	}
}

// wearOut counts a tab opened in a browser, of which it may have so many. To fill the pool once wears
// none out, or a BrowserMaxTabs below that would replace browsers for ever.
func (s *State) wearOut(id BrowserID) {
	b := s.browser(id)
	b.tabs++
	most := int64(s.settings.BrowserMaxTabs)
	b.worn = b.worn || most > 0 && int64(b.tabs) >= most && int64(b.tabs) > int64(s.limit())
}

// maxBrowsers is how many may be alive and not written off.
const maxBrowsers = 2

// keepBrowser launches a browser where none starts and none serves that is not worn.
func (s *State) keepBrowser() {
	if s.phase >= ending || s.grounded || len(s.browsers) >= maxBrowsers {
		return
	}
	for i := range s.browsers {
		if b := &s.browsers[i]; b.state == starting || b.state == ready && !b.worn {
			return
		}
	}
	s.lastBrowser++
	s.browsers = append(s.browsers, browser{
		id: s.lastBrowser, state: starting, since: s.now, heardAt: s.now, askedAt: never, unlaunched: true,
	})
	s.arm(s.now.after(s.settings.LaunchTimeout))
	s.operation(Effect{Kind: Launch, Browser: s.lastBrowser})
}

func (s *State) browserEvent(e *Event) {
	s.callsDue = true
	b := s.browser(e.Browser)
	if e.Kind == BrowserReady && b == nil && e.Browser != 0 && e.Browser <= s.lastBrowser {
		// It was written off, or it is gone already: what a late launch brought is closed.
		s.operation(Effect{Kind: CloseBrowser, Browser: e.Browser, Force: true})
	}
	if b == nil {
		return
	}
	switch e.Kind {
	case BrowserReady:
		s.browserReady(b)
	case BrowserFailed:
		if b.unlaunched {
			s.endLaunch(b)
		}
	case BrowserGone:
		s.browserGone(b)
	case BrowserAnswered:
		s.hear(b.id)
	case LaunchSilent: // it is written off; should the launch answer later, what it brings is closed
		if b.state == starting {
			s.endLaunch(b)
		}
	case BrowserCloseSilent:
		if b.state == ended {
			s.dropBrowser(b.id)
		}
	case BrowserWorn:
		b.worn = true
	case BrowserStalled:
		if s.serves(b.id) && b.askedAt == never {
			b.askedAt = s.now
			s.operation(Effect{Kind: Ping, Browser: b.id})
		}
	case BrowserSilent:
		if s.serves(b.id) && b.askedAt != never {
			s.forgive(b)
			s.endBrowser(b.id, true)
			s.failedBrowser()
		}
	case DrainSilent:
		if b.state == draining {
			s.endBrowser(b.id, true)
		}
	}
}

// browserReady puts a browser to service. One that it replaces drains from this step on.
func (s *State) browserReady(b *browser) {
	launched := b.unlaunched && b.state == starting
	b.unlaunched = false
	if !launched {
		return // it was asked to end meanwhile, or says so twice
	}
	if old := s.ready(); old != nil {
		old.state, old.since = draining, s.now
		s.arm(s.now.after(s.settings.DrainTimeout))
		for i := range s.contexts {
			if c := &s.contexts[i]; c.browser == old.id && s.orphan(int32(i)) {
				s.closeContext(int32(i), Drain)
			}
			if s.isPrimary(int32(i)) {
				s.outdate(s.contexts[i].affinity) // no tab opens in it any more
			}
		}
	}
	b.state, b.since, b.heardAt = ready, s.now, s.now
	if s.settings.BrowserMaxAge > 0 {
		s.arm(s.now.after(s.settings.BrowserMaxAge))
	}
	s.paused, s.failedOpenings = false, 0 // it knows nothing of what failed to open before
}

// endLaunch takes a browser off the books that did not start.
func (s *State) endLaunch(b *browser) {
	launching := b.state == starting
	s.dropBrowser(b.id)
	if launching {
		s.failedBrowser()
	}
}

// browserGone takes a browser that has ended off the books, with all that was in it.
func (s *State) browserGone(b *browser) {
	asked := b.state == ended
	s.forgive(b)
	s.dropBrowser(b.id)
	if !asked {
		s.failedBrowser()
	}
}

// forgive forgets earlier failures where a browser that is lost has served for a while: what follows is no loop
// of crashes.
func (s *State) forgive(b *browser) {
	if b.state == draining || b.state == ready && s.now >= b.since.after(s.settings.OpenBackoffMax) {
		s.failedBrowsers = 0
	}
}

// endBrowser asks a browser to end. From this step on its tabs are nobody's and closing with it.
func (s *State) endBrowser(id BrowserID, force bool) {
	b := s.browser(id)
	if b == nil || b.state == ended {
		return
	}
	b.state, b.since = ended, s.now
	s.arm(s.now.after(s.settings.BrowserCloseTimeout))
	s.loseTabs(id)
	s.operation(Effect{Kind: CloseBrowser, Browser: id, Force: force})
}

func (s *State) dropBrowser(id BrowserID) {
	s.loseTabs(id)
	for i := range s.tabs {
		if s.tabs[i].state != 0 && s.tabs[i].browser == id {
			s.removeTab(int32(i))
		}
	}
	for i := range s.contexts {
		if s.contexts[i].state != 0 && s.contexts[i].browser == id {
			s.removeContext(int32(i))
		}
	}
	s.browsers = slices.DeleteFunc(s.browsers, func(b browser) bool { return b.id == id })
}

// loseTabs ends the leases on the tabs of a browser; the tabs are closing from here on, bound to
// nobody, and go with the browser, as do its contexts.
func (s *State) loseTabs(id BrowserID) {
	for i := range s.tabs {
		t := &s.tabs[i]
		if t.state == 0 || t.browser != id {
			continue
		}
		if t.state == Leased {
			s.revoke(int32(i), BrowserLost)
		}
		if t.state != Closing && t.state != Lost {
			s.leave(int32(i), BrowserLost)
		}
		t.askedAt = never
	}
	for i := range s.contexts {
		c := &s.contexts[i]
		if c.state == 0 || c.browser != id {
			continue
		}
		s.unprimary(int32(i))
		c.askedAt = never
		if s.orphan(int32(i)) {
			s.delist(int32(i))
			c.state, c.generation = contextClosing, s.lastGeneration+1
			s.list(int32(i))
		}
	}
}

// drain goes on with replacing a browser. As long as nobody is short of a tab, what it has idle is closed,
// unless somebody of its affinity waits, one at a time, and only when what was closed before has been opened in the next one; a standby, which
// whoever waits for a permit will want, only when nobody waits. When only lost tabs are left in it, it
// ends. It says whether a tab has begun to close.
func (s *State) drain() bool {
	b := s.browserIn(draining)
	if b == nil || s.phase >= ending {
		return false
	}
	left, lost := false, false
	for i := range s.tabs {
		if t := &s.tabs[i]; t.state != 0 && t.browser == b.id {
			left = left || t.state != Lost
			lost = lost || t.state == Lost
		}
	}
	switch {
	case !left:
		s.endBrowser(b.id, lost)
	case s.need() > 0 || s.counts[Opening] > 0 || s.counts[Closing] > s.overdue[Closing] || !s.opens():
	case s.standbys != none && s.tabs[s.standbys].browser == b.id && s.waiting == [classes]int32{}:
		s.beginClose(s.standbys, Drain)
		return true
	default:
		if i := s.coldest(func(t *tab) bool { return t.browser == b.id && !s.at(t.affinity).warmWaiting }); i != none {
			s.beginClose(i, Drain)
			return true
		}
	}
	return false
}

// failedOpening counts a failed round of opening and pauses before the next. Failures during a pause
// belong to the round that began it, and those of a browser that is being replaced to none.
func (s *State) failedOpening(id BrowserID) {
	s.callsDue, s.waitsDue = true, true
	if !s.paused && !s.draining(id) {
		s.rounds++
		s.failedOpenings++
		s.retryAt = s.now.after(s.backoff(s.failedOpenings))
		s.arm(s.retryAt)
		s.paused = true
	}
}

// failedBrowser counts a failed launch or a lost browser. The first restart is at once. As long as
// another browser serves, it is no failed round for those that wait.
func (s *State) failedBrowser() {
	s.callsDue, s.waitsDue = true, true
	if s.ready() == nil {
		s.rounds++
		s.paused = false // whoever comes next knows nothing of what failed to open
	}
	if s.failedBrowsers++; s.failedBrowsers > 1 {
		s.relaunchAt = s.now.after(s.backoff(s.failedBrowsers - 1))
		s.arm(s.relaunchAt)
		s.grounded = true
	}
}

// backoff is the pause after so many failures in a row: OpenBackoff, doubling up to OpenBackoffMax.
func (s *State) backoff(failures int32) time.Duration {
	pause, most := s.settings.OpenBackoff, s.settings.OpenBackoffMax
	for ; failures > 1 && pause < most; failures-- {
		pause += min(pause, most-pause)
	}
	return pause
}

// satThrough says whether OpenRetries failed rounds have passed since this count, without a success
// between.
func (s *State) satThrough(rounds uint32) bool {
	return int(s.rounds-max(rounds, s.success)) >= s.settings.OpenRetries
}

// refuse answers those that have sat through OpenRetries failed rounds and that nothing else can
// serve: no tab of their own affinity, and no opening that is not overdue.
func (s *State) refuse() {
	if !s.waitsDue || !s.satThrough(0) || s.counts[Opening] > s.overdue[Opening] {
		return
	}
	for i := range s.requests {
		r := &s.requests[i]
		switch {
		case !r.used || !s.satThrough(r.rounds) || !s.admitted(r) || s.at(r.affinity).bound > 0:
		case !s.settings.AllowReassign || s.foreignIdle(int32(i)) == none:
			s.refuseRequest(int32(i), BrowserUnavailable)
		case !s.heldBack(int32(i)):
			s.reassignTo(int32(i))
		}
	}
}
