package core

// Affinities in doubt. A tenant can leave something in its context that makes its own leases fail,
// a service worker that loops for example, and no end of a lease undoes that. So the end of each
// lease is judged. When AffinityDoubt ends of one affinity in a row were doubtful, while others'
// ended well in the same browser, its context is given up with all that is in it, and the next
// lease begins clean.

// judge calls the end of a tab's last lease good, or doubtful: by the first question to its page,
// or by its next grant.
func (s *State) judge(i int32, good bool) {
	t := &s.Tabs[i]
	switch {
	case !t.Unjudged:
	case good:
		s.endedWell(i)
	default:
		s.endedInDoubt(i)
	}
}

// endedInDoubt counts a doubtful end, for its affinity and as evidence against the browser.
func (s *State) endedInDoubt(i int32) {
	t := &s.Tabs[i]
	t.Unjudged = false
	s.doubtBrowser(t.Browser, t.Affinity)
	if s.Settings.AffinityDoubt < 0 {
		return
	}
	t.Doubtful = true
	k := s.at(t.Affinity)
	if k.Doubts == 0 || k.DoubtIn != t.Browser {
		s.setDoubts(k, 0)
		k.DoubtSince, k.DoubtIn = s.Now, t.Browser
	}
	s.setDoubts(k, k.Doubts+1)
}

// endedWell forgets what spoke against an affinity, and notes that its browser works.
func (s *State) endedWell(i int32) {
	t := &s.Tabs[i]
	t.Unjudged = false
	if s.Settings.AffinityDoubt < 0 {
		return
	}
	s.Contexts[t.Context].Doubtful = false
	s.setDoubts(s.at(t.Affinity), 0)
	s.browser(t.Browser).GoodAt = s.Now
}

func (s *State) setDoubts(k affinity, n int32) {
	s.doubted -= s.tooMany(k.Doubts)
	s.doubted += s.tooMany(n)
	if k.Doubts = n; n == 0 {
		k.DoubtSince, k.DoubtIn = 0, 0
	}
}

// tooMany is 1 where so many doubtful ends are enough, and 0 otherwise.
func (s *State) tooMany(doubts int32) int32 {
	if most := s.Settings.AffinityDoubt; most > 0 && int(doubts) >= most {
		return 1
	}
	return 0
}

// giveUpDoubted gives up the contexts of affinities whose ends were doubtful too often, where
// another's lease has ended well since the first of them, in the same browser. None of their own
// has, since that ends the row.
func (s *State) giveUpDoubted() {
	if s.doubted == 0 {
		return
	}
	for a := range s.Affinities {
		k := s.at(Affinity(a))
		b := s.browser(k.DoubtIn)
		if s.tooMany(k.Doubts) == 0 || b == nil || b.GoodAt <= k.DoubtSince {
			continue
		}
		s.setDoubts(k, 0)
		for i := k.Tabs; i != None; i = s.Tabs[i].Next {
			if t := &s.Tabs[i]; t.Doubtful && t.State != Leased {
				s.giveUpContext(i, Doubt)
			}
		}
		if p := k.Primary; p != None && s.orphan(p) && s.Contexts[p].Doubtful {
			s.closeContext(p, Doubt)
		}
	}
}
