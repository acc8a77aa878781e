// Load asks a prerender server for pages from several tenants at once, now and then for one whose
// script loops for ever, and says whether every good page came back whole and in time. It answers
// "does my sizing hold?":
//
//	go run . -no-sandbox -allow 127.0.0.0/8 -render 2s &      the server, in examples/prerender
//	go run ./load -callers 4 -for 60s -compare                a process of its own
//
// The pages are its own, served on -site, which the server has to be allowed to visit; with -url
// the good ones are yours. HTML, PDF and screenshot are asked for in turn. A good page of its own
// has to hold what its script made for this very request, and nothing of another tenant.
//
// Which request is whose, and which of them loop, follows from -seed and the request's number
// alone.
//
// Where -server is a balancer, -behind names each server behind it: what they have counted is added
// up. With the header X-Served-By in its answers, which deploy/fleet has HAProxy set, the report
// says how many affinities and requests each server had, and how many affinities met more than one.
//
// The report goes to standard output: -compare puts a run without looping pages beside it, and
// below stands what /metrics has counted meanwhile. The exit is 0 when every good request was
// answered well, 1 when one was not or a page that loops for ever was answered, and 2 for bad usage
// or a server that is not there.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// orders are the command's flags.
type orders struct {
	server     string
	behind     []string // the servers behind it; none: it is one itself
	site       string
	url        string
	wait       string
	tenants    int
	callers    int
	wedge      int
	seed       uint64
	lasts      time.Duration
	compare    bool
	screenshot string
}

func main() {
	var o orders
	flag.StringVar(&o.server, "server", "http://127.0.0.1:8080", "the server to ask")
	flag.Func("behind", "a server behind -server, which is a balancer; repeatable",
		func(text string) error {
			o.behind = append(o.behind, text)
			return nil
		})
	flag.StringVar(&o.site, "site", "127.0.0.1:0", "the address to serve the pages on")
	flag.StringVar(&o.url, "url", "",
		"a page of yours to ask for; the default is a table that a script builds")
	flag.StringVar(&o.wait, "wait", "", "a CSS selector that has to become visible first, for -url")
	flag.IntVar(&o.tenants, "tenants", 8, "how many tenants the requests come from")
	flag.IntVar(&o.callers, "callers", 4, "how many requests are under way at a time")
	flag.IntVar(&o.wedge, "wedge", 40,
		"one request in this many asks for a page that loops for ever; 0: none")
	flag.Uint64Var(&o.seed, "seed", 1, "what is drawn follows from it")
	flag.DurationVar(&o.lasts, "for", time.Minute,
		"how long to ask; what is under way then is still waited for")
	flag.BoolVar(&o.compare, "compare", false,
		"ask as long without looping pages first, and report both")
	flag.StringVar(&o.screenshot, "screenshot", "",
		"a file for the last good screenshot, to be looked at")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process without a report
	rounds, err := run(ctx, o)
	report(os.Stdout, o, rounds)
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(2)
	}
	for _, r := range rounds {
		if len(r.failed) > 0 {
			os.Exit(1)
		}
	}
}

// check names every flag that breaks its rule.
func (o orders) check() error {
	var broken []error
	for _, rule := range []struct {
		kept bool
		says string
	}{
		{o.tenants >= 1, fmt.Sprintf("-tenants is %d: it has to be at least 1", o.tenants)},
		{o.callers >= 1, fmt.Sprintf("-callers is %d: it has to be at least 1", o.callers)},
		{
			o.wedge >= 0, fmt.Sprintf("-wedge is %d: it has to be at least 1, or 0 for no looping page",
				o.wedge)},
		{o.lasts > 0, fmt.Sprintf("-for is %v: it has to be more than 0", o.lasts)},
		{o.wait == "" || o.url != "", fmt.Sprintf("-wait is %q: it goes with -url only", o.wait)},
	} {
		if !rule.kept {
			broken = append(broken, errors.New(rule.says))
		}
	}
	return errors.Join(broken...)
}

// run asks in one round, or in two where the first is to be compared with. It returns those that
// were begun.
func run(ctx context.Context, o orders) ([]*round, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	pages, err := serve(o.site)
	if err != nil {
		return nil, err
	}
	defer pages.Close()
	var rounds []*round
	if o.compare {
		calm := o
		calm.wedge = 0
		rounds = append(rounds, newRound(calm, "http://"+pages.Addr))
	}
	rounds = append(rounds, newRound(o, "http://"+pages.Addr))
	var shot []byte
	for i, r := range rounds {
		if ctx.Err() != nil {
			rounds = rounds[:i] // with what there is
			break
		}
		if err := r.run(ctx); err != nil {
			return rounds[:i], err
		}
		shot = r.shot
	}
	if o.screenshot != "" && shot != nil {
		return rounds, os.WriteFile(o.screenshot, shot, 0o644)
	}
	return rounds, nil
}
