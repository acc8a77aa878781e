package main

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"testing"
)

// A proxy that tidies addresses changes what a page asks for: semicolons and stray percent signs are its own affair.
func TestGuardPassesAddressesOnAsThePageHasThem(t *testing.T) {
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.RequestURI) }))
	defer site.Close()
	g, err := newGuard([]netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	proxy, err := url.Parse("http://" + g.server.Addr)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy), DisableKeepAlives: true}}
	for _, address := range []string{"/a?b=1;c=2&d=100%", "/a%2Fb?", "/?x=%zz", "/a?c=1&b=2"} {
		response, err := browser.Get(site.URL + address)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || string(got) != address {
			t.Errorf("%q was asked for as %q, %v", address, got, err)
		}
	}
}
