package pool

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/pool/why"
)

// Live is one moment of a pool as a person looks at it: what each tab does, for whom and for how
// long, and who waits for what. Stats has the numbers of the same moment.
type Live struct {
	At       time.Time         `json:"at"`
	Capacity int               `json:"capacity"` // one spare tab comes on top
	Closing  bool              `json:"closing"`  // Close was called
	Tabs     []LiveTab         `json:"tabs"`     // oldest first
	Waits    []LiveWait        `json:"waits"`    // in the order of service
	Browsers []LiveBrowser     `json:"browsers"` // oldest first
	Faults   []LiveFault       `json:"faults"`   // the last ones, newest first
	Closes   map[string]uint64 `json:"closes"`   // tabs that were closed since the start, by reason
}

// LiveTab is one tab.
type LiveTab struct {
	ID       string        `json:"id"`
	State    string        `json:"state"`
	For      time.Duration `json:"for_ns"` // how long it has been in that state; for a lease, held
	Age      time.Duration `json:"age_ns"` // since it was asked for
	Affinity string        `json:"affinity,omitempty"`
	Request  string        `json:"request,omitempty"` // which holds it
	Label    string        `json:"label,omitempty"`
	Browser  string        `json:"browser"`
	Says     string        `json:"says"` // all of it in one line, with what ends it by itself
}

// LiveWait is one request that waits.
type LiveWait struct {
	Request  string        `json:"request"`
	Affinity string        `json:"affinity"`
	Label    string        `json:"label,omitempty"`
	For      time.Duration `json:"for_ns"` // how long it has waited
	Cause    string        `json:"cause"`
	Tabs     []string      `json:"tabs"` // which are in its way
	Says     string        `json:"says"` // all of it in one line, with the tabs that are in its way
}

// LiveBrowser is one browser.
type LiveBrowser struct {
	ID    string        `json:"id"`
	State string        `json:"state"` // starting, ready, draining or closing
	For   time.Duration `json:"for_ns"`
	Tabs  int           `json:"tabs"` // alive
	// Memory is what its processes use together, in bytes, as last measured; 0: it was not.
	Memory int64 `json:"memory,omitempty"`
}

// LiveFault is something that the log said as a warning or an error.
type LiveFault struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// Live returns what is true at one moment. With pseudonyms, or with DumpPseudonyms of the settings,
// keys are those of a dump with pseudonyms, and labels and the details of faults are left out. The
// pool is held up for as long as its state is copied.
func (p *Pool[P]) Live(pseudonyms bool) Live {
	pseudonyms = pseudonyms || p.pseudonyms
	p.mu.Lock()
	s := p.mu.core.Clone()
	names := liveNames{pseudonyms: pseudonyms}
	if !pseudonyms {
		names.keys = slices.Clone(p.mu.keys.names)
	}
	labels := map[core.RequestID]string{}
	if !pseudonyms {
		p.eachLabelLocked(func(id core.RequestID, label string) { labels[id] = label })
	}
	l := Live{At: p.clock.Now(), Closes: p.mu.closes.byReason()}
	maps.DeleteFunc(l.Closes, func(_ string, n uint64) bool { return n == 0 })
	s.Now = max(s.Now, core.Time(l.At.Sub(p.began)))
	memory := map[core.BrowserID]int64{}
	for id, b := range p.mu.browsers {
		memory[id] = b.memory
	}
	recent := faults{slices.Clone(p.mu.faults.last), p.mu.faults.next}
	p.unlock()
	l.Faults = recent.list(pseudonyms) // which asks the driver's errors what they say
	l.Capacity, l.Closing = int(s.Capacity), s.Closing()
	l.Tabs, l.Waits, l.Browsers = []LiveTab{}, []LiveWait{}, []LiveBrowser{}
	alive, asked := map[core.BrowserID]int{}, map[core.TabID]core.Time{}
	for i := range s.Tabs {
		asked[s.Tabs[i].ID] = s.Tabs[i].Opened.Began
	}
	for _, t := range why.Tabs(s) {
		alive[t.Browser]++
		tab := LiveTab{
			ID: fmt.Sprintf("t%d", t.ID), State: t.State.String(), For: (s.Now - t.Since).Duration(),
			Age: (s.Now - asked[t.ID]).Duration(), Browser: browserName(t.Browser),
			Says: why.Tab(s, t, names),
		}
		if t.Affinity != 0 {
			tab.Affinity = names.Key(t.Affinity)
		}
		if t.State == core.Leased {
			tab.Request, tab.Label = fmt.Sprintf("r%d", t.Holder), labels[t.Holder]
		}
		l.Tabs = append(l.Tabs, tab)
	}
	for _, w := range why.Of(s) {
		wait := LiveWait{
			Request: fmt.Sprintf("r%d", w.Request), Affinity: names.Key(w.Affinity),
			Label: labels[w.Request],
			For:   (s.Now - w.Since).Duration(), Cause: string(w.For), Tabs: []string{},
			Says: w.Text(s, names),
		}
		for _, id := range w.Tabs {
			wait.Tabs = append(wait.Tabs, fmt.Sprintf("t%d", id))
		}
		l.Waits = append(l.Waits, wait)
	}
	since := map[core.BrowserID]core.Time{}
	for i := range s.Browsers {
		since[s.Browsers[i].ID] = s.Browsers[i].Since
	}
	s.EachBrowser(func(b core.BrowserView) {
		l.Browsers = append(l.Browsers, LiveBrowser{
			ID: browserName(b.ID), State: b.State, For: (s.Now - since[b.ID]).Duration(), Tabs: alive[b.ID],
			Memory: memory[b.ID],
		})
	})
	return l
}

// liveNames are the keys of a moment.
type liveNames struct {
	keys       []string
	pseudonyms bool
}

func (n liveNames) Key(a core.Affinity) string {
	if n.pseudonyms {
		return pseudonym(a)
	}
	return n.keys[a]
}

func (liveNames) Handle(string) core.Affinity { return 0 }

var _ trace.Names = liveNames{}

// mostLabel is how long a label may be, in bytes.
const mostLabel = 1024

// labelOf is the last label of some options.
func labelOf(opts []GetOption) (text string) {
	for _, o := range opts {
		if o.kind == label {
			text = o.label
		}
	}
	return text
}

// eachLabelLocked calls fn for each lease and each waiting request that has a label.
func (p *Pool[P]) eachLabelLocked(fn func(id core.RequestID, label string)) {
	for id, l := range p.mu.requests {
		if l.label != "" {
			fn(id, l.label)
		}
	}
	for _, t := range p.mu.tabs {
		if t.holder != nil && t.holder.label != "" {
			fn(t.holder.request, t.holder.label)
		}
	}
}

// labelsLocked are the labels as comments of a dump, in the order of the requests.
func (p *Pool[P]) labelsLocked() []string {
	labels := map[core.RequestID]string{}
	p.eachLabelLocked(func(id core.RequestID, label string) { labels[id] = label })
	var lines []string
	for _, id := range slices.Sorted(maps.Keys(labels)) {
		lines = append(lines, fmt.Sprintf("r%d is %q", id, labels[id]))
	}
	return lines
}

// closesByReason counts the tabs that were asked to close. The reasons of a close come first, and
// no tab closes without one.
type closesByReason [core.PoolClosed]uint64

func (c *closesByReason) count(e *core.Effect) {
	if e.Kind == core.CloseTab {
		c[e.Reason]++
	}
}

func (c *closesByReason) byReason() map[string]uint64 {
	counts := make(map[string]uint64, len(c))
	for reason, n := range c {
		if core.Reason(reason) != core.ReasonNone {
			counts[core.Reason(reason).String()] = n
		}
	}
	return counts
}

// mostFaults is how many faults Live tells of.
const mostFaults = 20

// faults are the last warnings and errors of the log.
type faults struct {
	last []fault // a ring
	next int
}

type fault struct {
	at   time.Time
	text string
	args []any
}

func (f *faults) add(at time.Time, text string, args []any) {
	if len(f.last) < mostFaults {
		f.last = append(f.last, fault{at, text, args})
		return
	}
	f.last[f.next] = fault{at, text, args}
	f.next = (f.next + 1) % mostFaults
}

// list is the newest first. With pseudonyms, it is what happened, and to which tab or browser.
func (f *faults) list(pseudonyms bool) []LiveFault {
	all := []LiveFault{}
	for i := len(f.last) - 1; i >= 0; i-- {
		x := f.last[(f.next+i)%len(f.last)]
		var b strings.Builder
		b.WriteString(x.text)
		for n := 0; n+1 < len(x.args); n += 2 {
			name := fmt.Sprint(x.args[n])
			if pseudonyms && !slices.Contains([]string{"tab", "browser", "reason", "kind", "operation"},
				name) {
				continue
			}
			if value := fmt.Sprint(x.args[n+1]); value != "" && value != "[]" {
				fmt.Fprintf(&b, ", %s %s", name, value)
			}
		}
		all = append(all, LiveFault{x.at, b.String()})
	}
	return all
}
