package core

// browserState says where a browser is in its life. Gone ones and written-off ones are forgotten.
type browserState uint8

const (
	starting browserState = iota // launched, not answered
	ready                        // serves
	ended                        // asked to end, not answered; its tabs are closing with it
)

type browser struct {
	since      Time // when the present state began
	id         BrowserID
	state      browserState
	unlaunched bool // the answer to its launch is still out
	_          [2]byte
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
	s.browsers = append(s.browsers, browser{id: s.lastBrowser, state: starting, since: s.now, unlaunched: true})
	s.operation(Effect{Kind: Launch, Browser: s.lastBrowser})
}

func (s *State) browserReady(id BrowserID) {
	b := s.browser(id)
	switch {
	case b == nil && id != 0 && id <= s.lastBrowser:
		// It was written off, or it is gone already: what a late launch brought is closed.
		s.operation(Effect{Kind: CloseBrowser, Browser: id, Force: true})
	case b != nil && b.state == starting:
		b.state, b.since, b.unlaunched = ready, s.now, false
	case b != nil:
		b.unlaunched = false // it was asked to end meanwhile
	}
}

func (s *State) browserFailed(id BrowserID) {
	if b := s.browser(id); b != nil && b.unlaunched {
		launching := b.state == starting
		s.dropBrowser(id)
		if launching {
			s.failedBrowser()
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
	if b.state == ready && s.now >= b.since.after(s.settings.OpenBackoffMax) {
		s.failedBrowsers = 0 // it served for a while; what follows is no loop of crashes
	}
	s.dropBrowser(id)
	if !asked {
		s.failedBrowser()
	}
}

// browserSilent writes a browser off that did not answer its launch or its close in time. Should
// its launch answer later, what it brings is closed.
func (s *State) browserSilent(e Event) {
	b := s.browser(e.Browser)
	if b == nil || (e.Kind == LaunchSilent) != (b.state == starting) || b.state == ready {
		return
	}
	launching := b.state == starting
	s.dropBrowser(e.Browser)
	if launching {
		s.failedBrowser()
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

// failedOpening counts a failed round of opening and pauses before the next. Failures during a pause
// belong to the round that began it.
func (s *State) failedOpening() {
	s.callsDue, s.waitsDue = true, true
	if !s.paused {
		s.rounds++
		s.failedOpenings++
		s.pause(s.failedOpenings)
	}
}

// failedBrowser counts a failed launch or a lost browser. The first restart is at once, whatever
// failed to open before: the next browser knows nothing of that.
func (s *State) failedBrowser() {
	s.callsDue, s.waitsDue = true, true
	if !s.paused {
		s.rounds++
	}
	s.failedBrowsers++
	s.paused = false
	s.pause(s.failedBrowsers - 1)
}

// pause lets nothing be opened or launched for a while: not at all for step 0, then OpenBackoff,
// doubling up to OpenBackoffMax.
func (s *State) pause(step int32) {
	if step == 0 {
		return
	}
	pause, most := s.settings.OpenBackoff, s.settings.OpenBackoffMax
	for ; step > 1 && pause < most; step-- {
		pause = min(most, pause+min(pause, most-pause))
	}
	s.paused, s.retryAt = true, s.now.after(pause)
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
