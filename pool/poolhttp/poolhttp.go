// Package poolhttp shows a running pool as people look at it at three in the morning: what each tab
// does and for how long, who holds it, who waits for what and why, the last faults, and why tabs
// were closed. It is a handler with a page that refreshes itself, the same as JSON, and a dump:
//
//	GET /           the page: no script, no buttons, nothing that changes the pool
//	GET /live.json  the same moment as JSON
//	GET /dump       the flight recorder's trace, for soak replay and soak view
//
// Keys and labels are your tenants' names and addresses, so it belongs on a port of its own, for
// operators only, and never on the public one:
//
//	go http.ListenAndServe("127.0.0.1:6060", poolhttp.Handler(p, poolhttp.Options{}))
package poolhttp

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/why"
)

// Pool is what the handler needs of a pool: any *pool.Pool has it.
type Pool interface {
	Live(pseudonyms bool) pool.Live
	Stats() pool.Stats
	Dump(w io.Writer) error
	DumpPseudonyms(w io.Writer) error
}

// Options change what is shown.
type Options struct {
	// Pseudonyms leaves keys, labels and the details of faults out of the page, the JSON and the dump.
	Pseudonyms bool
	// Refresh is how often the page loads itself anew; 0: every two seconds. It is rounded up to whole
	// seconds, since browsers count in them.
	Refresh time.Duration
}

// Moment is what /live.json has, and what the page shows.
type Moment struct {
	pool.Live
	Leases     int            `json:"leases"`
	Waiting    int            `json:"waiting"`
	Saturation float64        `json:"saturation"`
	States     pool.TabCounts `json:"states"`
}

//go:embed page.html
var source string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"long": func(d time.Duration) string { return why.Round(d).String() },
	"ago":  func(now, then time.Time) string { return why.Round(now.Sub(then)).String() },
	"mib":  func(n int64) string { return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20)) },
}).Parse(source))

// Handler returns the handler. It answers GET and HEAD alone, and keeps nothing.
func Handler(p Pool, o Options) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		var out bytes.Buffer
		if err := page.Execute(&out, view(moment(p, o), o)); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		answer(w, "text/html; charset=utf-8", out.Bytes())
	})
	mux.HandleFunc("GET /live.json", func(w http.ResponseWriter, _ *http.Request) {
		text, err := json.MarshalIndent(moment(p, o), "", "  ")
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		answer(w, "application/json", append(text, '\n'))
	})
	mux.HandleFunc("GET /dump", func(w http.ResponseWriter, _ *http.Request) {
		dump := p.Dump
		if o.Pseudonyms {
			dump = p.DumpPseudonyms
		}
		var out bytes.Buffer
		if err := dump(&out); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Disposition", `attachment; filename="pool.trace"`)
		answer(w, "text/plain; charset=utf-8", out.Bytes())
	})
	return mux
}

func answer(w http.ResponseWriter, kind string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy",
		"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	_, _ = w.Write(body) // a client that hangs up wants no answer
}

func moment(p Pool, o Options) Moment {
	m, s := Moment{Live: p.Live(o.Pseudonyms)}, p.Stats()
	m.Leases, m.Waiting, m.Saturation, m.States = s.Leases, s.Waiting, s.Saturation, s.Tabs
	return m
}

// shown is what the page's template has.
type shown struct {
	Moment
	Refresh int
	Counts  string // tabs by state
	Why     string // closes by reason
}

func view(m Moment, o Options) shown {
	refresh := o.Refresh
	if refresh <= 0 {
		refresh = 2 * time.Second
	}
	states := map[string]int{}
	for _, t := range m.Tabs {
		states[t.State]++
	}
	return shown{
		Moment: m, Refresh: int((refresh + time.Second - 1) / time.Second),
		Counts: counted(states), Why: counted(m.Closes),
	}
}

// counted is a list of counts, the largest first.
func counted[N int | uint64](counts map[string]N) string {
	type entry struct {
		name string
		n    N
	}
	var all []entry
	for name, n := range counts {
		all = append(all, entry{name, n})
	}
	slices.SortFunc(all, func(a, b entry) int {
		if a.n != b.n {
			if a.n > b.n {
				return -1
			}
			return 1
		}
		return strings.Compare(a.name, b.name)
	})
	var words []string
	for _, e := range all {
		words = append(words, fmt.Sprintf("%d %s", e.n, e.name))
	}
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}
