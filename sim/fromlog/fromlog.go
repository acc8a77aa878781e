package fromlog

import (
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/pagepool/pagepool/internal/prose"
	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim/replay"
)

// Imported is what came of a log.
type Imported struct {
	Text   []byte   // the trace; it holds
	Lines  int      // of the pool's that tell what happened
	Others int      // of the log: nothing that a trace has
	Leases int      // that the trace has
	Unsaid []string // lines that the trace does not have, or has otherwise, and why
}

// cannotTell is what every trace from a log begins with.
var cannotTell = []string{
	"A log does not tell of requests that went well, of calls other than GetPage, of settings, and " +
		"of how long",
	"browsers took: none of these are here but by default. A lease that expired began MaxLease " +
		"before; of other",
	"leases the beginning is made up. A page that had to be killed is a wedge from its first moment " +
		"on, and one",
	"that did not answer and was rescued is a loop. Keys have at most 64 bytes.",
}

// Read makes a trace of a log. settings are those that the pool had: a log does not tell them. An
// error about a line is a *trace.Error.
func Read(r io.Reader, settings core.Settings) (*Imported, error) {
	resolved, err := settings.Resolve()
	if err != nil {
		return nil, err
	}
	entries, others, err := read(r)
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 {
		return nil, fmt.Errorf("none of its %d lines is one of the pool's about something that went "+
			"wrong, so there is nothing to replay", others)
	}
	s := &stories{maxLease: resolved.MaxLease,
		out: &Imported{Lines: len(entries), Others: others, Unsaid: []string{}}}
	for i := range entries {
		s.tell(&entries[i])
	}
	s.tellOthers()
	s.out.Leases = len(s.leases)
	if n := s.atOnce(); n > resolved.MaxPages+1 {
		return nil, fmt.Errorf("the log has %d leases at once, and MaxPages is %d: say which settings "+
			"the pool had, with -set", n, resolved.MaxPages)
	}
	return s.out, s.play(settings)
}

// lease is one that the log tells of.
type lease struct {
	request    core.RequestID
	tab        core.TabID
	key        string
	began, end time.Time
	reason     string
	line       int
	suspect    bool // did not give its page back in order
	silent     bool // and its main thread did not answer
	killed     *entry
}

// stories are the leases and the ends of browsers that a log tells of.
type stories struct {
	maxLease time.Duration
	out      *Imported
	leases   []*lease
	lost     []*entry
	others   []*entry
}

// madeUp is how long a lease lasted of which the log does not say when it began.
const madeUp = time.Second

func (s *stories) tell(e *entry) {
	last := s.last(e.tab)
	switch e.message {
	case leaseEnded:
		s.add(e, e.reason)
	case leaseSuspect:
		if last == nil || last.suspect || last.reason != core.LeaseExpired.String() {
			last = s.add(e, "")
		}
		last.suspect, last.silent = true, !e.answered
	case tabKilled:
		if last == nil || last.killed != nil {
			s.unsaid(e, "no line tells of a lease of its tab")
			return
		}
		last.killed = e
	case browserLost:
		s.lost = append(s.lost, e)
	case browserEnded:
		s.unsaid(e, "it ended as asked; who asked is not told")
	case leaseSpoiled, tabSuspect, launchFailed, failed, givenUp, poolBug:
		s.others = append(s.others, e)
	}
}

// tabIn is the tab that an error names.
var tabIn = regexp.MustCompile(`\bt([0-9]+)\b`)

// tellOthers notes the lines that no lease explains: what was given up on a tab that had to be
// killed is no news.
func (s *stories) tellOthers() {
	for _, e := range s.others {
		tab := e.tab
		if named := tabIn.FindString(e.err); tab == 0 && named != "" {
			n, _ := trace.ParseID(trace.Word{Text: named}, "t")
			tab = core.TabID(n)
		}
		if l := s.last(tab); l == nil || l.killed == nil || e.at.Before(l.end) {
			s.unsaid(e, "how it came to that is not told")
		}
	}
}

// unsaid notes a line that the trace does not have.
func (s *stories) unsaid(e *entry, why string) {
	what := e.message
	for _, part := range []struct{ name, value string }{
		{"kind", e.kind}, {"tab", named("t", uint64(e.tab))}, {"browser", named("b", uint64(e.browser))},
		{"affinity", e.affinity}, {"error", e.err},
	} {
		if part.value != "" {
			what += fmt.Sprintf(", %s %.60q", part.name, part.value)
		}
	}
	s.out.Unsaid = append(s.out.Unsaid, fmt.Sprintf("line %d (%s): %s", e.number, what, why))
}

func named(prefix string, id uint64) string {
	if id == 0 {
		return ""
	}
	return fmt.Sprintf("%s%d", prefix, id)
}

// last is the last lease of a tab.
func (s *stories) last(tab core.TabID) *lease {
	for i := len(s.leases) - 1; i >= 0; i-- {
		if s.leases[i].tab == tab {
			return s.leases[i]
		}
	}
	return nil
}

func (s *stories) add(e *entry, reason string) *lease {
	l := &lease{request: core.RequestID(len(s.leases) + 1), tab: e.tab, key: e.affinity, end: e.at,
		began: e.at.Add(-madeUp), reason: reason, line: e.number}
	if reason == core.LeaseExpired.String() && s.maxLease > 0 {
		l.began = e.at.Add(-s.maxLease)
	}
	if last := s.last(e.tab); last != nil && l.began.Before(last.end) {
		l.began = last.end.Add(time.Millisecond)
	}
	if l.key == "" {
		l.key = fmt.Sprintf("unknown-%d", l.request)
	}
	s.leases = append(s.leases, l)
	return l
}

// atOnce is how many of the leases there were at one moment.
func (s *stories) atOnce() (most int) {
	for _, l := range s.leases {
		n := 0
		for _, other := range s.leases {
			if !other.began.After(l.began) && other.end.After(l.began) {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}

// start is how long after its beginning a trace has its first line: standbys are open by then.
const start = 5 * time.Second

// play plays the stories on a pool in the simulated world, which says which tab is which there.
func (s *stories) play(settings core.Settings) error {
	first := s.first()
	h := &replay.History{Settings: settings, Auto: true, Names: new(replay.Keys)}
	for _, l := range s.leases {
		h.Lines = append(h.Lines, l.lines(first, h.Names)...)
	}
	for _, e := range s.lost {
		h.Lines = append(h.Lines, s.loss(e, first)...)
	}
	slices.SortStableFunc(h.Lines, func(a, b replay.Line) int { return int(a.At - b.At) })
	played, err := h.Play(false)
	if err != nil {
		return err
	}
	kept := s.compare(h, played)
	comments := append([]string{
		fmt.Sprintf("From a log with %s of the pool's; the time is %s at @%v.",
			prose.Count(s.out.Lines, "line"),
			first.Add(start).Format(time.RFC3339Nano), start),
	}, cannotTell...)
	if len(s.out.Unsaid) > 0 {
		comments = append(comments, "Not here, or otherwise:")
		comments = append(comments, s.out.Unsaid...)
	}
	s.out.Text = kept.Text(comments...)
	return nil
}

// loss is the end of a browser, and of the leases that were lost with it.
func (s *stories) loss(e *entry, first time.Time) []replay.Line {
	at := since(first, e.at)
	all := []replay.Line{
		{At: at, Number: e.number, Event: core.Event{Kind: core.BrowserGone, Browser: e.browser}}}
	for _, l := range s.leases {
		if apart := l.end.Sub(e.at).Abs(); l.reason == core.BrowserLost.String() && apart < madeUp/2 {
			all = append(all, replay.Line{At: at, Number: l.line,
				Expect: plain([]string{"lease-lost", fmt.Sprintf("r%d", l.request)})})
		}
	}
	return all
}

// compare notes what the simulated pool has not, or otherwise, and leaves it out: what remains
// holds.
func (s *stories) compare(h *replay.History, played *replay.Played) *replay.History {
	missing := map[int]int{} // events of a line of the log
	for i := range h.Lines {
		if h.Lines[i].Expect == nil {
			missing[h.Lines[i].Number]++
		}
	}
	var kept []replay.Line
	moments := played.Moments
	for _, l := range played.Lines {
		if l.Expect == nil {
			missing[l.Number]--
			kept = append(kept, l)
			continue
		}
		if m := moments[0]; m.Failed {
			s.out.Unsaid = append(s.out.Unsaid,
				fmt.Sprintf("line %d: the log says %q, and here it comes at another time: %s",
					m.Number, trace.JoinWords(l.Expect), m.Got))
		} else {
			kept = append(kept, l)
		}
		moments = moments[1:]
	}
	for _, number := range slices.Sorted(maps.Keys(missing)) {
		if missing[number] > 0 && number > 0 {
			s.out.Unsaid = append(s.out.Unsaid,
				fmt.Sprintf("line %d: it cannot happen here at its time", number))
		}
	}
	return played.With(kept)
}

func (s *stories) first() time.Time {
	var all []time.Time
	for _, l := range s.leases {
		all = append(all, l.began)
	}
	for _, e := range s.lost {
		all = append(all, e.at)
	}
	if len(all) == 0 {
		return time.Time{}
	}
	return slices.MinFunc(all, time.Time.Compare).Add(-start)
}

func since(first, at time.Time) core.Time { return core.Time(at.Sub(first)) }

// lines are what a lease is in a trace: its request, what was wrong with its page, its end, and
// what the log says of that.
func (l *lease) lines(first time.Time, names trace.Names) []replay.Line {
	began, end := since(first, l.began), since(first, l.end)
	all := []replay.Line{{
		At: began, Number: l.line, Event: core.Event{Kind: core.Requested, Request: l.request,
			Affinity: names.Handle(l.key)},
		Did: replay.Deeds{Granted: []replay.Granted{{Request: l.request, Tab: l.tab}}},
	}}
	verb := ""
	if l.silent {
		verb = replay.LoopVerb
	}
	if l.killed != nil {
		verb = replay.WedgeVerb
	}
	if verb != "" {
		all = append(all, replay.Line{At: began + core.Time(time.Millisecond), Number: l.line,
			Act: replay.Act{Verb: verb, Tab: l.tab}})
	}
	expect := func(at core.Time, line int, words ...string) {
		all = append(all, replay.Line{At: at, Number: line},
			replay.Line{At: at, Number: line, Expect: plain(words)})
	}
	request := fmt.Sprintf("r%d", l.request)
	switch l.reason {
	case "":
		all = append(all, replay.Line{At: end, Number: l.line,
			Event: core.Event{Kind: core.Discarded, Request: l.request, Wedged: true}})
	case core.LeaseExpired.String():
		expect(end, l.line, "lease-expired", request)
	case core.BrowserLost.String():
		// the line of the browser ends it
	case core.PoolClosed.String():
		all = append(all, replay.Line{At: end, Number: l.line,
			Event: core.Event{Kind: core.Released, Request: l.request}})
	default: // it crashed, or closed itself, which the core takes for the same
		all = append(all, replay.Line{At: end, Number: l.line,
			Event: core.Event{Kind: core.Crashed, Tab: l.tab}},
			replay.Line{At: end, Number: l.line, Expect: plain([]string{"lease-crashed", request})})
	}
	if l.killed != nil {
		killed := since(first, l.killed.at)
		// an expectation is about what came since the line before it
		if before := killed - core.Time(time.Second); before > end {
			all = append(all, replay.Line{At: before, Number: l.killed.number})
		}
		expect(killed, l.killed.number, "kill", fmt.Sprintf("t%d", l.tab))
	}
	return all
}

func plain(words []string) (out []trace.Word) {
	for _, w := range words {
		out = append(out, trace.Word{Text: w})
	}
	return out
}
