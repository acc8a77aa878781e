package replay

import (
	"fmt"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
)

// The words whose first argument is a request or a call. An event that makes one makes it once;
// every other event, and every effect, is of one that a line before it makes.
var (
	makes = map[string]bool{"get": true, "dispose": true, "warm": true, "recycle": true}
	isOf  = map[string]bool{"abandon": true, "release": true, "discard": true, "expire": true}
	tells = map[string]bool{"grant": true, "refuse": true, "disposed": true, "warmed": true,
		"recycled": true, "lease-expired": true, "lease-crashed": true, "lease-too-large": true,
		"lease-lost": true, "lease-closed": true}
)

// CheckCallers refuses a trace with a line that names a request or a call that no line before it
// makes, or that makes one a second time. A dump is not looked at: what it begins with made some.
func CheckCallers(t *trace.Trace) error {
	if t.Snapshot != nil {
		return nil
	}
	made := map[string]bool{}
	for i := range t.Lines {
		line := &t.Lines[i]
		words, named := line.Words, isOf
		if line.Expect {
			if named = tells; words[0].Text == "no" {
				words = words[1:]
			}
		}
		if len(words) < 2 || !isID(words[1]) {
			continue // whoever reads the line says what it wants
		}
		verb, id := words[0].Text, words[1].Text
		switch {
		case !line.Expect && makes[verb] && made[id]:
			return &trace.Error{Line: line.Number, What: fmt.Sprintf(
				"%s: %s was used before, and ids are never used again", verb, id)}
		case !line.Expect && makes[verb]:
			made[id] = true
		case named[verb] && !made[id]:
			return &trace.Error{Line: line.Number, What: fmt.Sprintf(
				"%s: no line before this one asks for %s; want a request or a call that one does", verb, id)}
		}
	}
	return nil
}

func isID(w trace.Word) bool {
	for _, prefix := range []string{"r", "d", "w", "y"} {
		if _, ok := trace.ParseID(w, prefix); ok {
			return true
		}
	}
	return false
}

// known refuses an event of a tab, a context, a browser or an operation that the pool has not
// begun.
func (r *replayer) known(e core.Event, line *trace.Line) error {
	s := r.world.Core()
	for _, id := range []struct {
		what, prefix string
		is, last     uint64
	}{
		{"tab", "t", uint64(e.Tab), uint64(s.LastTab)},
		{"context", "c", uint64(e.Context), uint64(s.LastContext)},
		{"browser", "b", uint64(e.Browser), uint64(s.LastBrowser)},
		{"operation", "op=", uint64(e.Operation), uint64(s.LastOperation)},
	} {
		if id.is > id.last {
			return fmt.Errorf("%s: the pool has begun no %s %s%d; want at most %s%d",
				trace.JoinWords(line.Words), id.what, id.prefix, id.is, id.prefix, id.last)
		}
	}
	return nil
}

// heldUp refuses a line that has something hang of which there was nothing to the end.
func (r *replayer) heldUp() error {
	for i := range r.trace.Lines {
		line := &r.trace.Lines[i]
		if line.Expect || line.Words[0].Text != HangVerb {
			continue
		}
		a, err := ParseAct(line.Words)
		if h := a.Hold; err == nil {
			err = r.known(core.Event{Tab: h.Tab, Context: h.Context, Browser: h.Browser}, line)
		}
		if err != nil {
			return &trace.Error{Line: line.Number, What: err.Error()}
		}
	}
	return nil
}
