package canon

import "github.com/pagepool/pagepool/pool/core"

// AddIDs names the ids of the facts.
func (c *Canon) AddIDs(s *core.Facts) {
	c.tabsIn = append(c.tabsIn[:0], make([]int, len(s.Contexts))...)
	for i := range s.Tabs {
		if t := &s.Tabs[i]; t.State != 0 {
			c.tabsIn[t.Context]++
			c.generations.add(uint64(t.Generation))
			c.stamps.add(t.Stamp)
		}
	}
	for i := range s.Contexts {
		if p := &s.Contexts[i]; p.State != 0 {
			if c.orphan(p, i) {
				c.ages.add(uint64(p.Since))
			}
			c.generations.add(uint64(p.Generation))
		}
	}
	for i := range s.Affinities {
		c.generations.add(uint64(s.Affinities[i].Generation))
		c.stamps.add(s.Affinities[i].Stamp)
	}
	for i := range s.Requests {
		c.orders.add(s.Requests[i].Order)
	}
	for i := range s.Calls {
		c.browsers.add(uint64(s.Calls[i].Browser))
	}
	for i := range s.Browsers {
		c.browsers.add(uint64(s.Browsers[i].ID))
	}
}

// Hash adds everything that the future of a pool depends on, but for who waits.
func (c *Canon) Hash(s *core.Facts) {
	c.Add(uint64(s.Phase)<<8 | uint64(s.Capacity)<<16 | Bit(s.Openings.On, 32) | Bit(s.Launches.On,
		33) | Bit(s.Idle, 34) |
		// whether the next restart is at once
		Bit(s.Shrinking, 35) | Bit(s.Contraction != 0, 36) | Bit(s.Launches.Failures > 0, 37) |
		Bit(s.IdleSince == core.Never, 38)) // whether it shrinks at all
	if c.Tick > 0 {
		c.Add(uint64(s.Openings.Failures)<<32 | uint64(s.Launches.Failures)) // how long a pause is
	}
	if s.Lightened {
		c.Add(1)
	}
	for i := range s.Browsers {
		b := &s.Browsers[i]
		worn := uint64(0)
		if s.Settings.BrowserMaxTabs > 0 && !b.Worn {
			worn = uint64(b.Tabs)
		}
		c.Add(c.Age(b.Since))
		c.Add(c.Browser(b.ID)<<8 | uint64(b.State) | Bit(b.Unlaunched, 16) | Bit(b.Worn,
			17) | Bit(b.AskedAt != core.Never, 18) | worn<<32)
		if b.Checks {
			c.hashChecks(s, b)
		}
		if s.Settings.MaxBrowserMemory > 0 {
			c.Add(uint64(b.Memory)<<1 | Bit(b.Heavy, 0))
		}
	}
	for i := range s.Contexts {
		if s.Contexts[i].State != 0 {
			c.hashContext(s, int32(i))
		}
	}
	for i := range s.Tabs {
		if s.Tabs[i].State != 0 {
			c.hashTab(s, &s.Tabs[i])
		}
	}
	order := uint64(0)
	for i := s.Standbys; i != core.None; i = s.Tabs[i].Next {
		order++ // of adoption
		c.Tab(s.Tabs[i].ID, 0).Add(order)
	}
	for a := range s.Affinities {
		switch k := &s.Affinities[a]; {
		case !k.Known:
		case c.Keys == nil:
			c.hashAffinity(&c.Hasher, s, core.Affinity(a))
		default: // of those that have changed names none comes first
			var h Hasher
			c.hashAffinity(&h, s, core.Affinity(a))
			c.AddAny(h.Sum())
		}
	}
}

func (c *Canon) hashAffinity(h *Hasher, s *core.Facts, a core.Affinity) {
	k := &s.Affinities[a]
	h.Add(c.Key(a) | c.generations.of(uint64(k.Generation))<<32)
	h.Add(c.stamps.of(k.Stamp))
	h.Add(c.Age(k.UsedAt))
	if k.Own {
		h.Add(1)
	}
	if k.Doubts > 0 {
		h.Add(uint64(min(int(k.Doubts), s.Settings.AffinityDoubt)) | Bit(othersEndWell(s, a),
			8) | c.Browser(k.DoubtIn)<<16)
	}
}

// HashWaiting adds those that wait, once they have their names.
func (c *Canon) HashWaiting(s *core.Facts) {
	for i := range s.Requests {
		if q := &s.Requests[i]; q.Used {
			c.with += c.requestSum(s, q)
		}
	}
	for i := range s.Calls {
		c.with += c.callSum(s, &s.Calls[i])
	}
}

func (c *Canon) requestSum(s *core.Facts, q *core.Request) uint64 {
	var h Hasher
	h.Add(c.NameOf(uint64(q.ID)))
	h.Add(c.orders.of(q.Order))
	h.Add(c.Key(q.Affinity) | uint64(q.Class)<<32 | Bit(q.MaxLease > 0,
		40) | Bit(q.AdmittedAt == core.Never, 41) | uint64(q.Bypassed)<<48)
	h.Add(uint64(uint32(q.Priority)) | roundsLeft(s, q.Rounds)<<32)
	h.Add(c.Age(q.Arrived))
	return h.Sum()
}

func (c *Canon) callSum(s *core.Facts, q *core.Call) uint64 {
	var h Hasher
	h.Add(c.NameOf(uint64(q.ID)))
	h.Add(c.generations.of(uint64(q.Generation)))
	h.Add(c.Key(q.Affinity) | Bit(q.Recycle, 32) | c.Browser(q.Browser)<<40)
	if q.Affinity == 0 {
		h.Add(roundsLeft(s, q.Rounds)) // a disposal does not give up after some
	}
	return h.Sum()
}

// hashContext adds a context. The oldest orphan goes first, so their ages are compared.
func (c *Canon) hashContext(s *core.Facts, i int32) {
	p := &s.Contexts[i]
	own := c.Context(p.ID, p.Browser)
	h := *own
	h.Add(c.Key(p.Affinity) | uint64(p.State)<<32 | uint64(p.Rung)<<36 | uint64(
		min(p.Closes, core.ClosesBeforeKill))<<40 |
		Bit(p.Retained, 44) | Bit(p.AskedAt != core.Never, 45) | Bit(isPrimary(s, i),
		46) | Bit(p.Doubtful, 47))
	// which the next one may reach
	h.Add(c.generations.of(uint64(p.Generation)) | Bit(p.Generation > s.LastGeneration, 32))
	if c.orphan(p, int(i)) {
		h.Add(c.ages.of(uint64(p.Since)))
	}
	*own = h
}

func (c *Canon) orphan(p *core.Context, slot int) bool {
	return p.State == core.ContextOpen && c.tabsIn[slot] == 0
}

// countedUses is up to which MaxUses a tab's uses count in its hash. A scenario that is explored to
// its end makes fewer grants than this, so a larger MaxUses is never reached.
const countedUses = 64

func (c *Canon) hashTab(s *core.Facts, t *core.Tab) {
	e := find(&c.tabs, uint64(t.ID), uint64(s.Contexts[t.Context].ID))
	e.requests[0], e.requests[1] = uint64(t.Holder), uint64(t.Pinned)
	h := e.own
	uses := min(t.Uses, 1)
	if s.Settings.MaxUses > 0 && s.Settings.MaxUses <= countedUses {
		uses = t.Uses
	}
	h.Add(c.Key(t.Affinity) | c.generations.of(uint64(t.Generation))<<32 | Bit(t.Generation >
		s.LastGeneration, 62))
	h.Add(c.stamps.of(t.Stamp))
	h.Add(c.Age(t.Opened.Ended))
	h.Add(c.Age(t.GoodAt))
	h.Add(uint64(t.State) | uint64(t.Class)<<4 | uint64(t.Reason)<<8 | uint64(t.Rung)<<16 |
		uint64(min(t.Closes, core.ClosesBeforeKill))<<20 | uint64(t.Kill)<<24 |
		Bit(t.Suspect, 28) | Bit(t.Rescued, 29) | Bit(t.State == core.Resetting &&
		t.Part == core.PartLeave, 30) | Bit(t.AskedAt != core.Never, 31) | Bit(t.Doomed, 32) |
		Bit(t.State == core.Leased && t.MaxLease > 0, 33) | // whether it can expire
		Bit(t.Overdue, 34) | Bit(t.Awaiting, 35) | Bit(t.Unopened, 36) | Bit(t.RetireAt < core.Never,
		37) | Bit(t.ID == s.Contraction, 38) | Bit(t.Frozen, 39) |
		uint64(uses)<<40)
	if asked(t) {
		h.Add(askedRank(s, t))
	}
	if t.Sessions {
		h.Add(sessionHash(s, t))
	}
	if t.Memory > 0 {
		h.Add(uint64(t.Memory)<<2 | 1)
	}
	if t.Unjudged || t.Doubtful {
		h.Add(2 | Bit(t.Unjudged, 2) | Bit(t.Doubtful, 3))
	}
	e.own = h
}

// sessionHash is what is known of a tab's sessions, and whether another tab of its browser has
// navigated since it could not.
func sessionHash(s *core.Facts, t *core.Tab) uint64 {
	since := t.StuckSince
	switch {
	case t.Stuck:
	case t.State == core.Leased:
		since = t.Since
	default:
		since = t.LeasedAt
	}
	b := browserOf(s, t.Browser)
	return 1 | uint64(t.Session)<<1 | uint64(t.Part)<<4 | Bit(t.Retried, 8) | Bit(t.Stuck,
		9) | Bit(b != nil && b.ArrivedAt > since, 10)
}

// askedRank is how many probes, rescues and resets began before that of a tab: closeOverdue takes
// the first.
func askedRank(s *core.Facts, t *core.Tab) uint64 {
	n := uint64(0)
	for i := range s.Tabs {
		if o := &s.Tabs[i]; asked(o) && (o.Since < t.Since || o.Since == t.Since && o.ID < t.ID) {
			n++
		}
	}
	return n
}

func roundsLeft(s *core.Facts, rounds uint32) uint64 {
	return uint64(min(s.Rounds-max(rounds, s.Success), uint32(s.Settings.OpenRetries)))
}

// Order is the place of a request among those that wait, by their arrival; 0: it does not wait.
func (c *Canon) Order(s *core.Facts, id core.RequestID) uint64 {
	for i := range s.Requests {
		if q := &s.Requests[i]; q.Used && q.ID == id {
			return c.orders.of(q.Order)
		}
	}
	return 0
}

// Outline is a hash of a state without its names: how many tabs there are in which condition, of
// browsers and contexts likewise, and roughly how many wait. States of one outline are of one kind,
// for whoever counts how many kinds were met.
func Outline(s *core.Facts) uint64 {
	var h Hasher
	var waiting [core.Classes]int
	for i := range s.Requests {
		if q := &s.Requests[i]; q.Used {
			waiting[q.Class]++
		}
	}
	h.Add(uint64(s.Capacity) | uint64(s.Phase)<<16 | Bit(s.Openings.On, 24) | Bit(s.Launches.On,
		25) | Bit(s.Contraction != 0, 26) |
		uint64(min(waiting[core.Root], roughly))<<32 | uint64(
		min(waiting[core.Nested], roughly))<<40 | uint64(min(waiting[core.Urgent], roughly))<<44 | uint64(
		min(len(s.Calls), roughly))<<48)
	sum := uint64(0)
	for i := range s.Tabs {
		if t := &s.Tabs[i]; t.State != 0 {
			var one Hasher
			one.Add(uint64(t.State) | uint64(t.Class)<<4 | uint64(t.Rung)<<8 | uint64(t.Kill)<<12 | Bit(
				t.Doomed, 16) |
				Bit(t.Overdue, 17) | Bit(t.Suspect, 18) | Bit(t.Rescued, 19) | Bit(t.Pinned != 0,
				20) | Bit(drains(s, t.Browser), 21) |
				Bit(isPrimary(s, t.Context), 22))
			sum += one.Sum()
		}
	}
	for i := range s.Contexts {
		if c := &s.Contexts[i]; c.State != 0 && tabsIn(s, int32(i)) == 0 {
			var one Hasher
			one.Add(1<<32 | uint64(c.State) | uint64(c.Rung)<<4)
			sum += one.Sum()
		}
	}
	for i := range s.Browsers {
		b := &s.Browsers[i]
		var one Hasher
		one.Add(1<<33 | uint64(b.State) | Bit(b.Worn, 4) | Bit(b.AskedAt != core.Never, 5))
		sum += one.Sum()
	}
	h.Add(sum)
	return h.Sum()
}

// othersEndWell says whether a lease of another affinity has ended well, in the browser of an
// affinity's doubtful ends, since the first of them.
func othersEndWell(s *core.Facts, a core.Affinity) bool {
	k := &s.Affinities[a]
	b := browserOf(s, k.DoubtIn)
	return b != nil && b.GoodAt > k.DoubtSince
}

// hashChecks adds what the checks of a browser depend on.
func (c *Canon) hashChecks(s *core.Facts, b *core.Browser) {
	e := &b.Evidence
	c.Add(Bit(s.Check.Browser == b.ID, 0) | Bit(s.Check.Browser != 0, 5) | Bit(b.SickAt != 0,
		1) | Bit(e.Several, 2) | Bit(e.Others, 3) |
		Bit(s.Check.Failed > 0, 4) | c.Key(e.First)<<16 | c.Key(e.Served)<<32)
	c.Add(uint64(min(e.Doubts, int32(max(0, s.Settings.BrowserDoubt)))))
	if c.Tick > 0 {
		c.Add(uint64(s.Check.Failed)) // how long the next pause is
	}
}

// roughly is from how many on Outline does not tell numbers apart.
const roughly = 3

// StateHash is a hash of everything that the future of a pool depends on, but for times, up to a
// renaming of tabs, contexts and browsers.
func StateHash(s *core.Facts) uint64 {
	var c Canon
	c.AddIDs(s)
	c.Seal()
	c.Hash(s)
	c.HashWaiting(s)
	return c.Sum()
}

func tabsIn(s *core.Facts, context int32) int {
	n := 0
	for i := range s.Tabs {
		if t := &s.Tabs[i]; t.State != 0 && t.Context == context {
			n++
		}
	}
	return n
}

func isPrimary(s *core.Facts, context int32) bool {
	a := s.Contexts[context].Affinity
	return a != 0 && s.Affinities[a].Primary == context
}

func browserOf(s *core.Facts, id core.BrowserID) *core.Browser {
	for i := range s.Browsers {
		if s.Browsers[i].ID == id {
			return &s.Browsers[i]
		}
	}
	return nil
}

func drains(s *core.Facts, id core.BrowserID) bool {
	b := browserOf(s, id)
	return b != nil && b.State == core.BrowserDraining
}

// asked says whether a tab is probed, rescued or reset.
func asked(t *core.Tab) bool { return t.State >= core.Probing && t.State <= core.Resetting }
