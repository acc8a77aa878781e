package core

// Memory of browsers. The processes of a browser use memory together, and the driver measures it.
// Above MaxBrowserMemory a browser is heavy, until it is below nine tenths of that: no standby is
// opened in it, and each time it is measured above the limit, the largest of its standbys and idle
// tabs is closed. One that is above it when none is left is replaced.

// measured notes how much memory a tab, or all of a browser, uses.
func (s *State) measured(e *Event) {
	if i, ok := s.tabIndex.get(uint64(e.Tab)); ok {
		s.Tabs[i].Memory = e.Memory
		return
	}
	b, most := s.browser(e.Browser), s.Settings.MaxBrowserMemory
	if b == nil || e.Tab != 0 {
		return
	}
	b.Memory = e.Memory
	switch {
	case most < 0:
	case b.Memory > most:
		b.Heavy = true
		s.lighten(b)
	case b.Memory < most-most/10:
		b.Heavy = false
	}
}

// lighten closes the largest standby or idle tab of a browser, and waits until it is gone. Where
// none is left, the browser is replaced, if one was full since the last was replaced for its
// memory: a browser that is heavy with few tabs would be replaced for ever.
func (s *State) lighten(b *Browser) {
	if !s.serves(b.ID) || s.Phase >= PhaseEnding {
		return
	}
	for i := range s.Tabs {
		if t := &s.Tabs[i]; t.State == Closing && t.Browser == b.ID && !t.Overdue {
			return
		}
	}
	switch largest := s.largest(b.ID); {
	case largest != None:
		s.beginClose(largest, BrowserMemory)
	case b.State == BrowserServing && !b.Worn && !s.Lightened:
		b.Worn, s.Lightened = true, true
	}
}

// largest is the largest standby or idle tab of a browser. Of several that are alike it is the
// standby that would be granted first, and where there is none the idle tab that eviction would
// take.
func (s *State) largest(id BrowserID) int32 {
	largest, most := None, int64(-1)
	for i := s.Standbys; i != None; i = s.Tabs[i].Next {
		if t := &s.Tabs[i]; t.Browser == id && t.Memory > most {
			largest, most = i, t.Memory
		}
	}
	for i := range s.Tabs {
		t := &s.Tabs[i]
		if t.State != Idle || t.Browser != id || t.Memory < most {
			continue
		}
		if t.Memory > most || s.Tabs[largest].State == Idle && s.colder(int32(i), largest) {
			largest, most = int32(i), t.Memory
		}
	}
	return largest
}

// fill notes that a browser which is not being replaced is full, if it is: it has as many tabs as
// capacity.
func (s *State) fill(id BrowserID) {
	tabs := int32(0)
	for i := range s.Tabs {
		if s.Tabs[i].State != 0 && s.Tabs[i].Browser == id {
			tabs++
		}
	}
	if tabs >= s.Capacity && !s.browser(id).Worn {
		s.Lightened = false
	}
}

// heavy says whether the browser that takes new tabs is above its memory.
func (s *State) heavy() bool {
	b := s.ready()
	return b != nil && b.Heavy
}
