// Package why says what each request of a pool waits for, and names the tabs and requests that are
// in its way: a queue of numbers becomes "r5 waits for a slot; t1 is leased by r1, whose lease ends
// in 87s". It reads a state of the core and changes nothing, so the live page of a service, a dump
// and a simulated run explain themselves in the same words.
package why

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
)

// Cause is the one thing that a request waits for first.
type Cause string

// The causes, in the order in which they are looked for.
const (
	Promise      Cause = "its tab"          // a tab is opened, probed or begun for it
	RootLimit    Cause = "the root limit"   // every root lease that the pool gives is held
	RootCap      Cause = "RootCap"          // its affinity holds as many root leases as RootCap says
	AffinityTabs Cause = "AffinityTabs"     // its affinity has as many tabs as AffinityTabs says
	Reserve      Cause = "the reserve"      // what is free is reserved for urgent root requests
	Browser      Cause = "a browser"        // no browser serves
	Bypass       Cause = "an older request" // which may not be overtaken again, though a tab is free
	Pause        Cause = "the pause"        // openings failed, and the next round has not begun
	// a tab that is on its way is for it, or for those ahead of it
	Opening Cause = "an opening"
	Slot    Cause = "a slot" // every slot is taken
)

// Wait is why one request waits.
type Wait struct {
	Request  core.RequestID
	Affinity core.Affinity
	Class    core.Class
	Since    core.Time
	For      Cause
	Tabs     []core.TabID     // what is in its way: the tabs that would have to end, or to be ready
	Ahead    []core.RequestID // which are served before it, where that matters; Bypass: the older ones
	Bypassed int              // how often a later request of another affinity has overtaken it
	Until    core.Time        // Pause and Browser: when the next attempt begins; 0: not known
}

// Of returns the waits of a state, in the order in which the requests are served.
func Of(s *core.State) []Wait {
	var requests []core.RequestView
	s.EachRequest(func(r core.RequestView) { requests = append(requests, r) })
	slices.SortFunc(requests, func(a, b core.RequestView) int {
		switch {
		case a.ID == b.ID:
			return 0
		case s.Ahead(a.ID, b.ID):
			return -1
		}
		return 1
	})
	var tabs []core.TabView
	if len(requests) > 0 {
		tabs = Tabs(s)
	}
	waits, q := make([]Wait, 0, len(requests)), queueOf(s, tabs)
	for i, r := range requests {
		waits = append(waits, q.of(r, requests[:i]))
	}
	return waits
}

// Tabs are the tabs of a state, oldest first.
func Tabs(s *core.State) []core.TabView {
	var tabs []core.TabView
	s.EachTab(func(t core.TabView) { tabs = append(tabs, t) })
	slices.SortFunc(tabs, func(a, b core.TabView) int { return cmp.Compare(a.ID, b.ID) })
	return tabs
}

func (q *queue) of(r core.RequestView, before []core.RequestView) Wait {
	s, tabs := q.s, q.tabs
	w := Wait{Request: r.ID, Affinity: r.Affinity, Class: r.Class, Since: r.Arrived,
		Bypassed: int(r.Bypassed)}
	which := func(cause Cause, holds func(core.TabView) bool) Wait {
		w.For = cause
		for _, t := range tabs {
			if holds(t) {
				w.Tabs = append(w.Tabs, t.ID)
			}
		}
		return w
	}
	rootLease := func(t core.TabView) bool { return t.State == core.Leased && t.Class != core.Nested }
	own := func(t core.TabView) bool { return t.Affinity == r.Affinity }
	held := func(t core.TabView) bool { return own(t) && rootLease(t) }
	ownLeases, ownTabs := 0, 0
	for _, t := range tabs {
		if held(t) {
			ownLeases++
		}
		if own(t) && (t.Bound() || t.State == core.Opening) {
			ownTabs++
		}
	}
	switch {
	case r.Promised != 0:
		return which(Promise, func(t core.TabView) bool { return t.ID == r.Promised })
	case !r.Admitted && s.Permits() <= 0:
		return which(RootLimit, func(t core.TabView) bool { return rootLease(t) || t.State == core.Lost })
	case !r.Admitted && ownLeases >= s.Settings.RootCap:
		return which(RootCap, held)
	case !r.Admitted && r.Class == core.Root && ownTabs < s.Settings.AffinityTabs:
		return which(Reserve, rootLease)
	case !r.Admitted:
		return which(AffinityTabs, own)
	}
	if until, ok := noBrowser(s); ok {
		w.Until, w.Ahead = until, ahead(before)
		return which(Browser, func(core.TabView) bool { return false })
	}
	if w.Ahead = q.heldBack(r, before); len(w.Ahead) > 0 {
		return which(Bypass, func(t core.TabView) bool {
			return slices.ContainsFunc(before, func(b core.RequestView) bool {
				return b.Promised == t.ID && slices.Contains(w.Ahead, b.ID)
			})
		})
	}
	w.Ahead = ahead(before)
	opening := func(t core.TabView) bool { return t.State == core.Opening }
	switch {
	case slices.ContainsFunc(tabs, opening):
		return which(Opening, opening)
	case s.Openings.On:
		w.Until = s.Openings.Until
		return which(Pause, func(core.TabView) bool { return false })
	}
	return which(Slot, func(core.TabView) bool { return true })
}

// ahead are those of the requests before one that nothing but the want of a tab stops.
func ahead(before []core.RequestView) (ids []core.RequestID) {
	for _, b := range before {
		if b.Promised == 0 && b.Admitted {
			ids = append(ids, b.ID)
		}
	}
	return ids
}

// noBrowser says whether no browser takes new tabs, and when the next launch begins.
func noBrowser(s *core.State) (until core.Time, none bool) {
	serves := false
	s.EachBrowser(func(b core.BrowserView) { serves = serves || b.State == "ready" })
	if !serves && s.Launches.On {
		until = s.Launches.Until
	}
	return until, !serves
}

// Text says a wait in one line: the request, what it waits for, and who is in its way.
func (w Wait) Text(s *core.State, names trace.Names) string {
	var b strings.Builder
	fmt.Fprintf(&b, "r%d (%s", w.Request, trace.QuoteKey(names.Key(w.Affinity)))
	if w.Class == core.Nested {
		b.WriteString(", nested")
	}
	fmt.Fprintf(&b, ") has waited %v for %s", Round((s.Now - w.Since).Duration()), w.For)
	switch w.For {
	case RootLimit:
		fmt.Fprintf(&b, ", of %d", s.Capacity)
	case Reserve:
		fmt.Fprintf(&b, " (ReservedPages=%d)", s.Settings.ReservedPages)
	case RootCap:
		fmt.Fprintf(&b, "=%d", s.Settings.RootCap)
	case AffinityTabs:
		fmt.Fprintf(&b, "=%d", s.Settings.AffinityTabs)
	case Slot:
		fmt.Fprintf(&b, ", of %d and the spare", s.Capacity)
		if s.Affinities[w.Affinity].Own {
			b.WriteString(" (its context is made for it, so no standby serves it)")
		}
	}
	if w.Until > 0 {
		fmt.Fprintf(&b, ", which begins in %v", Round((w.Until - s.Now).Duration()))
	}
	switch {
	case w.For == Bypass:
		fmt.Fprintf(&b, ", %s, which %s overtaken as often as MaxBypass=%s allows", ids("r", w.Ahead),
			map[bool]string{true: "was", false: "were"}[len(w.Ahead) == 1], often(s.Settings.MaxBypass))
	case len(w.Ahead) > 0:
		b.WriteString(", behind " + ids("r", w.Ahead))
	}
	if w.Bypassed > 0 {
		fmt.Fprintf(&b, ", overtaken %s (MaxBypass=%d)", times(w.Bypassed), s.Settings.MaxBypass)
	}
	for i, id := range w.Tabs {
		t, _ := s.Tab(id)
		b.WriteString(map[bool]string{true: ": ", false: "; "}[i == 0])
		b.WriteString(Tab(s, t, names))
	}
	return b.String()
}

// Tab says in some words what a tab does, for whom, since when, and what ends that by itself.
func Tab(s *core.State, t core.TabView, names trace.Names) string {
	var b strings.Builder
	fmt.Fprintf(&b, "t%d %s", t.ID, t.State)
	if t.State == core.Leased {
		fmt.Fprintf(&b, " by r%d", t.Holder)
		if t.Class == core.Nested {
			b.WriteString(" nested")
		}
	}
	if t.Affinity != 0 {
		b.WriteString(" of " + trace.QuoteKey(names.Key(t.Affinity)))
	}
	if t.Reason != core.ReasonNone {
		b.WriteString(" for " + t.Reason.String())
	}
	fmt.Fprintf(&b, " since %v", Round((s.Now - t.Since).Duration()))
	var flags []string
	for _, f := range []struct {
		is   bool
		word string
	}{
		{t.Suspect, "in doubt"}, {t.Doomed && t.State == core.Leased, "closes when the lease ends"},
		{t.Overdue, "overdue"}, {t.Frozen && t.State != core.Opening, "frozen, or asked to freeze"},
		{t.Frozen && t.State == core.Opening, "a standby that thaws: it is asked whether it answers"},
	} {
		if f.is {
			flags = append(flags, f.word)
		}
	}
	if next, ok := Next(s, t); ok {
		flags = append(flags, fmt.Sprintf("%s in %v", trace.AppendEvent(nil, next.Event, names),
			Round(max(0, next.At-s.Now).Duration())))
	}
	if len(flags) > 0 {
		b.WriteString(" (" + strings.Join(flags, ", ") + ")")
	}
	return b.String()
}

// Next is the earliest deadline of a tab or of its lease.
func Next(s *core.State, t core.TabView) (next core.Deadline, ok bool) {
	for _, d := range s.Deadlines(nil) {
		of := d.Event.Tab == t.ID || d.Event.Request != 0 && d.Event.Request == t.Holder
		if of && d.At < core.Never && (!ok || d.At < next.At) {
			next, ok = d, true
		}
	}
	return next, ok
}

func ids[T ~uint32 | ~uint64](prefix string, all []T) string {
	const most = 6
	var words []string
	for i, id := range all {
		if i == most {
			words = append(words, fmt.Sprintf("and %d more", len(all)-most))
			break
		}
		words = append(words, fmt.Sprintf("%s%d", prefix, id))
	}
	return strings.Join(words, ", ")
}

// Round leaves three digits or so of a duration, which is what people read.
func Round(d time.Duration) time.Duration {
	switch {
	case d >= 10*time.Second:
		return d.Round(time.Second)
	case d >= 100*time.Millisecond:
		return d.Round(10 * time.Millisecond)
	case d >= 10*time.Millisecond:
		return d.Round(time.Millisecond)
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond)
	}
	return d
}
