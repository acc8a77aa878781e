package chrome

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/cdp/jsonv2"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/cdproto/tracing"
)

const (
	// tracingAgain is when a browser that records a trace already is asked for another once more.
	tracingAgain = 10 * time.Millisecond
	// traceKB bounds what the browser keeps of a trace, and traceBytes what the driver does.
	traceKB, traceBytes = 256, 4 << 20
	// framesMost is how many calls of a stack are kept.
	framesMost = 16
)

// cpuProfiler is the category of a trace that samples what scripts do. V8 begins to between two
// steps of a script, so that needs no turn of the main thread, nor anything that was switched on
// before. The profiler of the protocol needs both, and so does its debugger, which costs every
// page.
const cpuProfiler = "disabled-by-default-v8.cpu_profiler"

// noOther is the name of no category.
const noOther = "-*"

// trace is one that is being recorded, on a session of its own. Its fields are guarded by
// browser.mu.
type trace struct {
	chunks []jsonv2.Value
	bytes  int
	over   bool
	done   chan struct{} // closed when there is no more to come
}

// traceOf asks for these categories and for no others. Were only such named as are off by default,
// Chrome would record all the rest as well: a megabyte in which there is often no room for a
// sample.
func traceOf(categories ...string) *tracing.TraceConfig {
	return &tracing.TraceConfig{
		IncludedCategories:  append(categories, noOther),
		TraceBufferSizeInKb: traceKB,
	}
}

// warmTracing has the browser record a first trace, of nothing. In the very first one it asks every
// page's main thread something, so one that hangs would be found with the first that does not.
func (b *browser) warmTracing() {
	params := encode(tracing.CommandStart, tracing.StartParams{TraceConfig: traceOf()})
	b.wire.send("", tracing.CommandStart, params, waiter{then: func(msg *cdproto.Message) {
		if msg.Error == nil {
			post(b.wire, "", tracing.End, cdp.Empty{})
		}
	}})
}

// traced takes what the browser recorded. It runs on the pump.
func (b *browser) traced(msg *cdproto.Message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.mu.traces[msg.SessionID]
	switch {
	case t == nil || t.over:
	case msg.Method == cdproto.EventTracingTracingComplete:
		t.over = true
		close(t.done)
	case t.bytes < traceBytes:
		t.chunks = append(t.chunks, msg.Params)
		t.bytes += len(msg.Params)
	}
}

// sample looks at a page's main thread until looking ends, about a thousand times a second, and
// returns what script it was found in, innermost call first. It ends looking itself when that takes
// too long. The browser takes some 15 ms more to tell what it saw, or 100 where every core is busy;
// ctx bounds that. It records one trace at a time: others wait for it. A loop that V8 has optimized
// while it ran has no name for the sampler, so the stack begins with who called it. Nothing is
// returned where the thread ran no script, did not get from one step of it to the next within that
// time (a synchronous request, a huge layout, a built-in function on megabytes), or ctx ended. What
// a holder records with the protocol's Tracing is such a trace too.
//
// A debugger could say more (it stops an optimized loop within 2 ms, and names it), but it has to
// be on before the page hangs, and a page that is made of scripts then takes twice as long.
func (t *tab) sample(ctx, looking context.Context, away func()) []string {
	b := t.b
	if b.process == nil {
		return nil // a trace would show what others do in a browser of theirs
	}
	select {
	case b.tracing <- struct{}{}:
		defer func() { <-b.tracing }()
	case <-looking.Done():
		return nil
	}
	defer time.AfterFunc(lookMost, away).Stop()
	session, err := b.attach(looking, t.id)
	if err != nil {
		return nil
	}
	recorded := &trace{done: make(chan struct{})}
	b.mu.Lock()
	b.mu.traces[session] = recorded
	b.mu.Unlock()
	defer func() {
		b.detach(session, nil) // a trace ends with the session that began it
		b.mu.Lock()
		delete(b.mu.traces, session)
		b.mu.Unlock()
	}()
	if b.record(looking, session) != nil {
		return nil
	}
	<-looking.Done()
	post(b.wire, session, tracing.End, cdp.Empty{})
	select {
	case <-recorded.done:
	case <-ctx.Done():
		return nil
	case <-b.wire.lost:
		return nil
	}
	b.mu.Lock()
	chunks := recorded.chunks
	b.mu.Unlock()
	return stack(ctx, chunks)
}

// attach opens a session of its own on a page. One that comes when nobody waits for it any more is
// ended.
func (b *browser) attach(ctx context.Context, page target.ID) (target.SessionID, error) {
	flat := true
	params := encode(
		target.CommandAttachToTarget, target.AttachToTargetParams{TargetID: page, Flatten: &flat},
	)
	answer := make(chan *cdproto.Message, 1)
	var left atomic.Bool
	b.wire.send("", target.CommandAttachToTarget, params, waiter{then: func(msg *cdproto.Message) {
		answer <- msg
		if left.Load() {
			b.detach(attachedTo(msg))
		}
	}})
	select {
	case msg := <-answer:
		return attachedTo(msg)
	case <-b.wire.lost:
		return "", errLost
	case <-ctx.Done():
	}
	left.Store(true)
	select {
	// It came meanwhile. The pump may not have seen that nobody waits, or ends it as well.
	case msg := <-answer:
		b.detach(attachedTo(msg))
	default:
	}
	return "", ended(ctx)
}

func attachedTo(msg *cdproto.Message) (target.SessionID, error) {
	if msg.Error != nil {
		return "", msg.Error
	}
	var attached target.AttachToTargetResult
	err := decode(msg.Result, &attached)
	return attached.SessionID, err
}

// detach ends a session that attach has opened, unless err says that there is none.
func (b *browser) detach(session target.SessionID, err error) {
	if err == nil {
		post(b.wire, "", target.DetachFromTarget, target.DetachFromTargetParams{SessionID: session})
	}
}

// record has the browser begin a trace of a page. It may be busy with another: with that of a look
// which was given up, or with the first, of nothing.
func (b *browser) record(ctx context.Context, session target.SessionID) error {
	for {
		_, err := call(
			ctx, b.wire, session, tracing.Start,
			tracing.StartParams{TransferMode: "ReportEvents", TraceConfig: traceOf(cpuProfiler)},
		)
		if refused := (*cdproto.Error)(nil); !errors.As(err, &refused) {
			return err
		}
		timer := time.NewTimer(tracingAgain)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

// recording is a part of a trace. Its events are of many kinds, so each is decoded for itself.
type recording struct {
	Events []jsonv2.Value `json:"value"`
}

// profiled is the name of the event that tells of samples.
var profiled = []byte(`"ProfileChunk"`)

// profileChunk is that event.
type profileChunk struct {
	PID  int    `json:"pid"`
	TID  int    `json:"tid"`
	ID   string `json:"id"`
	Args struct {
		Data struct {
			Profile struct {
				Nodes   []profileNode `json:"nodes"`
				Samples []int         `json:"samples"`
			} `json:"cpuProfile"`
			Lines   []int `json:"lines"`
			Columns []int `json:"columns"`
		} `json:"data"`
	} `json:"args"`
}

// profileNode is a call, as part of a stack. Its place is where its function begins.
type profileNode struct {
	ID     int `json:"id"`
	Parent int `json:"parent"`
	Call   struct {
		Function string `json:"functionName"`
		URL      string `json:"url"`
		Line     int    `json:"lineNumber"`
		Column   int    `json:"columnNumber"`
	} `json:"callFrame"`
}

// thread is what was sampled of one.
type thread struct {
	id      string
	main    bool
	nodes   map[int]profileNode
	samples map[spot]int // how often it was found there
	count   int
}

// spot is where a thread was found: the innermost call, and the place in it where that is known.
type spot struct{ node, line, column int }

// stack is the stack that the busiest thread of a trace was found in most often, innermost call
// first. A main thread goes before others, which are workers'.
func stack(ctx context.Context, chunks []jsonv2.Value) []string {
	threads := make(map[string]*thread)
	for _, chunk := range chunks {
		var r recording
		if ctx.Err() != nil {
			return nil
		}
		if !bytes.Contains(chunk, profiled) || decode(chunk, &r) != nil {
			continue
		}
		for _, event := range r.Events {
			var c profileChunk
			if !bytes.Contains(event, profiled) || decode(event, &c) != nil {
				continue
			}
			id := fmt.Sprint(c.PID, " ", c.ID)
			if threads[id] == nil {
				threads[id] = &thread{
					id:      id,
					main:    c.PID == c.TID,
					nodes:   make(map[int]profileNode),
					samples: make(map[spot]int),
				}
			}
			threads[id].add(&c)
		}
	}
	var busiest *thread
	for _, th := range threads {
		if th.count > 0 && (busiest == nil || th.before(busiest)) {
			busiest = th
		}
	}
	if busiest == nil {
		return nil
	}
	return busiest.stack()
}

func (th *thread) before(other *thread) bool {
	if th.main != other.main {
		return th.main
	}
	return cmp.Or(other.count-th.count, strings.Compare(th.id, other.id)) < 0
}

// add takes the samples of a chunk. Its nodes are those that are new.
func (th *thread) add(c *profileChunk) {
	data := &c.Args.Data
	for _, n := range data.Profile.Nodes {
		th.nodes[n.ID] = n
	}
	for i, node := range data.Profile.Samples {
		if !th.scripted(node) {
			continue
		}
		at := spot{node: node}
		if i < len(data.Lines) && i < len(data.Columns) {
			at.line, at.column = data.Lines[i], data.Columns[i]
		}
		th.samples[at]++
		th.count++
	}
}

// scripted reports whether a node is a call of a script's, and not what V8 calls (program), (idle)
// or the like.
func (th *thread) scripted(node int) bool {
	n, known := th.nodes[node]
	return known && !strings.HasPrefix(n.Call.Function, "(")
}

func (th *thread) stack() []string {
	var most spot
	for at, n := range th.samples {
		if m := th.samples[most]; n > m ||
			n == m && (at.node < most.node || at.node == most.node && at.line < most.line) {
			most = at
		}
	}
	var calls []string
	for id := most.node; len(calls) < framesMost; {
		n, known := th.nodes[id]
		if !known {
			break
		}
		if th.scripted(id) {
			line, column := n.Call.Line+1, n.Call.Column+1
			if id == most.node && most.line > 0 {
				line, column = most.line, most.column
			}
			calls = append(calls, frame(n.Call.Function, n.Call.URL, line, column))
		}
		id = n.Parent
	}
	return slices.Clip(calls)
}

// frame is a call as errors and the log show it.
func frame(function, url string, line, column int) string {
	if function == "" {
		function = "(anonymous)"
	}
	if url == "" {
		return shortened(function)
	}
	return shortened(function) + " (" + place(discreet(shortened(url)), line, column) + ")"
}
