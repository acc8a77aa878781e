package properties

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
)

// remoteBench is a bench on connections to a browser that the test runs. Each launch gets a browser
// of its own, so that the suite can kill it; what is under test is the connection.
type remoteBench struct {
	*chromeBench
	mu    sync.Mutex
	hosts map[pool.Browser[*chrome.Page]]pool.Browser[*chrome.Page]
}

func (r *remoteBench) Launch(ctx context.Context) (pool.Browser[*chrome.Page], error) {
	host, err := r.chromeBench.Launch(ctx)
	if err != nil {
		return nil, err
	}
	r.chromeBench.mu.Lock()
	out := r.outputs[host]
	r.chromeBench.mu.Unlock()
	url, err := out.url()
	if err != nil {
		return nil, errors.Join(err, host.Close(ctx))
	}
	browser, err := chrome.Remote{URL: url}.Launch(ctx)
	if err != nil {
		return nil, errors.Join(err, host.Close(context.WithoutCancel(ctx)))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hosts[browser] = host
	return browser, nil
}

// closeHosts ends the browsers whose connections have ended.
func (r *remoteBench) closeHosts() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for browser, host := range r.hosts {
		select {
		case <-browser.Done():
			delete(r.hosts, browser)
			_ = host.Close(context.Background())
		default:
		}
	}
}

func TestContractChromeRemote(t *testing.T) {
	needsChrome(t)
	r := &remoteBench{chromeBench: newChromeBench(t),
		hosts: make(map[pool.Browser[*chrome.Page]]pool.Browser[*chrome.Page])}
	bench := r.contract()
	bench.Launcher = r
	bench.Census = func(ctx context.Context, browser pool.Browser[*chrome.Page]) (census, error) {
		r.mu.Lock()
		host := r.hosts[browser]
		r.mu.Unlock()
		return r.census(ctx, host)
	}
	bench.Remains = func() []string {
		r.closeHosts()
		return r.remains()
	}
	contractSuite(t, bench)
}

func TestContractChromeARemoteBrowserLosesWhatWasOpenedInItAndNothingElse(t *testing.T) {
	onBrowser(t, nil, func(s *contractStage[*chrome.Page], b *chromeBench) {
		own := s.tab(s.context()) // somebody else's, as the remote sees it
		b.mu.Lock()
		out := b.outputs[s.browser]
		b.mu.Unlock()
		url, err := out.url()
		s.ok("the address", err)
		address, _, _ := strings.Cut(strings.TrimPrefix(url, "ws://"), "/")
		for _, how := range []string{"closed", "killed"} {
			remote, err := chrome.Remote{URL: "http://" + address}.Launch(s.limit())
			s.ok("Launch", err)
			c, err := remote.NewContext(s.limit())
			s.ok("NewContext", err)
			tab := s.tab(c)
			s.ok("Work", b.work(s.limit(), tab.Page()))
			s.alive(census{Contexts: 2, Pages: 2})
			ctx := s.limit()
			if how == "killed" {
				gone, cancel := context.WithCancel(ctx)
				cancel()
				ctx = gone
			}
			s.ok("Browser.Close", remote.Close(ctx))
			s.closed("Browser.Done", remote.Done())
			s.ended(tab, nil)
			if how == "killed" { // nobody has waited for what the browser does at the end of a connection
				eventually(t, "the context is disposed of", func() bool {
					alive, err := b.census(s.limit(), s.browser)
					return err == nil && alive == census{Contexts: 1, Pages: 1}
				})
			}
			s.alive(census{Contexts: 1, Pages: 1})
			s.ok("Probe of the other's tab", own.Probe(s.limit()))
		}
	})
}

// proxy stands between a remote and its browser until it is cut.
func proxy(t *testing.T, to string) (address string, cut func()) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var open []net.Conn
	keep := func(c net.Conn) {
		mu.Lock()
		defer mu.Unlock()
		open = append(open, c)
	}
	go func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			keep(in)
			keep(out)
			go func() { _, _ = io.Copy(in, out); in.Close() }()
			go func() { _, _ = io.Copy(out, in); out.Close() }()
		}
	}()
	return listener.Addr().String(), func() {
		listener.Close()
		mu.Lock()
		defer mu.Unlock()
		for _, c := range open {
			c.Close()
		}
	}
}

func TestContractChromeARemoteEndpointThatVanishesIsALostBrowser(t *testing.T) {
	onBrowser(t, nil, func(s *contractStage[*chrome.Page], b *chromeBench) {
		b.mu.Lock()
		out := b.outputs[s.browser]
		b.mu.Unlock()
		url, err := out.url()
		s.ok("the address", err)
		host, path, _ := strings.Cut(strings.TrimPrefix(url, "ws://"), "/")
		address, cut := proxy(t, host)
		// Two rounds, since the loss of the browser ends what it was opening, which is one.
		p, err := pool.New(chrome.Remote{URL: "ws://" + address + "/" + path}, pool.Config{
			MaxPages: 2,
			More:     pool.More{OpenRetries: 2},
		})
		s.ok("New", err)
		lease, err := p.GetPage(s.limit(), "a")
		s.ok("GetPage", err)
		s.ok("Work", b.work(s.limit(), lease.Page()))
		cut()
		select {
		case <-lease.Context().Done():
		case <-s.limit().Done():
			s.Fatal("the lease goes on")
		}
		if cause := context.Cause(lease.Context()); !errors.Is(cause, pool.ErrBrowserLost) {
			t.Errorf("the lease ended with %v", cause)
		}
		lease.Release()
		next, err := p.GetPage(s.limit(), "b")
		for err == nil { // granted before the pool knows what its holders know
			select {
			case <-next.Context().Done():
			case <-s.limit().Done():
				s.Fatal("a lease on the lost browser goes on")
			}
			next.Release()
			next, err = p.GetPage(s.limit(), "b")
		}
		if !errors.Is(err, pool.ErrBrowserUnavailable) || !strings.Contains(err.Error(), address) ||
			!strings.Contains(err.Error(), "refused") {
			t.Errorf("GetPage: %v", err)
		}
		s.ok("Close", p.Close(s.limit()))
		eventually(t, "the contexts of the connection are disposed of", func() bool {
			alive, err := b.census(s.limit(), s.browser)
			return err == nil && alive == census{}
		})
	})
}

func TestContractChromeARemoteThatCannotWorkSaysWhy(t *testing.T) {
	needsChrome(t)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "hello")
	}))
	defer other.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for url, want := range map[string]string{
		"":                     "Remote.URL",
		"127.0.0.1:9222":       "it must be an endpoint",
		"ftp://127.0.0.1":      "it must be an endpoint",
		"http://127.0.0.1:1":   "is a browser running there",
		"ws://127.0.0.1:1/dev": "is a browser running there",
		other.URL:              "so it is no browser's",
		"ws" + strings.TrimPrefix(other.URL, "http"): "is a browser running there",
		"http://" + silent.Addr().String():           "deadline exceeded",
		"http://user:secret@127.0.0.1:1":             "is a browser running there",
		"wss://127.0.0.1:1/?token=secret":            "wss://127.0.0.1:1/?...",
		other.URL + "/?token=secret":                 "so it is no browser's",
		"ftp://user:secret@host/?token=secret":       "ftp://user:xxxxx@host/?...",
	} {
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		_, err := chrome.Remote{URL: url}.Launch(ctx)
		cancel()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q in it", url, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%q tells a secret: %v", url, err)
		}
	}
	for _, left := range goroutines() {
		t.Errorf("left behind: %s", left)
	}
}
