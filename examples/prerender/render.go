package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
)

// renderer answers requests with what a page has become.
type renderer struct {
	pool     *pool.Pool[*chrome.Page]
	guard    *guard
	timeout  time.Duration
	render   time.Duration
	log      *slog.Logger
	metrics  prometheus.Gatherer
	draining atomic.Bool
}

// render is a handler that visits a page and answers with what take makes of it.
func render[T string | []byte](r *renderer, contentType string, take chromedp.Action[T]) http.HandlerFunc {
	return func(w http.ResponseWriter, request *http.Request) {
		address, err := visitable(request.URL.Query().Get("url"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		ctx, cancel := context.WithTimeout(request.Context(), r.timeout)
		defer cancel()
		var body T
		err = r.pool.Do(ctx, tenant(request), func(ctx context.Context, page *chrome.Page) (err error) {
			if err = visit(ctx, page, address, request.URL.Query().Get("wait")); err == nil {
				body, err = chrome.Run(ctx, page, take)
			}
			return err
		}, pool.WithMaxLease(r.render))
		if err != nil {
			r.refuse(w, request, err)
			return
		}
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write([]byte(body)) // nobody is left to tell of an error
	}
}

// visitable is an address that may be asked for. Where it leads to is the guard's concern.
func visitable(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", fmt.Errorf("url is %q: it must be a whole address that begins with http:// or https://", address)
	}
	return u.String(), nil
}

// visit goes to an address and waits until what its script makes of it is there.
func visit(ctx context.Context, page *chrome.Page, address, wait string) error {
	response, err := chrome.Run(ctx, page, chromedp.NavigateResponse(address))
	if err != nil {
		return err
	}
	if response != nil && response.Status >= http.StatusBadRequest {
		return fmt.Errorf("the address was answered with %d %s", response.Status, http.StatusText(int(response.Status)))
	}
	if wait == "" {
		return nil
	}
	return page.Run(ctx, chromedp.WaitVisible(wait))
}

// refuse answers a request that came to nothing. What is our own doing is worth another try, here or elsewhere.
func (r *renderer) refuse(w http.ResponseWriter, request *http.Request, err error) {
	status := http.StatusBadGateway // the page's own doing
	switch {
	case errors.Is(err, pool.ErrQueueFull), errors.Is(err, pool.ErrClosed), errors.Is(err, pool.ErrBrowserUnavailable):
		w.Header().Set("Retry-After", "1")
		status = http.StatusServiceUnavailable
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, pool.ErrLeaseExpired):
		status = http.StatusGatewayTimeout
	}
	r.log.Warn("not rendered", "tenant", tenant(request), "url", request.URL.Query().Get("url"), "status", status, "error", err)
	http.Error(w, err.Error(), status)
}
