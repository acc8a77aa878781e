package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/pagepool/pagepool/pool/chrome"
)

func loadFailure(from, at, text string) error {
	return &chrome.LoadError{URL: from, Failed: at, Err: &chromedp.LoadError{ErrorText: text}}
}

// post sends a body to a server. A body that is no string is sent as JSON.
func post(t *testing.T, address, tenant string, body any) answer {
	t.Helper()
	kind, text := "text/html", ""
	switch body := body.(type) {
	case string:
		text = body
	default:
		encoded, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		kind, text = "application/json", string(encoded)
	}
	request, err := http.NewRequest(http.MethodPost, address, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", kind)
	request.Header.Set("X-Tenant", tenant)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(err)
	}
	return answer{response.StatusCode, response.Header, got}
}

// optionsOf is a body of JSON.
type optionsOf = map[string]any

// echo serves what it was asked, and counts as a site that logs in by cookies of its own.
func echo(t *testing.T) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		if r.Header.Get("X-Token") != "" {
			http.SetCookie(w, &http.Cookie{Name: "logged", Value: "in"})
		}
		user, _, ok := r.BasicAuth()
		if r.URL.Path == "/login" && !ok {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
		fmt.Fprintf(w, "<title>echo</title><p id=said>token=%s cookies=%s user=%s "+
			"agent=%s</p><script>document.body.append('zone=' + "+
			"Intl.DateTimeFormat().resolvedOptions().timeZone)</script>",
			r.Header.Get("X-Token"), r.Header.Get("Cookie"), user, r.UserAgent())
	}))
	t.Cleanup(s.Close)
	return s
}

func TestContractAPostShowsHTMLAndTakesOptions(t *testing.T) {
	server, pages := newServer(t, options{}, "127.0.0.1/32"), newSite(t, "127.0.0.1")
	post(t, server.URL+"/html", "a", "<!DOCTYPE html><p>given<script>document.body.append(' by ' + "+
		"location.href)</script>").want(t, http.StatusOK, "</p> by about:blank</body>")
	post(t, server.URL+"/html?wait=%23done&url="+pages.URL+"/some/", "a",
		`<p id=x><script>fetch("../data").then(a => a.text()).then(text => { x.textContent = text; x.id = "done" })</script>`).
		want(t, http.StatusOK, `<p id="done">written</p>`)
	post(t, server.URL+"/html", "a",
		optionsOf{"url": pages.URL + "/script", "waitForExpression": "document.querySelector('#done')",
			"waitUntil": "networkidle0"}).
		want(t, http.StatusOK, "written by script")
	post(t, server.URL+"/html", "a",
		optionsOf{"url": pages.URL + "/script", "javaScriptEnabled": false}).want(t, http.StatusOK,
		"background:red")

	sheet := func(more optionsOf) string {
		more["html"] = "<p>first<p style='break-before:page'>second"
		a := post(t, server.URL+"/pdf", "a", more)
		a.want(t, http.StatusOK, "%PDF-")
		if got := a.header.Get("Content-Length"); got != fmt.Sprint(len(a.body)) {
			t.Errorf("Content-Length is %s of %d", got, len(a.body))
		}
		boxes := regexp.MustCompile(`/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]`).FindAllStringSubmatch(
			string(a.body), -1)
		if len(boxes) == 0 {
			t.Fatal("the PDF has no page")
		}
		return fmt.Sprint(len(boxes), " of ", boxes[0][1], " x ", boxes[0][2])
	}
	for want, more := range map[string]optionsOf{
		"2 of 612 x 792": {},
		"2 of 792 x 612": {"format": "letter", "landscape": true,
			"headerTemplate": "<span class=title></span>"},
		"1 of 288 x 360": {"paperWidth": "4in", "paperHeight": "5in", "margin": "1cm",
			"pageRanges": "2"},
		"2 of 595 x 842":  {"format": "A4", "marginTop": "3cm"},
		"2 of 1191 x 842": {"format": "A3", "landscape": true},
	} {
		if got := sheet(more); !near(got, want) {
			t.Errorf("%v is printed on %s, want %s", more, got, want)
		}
	}
	post(t, server.URL+"/screenshot", "a", optionsOf{"html": "<p>x", "fullPage": false}).want(t,
		http.StatusOK, "PNG")
}

// near compares sheets whose sides differ by less than 1.5 points: formats are rounded.
func near(a, b string) bool {
	var counts [2]int
	var sides [2][2]float64
	for i, text := range []string{a, b} {
		if _, err := fmt.Sscanf(text, "%d of %g x %g", &counts[i], &sides[i][0], &sides[i][1]); err !=
			nil {
			return false
		}
	}
	close := func(x, y float64) bool { return x-y < 1.5 && y-x < 1.5 }
	return counts[0] == counts[1] && close(sides[0][0], sides[1][0]) && close(sides[0][1], sides[1][1])
}

// The next request of the same tenant, on the same tab or another, meets nothing of them.
func TestContractHeadersAndCookiesOfARequestReachNoOther(t *testing.T) {
	server, pages := newServer(t, options{}, "127.0.0.1/32"), echo(t)
	for range 2 {
		post(t, server.URL+"/html", "a",
			optionsOf{"url": pages.URL, "headers": optionsOf{"X-Token": "t1"}, "userAgent": "Bot/1",
				"timezone": "Asia/Tokyo", "locale": "de-DE",
				"cookies": []optionsOf{{"name": "session", "value": "s1"}}}).want(t, http.StatusOK,
			"token=t1 cookies=session=s1")
		for _, tenant := range []string{"a", "b"} {
			a := post(t, server.URL+"/html", tenant, optionsOf{"url": pages.URL})
			a.want(t, http.StatusOK, "token= cookies= user= agent=Mozilla")
			if strings.Contains(string(a.body), "Asia/Tokyo") {
				t.Errorf("the next request lives in the time zone of the last one")
			}
		}
	}
	login := optionsOf{"url": pages.URL + "/login", "username": "alice", "password": "p"}
	post(t, server.URL+"/html", "a", login).want(t, http.StatusOK, "user=alice")
	post(t, server.URL+"/html", "a", optionsOf{"url": pages.URL + "/login"}).want(t,
		http.StatusBadGateway, "")
}

// What the caller did wrong is 400, and the log has one line for each request that failed.
func TestContractACallersMistakeIsA400AndALine(t *testing.T) {
	needsBrowser(t)
	path := filepath.Join(t.TempDir(), "log")
	log, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	pages := newSite(t, "127.0.0.1")
	server := newLoggingServer(t, options{render: 3 * time.Second}, newLogger(log), "127.0.0.1/32")
	ask := server.URL + "/html?url=" + pages.URL + "/script%3Fquery"
	for query, texts := range map[string][]string{
		"&wait=a[":                 {"selector is", "a[", "valid CSS selector"},
		"&wate=a":                  {"unknown option", "wate"},
		"&waitForExpression=1+%2B": {"expression is", "SyntaxError"},
		"&timezone=Mars":           {"time zone is", "Mars"},
		"&locale=zzzz":             {"locale is", "zzzz"},
		"&blockResources=pictures": {"kind of resource", "pictures"},
		"&blockURLs=":              {"pattern of addresses"},
	} {
		a := get(t, ask+query, "a")
		for _, text := range texts {
			a.want(t, http.StatusBadRequest, text)
		}
	}
	get(t, server.URL+"/pdf?margin=20in&url="+pages.URL, "a").want(t, http.StatusBadRequest,
		"content area is empty")
	get(t, server.URL+"/pdf?pageRanges=x&url="+pages.URL, "a").want(t, http.StatusBadRequest,
		"Page range")
	post(t, server.URL+"/html", "a",
		optionsOf{"url": pages.URL, "headers": optionsOf{"Host": "x"}}).want(t, http.StatusBadRequest,
		"Host")
	get(t, ask+"&wait=%23nope", "a").want(t, http.StatusGatewayTimeout,
		`nothing visible matches "#nope"`)

	lines, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	failed := regexp.MustCompile(`(?m)^.*"msg":"not rendered".*$`).FindAllString(string(lines), -1)
	if len(failed) != 11 {
		t.Errorf("%d lines for 11 requests that failed", len(failed))
	}
	for _, line := range failed {
		if !regexp.MustCompile(`"after":"[0-9.]+(s|ms|µs)"`).MatchString(line) ||
			strings.Contains(line, "?query") {
			t.Errorf("the line is %s", line)
		}
	}
	if last := failed[len(failed)-1]; !strings.Contains(last, `"status":504`) ||
		!regexp.MustCompile(`"after":"[0-9.]+s"`).MatchString(last) {
		t.Errorf("the line is %s", last)
	}
}

func TestContractTheDumpIsOnTheSecondAddressOnly(t *testing.T) {
	needsBrowser(t)
	r, err := newRenderer(options{browser: os.Getenv("PAGEPOOL_CHROME_PATH"),
		noSandbox: os.Geteuid() == 0, pages: 1, waiting: 1, render: time.Second,
		timeout: 2 * time.Second},
		slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	public, internal := httptest.NewServer(r.routes()), httptest.NewServer(r.internalRoutes())
	defer func() {
		public.Close()
		internal.Close()
		if err := r.close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	get(t, public.URL+"/dump", "a").want(t, http.StatusNotFound, "")
	get(t, internal.URL+"/dump", "a").want(t, http.StatusOK, "pagepool-trace 1")
	get(t, internal.URL+"/html?url=http://a", "a").want(t, http.StatusNotFound, "")
}

// A page of noise does not compress.
func TestContractALargePDFArrivesWhole(t *testing.T) {
	server := newServer(t, options{timeout: 2 * time.Minute})
	a := post(t, server.URL+"/pdf", "a", `<canvas id=c width=1500 height=1500></canvas><script>
		const d = c.getContext("2d"), i = d.createImageData(1500, 1500); for (let n = 0; n < i.data.length; n++) i.data[n] = Math.random() * 256
		d.putImageData(i, 0, 0)</script>`)
	a.want(t, http.StatusOK, "%PDF-")
	if len(a.body) < 3<<20 || !bytes.HasSuffix(bytes.TrimSpace(a.body), []byte("%%EOF")) {
		t.Errorf("the PDF has %d bytes", len(a.body))
	}
}
