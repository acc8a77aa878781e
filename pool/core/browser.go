package core

import (
	"slices"
	"time"
)

// Browsers: at most two are alive at a time, and at most one of them takes new tabs. One that is
// worn is replaced: the next is started first, and the old one drains from the step in which the
// next is ready.

// BrowserState says where a browser is in its life. Gone ones and written-off ones are forgotten.
type BrowserState uint8

const (
	BrowserStarting BrowserState = iota // launched, not answered
	BrowserServing                      // serves, and takes new tabs
	BrowserDraining                     // serves what is left in it
	BrowserClosing                      // asked to end, not answered; its tabs are closing with it
)

// Browser is one browser that has not been given up.
type Browser struct {
	Since      Time // when the present state began
	HeardAt    Time // when it answered anything last
	AskedAt    Time // since when it was asked whether it is there; Never: it was not
	ArrivedAt  Time // when a lease on a tab of it ended in which a navigation finished
	GoodAt     Time // when a lease on a tab of it ended well last
	ID         BrowserID
	Tabs       uint32 // how many were opened in it
	State      BrowserState
	Unlaunched bool // the answer to its launch is still out
	Worn       bool // it is to be replaced
	Checks     bool // it can be checked
	CheckedAt  Time // when its last check began, or it was ready
	SickAt     Time // when it is worn because a check has failed; 0: none has
	Evidence   Evidence
	Memory     int64 // how much its processes use together, in bytes, as last measured
	Heavy      bool  // it was measured above MaxBrowserMemory, and not below nine tenths of it since
}

func (s *State) browser(id BrowserID) *Browser {
	for i := range s.Browsers {
		if s.Browsers[i].ID == id {
			return &s.Browsers[i]
		}
	}
	return nil
}

func (s *State) browserIn(state BrowserState) *Browser {
	for i := range s.Browsers {
		if s.Browsers[i].State == state {
			return &s.Browsers[i]
		}
	}
	return nil
}

// ready is the browser that new tabs open in.
func (s *State) ready() *Browser { return s.browserIn(BrowserServing) }

// draining says whether a browser is being replaced by one that serves.
func (s *State) draining(id BrowserID) bool {
	b := s.browser(id)
	return b != nil && b.State == BrowserDraining
}

// serves says whether tabs of this browser are still closed one by one.
func (s *State) serves(id BrowserID) bool {
	b := s.browser(id)
	return b != nil && (b.State == BrowserServing || b.State == BrowserDraining)
}

// hear notes that a browser has answered something.
func (s *State) hear(id BrowserID) {
	if b := s.browser(id); b != nil {
		if b.AskedAt != Never {
			s.arm(s.Now.Add(s.Settings.StallTimeout))
		}
		b.HeardAt, b.AskedAt = s.Now, Never
	}
}

// wearOut counts a tab opened in a browser, of which it may have so many. To fill the pool once
// wears none out, or a BrowserMaxTabs below that would replace browsers for ever.
func (s *State) wearOut(id BrowserID) {
	b := s.browser(id)
	b.Tabs++
	most := int64(s.Settings.BrowserMaxTabs)
	b.Worn = b.Worn || most > 0 && int64(b.Tabs) >= most && int64(b.Tabs) > int64(s.limit())
}

// MaxBrowsers is how many may be alive and not written off.
const MaxBrowsers = 2

// keepBrowser launches a browser where none starts and none serves that is not worn.
func (s *State) keepBrowser() {
	if s.Phase >= PhaseEnding || s.Launches.On || len(s.Browsers) >= MaxBrowsers {
		return
	}
	for i := range s.Browsers {
		if b := &s.Browsers[i]; b.State == BrowserStarting || b.State == BrowserServing && !b.Worn {
			return
		}
	}
	s.LastBrowser++
	s.Browsers = append(s.Browsers, Browser{
		ID: s.LastBrowser, State: BrowserStarting, Since: s.Now, HeardAt: s.Now, AskedAt: Never,
		Unlaunched: true,
	})
	s.arm(s.Now.Add(s.Settings.LaunchTimeout))
	s.operation(Effect{Kind: Launch, Browser: s.LastBrowser})
}

// browserReady puts a browser to service. One that it replaces drains from this step on.
func (s *State) browserReady(b *Browser, checks bool) {
	launched := b.Unlaunched && b.State == BrowserStarting
	b.Unlaunched = false
	if !launched {
		return // it was asked to end meanwhile, or says so twice
	}
	if old := s.ready(); old != nil {
		old.State, old.Since = BrowserDraining, s.Now
		s.arm(s.Now.Add(s.Settings.DrainTimeout))
		for i := range s.Contexts {
			if c := &s.Contexts[i]; c.Browser == old.ID && s.orphan(int32(i)) {
				s.closeContext(int32(i), Drain)
			}
		}
	}
	b.State, b.Since, b.HeardAt = BrowserServing, s.Now, s.Now
	if checks {
		b.Checks, b.CheckedAt = true, s.Now
		s.arm(s.checkAt(b))
	}
	if s.Settings.BrowserMaxAge > 0 {
		s.arm(s.Now.Add(s.Settings.BrowserMaxAge))
	}
	s.Openings.On, s.Openings.Failures = false, 0 // it knows nothing of what failed to open before
}

// endLaunch takes a browser off the books that did not start.
func (s *State) endLaunch(b *Browser) {
	launching := b.State == BrowserStarting
	s.dropBrowser(b.ID)
	if launching {
		s.failedBrowser()
	}
}

// browserGone takes a browser that has ended off the books, with all that was in it.
func (s *State) browserGone(b *Browser) {
	asked := b.State == BrowserClosing
	s.forgive(b)
	s.dropBrowser(b.ID)
	if !asked {
		s.failedBrowser()
	}
}

// browserLost gives up a browser that answers nothing any more. It counts until it has ended, or is
// written off.
func (s *State) browserLost(b *Browser) {
	s.forgive(b)
	s.endBrowser(b.ID, true)
	s.failedBrowser()
}

// forgive forgets earlier failures where a browser that is lost has served for a while: what
// follows is no loop of crashes.
func (s *State) forgive(b *Browser) {
	if b.State == BrowserDraining ||
		b.State == BrowserServing && s.Now >= b.Since.Add(s.Settings.OpenBackoffMax) {
		s.Launches.Failures = 0
	}
}

// endBrowser asks a browser to end. From this step on its tabs are nobody's and closing with it.
func (s *State) endBrowser(id BrowserID, force bool) {
	b := s.browser(id)
	if b == nil || b.State == BrowserClosing {
		return
	}
	s.endCheck(id)
	b.State, b.Since = BrowserClosing, s.Now
	s.arm(s.Now.Add(s.Settings.BrowserCloseTimeout))
	s.loseTabs(id)
	s.operation(Effect{Kind: CloseBrowser, Browser: id, Force: force})
}

func (s *State) dropBrowser(id BrowserID) {
	s.endCheck(id)
	s.loseTabs(id)
	for i := range s.Tabs {
		if s.Tabs[i].State != 0 && s.Tabs[i].Browser == id {
			s.removeTab(int32(i))
		}
	}
	for i := range s.Contexts {
		if s.Contexts[i].State != 0 && s.Contexts[i].Browser == id {
			s.removeContext(int32(i))
		}
	}
	s.Browsers = slices.DeleteFunc(s.Browsers, func(b Browser) bool { return b.ID == id })
}

// loseTabs ends the leases on the tabs of a browser; the tabs are closing from here on, bound to
// nobody, and go with the browser, as do its contexts.
func (s *State) loseTabs(id BrowserID) {
	for i := range s.Tabs {
		t := &s.Tabs[i]
		if t.State == 0 || t.Browser != id {
			continue
		}
		if t.State == Leased {
			s.revoke(int32(i), BrowserLost)
		}
		if t.State != Closing && t.State != Lost {
			s.leave(int32(i), BrowserLost)
		}
		t.AskedAt = Never
	}
	for i := range s.Contexts {
		c := &s.Contexts[i]
		if c.State == 0 || c.Browser != id {
			continue
		}
		s.unprimary(int32(i))
		c.AskedAt = Never
		if s.orphan(int32(i)) {
			c.State, c.Generation = ContextClosing, s.LastGeneration+1
		}
	}
}

// endDrained ends a browser that is being replaced, when its last tab has ended. Lost tabs take up
// room and permits until their browser ends, so one that has some ends as soon as nobody has a tab
// of it: none is leased, nor is what it is asked before or after a lease still in time.
func (s *State) endDrained() {
	b := s.browserIn(BrowserDraining)
	if b == nil || s.Phase >= PhaseEnding {
		return
	}
	left, lost, had := false, false, false
	for i := range s.Tabs {
		if t := &s.Tabs[i]; t.State != 0 && t.Browser == b.ID {
			left = true
			lost = lost || t.State == Lost
			had = had || t.State == Leased || t.asked() && !t.Overdue
		}
	}
	if !left || lost && !had {
		s.endBrowser(b.ID, lost)
	}
}

// drain goes on with replacing a browser. As long as nobody is short of a tab, what it has idle is
// closed, unless somebody of its affinity waits, one at a time, and only when what was closed
// before has been opened in the next one; a standby, which whoever waits for a permit will want,
// only when nobody waits. It says whether a tab has begun to close.
func (s *State) drain() bool {
	b := s.browserIn(BrowserDraining)
	switch {
	case b == nil || s.Phase >= PhaseEnding:
	case s.need() > 0 || s.counts[Opening] > 0 || s.counts[Closing] > s.overdue[Closing] || !s.opens():
	case s.Standbys != None && s.Tabs[s.Standbys].Browser == b.ID && s.waiting == [Classes]int32{}:
		s.beginClose(s.Standbys, Drain)
		return true
	default:
		if i := s.coldest(func(t *Tab) bool {
			return t.Browser == b.ID && s.at(t.Affinity).waiting == [Classes]int32{}
		}); i != None {
			s.beginClose(i, Drain)
			return true
		}
	}
	return false
}

// failedOpening counts a failed round of opening and pauses before the next. Failures during a
// pause belong to the round that began it, and those of a browser that is being replaced to none.
func (s *State) failedOpening(id BrowserID) {
	s.doubtBrowser(id, 0)
	if !s.Openings.On && !s.draining(id) {
		s.Rounds++
		s.Openings.Failures++
		s.Openings.Until = s.Now.Add(s.backoff(s.Openings.Failures))
		s.arm(s.Openings.Until)
		s.Openings.On = true
	}
}

// failedBrowser counts a failed launch or a lost browser. The first restart is at once. As long as
// another browser serves, it is no failed round for those that wait.
func (s *State) failedBrowser() {
	if s.ready() == nil {
		s.Rounds++
		s.Openings.On = false // whoever comes next knows nothing of what failed to open
	}
	if s.Launches.Failures++; s.Launches.Failures > 1 {
		s.Launches.Until = s.Now.Add(s.backoff(s.Launches.Failures - 1))
		s.arm(s.Launches.Until)
		s.Launches.On = true
	}
}

// backoff is the pause after so many failures in a row: OpenBackoff, doubling up to OpenBackoffMax.
func (s *State) backoff(failures int32) time.Duration {
	return doubled(s.Settings.OpenBackoff, s.Settings.OpenBackoffMax, failures)
}

// doubled is a pause after so many failures in a row, which doubles with each, up to the most.
func doubled(pause, most time.Duration, failures int32) time.Duration {
	for ; failures > 1 && pause < most; failures-- {
		pause += min(pause, most-pause)
	}
	return pause
}

// satThrough says whether OpenRetries failed rounds have passed since this count, without a success
// between.
func (s *State) satThrough(rounds uint32) bool {
	return int(s.Rounds-max(rounds, s.Success)) >= s.Settings.OpenRetries
}

// refuse answers those that have sat through OpenRetries failed rounds and that nothing else can
// serve: no tab of their own affinity, and no opening that is not overdue. It says whether one of
// them got another affinity's tab instead, after which others may be let through.
func (s *State) refuse() bool {
	if !s.satThrough(0) || s.counts[Opening] > s.overdue[Opening] {
		return false
	}
	first := None // of those that another affinity's tab can serve, in the waiting order
	for i := range s.Requests {
		r := &s.Requests[i]
		switch {
		case !r.Used || !s.satThrough(r.Rounds) || !s.admitted(r) || s.at(r.Affinity).bound > 0:
		case !s.Settings.AllowReassign || s.foreignIdle(int32(i)) == None:
			s.refuseRequest(int32(i), BrowserUnavailable)
		case !s.heldBack(int32(i)):
			first = s.first(first, int32(i))
		}
	}
	return first != None && s.reassignTo(first)
}
