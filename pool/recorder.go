package pool

import (
	"bytes"
	"fmt"
	"io"
	"slices"

	"github.com/pagepool/pagepool/pool/canon"
	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
)

// recorder is the flight recorder: the last events, and the state that they began with. It keeps
// two spans, so that at least as many events as it is asked for can be told at any time.
type recorder struct {
	most int // events of a span, or more where the pool is large; 0: it is off
	old  span
	now  span
}

// span is a stretch of history: the pool at its beginning, and what happened since.
type span struct {
	begun   bool
	least   int // records that it is to have before the next span begins
	from    trace.Snapshot
	records []record
}

// record is one event. The key is kept with it, since its handle may stand for another by the time
// that somebody reads it.
type record struct {
	at    core.Time
	key   string
	event core.Event
}

// add notes an event that is about to happen.
func (r *recorder) add(at core.Time, e core.Event, c *core.State, k *keys) {
	if r.most == 0 {
		return
	}
	if !r.now.begun || len(r.now.records) >= r.now.least {
		r.old, r.now = r.now, r.old
		r.now.begin(c, k)
		// so that what the copy costs each event does not grow with the pool
		r.now.least = max(r.most, c.Size())
	}
	r.now.records = append(r.now.records, record{at, k.name(e.Affinity), e})
}

// begin makes a span begin here, in the memory that it has.
func (s *span) begin(c *core.State, k *keys) {
	s.begun = true
	s.from.Facts.CopyFrom(&c.Facts)
	s.from.Keys = append(s.from.Keys[:0], k.names...)
	s.from.Free = append(s.from.Free[:0], k.free...)
	s.records = s.records[:0]
}

// each calls fn for the last n records, oldest first.
func (r *recorder) each(n int, fn func(record)) {
	all := slices.Concat(r.old.records, r.now.records)
	for _, x := range all[max(0, len(all)-n):] {
		fn(x)
	}
}

// Key and Handle make a record's own key what its event is written with.
func (r record) Key(core.Affinity) string        { return r.key }
func (r record) Handle(key string) core.Affinity { return r.event.Affinity }

// pseudonym stands for a key by its handle. A handle that is given again stands for the same
// pseudonym.
func pseudonym(a core.Affinity) string {
	if a == 0 {
		return ""
	}
	return fmt.Sprintf("k%d", a)
}

// Dump writes what the flight recorder holds as a trace: the state of the pool some time ago, and
// every event since, at least the last RecorderEvents where there were so many. soak replay goes
// through it step by step to the state of this moment. With RecorderEvents off it is the present
// state alone. The pool is not held up while w is written to.
func (p *Pool[P]) Dump(w io.Writer) error { return p.dump(w, p.pseudonyms) }

// DumpPseudonyms is Dump with pseudonyms for the keys and without labels, whatever DumpPseudonyms
// of the settings says.
func (p *Pool[P]) DumpPseudonyms(w io.Writer) error { return p.dump(w, true) }

func (p *Pool[P]) dump(w io.Writer, pseudonyms bool) error {
	if isNil(w) {
		return &Error{Op: "Dump", Err: fmt.Errorf("the writer is nil")}
	}
	p.mu.Lock()
	var begin span
	records := slices.Concat(p.mu.recorder.old.records, p.mu.recorder.now.records)
	switch r := &p.mu.recorder; {
	case !r.now.begun:
		begin.begin(p.mu.core, &p.mu.keys)
	case r.old.begun:
		begin = r.old.copy()
	default:
		begin = r.now.copy()
	}
	hash := canon.StateHash(&p.mu.core.Facts)
	var labels []string
	if !pseudonyms {
		labels = p.labelsLocked()
	}
	p.unlock()

	key := func(a core.Affinity) string { return begin.from.Keys[a] }
	if pseudonyms {
		key = pseudonym
	}
	var text bytes.Buffer
	tw := trace.NewWriter(&text, &trace.Trace{Settings: p.settings, Snapshot: &begin.from}, key,
		labels...)
	for _, r := range records {
		if pseudonyms {
			r.key = pseudonym(r.event.Affinity)
		}
		tw.Step(r.at, string(trace.AppendEvent(nil, r.event, r)))
	}
	if len(records) > 0 {
		tw.Expect(fmt.Sprintf("state-hash %016x", hash))
	}
	err := tw.Flush()
	if err == nil {
		_, err = w.Write(text.Bytes())
	}
	if err != nil {
		return &Error{Op: "Dump", Err: err}
	}
	return nil
}

// copy is the beginning of a span that shares nothing with it.
func (s *span) copy() span {
	var c span
	c.from.Facts.CopyFrom(&s.from.Facts)
	c.from.Keys, c.from.Free = slices.Clone(s.from.Keys), slices.Clone(s.from.Free)
	return c
}
