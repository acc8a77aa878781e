package core

import "time"

// browserState says where a browser is in its life. Gone ones and written-off ones are forgotten.
type browserState uint8

const (
	starting browserState = iota // launched, not answered
	ready                        // serves
	ended                        // asked to end, not answered; its tabs are closing with it
)

type browser struct {
	since Time // when the present state began
	id    BrowserID
	state browserState
	_     [3]byte
}

func (s *State) browser(id BrowserID) *browser {
	for i := range s.browsers {
		if s.browsers[i].id == id {
			return &s.browsers[i]
		}
	}
	return nil
}

// ready is the browser that new tabs open in.
func (s *State) ready() *browser {
	for i := range s.browsers {
		if s.browsers[i].state == ready {
			return &s.browsers[i]
		}
	}
	return nil
}

// serves says whether tabs of this browser are still closed one by one.
func (s *State) serves(id BrowserID) bool {
	b := s.browser(id)
	return b != nil && b.state == ready
}

// maxBrowsers is how many may be alive and not written off.
const maxBrowsers = 2

// keepBrowser launches a browser where none starts or serves and there is need for one.
func (s *State) keepBrowser() {
	if s.phase >= ending || s.paused || len(s.browsers) >= maxBrowsers {
		return
	}
	for i := range s.browsers {
		if s.browsers[i].state != ended {
			return
		}
	}
	s.lastBrowser++
	s.browsers = append(s.browsers, browser{id: s.lastBrowser, state: starting, since: s.now})
	s.operation(Effect{Kind: Launch, Browser: s.lastBrowser})
}

func (s *State) browserReady(id BrowserID) {
	b := s.browser(id)
	switch {
	case b == nil && id <= s.lastBrowser:
		// It was written off, or it is gone already: what a late launch brought is closed.
		s.operation(Effect{Kind: CloseBrowser, Browser: id, Force: true})
	case b != nil && b.state == starting:
		b.state, b.since = ready, s.now
	}
}

func (s *State) browserFailed(id BrowserID) {
	if b := s.browser(id); b != nil {
		starting := b.state == starting
		s.dropBrowser(id)
		if starting {
			s.failedRound(0)
		}
	}
}

// browserGone takes a browser that has ended off the books, with all that was in it.
func (s *State) browserGone(id BrowserID) {
	b := s.browser(id)
	if b == nil {
		return
	}
	asked := b.state == ended
	s.dropBrowser(id)
	if !asked {
		s.failedRound(0)
	}
}

// browserSilent writes a browser off that did not answer its launch or its close in time. Should
// its launch answer later, what it brings is closed.
func (s *State) browserSilent(e Event) {
	b := s.browser(e.Browser)
	if b == nil || (e.Kind == LaunchSilent) != (b.state == starting) || b.state == ready {
		return
	}
	if s.phase != serving {
		s.wroteOff = true
	}
	launching := b.state == starting
	s.dropBrowser(e.Browser)
	if launching {
		s.failedRound(0)
	}
}

// endBrowser asks a browser to end. From this step on its tabs are nobody's and closing with it.
func (s *State) endBrowser(id BrowserID, force bool) {
	b := s.browser(id)
	if b == nil || b.state == ended {
		return
	}
	b.state, b.since = ended, s.now
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
	for i := range s.browsers {
		if s.browsers[i].id == id {
			s.browsers = append(s.browsers[:i], s.browsers[i+1:]...)
			return
		}
	}
}

// loseTabs ends the leases on the tabs of a browser; the tabs are closing from here on, bound to
// nobody, and go with the browser.
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
			s.leave(int32(i))
			t.reason = BrowserLost
		}
	}
}

// failedRound counts a failed opening, a failed launch or a lost browser, and pauses before the
// next try: first for the given time, doubling from OpenBackoff to OpenBackoffMax while failures
// follow one another. Failures during a pause belong to the round that began it.
func (s *State) failedRound(first time.Duration) {
	if s.paused {
		return
	}
	s.failures++
	s.rounds++
	step := s.failures
	if first == 0 {
		step-- // a restart is tried at once, the first time
	}
	if step == 0 {
		return
	}
	pause := s.settings.OpenBackoff
	for ; step > 1 && pause < s.settings.OpenBackoffMax; step-- {
		pause *= 2
	}
	s.paused = true
	s.retryAt = s.now + Time(min(pause, s.settings.OpenBackoffMax))
}

// satThrough says whether OpenRetries failed rounds have passed since this count, without a success
// between.
func (s *State) satThrough(rounds uint32) bool {
	return int(s.rounds-max(rounds, s.success)) >= s.settings.OpenRetries
}

// refuse answers those that have sat through OpenRetries failed rounds and that nothing else can
// serve: no tab of their own affinity, and no opening that is not overdue.
func (s *State) refuse() {
	if !s.satThrough(0) || s.counts[Opening] > s.overdue[Opening] {
		return
	}
	for i := range s.requests {
		r := &s.requests[i]
		if r.used && s.satThrough(r.rounds) && s.affinities[r.affinity].bound == 0 && s.admitted(r) {
			s.refuseRequest(int32(i), BrowserUnavailable)
		}
	}
}

// admitted says whether the limits would let a waiting request through now.
func (s *State) admitted(r *request) bool {
	if r.class == Nested {
		return true
	}
	k := &s.affinities[r.affinity]
	return s.permits() > 0 && s.underCap(k) && (k.idle > 0 || int(k.bound) < s.settings.AffinityTabs)
}
