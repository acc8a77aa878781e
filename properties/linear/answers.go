package linear

import "slices"

// The two calls that only look: Stats and WarmAffinities. What they show of an affinity is also
// learnt: what was not there at that instant is not there later.

// list says whether WarmAffinities could answer keys now: every affinity with a tab that somebody
// holds is listed, and none that can have no tab.
func (r *Rules) list(s *State, keys []string) bool {
	if !slices.IsSorted(keys) || len(slices.Compact(slices.Clone(keys))) != len(keys) {
		return false
	}
	for _, key := range keys {
		if s.find(key) < 0 {
			return false
		}
	}
	for i := range s.affinities {
		a := &s.affinities[i]
		least, greatest := r.tabs(s, a)
		switch _, listed := slices.BinarySearch(keys, a.key); {
		case listed && greatest == 0, !listed && least > 0:
			return false
		case !listed:
			a.idle, a.most = nil, 0
		}
	}
	return true
}

// tabs is how many bound tabs an affinity has at least and at most: those that are held, those
// whose holder's generation may have been ended, those that were given back, and, inside a primary,
// those that were opened for a request that has gone.
func (r *Rules) tabs(s *State, a *affinity) (least, greatest int) {
	least = s.bound(a.key)
	greatest = least + a.most + s.unsure(a)
	if slices.ContainsFunc(a.primaries, func(c int) bool { return c != 0 }) && r.opensInPrimaries() {
		greatest += r.TabsPerContext
	}
	return least, greatest
}

// opensInPrimaries says whether a tab may be opened inside a primary: in an orphan, or beside
// another.
func (r *Rules) opensInPrimaries() bool { return r.OrphanCap > 0 || r.TabsPerContext > 1 }

// unsure is how many leases of an affinity may be bound or not.
func (s *State) unsure(a *affinity) int {
	n := 0
	for _, l := range s.leases {
		if l.key == a.key && l.unsure && l.generation == a.generation {
			n++
		}
	}
	return n
}

// look says whether Stats could answer v now.
func (r *Rules) look(s *State, v *View) bool {
	return (v.Part || r.sums(s, v)) && r.rows(s, v)
}

// sums compares what v says of the whole pool with s, and with itself.
func (r *Rules) sums(s *State, v *View) bool {
	bound, unsure := 0, 0
	for i := range s.affinities {
		bound += s.bound(s.affinities[i].key)
		unsure += s.unsure(&s.affinities[i])
	}
	tabs, idle, waiting, counted := 0, 0, 0, 0
	for _, row := range v.Rows {
		tabs += row.Tabs
		idle += row.Idle
		waiting += row.Waiting
		counted += row.PageCount
	}
	free := tabs - v.Idle - v.Busy // the rows' tabs that are held
	switch {
	case v.Leases != len(s.leases) || v.Leased != len(s.leases) || v.Grants != s.grants ||
		v.Reuses != s.reuses:
		return false
	case v.Capacity < r.MinPages || v.Capacity > r.MaxPages || v.Alive > v.Capacity+1:
		return false
	case v.Orphans > max(0, r.OrphanCap) || v.Contexts > v.Capacity+1+max(0, r.OrphanCap):
		return false
	case free < bound || free > bound+unsure || idle != v.Idle || waiting != v.Waiting ||
		counted > v.Alive:
		return false
	}
	return s.phase != closed || v.Alive+v.Contexts+v.Waiting+len(v.Rows) == 0
}

// rows compares what v says of each affinity with s, and learns from it.
func (r *Rules) rows(s *State, v *View) bool {
	for _, row := range v.Rows {
		if s.find(row.Key) < 0 && row.Tabs+row.PageCount > 0 {
			return false
		}
	}
	for i := range s.affinities {
		a := &s.affinities[i]
		row := Row{Key: a.key}
		if at, found := slices.BinarySearchFunc(v.Rows, a.key, compareRow); found {
			row = v.Rows[at]
		}
		least, greatest := r.tabs(s, a)
		if row.Tabs < least || row.Tabs > greatest || row.Tabs-row.Idle < least {
			return false
		}
		a.primaries = slices.DeleteFunc(slices.Clone(r.primaries(s, a)), func(c int) bool {
			return !r.counts(s, a, row, c)
		})
		if len(a.primaries) == 0 {
			return false
		}
		if a.most = min(a.most, row.Tabs-least); a.most == 0 {
			a.idle = nil
		}
	}
	return true
}

func compareRow(r Row, key string) int {
	switch {
	case r.Key < key:
		return -1
	case r.Key > key:
		return 1
	}
	return 0
}

// counts says whether the pageCount of row is right where c is the primary: it counts every tab in
// it that is there, held by whomever, and no supplementary one.
func (r *Rules) counts(s *State, a *affinity, row Row, c int) bool {
	if c == 0 {
		return row.PageCount == 0 && row.Supplementary == row.Tabs
	}
	inside, bound := 0, 0
	for i := range s.leases {
		if l := &s.leases[i]; l.key == a.key && l.context == c {
			inside++
			if s.binds(l) {
				bound++
			}
		}
	}
	own := row.Tabs - row.Supplementary // bound, and in the primary
	return own >= bound && row.Supplementary >= s.bound(a.key)-bound &&
		row.PageCount >= max(own, inside) && row.PageCount <= r.TabsPerContext
}
