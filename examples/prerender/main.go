// Prerender is a server that renders pages with script: as HTML, as PDF and as a screenshot. It
// shows how a service keeps a pool, and is meant to be copied and changed.
//
// main.go is the server: flags, start, routes, health, drain. options.go and paper.go read what a
// request asks for, steps.go makes actions of it, and render.go answers. guard.go keeps pages from
// addresses that are not public. fleet.go makes it one of several servers behind HAProxy, with
// -haproxy and -agent (deploy/fleet). The folder load is another program, which asks a server for
// pages until one knows what it bears.
//
//	go run . -listen 127.0.0.1:8080
//	curl 'http://127.0.0.1:8080/html?url=https://example.com'
//	curl 'http://127.0.0.1:8080/pdf?url=https://example.com&wait=h1&format=A4&margin=2cm' \
//	  -H 'X-Tenant: acme' -o page.pdf
//	curl 'http://127.0.0.1:8080/screenshot?url=https://example.com' -o page.png
//	curl http://127.0.0.1:8080/pdf -H 'Content-Type: text/html' -o invoice.pdf \
//	  --data-binary @invoice.html
//	curl http://127.0.0.1:8080/pdf -H 'Content-Type: application/json' -o page.pdf -d '{
//	  "url": "https://example.com", "headers": {"Authorization": "Bearer t"},
//	  "cookies": [{"name": "a", "value": "b"}],
//	  "waitForSelector": "#ready", "waitUntil": "networkidle0", "landscape": true,
//	  "headerTemplate": "<span class=title style=\"font-size:8px\"></span>"}'
//
// /html, /pdf and /screenshot take the same options (see visit in options.go), and /pdf those of
// its paper (see paper.go). They come in a query, or in a body of JSON; a body of HTML is shown
// instead of a page, at the address url of the query if there is one. An unknown option is refused,
// and so are headers, cookies and passwords in a query.
//
// X-Tenant is the affinity: pages of one tenant share a browser context, with its cookies, storage
// and cache, and never meet another's. The server believes that header, so it has to stand behind
// something that sets it and knows who is asking. A request with headers, cookies or a password of
// its own shares its context only with those that have the same: nothing that a server makes of
// them reaches another request.
//
// # What it refuses
//
// Addresses that are not http or https, and everything that leads to an address which is not
// public: see guard.
//
// # Answers
//
// 400 is the caller's mistake: an unknown option, a selector that is none, an X-Tenant that is too
// long. 403 is the guard's refusal, also where a page goes by script to what the guard refuses. 413
// and 415 are for bodies. 500 is a browser that cannot start until somebody changes something, and
// 503 a full queue or a browser that does not start now, with Retry-After. 502 is the page's own
// doing: it does not load, or its server answers with an error. 504 is a page that takes too long,
// and says what it waited for. Each failed request is one line of the log.
//
// # Health
//
// /health answers as long as the process does. /ready says whether a page could be rendered, and
// says no from SIGTERM on; the server then goes on for -notice, so that a load balancer can hear of
// it, takes no more connections, finishes what it has begun, closes the pool, and ends. /metrics is
// for Prometheus. The live page of the pool, which has the names of tenants in it, is served on
// -internal only, with /live.json and /dump beside it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
	"github.com/pagepool/pagepool/pool/fleet"
	"github.com/pagepool/pagepool/pool/metrics"
	"github.com/pagepool/pagepool/pool/poolhttp"
)

// options are the command's flags.
type options struct {
	listen    string
	internal  string
	browser   string
	noSandbox bool
	pages     int
	waiting   int
	timeout   time.Duration
	render    time.Duration
	notice    time.Duration
	allow     []netip.Prefix
	fleet     fleet.Config
}

func main() {
	var o options
	flag.StringVar(&o.listen, "listen", "127.0.0.1:8080", "the address to serve on")
	flag.StringVar(&o.internal, "internal", "127.0.0.1:6060", "the address to serve the pool's live "+
		"page and /dump on, for operators only; empty: nowhere")
	flag.StringVar(&o.browser, "browser", "",
		"the browser to start; the default is the first on the PATH")
	flag.BoolVar(&o.noSandbox, "no-sandbox", false,
		"start the browser without its sandbox, which then keeps no page from the machine")
	flag.IntVar(&o.pages, "pages", 4, "how many pages to render at a time")
	flag.IntVar(&o.waiting, "waiting", 100, "how many requests may wait; one more is answered 503")
	flag.DurationVar(&o.timeout, "timeout", 30*time.Second,
		"how long one request may take, its wait included")
	flag.DurationVar(&o.render, "render", 10*time.Second, "how long a page may take once it has a "+
		"tab; less than -timeout, so that those behind it have time left")
	flag.DurationVar(&o.notice, "notice", 0, "how long to go on after SIGTERM, with /ready saying no")
	flag.Func("allow", "a network such as 10.1.0.0/16 that may be visited though it is not public; "+
		"repeatable", func(text string) error {
		network, err := netip.ParsePrefix(text)
		o.allow = append(o.allow, network)
		return err
	})
	fleetFlags(&o.fleet)
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	if err := run(ctx, o, newLogger(os.Stderr)); err != nil {
		fmt.Fprintln(os.Stderr, "prerender:", err)
		os.Exit(1)
	}
}

// newLogger logs durations as people read them.
func newLogger(to io.Writer) *slog.Logger {
	readable := func(_ []string, a slog.Attr) slog.Attr {
		if a.Value.Kind() == slog.KindDuration {
			a.Value = slog.StringValue(short(a.Value.Duration()))
		}
		return a
	}
	return slog.New(slog.NewJSONHandler(to, &slog.HandlerOptions{ReplaceAttr: readable}))
}

// short is a duration as people read it: 1.2s, 350ms, 40µs.
func short(d time.Duration) string {
	for _, unit := range []time.Duration{time.Second, time.Millisecond} {
		if d >= unit {
			return d.Round(min(unit, 100*time.Millisecond)).String()
		}
	}
	return d.Round(time.Microsecond).String()
}

// run serves until ctx ends, and then until what was begun is finished.
func run(ctx context.Context, o options, log *slog.Logger) error {
	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return err
	}
	r, err := newRenderer(o, log)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	internal, err := r.serveInternal(o.internal)
	if err != nil {
		return errors.Join(err, listener.Close(), r.close(context.Background()))
	}
	server := &http.Server{Handler: r.routes(), ReadHeaderTimeout: headerTimeout,
		ReadTimeout: bodyTimeout, IdleTimeout: idleTimeout}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	log.Info("serving", "address", listener.Addr().String())
	select {
	case err = <-failed:
	case <-ctx.Done():
		r.leave()
		log.Info("draining", "notice", o.notice, "leases", r.pool.Stats().Leases)
		<-time.After(o.notice)
	}
	last, cancel := context.WithTimeout(context.Background(), o.timeout+5*time.Second)
	defer cancel()
	// dumps until the end
	return errors.Join(err, server.Shutdown(last), r.close(last), internal.Close())
}

// How long a client may take for the headers of a request and for all of it, and how long a
// connection may be silent.
const headerTimeout, bodyTimeout, idleTimeout = 5 * time.Second, 30 * time.Second, 2 * time.Minute

// serveInternal serves what is for operators only, where address is not empty.
func (r *renderer) serveInternal(address string) (*http.Server, error) {
	server := &http.Server{Handler: r.internalRoutes(), ReadHeaderTimeout: headerTimeout}
	if address == "" {
		return server, nil
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("-internal: %w", err)
	}
	r.log.Info("serving the live page", "address", listener.Addr().String())
	go func() { _ = server.Serve(listener) }()
	return server, nil
}

// newRenderer starts the guard and the pool, and has the pool watched.
func newRenderer(o options, log *slog.Logger) (*renderer, error) {
	if o.pages < 1 || o.waiting < 1 || o.render <= 0 || o.timeout <= o.render {
		return nil, fmt.Errorf("-pages is %d, -waiting %d, -render %v and -timeout %v: the first three "+
			"have to be more than 0, and the last more than -render",
			o.pages, o.waiting, o.render, o.timeout)
	}
	guard, err := newGuard(o.allow, log)
	if err != nil {
		return nil, err
	}
	watch := metrics.New(metrics.Options{})
	p, err := pool.New(chrome.Launcher{
		ExecPath: o.browser, NoSandbox: o.noSandbox, Args: guard.browserArgs(),
		Options: chrome.Options{Logger: log},
	}, pool.Config{
		MaxPages: o.pages, MaxWaiting: o.waiting, Logger: log, Tracer: watch,
		Reset: true, // no page goes on after its answer, and the next request meets none of it
	})
	if err != nil {
		return nil, errors.Join(err, guard.Close())
	}
	watch.Watch(p)
	registry := prometheus.NewRegistry()
	registry.MustRegister(watch, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	r := &renderer{pool: p, guard: guard, timeout: o.timeout, render: o.render, log: log,
		metrics: registry}
	if err := r.join(o.fleet); err != nil {
		return nil, errors.Join(err, r.close(context.Background()))
	}
	return r, nil
}

func (r *renderer) close(ctx context.Context) error {
	err := errors.Join(r.pool.Close(ctx), r.guard.Close())
	if r.member != nil {
		err = errors.Join(err, r.member.Close()) // the agent answers until the pool has ended
	}
	return err
}

// routes are the paths that the server answers.
func (r *renderer) routes() http.Handler {
	mux := http.NewServeMux()
	for path, newJob := range map[string]func() job{
		"/html": func() job { return &html{} }, "/pdf": func() job { return &pdf{} },
		"/screenshot": func() job { return &screenshot{} },
	} {
		mux.HandleFunc("GET "+path, r.serve(newJob))
		mux.HandleFunc("POST "+path, r.serve(newJob))
	}
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "alive")
	})
	mux.HandleFunc("GET /ready", r.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(r.metrics, promhttp.HandlerOpts{}))
	return mux
}

// internalRoutes are the paths that the server answers on its second address: the live page of the
// pool, the same as JSON, and its dump.
func (r *renderer) internalRoutes() http.Handler {
	return poolhttp.Handler(r.pool, poolhttp.Options{})
}

// ready says whether there is a tab to render with, be it free or at work.
func (r *renderer) ready(w http.ResponseWriter, _ *http.Request) {
	s := r.pool.Stats()
	switch {
	case r.draining.Load():
		http.Error(w, "draining", http.StatusServiceUnavailable)
	case s.Tabs.Alive() == s.Tabs.Opening+s.Tabs.Closing+s.Tabs.Lost:
		http.Error(w, "no tab is open; the log says why", http.StatusServiceUnavailable)
	default:
		fmt.Fprintln(w, "ready")
	}
}
