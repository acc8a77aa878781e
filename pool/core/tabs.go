package core

// The books of tabs: slots, lists and counts.

// slot puts an element into the slot that was freed last, or into a new one.
func slot[T any](list *[]T, free *[]int32, element T) int32 {
	last := len(*free) - 1
	if last < 0 {
		*list = append(*list, element)
		return int32(len(*list) - 1)
	}
	i := (*free)[last]
	*free, (*list)[i] = (*free)[:last], element
	return i
}

// openTab begins to open a tab in a context, for an affinity or for nobody.
func (s *State) openTab(context int32, a Affinity) int32 {
	s.LastTab++
	t := Tab{
		ID: s.LastTab, Context: context, Browser: s.Contexts[context].Browser, Affinity: a,
		State: Opening, Unopened: true, Since: s.Now, Opened: Span{Began: s.Now}, RetireAt: Never,
		Operation: Operation{Began: s.Now, AskedAt: s.Now},
	}
	i := slot(&s.Tabs, &s.FreeTabs, t)
	s.counts[0] = int32(len(s.FreeTabs))
	s.moved = append(s.moved, i)
	s.counts[Opening]++
	s.tabIndex.put(uint64(t.ID), i)
	if s.Lightened {
		s.fill(t.Browser)
	}
	s.inContexts[t.Context]++
	if a != 0 {
		s.Tabs[i].Generation = s.LastGeneration + 1 // later than any disposal so far
		s.link(&s.Affinities[a].Tabs, nil, i)
		s.touch(a)
	}
	s.wearOut(t.Browser)
	s.operation(Effect{Kind: OpenTab, Tab: t.ID, Context: s.Contexts[context].ID, Browser: t.Browser,
		Affinity: a})
	return i
}

// removeTab takes a tab off the books: its end is confirmed, or its browser is gone. What becomes
// of its context is the caller's to say in the same breath.
func (s *State) removeTab(i int32) {
	s.setState(i, 0)
	t := &s.Tabs[i]
	if a := t.Affinity; a != 0 {
		s.unlink(&s.Affinities[a].Tabs, nil, i)
	}
	s.inContexts[t.Context]--
	if t.ID == s.Contraction {
		s.Contraction = 0
		s.Capacity--
	}
	s.tabIndex.remove(uint64(t.ID))
	s.Tabs[i] = Tab{}
	s.FreeTabs = append(s.FreeTabs, i)
}

// setState moves a tab from one state to another and keeps the counts. Whoever was promised the tab
// is placed again.
func (s *State) setState(i int32, state TabState) {
	s.unpin(i)
	t := &s.Tabs[i]
	s.counts[t.State]--
	if t.Overdue {
		s.overdue[t.State]--
		t.Overdue = false
	}
	t.State, t.Since, t.Began = state, s.Now, s.Now
	s.moved = append(s.moved, i)
	s.counts[state]++
	s.touch(t.Affinity)
}

// alive is the number of tabs in any state.
func (s *State) alive() int32 { return int32(len(s.Tabs) - len(s.FreeTabs)) }

// ask begins an operation on a tab, which is answered by an event or given up by a deadline.
func (s *State) ask(i int32, e Effect) {
	t := &s.Tabs[i]
	e.Tab, e.Context, e.Browser, e.Affinity = t.ID, s.Contexts[t.Context].ID, t.Browser, t.Affinity
	s.begin(&t.Operation, e)
}

// markOverdue notes that what a tab waits for is no relief any more for requests that wait.
func (s *State) markOverdue(i int32, of EffectKind) {
	t := &s.Tabs[i]
	if t.Overdue || of != awaitedIn(t.State) {
		return
	}
	s.unpin(i)
	t.Overdue = true
	s.moved = append(s.moved, i)
	s.overdue[t.State]++
	s.touch(t.Affinity)
}

// awaitedIn is what a tab in a state waits for, in the words of Overdue; NoEffect: for nothing.
func awaitedIn(state TabState) EffectKind {
	switch state {
	case Opening:
		return OpenTab
	case Probing, Rescuing:
		return ProbeTab
	case Resetting:
		return ResetTab
	case Closing:
		return CloseTab
	}
	return NoEffect
}

// toStandbys makes a tab a standby. It goes to the end of them, but for one of a browser that is
// being replaced, which is to go first.
func (s *State) toStandbys(i int32) {
	s.setState(i, Standby)
	if s.Standbys == None || !s.draining(s.Tabs[i].Browser) {
		s.link(&s.Standbys, &s.LastReady, i)
		return
	}
	s.link(&s.Standbys, nil, i)
}

// link puts a tab at the end of a list of tabs; unlink takes it out. The end of an affinity's list
// is not kept: nothing depends on its order.
func (s *State) link(first, last *int32, i int32) {
	t := &s.Tabs[i]
	if last == nil {
		t.Next, t.Prev = *first, None
		if *first != None {
			s.Tabs[*first].Prev = i
		}
		*first = i
		return
	}
	t.Next, t.Prev = None, *last
	if *last != None {
		s.Tabs[*last].Next = i
	} else {
		*first = i
	}
	*last = i
}

func (s *State) unlink(first, last *int32, i int32) {
	t := &s.Tabs[i]
	if t.Prev != None {
		s.Tabs[t.Prev].Next = t.Next
	} else {
		*first = t.Next
	}
	if t.Next != None {
		s.Tabs[t.Next].Prev = t.Prev
	} else if last != nil {
		*last = t.Prev
	}
}
