package properties

import (
	"os"
	"slices"
	"testing"

	"github.com/pagepool/pagepool/properties/linear"
)

// tally counts what histories contain. A test whose histories stopped containing something says
// nothing about it any more.
type tally map[string]int

// kinds are what every set of histories has to contain.
var kinds = []struct {
	name string
	is   func(linear.Input, linear.Output) bool
}{
	{"a new tab", func(in linear.Input, out linear.Output) bool {
		return in.Kind == linear.Get && out.Err == "" && !out.Reused
	}},
	{"a tab used before", func(_ linear.Input, out linear.Output) bool { return out.Reused }},
	{"a nested lease", func(in linear.Input, out linear.Output) bool {
		return in.Nested && out.Err == ""
	}},
	{"a request without an answer in time", func(in linear.Input, out linear.Output) bool {
		return in.Kind == linear.Get && out.Err != "" && !out.Closing
	}},
	{"a request refused for the close", func(_ linear.Input, out linear.Output) bool {
		return out.Closing
	}},
	{"a release", func(in linear.Input, out linear.Output) bool {
		return in.Kind == linear.GiveBack && !out.Nothing && !in.Spoiled
	}},
	{"a spoiled tab", func(in linear.Input, out linear.Output) bool {
		return in.Spoiled && !out.Nothing
	}},
	{"a release after the end", func(_ linear.Input, out linear.Output) bool { return out.Nothing }},
	{"a lease that expired", func(in linear.Input, out linear.Output) bool {
		return in.Kind == linear.End && !out.Dead
	}},
	{"a lease that ended with its page", func(_ linear.Input, out linear.Output) bool {
		return out.Dead
	}},
	{"a disposal", func(in linear.Input, out linear.Output) bool {
		return in.Kind == linear.Dispose && out.Err == ""
	}},
	{"a disposal that may have been", func(in linear.Input, out linear.Output) bool {
		return in.Kind == linear.Dispose && out.Err != ""
	}},
	{"a disposal's answer", func(in linear.Input, _ linear.Output) bool {
		return in.Kind == linear.Disposed
	}},
	{"a warm affinity", func(in linear.Input, out linear.Output) bool {
		return in.Kind == linear.List && len(out.Keys) > 0
	}},
	{"a swept affinity", func(in linear.Input, out linear.Output) bool {
		return in.Kind == linear.Sweep && len(out.Keys) > 0
	}},
	{"a look at leases and those who wait", func(_ linear.Input, out linear.Output) bool {
		return out.View != nil && out.View.Leases > 0 && out.View.Waiting > 0
	}},
	{"a look at a supplementary tab", func(_ linear.Input, out linear.Output) bool {
		if out.View == nil {
			return false
		}
		for _, row := range out.View.Rows {
			if row.Supplementary > 0 && row.PageCount > 0 {
				return true
			}
		}
		return false
	}},
}

// add counts what is in a history.
func (y tally) add(h *linear.History) {
	y["histories"]++
	last := int64(0) // the last return so far, in the order of the calls
	for _, o := range h.ByCall() {
		in, out := o.Input.(linear.Input), o.Output.(linear.Output)
		y["calls"]++
		if o.Call < last {
			y["calls at the same time as another"]++
		}
		last = max(last, o.Return)
		for _, k := range kinds {
			if k.is(in, out) {
				y[k.name]++
			}
		}
	}
}

// wantAll fails the test where something is missing.
func (y tally) wantAll(t *testing.T, but ...string) {
	t.Helper()
	t.Log(y)
	if os.Getenv("PAGEPOOL_SEED") != "" {
		return
	}
	for _, k := range kinds {
		if y[k.name] == 0 && !slices.Contains(but, k.name) {
			t.Errorf("no history contains %s", k.name)
		}
	}
	if y["calls at the same time as another"]*5 < y["calls"] {
		t.Errorf("only %d of %d calls were made while another was under way",
			y["calls at the same time as another"], y["calls"])
	}
}
