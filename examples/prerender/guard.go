package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"code.dny.dev/ssrf"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/pagepool/pagepool/pool/chrome"
)

// guard is a proxy on this machine through which the browser has to go for everything. It looks at
// the address that a name has resolved to, at the moment of dialling, so a name that changes what
// it stands for, a redirect, a frame, an image, a script's fetch and a WebSocket all meet the same
// rule: addresses that are not public (this machine, private networks, the metadata services of
// clouds) are refused, unless -allow names them.
//
// That is less work for the browser than stopping each request by Fetch, and sees what Fetch does
// not: the address.
//
// What it does not cover: what a page does to a public address is the page's affair; an address
// that is public and yet yours, such as a service that trusts your network's outer address; and
// whatever a page that breaks out of the browser's sandbox does. Let the network keep this server
// from what it must not reach as well. file: addresses are refused before the browser sees them,
// and by the browser where a page asks for them. WebRTC and WebTransport know no such proxy: the
// former is kept off UDP by a flag, the latter gives up by itself.
type guard struct {
	server  *http.Server
	dialer  *net.Dialer
	forward *httputil.ReverseProxy
	log     *slog.Logger
	mark    string // is in the guard's own answers, and in no other server's

	mu      sync.Mutex
	refused map[string]time.Time // by host and port, when the guard refused it last
}

const (
	// markHeader is the header that tells the guard's own answers from those of a server.
	markHeader = "X-Prerender-Guard"
	// refusedMost is how many hosts are remembered that were refused, and refusedFor for how long. A
	// tunnel that is refused has no answer that a page could see, so this is how one is told from a
	// failure.
	refusedMost, refusedFor = 1024, time.Minute
)

// errGuard is in the error for an address that the guard refused.
var errGuard = errors.New("the guard refuses it: it leads to an address that is not public, and " +
	"-allow names no network that it is in")

// newGuard begins to serve on a port of its own, which takes connections from this machine only.
func newGuard(allow []netip.Prefix, log *slog.Logger) (*guard, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("the guard: %w", err)
	}
	safe := ssrf.New(ssrf.WithAnyPort(), ssrf.WithAllowedV4Prefixes(allow...),
		ssrf.WithAllowedV6Prefixes(allow...)).Safe
	g := &guard{dialer: &net.Dialer{Control: safe}, log: log, mark: rand.Text(),
		refused: map[string]time.Time{}}
	g.forward = &httputil.ReverseProxy{
		// as the page has it
		Rewrite: func(p *httputil.ProxyRequest) { p.Out.URL.RawQuery = p.In.URL.RawQuery },
		Transport: &http.Transport{DialContext: g.dialer.DialContext, DisableCompression: true,
			IdleConnTimeout: time.Minute},
		ErrorHandler: g.refuse,
		ModifyResponse: func(response *http.Response) error {
			response.Header.Del(markHeader)
			return nil
		},
	}
	g.server = &http.Server{Addr: listener.Addr().String(), Handler: g}
	go func() { _ = g.server.Serve(listener) }()
	return g, nil
}

// browserArgs lead a browser through the guard: also to this machine, which it would visit
// directly, and with no look at DNS of its own.
func (g *guard) browserArgs() []string {
	return []string{
		"--proxy-server=http://" + g.server.Addr,
		"--proxy-bypass-list=<-loopback>",
		"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
		"--force-webrtc-ip-handling-policy=disable_non_proxied_udp", // as headless-shell calls it
		"--webrtc-ip-handling-policy=disable_non_proxied_udp",       // as Chromium does
	}
}

// ServeHTTP passes a request on, or makes a tunnel for one, which carries bytes both ways until
// either end is done.
func (g *guard) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if request.Method != http.MethodConnect {
		g.forward.ServeHTTP(w, request)
		return
	}
	there, err := g.dialer.DialContext(request.Context(), "tcp", request.Host)
	if err != nil {
		g.refuse(w, request, err)
		return
	}
	defer there.Close()
	here, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer here.Close()
	// Whichever copy ends first closes the other's end, which is how that one ends.
	_, _ = io.WriteString(here, "HTTP/1.1 200 Connection Established\r\n\r\n")
	go func() {
		_, _ = io.Copy(there, buffered)
		there.Close()
	}()
	_, _ = io.Copy(here, there)
}

// refuse answers what leads nowhere, or to where it must not.
func (g *guard) refuse(w http.ResponseWriter, request *http.Request, err error) {
	status := http.StatusBadGateway
	if errors.Is(err, ssrf.ErrProhibitedIP) {
		status = http.StatusForbidden
		w.Header().Set(markHeader, g.mark)
		g.note(request.Host)
		g.log.Warn("not visited", "host", request.Host, "error", err)
	}
	http.Error(w, err.Error(), status)
}

// note remembers a host that was refused.
func (g *guard) note(host string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.refused) >= refusedMost {
		clear(g.refused)
	}
	g.refused[host] = time.Now()
}

// explain is the error of a navigation, with errGuard where the guard refused a tunnel for it.
func (g *guard) explain(err error) error {
	var failed *chrome.LoadError
	if errors.As(err, &failed) && strings.Contains(err.Error(), tunnelFailed) &&
		g.refusedTunnel(failed.Failed) {
		return g.refusal(failed.Failed)
	}
	return err
}

// tunnelFailed is what the browser says of a tunnel that the guard refused, and of one that failed.
const tunnelFailed = "net::ERR_TUNNEL_CONNECTION_FAILED"

// refusedTunnel reports whether the guard refused the tunnel for an address a moment ago.
func (g *guard) refusedTunnel(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	host := net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "443"))
	g.mu.Lock()
	defer g.mu.Unlock()
	return time.Since(g.refused[host]) <= refusedFor
}

// watch does work on a page, and ends it when the page's own document is the guard's refusal: a
// script can go there as well, long after the page has loaded. The error is then the guard's,
// whatever the work has come to.
func (g *guard) watch(ctx context.Context, page *chrome.Page,
	work func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	main := cdp.FrameID(chromedp.FromContext(page.Context()).Target.TargetID)
	// the addresses of the page's own documents; used by one goroutine
	asked := map[network.RequestID]string{}
	err := chromedp.Listen(page.Context(), func(event any) {
		switch e := event.(type) {
		case *network.EventRequestWillBeSent:
			if e.FrameID == main && e.Type == network.ResourceTypeDocument {
				asked[e.RequestID] = e.Request.URL
			}
		case *network.EventResponseReceived:
			if asked[e.RequestID] != "" && g.marked(e.Response.Headers) {
				cancel(g.refusal(e.Response.URL))
			}
		case *network.EventLoadingFailed:
			if address := asked[e.RequestID]; address != "" && e.ErrorText == tunnelFailed &&
				g.refusedTunnel(address) {
				cancel(g.refusal(address))
			}
			delete(asked, e.RequestID)
		case *network.EventLoadingFinished:
			delete(asked, e.RequestID)
		}
	})
	if err == nil {
		err = work(ctx)
	}
	if cause := context.Cause(ctx); errors.Is(cause, errGuard) {
		return cause
	}
	return err
}

// marked reports whether an answer is the guard's own.
func (g *guard) marked(headers network.Headers) bool {
	for name, value := range headers {
		if strings.EqualFold(name, markHeader) && value == g.mark {
			return true
		}
	}
	return false
}

// refusal is the error for an address that was refused.
func (g *guard) refusal(address string) error {
	address, _, _ = strings.Cut(address, "?")
	return fmt.Errorf("%s: %w", address, errGuard)
}

// Close ends the proxy and what goes through it.
func (g *guard) Close() error { return g.server.Close() }
