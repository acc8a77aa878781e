package pool

import (
	"strings"

	"github.com/pagepool/pagepool/pool/core"
)

// keys gives affinities their handles. The core says when one may be used again.
type keys struct {
	handles map[string]core.Affinity
	names   []string // by handle; 0 is nobody
	free    []core.Affinity
}

func newKeys() keys {
	return keys{handles: make(map[string]core.Affinity), names: make([]string, 1)}
}

func (k *keys) handle(key string) core.Affinity {
	if a, ok := k.handles[key]; ok {
		return a
	}
	key = strings.Clone(key) // it may be a small part of a caller's large string
	var a core.Affinity
	if n := len(k.free); n > 0 {
		a = k.free[n-1]
		k.free = k.free[:n-1]
		k.names[a] = key
	} else {
		a = core.Affinity(len(k.names))
		k.names = append(k.names, key)
	}
	k.handles[key] = a
	return a
}

func (k *keys) name(a core.Affinity) string { return k.names[a] }

func (k *keys) forget(a core.Affinity) {
	delete(k.handles, k.names[a])
	k.names[a] = ""
	k.free = append(k.free, a)
}

// recorder is the flight recorder: the last events, in a ring that is made once.
type recorder struct {
	records []record
	next    int
	full    bool
}

// record is one event. The key is kept with it, since its handle may stand for another by the time
// that somebody reads it.
type record struct {
	at    core.Time
	key   string
	event core.Event
}

func newRecorder(n int) recorder { return recorder{records: make([]record, n)} }

func (r *recorder) add(at core.Time, key string, e core.Event) {
	if len(r.records) == 0 {
		return
	}
	r.records[r.next] = record{at, key, e}
	if r.next++; r.next == len(r.records) {
		r.next, r.full = 0, true
	}
}

// each calls fn for the last n records, oldest first.
func (r *recorder) each(n int, fn func(record)) {
	have := r.next
	if r.full {
		have = len(r.records)
	}
	for i := min(n, have); i > 0; i-- {
		fn(r.records[(r.next-i+len(r.records))%len(r.records)])
	}
}

// Key and Handle make a record's own key what its event is written with.
func (r record) Key(core.Affinity) string        { return r.key }
func (r record) Handle(key string) core.Affinity { return r.event.Affinity }
