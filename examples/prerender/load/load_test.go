package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// liar is a server that renders nothing: it makes up the answers of one that works, but for what a
// test changes.
type liar struct {
	html, pdf, screenshot, loop func(asked *http.Request) (status int, body string)
}

func (l liar) ServeHTTP(w http.ResponseWriter, asked *http.Request) {
	answer := map[string]func(*http.Request) (int, string){"/html": l.html, "/pdf": l.pdf,
		"/screenshot": l.screenshot}[asked.URL.Path]
	switch {
	case asked.URL.Path == "/ready":
		return
	case asked.URL.Path == "/metrics":
		fmt.Fprint(w, "# TYPE pagepool_rescues_total counter\npagepool_rescues_total 1\n")
		return
	case strings.Contains(asked.URL.Query().Get("url"), "/loop"):
		answer = l.loop
	}
	status, body := answer(asked)
	w.WriteHeader(status)
	fmt.Fprint(w, body)
}

func always(status int, body string) func(*http.Request) (int, string) {
	return func(*http.Request) (int, string) { return status, body }
}

// rendered is what the table's script would have made.
func rendered(asked *http.Request) (int, string) {
	page := httptest.NewRequest(http.MethodGet, asked.URL.Query().Get("url"), nil).URL.Query()
	return http.StatusOK, fmt.Sprintf(
		`<html><h1>Request %s of %s</h1><table id="done"><tbody><tr><td>row 1</td></html>`,
		page.Get("mark"), asked.Header.Get("X-Tenant"))
}

func picture(t *testing.T, lines int, dots ...color.Color) string {
	t.Helper()
	canvas := image.NewRGBA(image.Rect(0, 0, 8, lines))
	for i, dot := range dots {
		canvas.Set(i, lines-1, dot)
	}
	var file bytes.Buffer
	if err := png.Encode(&file, canvas); err != nil {
		t.Fatal(err)
	}
	return file.String()
}

func honest(t *testing.T) liar {
	return liar{
		html:       rendered,
		pdf:        always(http.StatusOK, "%PDF-1.7"+strings.Repeat("\n", 50_000)+"%%EOF"),
		screenshot: always(http.StatusOK, picture(t, 2000, color.White)),
		loop:       always(http.StatusGatewayTimeout, "deadline exceeded"),
	}
}

// asked is a round of some requests of a server, and its report.
func asked(t *testing.T, server liar) (*round, string) {
	t.Helper()
	s := httptest.NewServer(server)
	defer s.Close()
	o := orders{server: s.URL, site: "127.0.0.1:0", tenants: 3, callers: 2, wedge: 5, seed: 1,
		lasts: 50 * time.Millisecond}
	rounds, err := run(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	report(&said, o, rounds)
	return rounds[0], said.String()
}

func TestLoadFindsNothingWrongWithAServerThatAnswersWell(t *testing.T) {
	r, said := asked(t, honest(t))
	if len(r.good) == 0 || len(r.wedging) != 1 || r.wedging["504 Gateway Timeout"] == 0 ||
		len(r.failed) != 0 {
		t.Errorf("%d good, wedging %v, failed %v", len(r.good), r.wedging, r.failed)
	}
	for _, line := range []string{"good requests that failed  0", "504 Gateway Timeout",
		"not counted up: pagepool_rescues_total"} {
		if !strings.Contains(said, line) {
			t.Errorf("the report lacks %q:\n%s", line, said)
		}
	}
}

func TestLoadFindsWhatIsWrongWithAnAnswer(t *testing.T) {
	foreign := func(asked *http.Request) (int, string) {
		asked.Header.Set("X-Tenant", "somebody")
		return rendered(asked)
	}
	for name, lie := range map[string]struct {
		change func(*liar)
		says   string
	}{
		"a page without script": {func(l *liar) { l.html = always(200, table+"</html>") },
			"html: the page is not whole"},
		"a page of another tenant": {func(l *liar) { l.html = foreign },
			"html: the page is not whole"},
		"a PDF that was cut off": {func(l *liar) {
			l.pdf = always(200, "%PDF-1.7"+strings.Repeat("\n", 50_000))
		}, "pdf: the PDF is not whole"},
		"a picture of the heading": {func(l *liar) {
			l.screenshot = always(200, picture(t, 600, color.White))
		}, "screenshot: the screenshot is not whole"},
		"an empty PDF": {func(l *liar) { l.pdf = always(200, "%PDF-1.7 %%EOF") },
			"pdf: the PDF is not whole"},
		"a blank screenshot": {func(l *liar) { l.screenshot = always(200, picture(t, 2000)) },
			"screenshot: the screenshot is blank"},
		"a screenshot that is none": {func(l *liar) { l.screenshot = always(200, "PNG") },
			"screenshot: the screenshot is not whole"},
		"a full queue": {func(l *liar) { l.pdf = always(503, "too many") },
			"pdf: 503 Service Unavailable: too many"},
		"a looping page that is ready": {func(l *liar) { l.loop = always(200, "<html></html>") },
			"a page that loops for ever was answered 200 OK"},
	} {
		t.Run(name, func(t *testing.T) {
			server := honest(t)
			lie.change(&server)
			r, said := asked(t, server)
			found := false
			for what := range r.failed {
				found = found || strings.HasPrefix(what, lie.says)
			}
			if !found || len(r.failed) == 0 || !strings.Contains(said, lie.says) {
				t.Errorf("it found %v, and reports\n%s", r.failed, said)
			}
		})
	}
}

// Two servers behind a balancer, which is one of them here: the metrics are added up, and
// affinities counted.
func TestLoadAddsUpTheServersBehindABalancer(t *testing.T) {
	one, two := httptest.NewServer(honest(t)), httptest.NewServer(honest(t))
	defer one.Close()
	defer two.Close()
	balancer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, asked *http.Request) {
		w.Header().Set("X-Served-By", map[bool]string{true: "s1",
			false: "s2"}[asked.Header.Get("X-Tenant") == "tenant-1"])
		if asked.URL.Path == "/pdf" {
			w.Header().Set("X-Served-By", "s2")
		}
		honest(t).ServeHTTP(w, asked)
	}))
	defer balancer.Close()
	o := orders{server: balancer.URL, behind: []string{one.URL, two.URL}, site: "127.0.0.1:0",
		tenants: 2, callers: 2, seed: 1, lasts: 100 * time.Millisecond}
	rounds, err := run(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	r := rounds[0]
	if n := r.after["pagepool_rescues_total"]; n != 2 || len(r.served["s1"]) != 1 ||
		len(r.served["s2"]) != 2 || r.served.shared() != 1 {
		t.Errorf("rescues %v, served %v", n, r.served)
	}
	var said bytes.Buffer
	report(&said, o, rounds)
	for _, line := range []string{"affinities, requests of s1",
		"affinities of more than one server  1"} {
		if !strings.Contains(said.String(), line) {
			t.Errorf("the report lacks %q:\n%s", line, said.String())
		}
	}
	o.behind[1] = "http://127.0.0.1:1"
	quick, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := run(quick, o); err == nil || !strings.Contains(err.Error(), "http://127.0.0.1:1: ") {
		t.Errorf("of a server that is not there: %v", err)
	}
}

func TestLoadDrawsTheSameRequestsFromASeed(t *testing.T) {
	r := newRound(orders{tenants: 8, wedge: 40, seed: 7}, "")
	again := newRound(orders{tenants: 8, wedge: 40, seed: 7}, "")
	wedging, tenants, looped := 0, map[string]bool{}, map[string]bool{}
	for number := range uint64(4000) {
		asks := r.request(number)
		if asks != again.request(number) {
			t.Fatalf("request %d is %v and %v", number, asks, again.request(number))
		}
		tenants[asks.tenant] = true
		if asks.wedging {
			wedging++
			looped[asks.kind] = true
		}
	}
	if wedging != 100 || len(tenants) != 8 || len(looped) != len(kinds) {
		t.Errorf("%d of 4000 loop, of the kinds %v; tenants %v", wedging, looped, tenants)
	}
}

func TestLoadNamesEveryFlagThatBreaksItsRule(t *testing.T) {
	_, err := run(context.Background(), orders{wedge: -1, wait: "h1"})
	for _, flag := range []string{"-tenants is 0", "-callers is 0", "-wedge is -1", "-for is 0s",
		"-wait is \"h1\""} {
		if err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("%v says nothing of %s", err, flag)
		}
	}
}
