package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// round is one run of requests, and what came of it.
type round struct {
	orders
	pages  string // the site's address
	client *http.Client

	took          time.Duration
	before, after map[string]float64 // the server's metrics
	restless      error              // why it has not come to rest; nil: it has

	mu      sync.Mutex
	good    []time.Duration // guarded by mu until the round is over, as are those below
	failed  map[string]int  // by what went wrong, in short
	first   string          // what went wrong first, in full
	wedging map[string]int  // the looping pages, by what they were answered with
	shot    []byte          // the last good screenshot
	served  servers         // whose requests which server has answered
}

func newRound(o orders, pages string) *round {
	return &round{orders: o, pages: pages, failed: map[string]int{}, wedging: map[string]int{},
		served: servers{}, client: &http.Client{
			Transport: &http.Transport{MaxIdleConnsPerHost: o.callers},
			Timeout:   2 * time.Minute, // a server that says nothing for so long has failed
		}}
}

// run asks until the time is over or ctx ends, waits for what is under way, and then until the
// server is at rest.
func (r *round) run(ctx context.Context) error {
	if err := r.eventually(ctx, 30*time.Second, r.ready); err != nil {
		return fmt.Errorf("not ready: %w", err)
	}
	var err error
	if r.before, err = r.metrics(); err != nil {
		return err
	}
	began := time.Now()
	var number atomic.Uint64
	var callers sync.WaitGroup
	for range r.callers {
		callers.Go(func() {
			for ctx.Err() == nil && time.Since(began) < r.lasts {
				r.ask(r.request(number.Add(1)))
			}
		})
	}
	callers.Wait()
	r.took = time.Since(began)
	r.restless = r.eventually(ctx, 10*time.Second, r.rested)
	r.after, err = r.metrics()
	return err
}

// request is what is asked for.
type request struct {
	kind, tenant, mark string
	wedging            bool
}

var kinds = []string{"html", "pdf", "screenshot"}

// request says what the one with this number asks for. Of so many in a row that -wedge says, one
// loops.
func (r *round) request(number uint64) request {
	asks := request{
		kind:   kinds[number%uint64(len(kinds))],
		tenant: fmt.Sprintf("tenant-%d", 1+rand.New(rand.NewPCG(r.seed, number)).IntN(r.tenants)),
		mark:   fmt.Sprintf("%d-%d", r.seed, number),
	}
	if wedge := uint64(r.wedge); wedge > 0 {
		asks.wedging = number%wedge == rand.New(rand.NewPCG(^r.seed, number/wedge)).Uint64N(wedge)
	}
	return asks
}

// ask asks for a page, and writes down what came of it.
func (r *round) ask(asks request) {
	query := url.Values{"url": {r.url}, "wait": {r.wait}}
	own := "?" + url.Values{"mark": {asks.mark}, "tenant": {asks.tenant}}.Encode()
	made := ""
	switch {
	case asks.wedging:
		query = url.Values{"url": {r.pages + "/loop" + own}}
	case r.url == "":
		query = url.Values{"url": {r.pages + "/table" + own}, "wait": {"#done"}}
		made = fmt.Sprintf("<h1>Request %s of %s</h1><table id=\"done\"><tbody><tr><td>row 1</td>",
			asks.mark, asks.tenant)
	}
	began := time.Now()
	status, by, body, err := r.get(r.server, "/"+asks.kind+"?"+query.Encode(), asks.tenant)
	took := time.Since(began)
	said := status
	switch {
	case err != nil:
		said = err.Error()
	case status != answered:
		err = fmt.Errorf("%s: %s", status, strings.TrimSpace(string(body)))
	case !asks.wedging:
		err = whole(asks.kind, made, body)
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	r.served.add(asks.tenant, by)
	switch {
	case asks.wedging:
		r.wedging[said]++
		if err == nil {
			r.failed["a page that loops for ever was answered "+said]++
		}
	case err != nil:
		short, _, _ := strings.Cut(err.Error(), ";")
		r.failed[asks.kind+": "+short]++
		r.first = cmp.Or(r.first, fmt.Sprintf("%s after %v: %v", asks.kind, took, err))
	default:
		r.good = append(r.good, took)
		if asks.kind == "screenshot" {
			r.shot = body
		}
	}
}

// answered is the status of an answer that may be a page.
const answered = "200 OK"

// get asks a server for a path, for a tenant. by is the server that has answered, where a balancer
// says so.
func (r *round) get(server, path, tenant string) (status, by string, body []byte, err error) {
	request, err := http.NewRequest(http.MethodGet, strings.TrimSuffix(server, "/")+path, nil)
	if err != nil {
		return "", "", nil, err
	}
	request.Header.Set("X-Tenant", tenant)
	response, err := r.client.Do(request)
	if failed := new(url.Error); errors.As(err, &failed) {
		err = failed.Err // without the address, which is another one for each request
	}
	if err != nil {
		return "", "", nil, err
	}
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	return response.Status, response.Header.Get("X-Served-By"), body, err
}

// members are the servers themselves.
func (r *round) members() []string {
	if len(r.behind) > 0 {
		return r.behind
	}
	return []string{r.server}
}

func (r *round) ready() error {
	for _, server := range r.members() {
		status, _, body, err := r.get(server, "/ready", "")
		if err == nil && status != answered {
			err = fmt.Errorf("/ready is answered %s: %s", status, strings.TrimSpace(string(body)))
		}
		if err != nil {
			return fmt.Errorf("%s: %w", server, err)
		}
	}
	return nil
}

// eventually asks several times a second, until what it asks for holds, and returns the last error
// where it does not.
func (r *round) eventually(ctx context.Context, limit time.Duration, holds func() error) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(limit); ; {
		err := holds()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-late:
			return fmt.Errorf("for %v: %w", limit, err)
		case <-ctx.Done():
			return cmp.Or(err, ctx.Err())
		}
	}
}
