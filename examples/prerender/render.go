package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
	"github.com/pagepool/pagepool/pool/fleet"
)

const (
	// bodyBytes is the most that the body of a request may have.
	bodyBytes = 16 << 20
	// fileBytes is the most that a PDF may have.
	fileBytes = 1 << 30
)

// renderer answers requests with what a page has become.
type renderer struct {
	pool     *chrome.Pool
	guard    *guard
	timeout  time.Duration
	render   time.Duration
	log      *slog.Logger
	metrics  prometheus.Gatherer
	draining atomic.Bool
	member   *fleet.Member // of a fleet; nil: it serves alone
}

// job is one request's: its options, and what is made of the page.
type job interface {
	options() *visit
	// check says what is wrong with the options, before a tab is taken.
	check() error
	// take makes the answer of the page, whose file is closed when it was sent.
	take(ctx context.Context, page *chrome.Page) (*result, error)
}

// result is what a request is answered with.
type result struct {
	kind string // Content-Type
	size int64
	io.ReadCloser
}

func inMemory(kind string, content []byte) *result {
	return &result{kind, int64(len(content)), io.NopCloser(bytes.NewReader(content))}
}

// html is a page as text.
type html struct{ visit }

func (h *html) options() *visit { return &h.visit }

// labelOf is what the live page and the log call a job: its address, without what may be secret in
// it.
func labelOf(v *visit) string {
	address, err := url.Parse(v.URL)
	if err != nil || v.URL == "" {
		return "a document of the request"
	}
	label := strings.ToValidUTF8(address.Scheme+"://"+address.Host+address.Path, "?")
	return strings.ToValidUTF8(label[:min(len(label), 200)], "")
}

// source is a page as text. Asking the page itself is one step: a node that chromedp has looked up
// before may be gone when it asks for its text.
const source = "(document.doctype ? new XMLSerializer().serializeToString(document.doctype) : " +
	"'') + document.documentElement.outerHTML"

func (h *html) take(ctx context.Context, page *chrome.Page) (*result, error) {
	text, err := chrome.Run(ctx, page, chromedp.Evaluate[string](source))
	return inMemory("text/html; charset=utf-8", []byte(text)), err
}

// screenshot is a picture of a page.
type screenshot struct {
	visit
	FullPage *bool `json:"fullPage"` // the default is true
}

func (s *screenshot) options() *visit { return &s.visit }

func (s *screenshot) take(ctx context.Context, page *chrome.Page) (*result, error) {
	action := chromedp.FullScreenshot(100) // 100 makes it a PNG
	if s.FullPage != nil && !*s.FullPage {
		action = chromedp.CaptureScreenshot()
	}
	picture, err := chrome.Run(ctx, page, action)
	return inMemory("image/png", picture), err
}

// pdf is a page on paper.
type pdf struct {
	visit
	paper
	print chromedp.PDFOption // set by check
}

func (p *pdf) options() *visit { return &p.visit }

func (p *pdf) check() (err error) {
	p.print, err = p.paper.print()
	return errors.Join(p.visit.check(), err)
}

// take keeps the file on disk, so that the tab is free again before a slow client has all of it,
// and a large one takes no memory.
func (p *pdf) take(ctx context.Context, page *chrome.Page) (*result, error) {
	file, err := os.CreateTemp("", "prerender-*.pdf")
	if err != nil {
		return nil, err
	}
	_ = os.Remove(file.Name()) // its room is free when it is closed, also where this process is killed
	size, err := chrome.Run(ctx, page, chrome.PrintPDF(&bounded{file, fileBytes}, p.print))
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &result{"application/pdf", size, file}, nil
}

// bounded is a writer that takes no more than so many bytes.
type bounded struct {
	io.Writer
	left int64
}

func (b *bounded) Write(piece []byte) (int, error) {
	if b.left -= int64(len(piece)); b.left < 0 {
		return 0, fmt.Errorf("the PDF has more than %d bytes", int64(fileBytes))
	}
	return b.Writer.Write(piece)
}

// serve is a handler that shows a page and answers with what a job makes of it.
func (r *renderer) serve(newJob func() job) http.HandlerFunc {
	return func(w http.ResponseWriter, request *http.Request) {
		began := time.Now()
		j := newJob()
		err := parse(w, request, j)
		if err == nil {
			err = errors.Join(checkTenant(request), j.check())
		}
		if err != nil {
			r.refuse(w, request, j.options(), began, err)
			return
		}
		ctx, cancel := context.WithTimeout(request.Context(), r.timeout)
		defer cancel()
		var made *result
		err = r.pool.Do(ctx, j.options().affinity(tenant(request)),
			func(ctx context.Context, page *chrome.Page) error {
				return r.guard.watch(ctx, page, func(ctx context.Context) (err error) {
					if err = j.options().run(ctx, page, r.guard); err == nil {
						made, err = j.take(ctx, page)
					}
					return err
				})
			}, pool.WithMaxLease(r.render), pool.WithLabel(labelOf(j.options())))
		if made != nil {
			defer made.Close()
		}
		if err != nil {
			r.refuse(w, request, j.options(), began, err)
			return
		}
		w.Header().Set("Content-Type", made.kind)
		w.Header().Set("Content-Length", fmt.Sprint(made.size))
		_, _ = io.Copy(w, made) // nobody is left to tell of an error
	}
}

// refuse answers a request that came to nothing, and logs it as one line. What is our own doing is
// worth another try, here or elsewhere.
func (r *renderer) refuse(w http.ResponseWriter, request *http.Request, v *visit, began time.Time,
	err error) {
	status := http.StatusBadGateway // the page's own doing
	var wrong *mistake
	switch {
	case errors.As(err, &wrong):
		status = wrong.status
	case errors.As(err, new(*chrome.InputError)):
		status = http.StatusBadRequest
	case errors.Is(err, errGuard):
		status = http.StatusForbidden
	case errors.Is(err, chrome.ErrCannotStart): // the operator's to mend, so later is no better
		status = http.StatusInternalServerError
	case errors.Is(err, pool.ErrQueueFull), errors.Is(err, pool.ErrClosed),
		errors.Is(err, pool.ErrBrowserUnavailable):
		w.Header().Set("Retry-After", "1")
		status = http.StatusServiceUnavailable
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, pool.ErrLeaseExpired):
		status = http.StatusGatewayTimeout
	}
	address, _, _ := strings.Cut(cmp.Or(v.URL, request.URL.Query().Get("url")), "?")
	r.log.Warn("not rendered", "path", request.URL.Path, "tenant", shortened(tenant(request)), "url",
		address, "status", status,
		"after", time.Since(began), "error", err)
	http.Error(w, err.Error(), status)
}

// tenant is whose page a request is for.
func tenant(request *http.Request) string {
	return cmp.Or(strings.TrimSpace(request.Header.Get("X-Tenant")), "nobody")
}

// tenantBytes is the longest X-Tenant. The pool takes 4,096 bytes, and affinity adds some.
const tenantBytes = 1024

func checkTenant(request *http.Request) error {
	if n := len(tenant(request)); n > tenantBytes {
		return badRequest("X-Tenant has %d bytes: it may have %d", n, tenantBytes)
	}
	return nil
}

// shortened keeps a long tenant out of the log.
func shortened(tenant string) string {
	if len(tenant) <= 64 {
		return tenant
	}
	return strings.ToValidUTF8(tenant[:64], "") + "..."
}
