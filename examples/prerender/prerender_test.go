package main

import (
	"bytes"
	"context"
	"fmt"
	"image/png"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// The test binary is the server as well, so that one test can send it a signal.
func TestMain(m *testing.M) {
	if os.Getenv("PRERENDER_SERVE") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// needsBrowser skips a test where nobody asked for a real browser. Where somebody did, one that is
// missing fails it.
func needsBrowser(t *testing.T) {
	t.Helper()
	if os.Getenv("PAGEPOOL_CHROME") == "" {
		t.Skip("needs a real browser: PAGEPOOL_CHROME=1 go test -run TestContract .")
	}
}

// site serves the pages that are rendered, at one address of this machine.
type site struct {
	*httptest.Server
	arrived chan string   // the path of each page that waits to be let go on
	goOn    chan struct{} // closed to let them

	mu   sync.Mutex
	hits map[string]int // by path
}

func newSite(t *testing.T, address string) *site {
	t.Helper()
	listener, err := net.Listen("tcp", address+":0")
	if err != nil {
		t.Fatal(err)
	}
	s := &site{arrived: make(chan string, 16), goOn: make(chan struct{}), hits: map[string]int{}}
	s.Server = httptest.NewUnstartedServer(s)
	_ = s.Listener.Close()
	s.Listener = listener
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.hits[r.URL.Path]++
	s.mu.Unlock()
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("Content-Type", "text/html")
	switch r.URL.Path {
	case "/script":
		fmt.Fprint(w, `<!DOCTYPE html><title>script</title><body style="margin:0;background:red"><script>
			fetch("/data").then(answer => answer.text()).then(text => {
				document.body.style.background = "rgb(0,0,255)"
				const done = document.createElement("p"); done.id = "done"; done.textContent = text + " by script"
				document.body.append(done)
			})</script>`)
	case "/data":
		fmt.Fprint(w, "written")
	case "/visits":
		fmt.Fprint(w, `<body><script>
			localStorage.visits = +(localStorage.visits || 0) + 1
			document.body.textContent = "visit " + localStorage.visits</script>`)
	case "/slow":
		s.arrived <- r.URL.Path
		select {
		case <-s.goOn:
		case <-r.Context().Done():
		}
		fmt.Fprint(w, "<p>slow")
	case "/loop":
		fmt.Fprint(w, "<script>for (;;) {}</script>")
	case "/redirect":
		http.Redirect(w, r, r.URL.Query().Get("to"), http.StatusFound)
	case "/goes":
		fmt.Fprintf(w, `<p>here<script>onload = () => setTimeout(() => location = %q)</script>`,
			r.URL.Query().Get("to"))
	case "/asks":
		to := r.URL.Query().Get("to")
		fmt.Fprintf(w, askEverything, to, strings.TrimPrefix(to, "http://"), r.URL.Query().Get("packets"))
	default:
		fmt.Fprint(w, "<p>something private")
	}
}

// askEverything is a page that asks for another place in every way that it knows, and says when it
// has.
const askEverything = `<body><script>
const to = %q, host = %q, packets = %q
const settled = []
function element(name, attributes) {
	const e = Object.assign(document.createElement(name), attributes)
	settled.push(new Promise(resolve => { e.onload = e.onerror = resolve }))
	document.body.append(e)
}
element("iframe", {src: to + "/frame"})
element("img", {src: to + "/image"})
element("script", {src: to + "/script.js"})
element("link", {rel: "stylesheet", href: to + "/style.css"})
settled.push(fetch(to + "/fetch").catch(() => {}))
settled.push(new Promise(resolve => { const s = new WebSocket("ws://" + host + "/socket"); s.onerror = s.onopen = resolve }))
navigator.sendBeacon(to + "/beacon")
const call = new RTCPeerConnection({iceServers: [{urls: "stun:" + packets}]})
call.createDataChannel("data")
settled.push(new Promise(resolve => { call.onicegatheringstatechange = () => call.iceGatheringState == "complete" && resolve() }))
call.createOffer().then(offer => call.setLocalDescription(offer))
if (window.WebTransport) settled.push(new WebTransport("https://" + packets + "/").ready.catch(() => {}))
const enough = new Promise(resolve => setTimeout(resolve, 3000)) // what was sent into nothing is not answered
Promise.race([Promise.all(settled), enough]).then(() => { const e = document.createElement("p"); e.id = "asked"; e.textContent = "asked"; document.body.append(e) })
</script>`

func (s *site) seen() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := map[string]int{}
	for path, n := range s.hits {
		seen[path] = n
	}
	return seen
}

// newServer is a server with a warm pool. allow are networks that may be visited.
func newServer(t *testing.T, o options, allow ...string) *httptest.Server {
	t.Helper()
	return newLoggingServer(t, o, slog.New(slog.NewTextHandler(t.Output(), nil)), allow...)
}

func newLoggingServer(t *testing.T, o options, log *slog.Logger, allow ...string) *httptest.Server {
	t.Helper()
	needsBrowser(t)
	for _, network := range allow {
		o.allow = append(o.allow, netip.MustParsePrefix(network))
	}
	o.browser, o.noSandbox = os.Getenv("PAGEPOOL_CHROME_PATH"), os.Geteuid() == 0
	o.pages, o.waiting = max(o.pages, 1), max(o.waiting, 1)
	if o.timeout == 0 {
		o.timeout = 20 * time.Second
	}
	if o.render == 0 {
		o.render = o.timeout / 2
	}
	r, err := newRenderer(o, log)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(r.routes())
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(func() {
		defer cancel()
		server.Close()
		if err := r.close(ctx); err != nil {
			t.Error(err)
		}
	})
	if err := r.pool.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	return server
}

// answer is what the server said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// get asks a server. It may be called from any goroutine, and reports a server that says nothing as
// status 0.
func get(t *testing.T, address, tenant string) answer {
	request, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		t.Error(err)
		return answer{}
	}
	request.Header.Set("X-Tenant", tenant)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Error(err)
		return answer{}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(err)
	}
	return answer{response.StatusCode, response.Header, body}
}

func (a answer) want(t *testing.T, status int, contains string) {
	t.Helper()
	if a.status != status || !strings.Contains(string(a.body), contains) {
		t.Errorf("answered %d %.300q; want %d with %q", a.status, a.body, status, contains)
	}
}

func TestContractPagesWithScriptAreRendered(t *testing.T) {
	server, pages := newServer(t, options{}, "127.0.0.1/32"), newSite(t, "127.0.0.1")
	query := "?wait=%23done&url=" + pages.URL + "/script"

	text := get(t, server.URL+"/html"+query, "a")
	text.want(t, http.StatusOK, `<p id="done">written by script</p>`)
	text.want(t, http.StatusOK, "<!DOCTYPE html><html>")

	pdf := get(t, server.URL+"/pdf"+query, "a")
	pdf.want(t, http.StatusOK, "%PDF-")
	if !bytes.Contains(pdf.body, []byte("%%EOF")) {
		t.Error("the PDF has no end")
	}

	shot := get(t, server.URL+"/screenshot"+query, "b")
	shot.want(t, http.StatusOK, "PNG")
	picture, err := png.Decode(bytes.NewReader(shot.body))
	if err != nil {
		t.Fatal(err)
	}
	size := picture.Bounds().Size()
	if red, green, blue, _ := picture.At(size.X-10, size.Y-10).RGBA(); red != 0 || green != 0 ||
		blue != 0xffff {
		t.Errorf("the corner of the screenshot has the colour %x %x %x; the script makes it blue", red,
			green, blue)
	}
	if path := os.Getenv("PRERENDER_SCREENSHOT"); path != "" { // to be looked at
		if err := os.WriteFile(path, shot.body, 0o644); err != nil {
			t.Error(err)
		}
	}

	get(t, server.URL+"/health", "").want(t, http.StatusOK, "alive")
	get(t, server.URL+"/ready", "").want(t, http.StatusOK, "ready")
}

func TestContractPrometheusIsToldOfThePoolAndTheProcess(t *testing.T) {
	server, pages := newServer(t, options{pages: 2}, "127.0.0.1/32"), newSite(t, "127.0.0.1")
	get(t, server.URL+"/html?url="+pages.URL+"/visits", "a").want(t, http.StatusOK, "visit 1")
	told := get(t, server.URL+"/metrics", "")
	for _, line := range []string{
		"\npagepool_capacity 2\n", "\npagepool_grants_total{how=\"adoption\"} 1\n",
		"\npagepool_browser_starts_total 1\n",
		"\npagepool_wait_seconds_count{outcome=\"granted\"} 1\n",
		"\npagepool_lease_seconds_count{outcome=\"released\"} 1\n",
		"\npagepool_operation_seconds_count{operation=\"launch\",outcome=\"done\"} 1\n",
		"\nprocess_cpu_seconds_total ", "\ngo_goroutines ",
	} {
		told.want(t, http.StatusOK, line)
	}
}

// A request that comes while the tenant's tab is brought back to the standby state gets another
// tab, whose context is new to the tenant; so it may take a few until one meets what an earlier one
// left.
func TestContractTenantsMeetTheirOwnStorageAndNobodyElses(t *testing.T) {
	server, pages := newServer(t, options{pages: 2}, "127.0.0.1/32"), newSite(t, "127.0.0.1")
	visit := func(tenant string) string {
		a := get(t, server.URL+"/html?url="+pages.URL+"/visits", tenant)
		a.want(t, http.StatusOK, "visit ")
		return string(a.body)
	}
	met := false
	for range 20 {
		met = met || !strings.Contains(visit("a"), "visit 1")
	}
	if !met {
		t.Error("the tenant never met its own storage")
	}
	if body := visit("b"); !strings.Contains(body, "visit 1") {
		t.Errorf("another tenant met %q", body)
	}
}

func TestContractAFullQueueIsAnsweredWithRetryAfter(t *testing.T) {
	server, pages := newServer(t, options{pages: 1, waiting: 1}, "127.0.0.1/32"),
		newSite(t, "127.0.0.1")
	answers := make(chan answer)
	for _, tenant := range []string{"a", "b", "c", "d"} {
		go func() { answers <- get(t, server.URL+"/html?url="+pages.URL+"/slow", tenant) }()
	}
	<-pages.arrived
	for range 2 { // one is rendered, one waits
		refused := <-answers
		refused.want(t, http.StatusServiceUnavailable, "too many requests are waiting")
		if refused.header.Get("Retry-After") == "" {
			t.Error("without Retry-After")
		}
	}
	close(pages.goOn)
	for range 2 {
		(<-answers).want(t, http.StatusOK, "slow")
	}
}

func TestContractAPageThatLoopsForEverHarmsOnlyItsOwnRequest(t *testing.T) {
	server, pages := newServer(t, options{pages: 2, render: 3 * time.Second}, "127.0.0.1/32"),
		newSite(t, "127.0.0.1")
	looping := make(chan answer)
	go func() { looping <- get(t, server.URL+"/html?url="+pages.URL+"/loop", "a") }()
	for range 3 {
		get(t, server.URL+"/html?url="+pages.URL+"/visits", "b").want(t, http.StatusOK, "visit")
	}
	(<-looping).want(t, http.StatusGatewayTimeout, "longer than its limit")
	get(t, server.URL+"/html?url="+pages.URL+"/visits", "a").want(t, http.StatusOK, "visit 1")
}

func TestOptionsThatBreakTheirRuleAreRefused(t *testing.T) {
	for _, o := range []options{
		{pages: 0, waiting: 1, render: 1, timeout: 2}, {pages: 1, waiting: 0, render: 1, timeout: 2},
		{pages: 1, waiting: 1, render: 0, timeout: 2}, {pages: 1, waiting: 1, render: 2, timeout: 2},
	} {
		if _, err := newRenderer(o, slog.New(slog.DiscardHandler)); err == nil ||
			!strings.HasPrefix(err.Error(), "-pages is ") {
			t.Errorf("%+v is answered %v", o, err)
		}
	}
}

func TestContractAddressesThatAreNoPagesAreRefused(t *testing.T) {
	server := newServer(t, options{})
	for _, address := range []string{"", "file:///etc/passwd", "FILE:///etc/passwd",
		"chrome://version", "javascript:1",
		"data:text/html,x", "view-source:http://127.0.0.1/", "about:blank", "http:///etc/passwd",
		"//127.0.0.1/"} {
		get(t, server.URL+"/html?url="+address, "a").want(t, http.StatusBadRequest,
			"must be a whole address")
	}
}

// Each way to a private place is tried twice: with the place allowed, so that the way is known to
// lead there, and with it refused.
func TestContractPrivateAddressesAreRefusedWhateverTheWay(t *testing.T) {
	pages, private := newSite(t, "127.0.0.1"), newSite(t, "127.0.0.2")
	named := strings.Replace(private.URL, "127.0.0.2", "localhost", 1) // it stands for 127.0.0.1
	packets, err := net.ListenPacket("udp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer packets.Close()
	visit := func(server *httptest.Server, address string) answer {
		return get(t, server.URL+"/html?url="+address, "a")
	}
	ask := "/asks?to=" + private.URL + "%26packets=" + packets.LocalAddr().String() + "&wait=%23asked"

	open := newServer(t, options{}, "127.0.0.0/8")
	visit(open, pages.URL+"/redirect?to="+private.URL+"/redirected").want(t, http.StatusOK, "private")
	visit(open, private.URL+"/direct").want(t, http.StatusOK, "private")
	visit(open, pages.URL+ask).want(t, http.StatusOK, "asked")
	open.Close()
	ways := private.seen()
	for _, way := range []string{"/direct", "/redirected", "/frame", "/image", "/script.js",
		"/style.css", "/fetch", "/socket", "/beacon"} {
		if ways[way] == 0 {
			t.Errorf("%s leads nowhere, also where it may", way)
		}
	}

	shut := newServer(t, options{}, "127.0.0.1/32")
	const guarded = "the guard refuses it"
	visit(shut, private.URL+"/direct").want(t, http.StatusForbidden, guarded)
	visit(shut, pages.URL+"/redirect?to="+private.URL+"/redirected").want(t, http.StatusForbidden,
		private.URL+"/redirected: "+guarded)
	visit(shut, strings.Replace(private.URL, "http:", "https:", 1)).want(t, http.StatusForbidden,
		guarded)
	visit(shut, pages.URL+"/redirect?to="+strings.Replace(private.URL, "http:", "https:", 1)).want(t,
		http.StatusForbidden, guarded)
	visit(shut, pages.URL+"/redirect?to=file:///etc/passwd").want(t, http.StatusBadGateway, "ERR_")
	visit(shut, pages.URL+ask).want(t, http.StatusOK, "asked")
	for way, n := range private.seen() {
		if n != ways[way] {
			t.Errorf("%s was reached", way)
		}
	}
	if err := packets.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, from, err := packets.ReadFrom(make([]byte, 2048)); err == nil {
		t.Errorf("a packet of %d bytes came from %s", n, from)
	}

	// A name is looked at after it was resolved.
	shut = newServer(t, options{}, "127.0.0.2/32")
	visit(shut, private.URL+"/direct").want(t, http.StatusOK, "private")
	visit(shut, named+"/named").want(t, http.StatusForbidden, guarded)
}
