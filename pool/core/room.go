package core

// room is memory for the lists of a small pool, in one piece. The copy of a state begins in it: a
// search copies states all the time, and reads lists faster that lie side by side. A list that
// outgrows its part moves elsewhere, as slices do.
type room struct {
	tabs         [4]Tab
	contexts     [4]Context
	affinities   [4]AffinityFacts
	requests     [4]Request
	calls        [2]Call
	browsers     [MaxBrowsers]Browser
	freeTabs     [4]int32
	freeContexts [4]int32
	freeRequests [4]int32

	inContexts [4]int32
	places     [4]links
	keys       [4]affinityIndex
	ids        [3][8]located
}

// takeRoom gives a state that has nothing yet the room of a small pool.
func (s *State) takeRoom() {
	r := new(room)
	s.Tabs, s.FreeTabs = r.tabs[:0], r.freeTabs[:0]
	s.Contexts, s.FreeContexts = r.contexts[:0], r.freeContexts[:0]
	s.Requests, s.FreeRequests = r.requests[:0], r.freeRequests[:0]
	s.Affinities, s.Calls, s.Browsers = r.affinities[:0], r.calls[:0], r.browsers[:0]
	s.inContexts, s.places, s.keys = r.inContexts[:0], r.places[:0], r.keys[:0]
	for i, x := range []*table{&s.tabIndex, &s.leases, &s.requestIndex} {
		x.ids = r.ids[i][:0]
	}
}
