package chrome

import (
	"bytes"
	"cmp"
	"hash/maphash"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp/jsonv2"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/target"
)

const (
	// problemsMost is how many problems of a lease are kept, and readsMost how many messages are
	// decoded for them: what a page says in a loop is counted by what it looks like, undecoded.
	problemsMost, readsMost = 32, 64
	// problemBytes is the longest message that is decoded for a problem.
	problemBytes = 16 << 10
	// flightsMost is how many requests in flight are known, and flightBytes what is kept of one
	// undecoded.
	flightsMost, flightBytes = 256, 4 << 10
	// textBytes is what is kept of an address or of a message's text.
	textBytes = 512
)

// diary is what a page has said of its troubles during the present lease, and what it waits for.
// The pump writes it, so a message costs next to nothing where it is no trouble: most are known by
// how they begin.
type diary struct {
	// begin is how the news begins that the page's own frame shows another document.
	begin []byte
	// frame is in the news of what the page's own frame asks for.
	frame []byte

	mu struct {
		sync.Mutex
		url      string
		problems []Problem
		known    map[uint64]int // by the sum of what told of it: its place in problems
		reads    int            // messages decoded since the lease began
		unlisted int            // problems beyond what is kept
		flights  map[string]flight
		moved    time.Time // when a request began or ended last
		failed   flight    // the latest document of the page's own frame that failed to load
	}
}

// flight is a request in flight: the event that told of it, or what was read out of that.
type flight struct {
	event  jsonv2.Value
	loader string // of the document that it is for
	Request
}

func newDiary(page target.ID) *diary {
	d := &diary{
		begin: []byte(`{"frame":{"id":"` + string(page) + `",`),
		frame: []byte(`"frameId":"` + string(page) + `"`),
	}
	d.mu.flights = make(map[string]flight)
	return d
}

// turn begins a lease: what was written before is nobody's any more. What is in flight stays so.
func (d *diary) turn() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.problems, d.mu.known = nil, nil
	d.mu.reads, d.mu.unlisted = 0, 0
}

// copy is the diary of this moment. Nothing of it is decoded yet, since this may run under the
// pool's lock.
func (d *diary) copy() (Diagnostics, []flight) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return Diagnostics{URL: d.mu.url, Problems: slices.Clone(d.mu.problems), Unlisted: d.mu.unlisted},
		slices.Collect(maps.Values(d.mu.flights))
}

// The beginnings of what a page writes on its console as an error.
var (
	consoleError  = []byte(`{"method":"Runtime.consoleAPICalled","params":{"type":"error",`)
	consoleAssert = []byte(`{"method":"Runtime.consoleAPICalled","params":{"type":"assert",`)
)

// console notes an error that the page wrote on its console. text is the whole message, undecoded.
func (d *diary) console(text []byte) {
	if !bytes.HasPrefix(text, consoleError) && !bytes.HasPrefix(text, consoleAssert) {
		return
	}
	// What differs from one time to the next is the time, and handles of objects.
	before, after, _ := bytes.Cut(text, []byte(`,"timestamp":`))
	_, after, _ = bytes.Cut(after, []byte(","))
	d.note(Console, sum(before, after), len(text), func() (Problem, bool) { return readConsole(text) })
}

// event notes what an event tells of the page's troubles.
func (d *diary) event(msg *cdproto.Message) {
	switch msg.Method {
	case cdproto.EventRuntimeExceptionThrown:
		// The same place is the same problem: the rest is the time, and handles of objects.
		_, place, _ := bytes.Cut(msg.Params, []byte(`"text":`))
		place, _, _ = bytes.Cut(place, []byte(`"exception":`))
		d.note(
			Exception, sum(place), len(msg.Params),
			func() (Problem, bool) { return readException(msg.Params) },
		)
	case cdproto.EventLogEntryAdded:
		said, after, _ := bytes.Cut(msg.Params, []byte(`,"timestamp":`))
		if !bytes.Contains(said, []byte(`"level":"error"`)) {
			return
		}
		_, url, _ := bytes.Cut(after, []byte(`"url":"`))
		url, _, _ = bytes.Cut(url, []byte(`"`))
		d.note(
			Browser, sum(said, url), len(msg.Params),
			func() (Problem, bool) { return readEntry(msg.Params) },
		)
	case cdproto.EventNetworkRequestWillBeSent:
		d.departs(msg.Params)
	case cdproto.EventNetworkLoadingFinished, cdproto.EventNetworkLoadingFailed:
		id, _ := requestIDs(msg.Params)
		d.mu.Lock()
		f := d.mu.flights[id]
		// A document's request has the id of its loader.
		if f.loader == id && msg.Method == cdproto.EventNetworkLoadingFailed &&
			bytes.Contains(f.event, d.frame) {
			d.mu.failed = f
		}
		delete(d.mu.flights, id)
		d.mu.moved = time.Now()
		d.mu.Unlock()
	case cdproto.EventPageFrameNavigated:
		if url, loader, ok := d.navigated(msg.Params); ok {
			d.arrives(url, loader)
		}
	}
}

// note counts a problem that is known by its sum, and otherwise has it read. Reading may take as
// long as the message is, so it is done without the lock.
func (d *diary) note(kind ProblemKind, sum uint64, size int, read func() (Problem, bool)) {
	d.mu.Lock()
	at, known := d.mu.known[sum]
	full := d.mu.reads >= readsMost || len(d.mu.problems) >= problemsMost
	switch {
	case known:
		d.mu.problems[at].Count++
	case full:
		d.mu.unlisted++
	default:
		d.mu.reads++
	}
	d.mu.Unlock()
	if known || full {
		return
	}
	p, ok := Problem{Kind: kind, Text: "a message that is too long to be kept"}, true
	if size <= problemBytes {
		p, ok = read()
	}
	if ok {
		d.add(sum, p)
	}
}

func (d *diary) add(sum uint64, p Problem) {
	d.mu.Lock()
	defer d.mu.Unlock()
	at := slices.IndexFunc(d.mu.problems, func(q Problem) bool {
		q.Count = 0
		return q == p
	})
	if at < 0 {
		at = len(d.mu.problems)
		d.mu.problems = append(d.mu.problems, p)
	}
	d.mu.problems[at].Count++
	if d.mu.known == nil {
		d.mu.known = make(map[uint64]int)
	}
	d.mu.known[sum] = at
}

// departs notes a request that was sent. One that is redirected keeps its id, and is then the new
// one.
func (d *diary) departs(event jsonv2.Value) {
	id, loader := requestIDs(event)
	f := flight{event: event, loader: loader, Request: Request{Since: time.Now()}}
	if len(event) > flightBytes {
		f.read()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.moved = f.Since
	if len(d.mu.flights) < flightsMost {
		d.mu.flights[id] = f
	}
}

// arrives notes that the page shows another document. What the last one waited for it does not wait
// for any more, and of a document that was left while its main thread was held nobody else says so.
func (d *diary) arrives(url, loader string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.url = url
	maps.DeleteFunc(d.mu.flights, func(_ string, f flight) bool { return f.loader != loader })
}

// shows notes what the page showed when the diary was begun.
func (d *diary) shows(msg *cdproto.Message) {
	var result page.GetFrameTreeResult
	if msg.Error != nil || decode(msg.Result, &result) != nil || result.FrameTree == nil ||
		result.FrameTree.Frame == nil {
		return
	}
	frame := result.FrameTree.Frame
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.mu.url == "" {
		d.mu.url = shortened(cmp.Or(frame.UnreachableURL, frame.URL))
	}
}

// unreached is the address of the latest document that failed to load, where a redirect may have
// led to. It is "" where none has failed since a moment.
func (d *diary) unreached(since time.Time) string {
	d.mu.Lock()
	f := d.mu.failed
	d.mu.Unlock()
	if f.Since.Before(since) {
		return ""
	}
	f.read()
	return discreet(f.URL)
}

// traffic is the number of requests in flight, at most flightsMost, and when one began or ended
// last.
func (d *diary) traffic() (flying int, moved time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.mu.flights), d.mu.moved
}

// read reads what is shown of a request.
func (f *flight) read() {
	if f.event == nil {
		return
	}
	var sent struct {
		Request struct {
			URL    string `json:"url"`
			Method string `json:"method"`
		} `json:"request"`
		Type string `json:"type"`
	}
	if decode(f.event, &sent) == nil {
		f.Method, f.URL, f.Type = shortened(
			sent.Request.Method,
		), shortened(
			sent.Request.URL,
		), shortened(
			sent.Type,
		)
	}
	f.event = nil
}

// requestIDs are the ids that an event of the network begins with: of the request, and where a
// request begins of the document's loader.
func requestIDs(event jsonv2.Value) (request, loader string) {
	if rest, ok := bytes.CutPrefix(event, []byte(`{"requestId":"`)); ok {
		id, rest, _ := bytes.Cut(rest, []byte(`"`))
		if rest, ok = bytes.CutPrefix(rest, []byte(`,"loaderId":"`)); ok {
			of, _, _ := bytes.Cut(rest, []byte(`"`))
			return string(id), string(of)
		}
		return string(id), ""
	}
	var of struct {
		RequestID string `json:"requestId"`
		LoaderID  string `json:"loaderId"`
	}
	_ = decode(event, &of)
	return of.RequestID, of.LoaderID
}

// navigated reads the address of the page's own frame, and the document's loader, out of the news
// that a frame shows another document.
func (d *diary) navigated(event jsonv2.Value) (url, loader string, ok bool) {
	if !bytes.HasPrefix(event, d.begin) {
		return "", "", false
	}
	var news struct {
		Frame struct {
			URL         string `json:"url"`
			LoaderID    string `json:"loaderId"`
			Unreachable string `json:"unreachableUrl"`
		} `json:"frame"`
	}
	if decode(event, &news) != nil {
		return "", "", false
	}
	return shortened(cmp.Or(news.Frame.Unreachable, news.Frame.URL)), news.Frame.LoaderID, true
}

// seed is of this process: sums are compared within it only.
var seed = maphash.MakeSeed()

func sum(parts ...[]byte) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	for _, part := range parts {
		h.Write(part)
		h.WriteByte(0)
	}
	return h.Sum64()
}
