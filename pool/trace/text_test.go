package trace

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/pagepool/pagepool/pool/core"
)

// keys is a Names over a slice.
type keys struct{ list []string }

func (k *keys) Key(a core.Affinity) string { return k.list[a-1] }

func (k *keys) Handle(key string) core.Affinity {
	for i, have := range k.list {
		if have == key {
			return core.Affinity(i + 1)
		}
	}
	k.list = append(k.list, key)
	return core.Affinity(len(k.list))
}

func TestEveryKindIsWritten(t *testing.T) {
	written := map[core.EventKind]bool{}
	for i, g := range events {
		written[g.kind] = true
		if g.verb == "" || WordOf(&core.Event{Kind: g.kind, Of: g.of}) != i {
			t.Errorf("event kind %d of %d has no word of its own", g.kind, g.of)
		}
	}
	if len(written) != int(core.EventKinds) {
		t.Errorf("%d kinds of events have words, and there are %d", len(written), core.EventKinds)
	}
	for kind, g := range effects {
		if g.verb == "" && core.EffectKind(kind) != core.EndLease {
			t.Errorf("effect kind %d has no verb", kind)
		}
	}
	for r := core.ReasonNone + 1; r < core.Reasons; r++ {
		if r.String() == "" {
			t.Errorf("reason %d has no word", r)
		}
	}
}

// drawSentence fills in exactly the parts of a grammar, by writing text and reading it.
func drawSentence(t *rapid.T, g grammar, names Names) sentence {
	all := sentence{
		request: core.RequestID(rapid.Uint64Min(1).Draw(t, "request")), disposal: 3, warm: 4, recycle: 6,
		affinity: names.Handle(rapid.StringN(1, 20, -1).Draw(t, "key")),
		tab:      core.TabID(rapid.Uint32Min(1).Draw(t, "tab")), browser: 2,
		context: 9, generation: 7, operation: 11, priority: rapid.Int32().Draw(t, "priority"),
		how: core.Adopted, reason: core.Reason(rapid.IntRange(1, int(core.Reasons)-1).Draw(t, "reason")),
		waits: core.Waits{Admission: 1, Tab: 2, Startup: 3,
			Probe: core.Time(rapid.Int64Min(0).Draw(t, "probe"))}, class: core.Nested,
		maxIdle: time.Duration(rapid.Int64Min(0).Draw(t, "idle")), jitter: 5,
		maxLease: time.Duration(rapid.Int64Min(1).Draw(t, "limit")),
		work:     core.Ping,
		noWait:   true, retain: true, wedged: true, kept: true, force: rapid.Bool().Draw(t, "force"),
	}
	words, err := Words(string(g.write(nil, &all, names)))
	if err != nil {
		t.Fatal(err)
	}
	rest, ok := g.cutVerb(words)
	if !ok {
		t.Fatalf("verb lost in %v", words)
	}
	s, err := g.read(rest, names, false)
	if err != nil {
		t.Fatalf("%s: %v", g.write(nil, &all, names), err)
	}
	return s
}

func TestPropertyPrintingAndParsingAreInverse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := &keys{}
		n, kinds := len(events), eventAt
		if rapid.Bool().Draw(t, "effects") {
			n, kinds = len(effects), effectAt
		}
		g := kinds(rapid.IntRange(0, n-1).Draw(t, "kind"))
		s := drawSentence(t, *g, names)
		text := string(g.write(nil, &s, names))
		words, err := Words(text)
		if err != nil {
			t.Fatal(err)
		}
		_, back, err := parse(n, kinds, words, names, false)
		if err != nil || back != s {
			t.Fatalf("%s\nread back as %+v, %v\nwant         %+v", text, back, err, s)
		}
	})
}

func TestEventAndEffectKeepEveryField(t *testing.T) {
	names := &keys{list: []string{"a b"}}
	event := core.Event{Kind: core.Requested, Request: 1, Affinity: 1, Class: core.Nested,
		Priority: -3}
	effect := core.Effect{
		Kind: core.Grant, Request: 1, Tab: 2, How: core.Warm, Affinity: 1, Generation: 4, Context: 3,
		Browser: 1, Waits: core.Waits{Admission: 1e9, Tab: 2e6},
	}
	for want, got := range map[string]string{
		`get r1 "a b" nested priority=-3`: string(AppendEvent(nil, event, names)),
		`grant r1 t2 warm affinity="a b" generation=4 context=c3 browser=b1 wait-admission=1s wait-tab=2ms`: string(AppendEffect(nil, effect, names)),
	} {
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		words, _ := Words(got)
		back, err := ParseEvent(words, names)
		if want[0] == 'g' && want[1] == 'r' {
			var e core.Effect
			if e, err = parseEffect(words, names, false); e != effect {
				t.Errorf("%s: read back as %+v, %v", got, e, err)
			}
		} else if back != event {
			t.Errorf("%s: read back as %+v, %v", got, back, err)
		}
	}
}

func TestBadLinesSayWhatWasExpected(t *testing.T) {
	for line, want := range map[string]string{
		"": `nothing after the time: want what happened, such as get r1 KEY`,
		"fly r1": fmt.Sprintf("unknown verb %q; the verbs are %s", "fly",
			verbs(len(events), eventAt)),
		"get":                 `get: want a request such as r1`,
		"get t1 a":            `get: want a request such as r1, got "t1"`,
		"get r0 a":            `get: want a request such as r1, got "r0"`,
		"get r1":              `get: want an affinity key of 1 to 4096 bytes`,
		`get r1 ""`:           `get: want an affinity key of 1 to 4096 bytes, got ""`,
		"get r1 a nested x":   `get: unexpected "x"; what may follow is nested, priority=1, max-lease=30s, own`,
		"opened t99999999999": `opened: want a tab such as t1, got "t99999999999"`,
		"release r1 now":      `release: unexpected "now"; nothing more may follow`,
	} {
		words, err := Words(line)
		if err == nil {
			_, err = ParseEvent(words, &keys{})
		}
		if err == nil || err.Error() != want {
			t.Errorf("%q: got %v\nwant %s", line, err, want)
		}
	}
}
