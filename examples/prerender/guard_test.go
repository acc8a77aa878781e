package main

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

// A proxy that tidies addresses changes what a page asks for: semicolons and stray percent signs
// are its own affair.
func TestGuardPassesAddressesOnAsThePageHasThem(t *testing.T) {
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.RequestURI)
	}))
	defer site.Close()
	g, err := newGuard([]netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
		slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	proxy, err := url.Parse("http://" + g.server.Addr)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{
		Transport: &http.Transport{Proxy: http.ProxyURL(proxy), DisableKeepAlives: true}}
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

// Whoever waits for what a script makes of a page gets the guard's refusal where the script leaves
// for what the guard refuses, and not the text that the page shows then.
func TestContractAPageThatGoesByScriptToWhatTheGuardRefusesIsRefused(t *testing.T) {
	needsBrowser(t)
	pages, private := newSite(t, "127.0.0.1"), newSite(t, "127.0.0.2")
	server := newServer(t, options{}, "127.0.0.1/32")
	for _, address := range []string{private.URL, strings.Replace(private.URL, "http:", "https:", 1)} {
		for _, wait := range []string{"waitUntil=networkidle0", "wait=%23never"} {
			get(t, server.URL+"/html?url="+pages.URL+"/goes?to="+address+"/private&"+wait, "a").
				want(t, http.StatusForbidden, address+"/private: the guard refuses it")
		}
	}
	get(t, server.URL+"/html?url="+pages.URL+"/goes?to="+pages.URL+"/script&wait=%23done", "a").
		want(t, http.StatusOK, "written by script")
	if n := private.seen()["/private"]; n > 0 {
		t.Errorf("what the guard refuses was visited %d times", n)
	}
}
