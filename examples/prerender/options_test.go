package main

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
)

func query(q string) *http.Request { return httptest.NewRequest(http.MethodGet, "/pdf?"+q, nil) }

func body(kind, q, text string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/pdf?"+q, strings.NewReader(text))
	r.Header.Set("Content-Type", kind)
	return r
}

func TestOptionsComeAsQueryAsJSONAndWithHTML(t *testing.T) {
	no := false
	want := pdf{visit: visit{URL: "http://a/b?c=d", Wait: "#x", JavaScriptEnabled: &no, BlockResources: []string{"image", "font"}},
		paper: paper{Format: "A4", Landscape: true, Scale: 0.5, PrintBackground: &no}}
	const options = "url=http://a/b?c%3Dd&wait=%23x&javaScriptEnabled=false" +
		"&blockResources=image&blockResources=font" +
		"&format=A4&landscape=true&scale=0.5&printBackground=false"
	withHTML := want
	withHTML.HTML = "<p>ü"
	for name, c := range map[string]struct {
		request *http.Request
		want    pdf
	}{
		"query": {query(options), want},
		"JSON": {body("application/json; charset=utf-8", "", `{"url":"http://a/b?c=d","wait":"#x","javaScriptEnabled":false,"blockResources":["image","font"],
			"format":"A4","landscape":true,"scale":0.5,"printBackground":false}`), want},
		"HTML": {body("text/html; charset=utf-8", options, "<p>ü"), withHTML},
	} {
		var got pdf
		if err := parse(httptest.NewRecorder(), c.request, &got); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestOptionsThatAreWrongAreNamed(t *testing.T) {
	const good = "url=http://a/&"
	for name, c := range map[string]struct {
		request *http.Request
		status  int
		texts   []string
	}{
		"unknown":            {query(good + "papre=A4"), 400, []string{`"papre"`, "paperWidth", "waitForSelector"}},
		"unknown in JSON":    {body("application/json", "", `{"url":"http://a/","papre":1}`), 400, []string{`"papre"`}},
		"unknown in cookie":  {body("application/json", "", `{"url":"http://a/","cookies":[{"nme":"a"}]}`), 400, []string{"cookies must be", "sameSite"}},
		"no number":          {query(good + "scale=big"), 400, []string{"scale must be a number"}},
		"no boolean":         {query(good + "landscape=yes"), 400, []string{"landscape must be true or false"}},
		"two values":         {query(good + "format=A4&format=A5"), 400, []string{"format comes 2 times"}},
		"secret in a query":  {query(good + "password=secret"), 400, []string{"password", "body of JSON"}},
		"a bad query":        {query("url=%zz"), 400, []string{"the query"}},
		"nothing":            {query(""), 400, []string{"url is missing"}},
		"no address":         {query("url=file:///etc/passwd"), 400, []string{"must be a whole address"}},
		"no unit":            {query(good + "margin=1"), 400, []string{`margin is "1"`, "2.5cm"}},
		"too long":           {query(good + "paperWidth=900cm"), 400, []string{"paperWidth", "200in"}},
		"no format":          {query(good + "format=A9"), 400, []string{`"A9"`, "a4, a5"}},
		"no scale":           {query(good + "scale=3"), 400, []string{"scale is 3", "0.1 to 2"}},
		"until":              {query(good + "waitUntil=later"), 400, []string{`"later"`, "networkidle0"}},
		"two selectors":      {query(good + "wait=a&waitForSelector=b"), 400, []string{"only one"}},
		"same site":          {body("application/json", "", `{"url":"http://a/","cookies":[{"name":"a","sameSite":"odd"}]}`), 400, []string{`"odd"`, "Lax"}},
		"cookies for nobody": {body("application/json", "", `{"html":"x","cookies":[{"name":"a"}]}`), 400, []string{"url is missing"}},
		"no JSON":            {body("application/json", "", `[`), 400, []string{"no JSON object"}},
		"other body":         {body("application/x-www-form-urlencoded", "", "url=x"), 415, []string{"application/x-www-form-urlencoded", "text/html"}},
		"large body":         {body("text/html", "", strings.Repeat(" ", bodyBytes+1)), 413, []string{"16777216 bytes"}},
	} {
		var p pdf
		err := parse(httptest.NewRecorder(), c.request, &p)
		if err == nil {
			err = p.check()
		}
		wrong := (*mistake)(nil)
		if !errors.As(err, &wrong) || wrong.status != c.status {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, text := range c.texts {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%s: %q lacks %q", name, err, text)
			}
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %q has the secret", name, err)
		}
	}
}

func TestPaperIsMeasuredInInches(t *testing.T) {
	p := paper{Format: "a4", PaperHeight: "254mm", Margin: "1in", MarginLeft: "96px", MarginTop: "5.08cm", HeaderTemplate: "<p>"}
	print, err := p.print()
	if err != nil {
		t.Fatal(err)
	}
	var got page.PrintToPDFParams
	print(&got)
	for name, pair := range map[string][2]float64{
		"width": {got.PaperWidth, 8.27}, "height": {got.PaperHeight, 10}, "top": {*got.MarginTop, 2}, "right": {*got.MarginRight, 1}, "left": {*got.MarginLeft, 1},
	} {
		if math.Abs(pair[0]-pair[1]) > 1e-9 {
			t.Errorf("%s is %v, want %v", name, pair[0], pair[1])
		}
	}
	if !*got.PrintBackground || !*got.DisplayHeaderFooter || got.FooterTemplate == "" {
		t.Errorf("%+v", got)
	}
}

// What a request says of who it is decides whose page it gets.
func TestARequestWithSecretsHasAnAffinityOfItsOwn(t *testing.T) {
	of := func(tenant string, v visit) string { return v.affinity(tenant) }
	a := visit{Cookies: []cookie{{Name: "session", Value: "secret"}}, Headers: map[string]string{"A": "1", "B": "2"}}
	key := of("acme", a)
	if key != of("acme", a) || !strings.HasPrefix(key, "acme#") || strings.Contains(key, "secret") {
		t.Errorf("the affinity is %q", key)
	}
	seen := map[string]int{key: -1}
	for i, other := range []string{
		of("acme", visit{}), of("other", a), of("acme", visit{Cookies: a.Cookies}), of("acme", visit{Headers: a.Headers}),
		of("acme", visit{Username: "u", Password: "secret"}), of("acme", visit{Username: "u", Password: "other"}),
	} {
		if at, met := seen[other]; met {
			t.Errorf("%d has the affinity of %d", i, at)
		}
		seen[other] = i
	}
	if got := of("acme", visit{URL: "http://a", UserAgent: "b"}); got != "acme" {
		t.Errorf("without secrets: %q", got)
	}
}

func TestDurationsAreLoggedAsPeopleReadThem(t *testing.T) {
	var log bytes.Buffer
	newLogger(&log).Info("x", "a", 1234567*time.Microsecond, "b", 349600*time.Microsecond, "c", 41234*time.Nanosecond, "d", 95*time.Second)
	if want := `"a":"1.2s","b":"350ms","c":"41µs","d":"1m35s"`; !strings.Contains(log.String(), want) {
		t.Errorf("%s lacks %s", &log, want)
	}
}

func TestTheGuardIsNamedForWhatItRefused(t *testing.T) {
	g := &guard{refused: map[string]time.Time{}}
	g.note("10.0.0.1:443")
	failed := loadFailure("https://example.com/", "https://10.0.0.1/x?secret", "net::ERR_TUNNEL_CONNECTION_FAILED")
	if err := g.explain(failed); !errors.Is(err, errGuard) || !strings.HasPrefix(err.Error(), "https://10.0.0.1/x: ") {
		t.Errorf("a tunnel that the guard refused: %v", err)
	}
	for _, err := range []error{
		loadFailure("https://10.0.0.2/", "https://10.0.0.2/", "net::ERR_TUNNEL_CONNECTION_FAILED"),
		loadFailure("https://10.0.0.1/", "https://10.0.0.1/", "net::ERR_CONNECTION_RESET"), errors.New("net::ERR_TUNNEL_CONNECTION_FAILED"),
	} {
		if got := g.explain(err); got != err {
			t.Errorf("%v became %v", err, got)
		}
	}
	g.refused["10.0.0.1:443"] = time.Now().Add(-2 * refusedFor)
	if err := g.explain(failed); errors.Is(err, errGuard) {
		t.Errorf("long ago: %v", err)
	}
	for i := range 2 * refusedMost {
		g.note(fmt.Sprint("host ", i))
	}
	if len(g.refused) > refusedMost {
		t.Errorf("%d hosts are remembered", len(g.refused))
	}
}
