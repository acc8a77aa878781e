package chrome

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp/jsonv2"
)

const (
	wroteError = `{"method":"Runtime.consoleAPICalled","params":{"type":"error","args":[{"type":"string","value":%q},{"type":"number","value":7,"description":"7"}],` +
		`"executionContextId":1,"timestamp":%d,"stackTrace":{"callFrames":[{"functionName":"f","scriptId":"3","url":"http://a/b.js","lineNumber":2,"columnNumber":4}]}},"sessionId":"s"}`
	wroteLine = `{"method":"Runtime.consoleAPICalled","params":{"type":"log","args":[{"type":"string","value":"hello"}],"executionContextId":1,"timestamp":1},"sessionId":"s"}`
	threw     = `{"timestamp":%d,"exceptionDetails":{"exceptionId":%d,"text":"Uncaught","lineNumber":6,"columnNumber":1,"scriptId":"3","url":"http://a/b.js",` +
		`"exception":{"type":"object","subtype":"error","className":"Error","description":"Error: no\n    at http://a/b.js:7:2","objectId":"1.1.%d"},"executionContextId":1}}`
	reported = `{"entry":{"source":"network","level":"error","text":"the server responded with a status of 404 (Not Found)","timestamp":%d,"url":"http://a/%s","networkRequestId":"1.%d"}}`
	sent     = `{"requestId":"%s","loaderId":"l","documentURL":"http://a/","request":{"url":"http://a/%s","method":"GET","headers":{}},"timestamp":1,"wallTime":1,"initiator":{"type":"script"},"type":"XHR"}`
)

func event(method cdproto.MethodType, format string, values ...any) *cdproto.Message {
	return &cdproto.Message{Method: method, Params: jsonv2.Value(fmt.Sprintf(format, values...))}
}

func (d *diary) diagnostics() Diagnostics {
	known, flights := d.copy()
	known.Requests = requests(flights)
	return known
}

func TestDiaryKeepsOneProblemForWhatIsSaidAgainAndAgain(t *testing.T) {
	d := newDiary("p")
	for i := range 1000 {
		d.console(fmt.Appendf(nil, wroteError, "bad", i))
		d.console([]byte(wroteLine))
		d.event(event(cdproto.EventRuntimeExceptionThrown, threw, i, i, i))
		d.event(event(cdproto.EventLogEntryAdded, reported, i, "x", i))
	}
	want := []Problem{
		{Console, "bad 7", "http://a/b.js", 3, 5, 1000},
		{Exception, "Uncaught Error: no", "http://a/b.js", 7, 2, 1000},
		{Network, "the server responded with a status of 404 (Not Found)", "http://a/x", 0, 0, 1000},
	}
	got := d.diagnostics()
	if fmt.Sprint(got.Problems) != fmt.Sprint(want) || got.Unlisted != 0 {
		t.Errorf("%v and %d more, want %v", got.Problems, got.Unlisted, want)
	}
	if d.mu.reads != 3 {
		t.Errorf("%d messages were decoded, want one for each problem", d.mu.reads)
	}
	d.turn()
	if got := d.diagnostics(); len(got.Problems) != 0 {
		t.Errorf("the next lease has %v", got.Problems)
	}
}

func TestDiaryIsBoundedWhateverThePageSays(t *testing.T) {
	d := newDiary("p")
	for i := range 5000 {
		d.console(fmt.Appendf(nil, wroteError, fmt.Sprint("problem ", i), i))
		d.event(event(cdproto.EventNetworkRequestWillBeSent, sent, fmt.Sprint(i), "x"))
	}
	d.console(fmt.Appendf(nil, wroteError, strings.Repeat("x", problemBytes), 1))
	got := d.diagnostics()
	if len(got.Problems) != problemsMost || got.Unlisted != 5001-problemsMost ||
		len(got.Requests) != flightsMost {
		t.Errorf(
			"%d problems, %d unlisted, %d requests", len(got.Problems), got.Unlisted, len(got.Requests),
		)
	}
	d.turn()
	d.console(fmt.Appendf(nil, wroteError, strings.Repeat("x", problemBytes), 1))
	d.console(fmt.Appendf(nil, wroteError, strings.Repeat("y", 2*textBytes), 1))
	for _, p := range d.diagnostics().Problems {
		if len(p.Text) > textBytes+3 {
			t.Errorf("a text of %d bytes was kept", len(p.Text))
		}
	}
	if d.mu.reads != 2 || len(d.mu.problems) != 2 {
		t.Errorf("%d reads, %v", d.mu.reads, d.mu.problems)
	}
	d = newDiary("p")
	d.event(
		event(
			cdproto.EventNetworkRequestWillBeSent,
			`{"requestId":"1","loaderId":"l","request":{"url":"http://a/","method":"%s"},"type":"Fetch"}`,
			strings.Repeat("M", 2*flightBytes),
		),
	)
	if text := d.diagnostics().Requests[0].String(); len(text) > 2*textBytes {
		t.Errorf("of a request %d bytes were kept", len(text))
	}
}

func TestDiarySaysWhatKindOfTroubleAMessageIsThatItDoesNotKeep(t *testing.T) {
	d, long := newDiary("p"), strings.Repeat("x", problemBytes)
	d.console(fmt.Appendf(nil, wroteError, long, 1))
	d.event(event(cdproto.EventRuntimeExceptionThrown, threw+long, 1, 1, 1))
	d.event(event(cdproto.EventLogEntryAdded, reported, 1, long, 1))
	var kinds []ProblemKind
	for _, p := range d.diagnostics().Problems {
		kinds = append(kinds, p.Kind)
	}
	if !slices.Equal(kinds, []ProblemKind{Console, Exception, Browser}) {
		t.Errorf("of messages that are too long: %v", kinds)
	}
}

// A page decides what is in there.
func TestDiaryKeepsWhatAPageSaysOnOneLine(t *testing.T) {
	d := newDiary("p")
	said := `"one\ntwo\r\tthree \u001b[31m \u202eolleh \u2028 grüß 世界"`
	d.console(fmt.Appendf(nil, strings.Replace(wroteError, "%q", said, 1), 1))
	d.event(event(cdproto.EventNetworkRequestWillBeSent, sent, "1", `a\nb`))
	got := d.diagnostics()
	if text := got.Problems[0].Text; text != "one two  three  [31m  olleh   grüß 世界 7" {
		t.Errorf("kept: %q", text)
	}
	if text := got.Requests[0].URL; text != "http://a/a b" {
		t.Errorf("kept: %q", text)
	}
	calls := stack(
		t.Context(),
		[]jsonv2.Value{jsonv2.Value(`{"value":[{"name":"ProfileChunk","args":{"data":{"cpuProfile":{
		"nodes":[{"id":1,"callFrame":{"functionName":"a\nb","url":"http://u:p@a/b.js?token=1","lineNumber":2,"columnNumber":4}}],"samples":[1]}}}}]}`)},
	)
	if len(calls) != 1 || calls[0] != "a b (http://...@a/b.js?...:3:5)" {
		t.Errorf("the stack is %q", calls)
	}
}

func TestErrorsAndLogHaveNoSecretsOfAddresses(t *testing.T) {
	for text, want := range map[string]string{
		"http://a/b":                                "http://a/b",
		"https://a/b?token=1&x=2":                   "https://a/b?...",
		"https://a/b#access_token=1":                "https://a/b#...",
		"https://user:word@a:8/b?c":                 "https://...@a:8/b?...",
		"https://user@a/b":                          "https://...@a/b",
		"https://a/@b":                              "https://a/@b",
		"wss://a/?t=1":                              "wss://a/?...",
		"GET https://a/b?c=/d?e#f":                  "GET https://a/b?...",
		"blob:https://a/1-2":                        "blob:https://a/1-2",
		"Access to 'https://a/?t=1' from 'b' is":    "Access to 'https://a/?...' from 'b' is",
		"see (https://a/?t=1), or https://b/#c, ok": "see (https://a/?...), or https://b/#... ok",
		"what? #7 is at a@b":                        "what? #7 is at a@b",
	} {
		if got := discreet(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestDiaryKnowsWhatIsInFlightAndWhatThePageShows(t *testing.T) {
	d := newDiary("p")
	d.event(event(cdproto.EventNetworkRequestWillBeSent, sent, "1.1", "first"))
	d.event(
		event(cdproto.EventNetworkRequestWillBeSent, sent, "1.2", strings.Repeat("y", 2*flightBytes)),
	)
	d.event(event(cdproto.EventNetworkRequestWillBeSent, sent, "1.3", "third"))
	d.event(event(cdproto.EventNetworkLoadingFinished, `{"requestId":"1.1","timestamp":1}`))
	d.event(
		event(
			cdproto.EventPageFrameNavigated,
			`{"frame":{"id":"p","loaderId":"l","url":"http://a/page"},"type":"Navigation"}`,
		),
	)
	d.event(
		event(
			cdproto.EventPageFrameNavigated,
			`{"frame":{"id":"q","parentId":"p","loaderId":"l","url":"http://a/frame"},"type":"Navigation"}`,
		),
	)
	d.turn() // a lease that begins does not end what is in flight
	got := d.diagnostics()
	if len(got.Requests) != 2 || len(got.Requests[0].URL) != textBytes+3 ||
		got.Requests[1].String() != "GET http://a/third" ||
		got.Requests[1].Type != "XHR" {
		t.Errorf("in flight: %v", got.Requests)
	}
	if got.URL != "http://a/page" {
		t.Errorf("the page shows %q", got.URL)
	}
	d.event(
		event(
			cdproto.EventPageFrameNavigated,
			`{"frame":{"id":"p","loaderId":"l","url":"http://a/page#2"},"type":"Navigation"}`,
		),
	)
	if got := d.diagnostics(); len(got.Requests) != 2 || got.URL != "http://a/page#2" {
		t.Errorf("in the document that they are for: %v", got)
	}
	d.event(event(cdproto.EventNetworkLoadingFailed, `{"timestamp":1,"requestId":"1.2"}`))
	if got := d.diagnostics(); len(got.Requests) != 1 {
		t.Errorf("in flight: %v", got.Requests)
	}
	d.event(
		event(
			cdproto.EventPageFrameNavigated,
			`{"frame":{"id":"p","loaderId":"m","url":"about:blank"},"type":"Navigation"}`,
		),
	)
	if got := d.diagnostics(); len(got.Requests) != 0 {
		t.Errorf("in flight for a document that was left: %v", got.Requests)
	}
}

func TestStackIsWhereTheMainThreadWasFoundMostOften(t *testing.T) {
	chunk := func(tid int, more string) jsonv2.Value {
		return jsonv2.Value(
			fmt.Sprintf(
				`{"value":[{"name":"Profile","pid":9,"tid":%d,"id":%d},{"name":"ProfileChunk","pid":9,"tid":%d,"id":"0x%d","args":{"data":{%s}}}]}`,
				tid, tid, tid, tid, more,
			),
		)
	}
	nodes := `"nodes":[{"id":1,"callFrame":{"functionName":"(root)"}},
		{"id":2,"parent":1,"callFrame":{"functionName":"main","url":"http://a/b.js","lineNumber":8,"columnNumber":0}},
		{"id":3,"parent":2,"callFrame":{"functionName":"","url":"http://a/b.js","lineNumber":2,"columnNumber":4}},
		{"id":4,"parent":1,"callFrame":{"functionName":"(program)"}}]`
	got := stack(t.Context(), []jsonv2.Value{
		chunk(8, `"cpuProfile":{`+nodes+`,"samples":[2,2,2,2,2,2,2,2,2,2,2,2]}`), // a worker
		chunk(
			9, `"cpuProfile":{`+nodes+`,"samples":[2,4,4,4,3]},"lines":[9,0,0,0,3],"columns":[1,0,0,0,7]`,
		),
		chunk(9, `"cpuProfile":{"samples":[3,3,4,4]},"lines":[3,5,0,0],"columns":[7,1,0,0]`),
		jsonv2.Value(`{"value":7}`),
	})
	want := "(anonymous) (http://a/b.js:3:7) < main (http://a/b.js:9:1)"
	if strings.Join(got, " < ") != want {
		t.Errorf("%v, want %v", got, want)
	}
	if got := stack(t.Context(), nil); got != nil {
		t.Errorf("of nothing: %v", got)
	}
}

func BenchmarkDiary(b *testing.B) {
	d := newDiary("p")
	text := fmt.Appendf(nil, wroteError, "bad", 1)
	b.Run("line", func(b *testing.B) {
		for b.Loop() {
			d.console([]byte(wroteLine))
		}
	})
	b.Run("error", func(b *testing.B) {
		for b.Loop() {
			d.console(text)
		}
	})
	finished := event(cdproto.EventNetworkLoadingFinished, `{"requestId":"1.1","timestamp":1}`)
	request := event(cdproto.EventNetworkRequestWillBeSent, sent, "1.1", "x")
	b.Run("request", func(b *testing.B) {
		for b.Loop() {
			d.event(request)
			d.event(finished)
		}
	})
}
