package core

// Frozen pages. The page of a tab that nobody holds goes on with its timers and animations, and so
// uses as much of a processor as one that is held. So it is frozen FreezeAfter after its tab has
// become idle, or a standby. A probe thaws it, and no tab is granted before that: an idle one is
// probed as one that was not seen for a while; a standby is not ready until it has answered.

// freezeDue is when a tab's page is frozen; Never: it is not. With AllowReassign no idle one is: it
// is handed to another affinity as it is.
func (s *State) freezeDue(t *Tab) Time {
	freezes := t.State == Standby || t.State == Idle && !s.Settings.AllowReassign
	if !freezes || s.Settings.FreezeAfter < 0 || t.Frozen {
		return Never
	}
	return t.Since.Add(s.Settings.FreezeAfter)
}

// freeze asks for it. Whether the answer comes, and what it is, makes no difference: from here on
// the page may be frozen.
func (s *State) freeze(i int32) {
	if t := &s.Tabs[i]; s.freezeDue(t) != Never {
		t.Frozen = true
		s.ask(i, Effect{Kind: FreezeTab})
	}
}

// awakeStandby is the oldest standby that can be granted as it is.
func (s *State) awakeStandby() int32 {
	i := s.Standbys
	for i != None && s.Tabs[i].Frozen {
		i = s.Tabs[i].Next
	}
	return i
}

// thaw probes frozen standbys, the oldest first, as many as those that wait are short of. Each is
// opening until it answers.
func (s *State) thaw() {
	if s.counts[Standby] == 0 || s.awakeStandby() != None {
		return
	}
	for n := s.standbyNeed() - s.thawing(); n > 0 && s.Standbys != None; n-- {
		i := s.Standbys
		s.unlink(&s.Standbys, &s.LastReady, i)
		s.setState(i, Opening)
		s.Tabs[i].Probed.Began = s.Now
		s.ask(i, Effect{Kind: ProbeTab})
	}
}

// thaws says whether a tab is a standby that is being thawed.
func (t *Tab) thaws() bool { return t.State == Opening && t.Frozen }

// thawing is how many standbys are being thawed and not overdue.
func (s *State) thawing() int32 {
	n := int32(0)
	for i := range s.Tabs {
		if t := &s.Tabs[i]; t.thaws() && !t.Overdue {
			n++
		}
	}
	return n
}
