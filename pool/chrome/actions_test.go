package chrome

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp/jsonv2"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

func TestActionsRefuseBadInputBeforeTheyAskABrowser(t *testing.T) {
	cookie := func(c http.Cookie) chromedp.Action[chromedp.Void] {
		return SetCookies("http://example.com", &c)
	}
	for name, c := range map[string]struct {
		action chromedp.Action[chromedp.Void]
		texts  []string
	}{
		"header name": {
			SetExtraHeaders(http.Header{"Bad Name": {"x"}}), []string{`header is "Bad Name"`, "letters"},
		},
		"empty header name": {SetExtraHeaders(http.Header{"": {"x"}}), []string{`header is ""`}},
		"header value": {
			SetExtraHeaders(http.Header{"X-A": {"a\r\nsecret: b"}}), []string{`header "X-A"`, "one line"},
		},
		"the browser's header": {
			SetExtraHeaders(http.Header{"host": {"x"}}), []string{`"host"`, "by itself"},
		},
		"proxy's header": {
			SetExtraHeaders(http.Header{"Proxy-Authorization": {"x"}}), []string{"Proxy-Authorization"},
		},
		"cookie header": {
			SetExtraHeaders(http.Header{"cookie": {"a=b"}}), []string{"SetCookies"},
		},
		"cookie for nothing": {
			SetCookies("", &http.Cookie{Name: "a"}), []string{`address is ""`, "whole http or https"},
		},
		"cookie for a file": {
			SetCookies("file:///etc", &http.Cookie{Name: "a"}), []string{"file:///etc"},
		},
		"cookie without name": {
			cookie(http.Cookie{Value: "secret"}), []string{"the name of cookie 0", "empty"},
		},
		"cookie name": {cookie(http.Cookie{Name: "a;b"}), []string{`"a;b"`}},
		"cookie value": {
			cookie(http.Cookie{Name: "a", Value: "secret;"}), []string{`cookie is "a"`, "its value"},
		},
		"cookie nil": {SetCookies("http://example.com", nil), []string{"cookie 0", "nil"}},
		"cookie partitioned": {
			cookie(http.Cookie{Name: "a", Partitioned: true, Secure: true}), []string{"partitioned"},
		},
		"user agent":          {SetUserAgent(""), []string{"user agent"}},
		"user agent of lines": {SetUserAgent("a\nb"), []string{"user agent"}},
		"locale":              {SetLocale(""), []string{`locale is ""`, "de-DE"}},
		"time zone":           {SetTimezone(""), []string{`time zone is ""`, "Europe/Berlin"}},
		"kind": {
			BlockResources("pictures"), []string{`"pictures"`, "document, eventsource, fetch, font, image"},
		},
		"pattern": {
			BlockURLs("*.png", " "), []string{`pattern of addresses is " "`, "not be empty"},
		},
		"origin": {
			Authenticate("example.com", "a", "secret"), []string{`origin is "example.com"`},
		},
		"origin with path": {
			Authenticate("http://example.com/a", "a", "secret"), []string{"http://example.com/a"},
		},
		"origin with user": {
			Authenticate("http://secret@example.com", "a", "b"), []string{"origin"},
		},
		"user":                  {Authenticate("http://example.com", "", "secret"), []string{"user"}},
		"selector":              {WaitSelector(" "), []string{`selector is " "`}},
		"expression":            {WaitFunction(""), []string{`expression is ""`}},
		"requests in flight":    {WaitNetworkIdle(-1, time.Second), []string{`is "-1"`, "0 to 255"}},
		"time without requests": {WaitNetworkIdle(0, 0), []string{`is "0s"`, "more than 0"}},
		"content's address":     {SetContentAt("about:blank", ""), []string{`"about:blank"`}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.action(context.Background(), nil)
			if !errors.As(err, new(*InputError)) {
				t.Fatalf("the error is %v", err)
			}
			for _, text := range append(c.texts, "chrome: ") {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("%q lacks %q", err, text)
				}
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("%q has what may be a secret", err)
			}
		})
	}
}

func TestActionsTakeGoodInput(t *testing.T) {
	if err := checkHeader("X-Token", []string{"a b\tc ü"}); err != nil {
		t.Error(err)
	}
	if _, known := kinds[strings.ToLower(string(network.ResourceTypeImage))]; !known ||
		len(kinds) != 13 {
		t.Errorf("%d kinds of resources", len(kinds))
	}
	param, err := cookieParam(
		"http://example.com", 0,
		&http.Cookie{Name: "a", Value: "b", MaxAge: 60, SameSite: http.SameSiteLaxMode},
	)
	if left := param.Expires.Float64() - float64(time.Now().Unix()); err != nil || left < 58 ||
		left > 62 ||
		param.SameSite != "Lax" ||
		param.Path != "/" {
		t.Errorf("the cookie is %+v, %v", param, err)
	}
}

func TestWildcardsMatchAsChromeDoes(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"*", "", true}, {"*", "http://a/b", true}, {"", "a", false}, {"a", "a", true},
		{"a", "ab", false},
		{"*.png", "http://a/b.png", true}, {"*.png", "http://a/b.png?x", false},
		{"*.png*", "http://a/b.png?x", true},
		{"http://a?b/*", "http://a.b/c", true}, {"http://a?b/*", "http://ab/c", false},
		{`*\?x`, "http://a/?x", true},
		{`*\?x`, "http://a/bx", false}, {`a\*`, "a*", true}, {`a\*`, "ab", false},
		{"*a*b*c", "xxaxxbxxaxxc", true},
		{"*a*b*c", "xxbxxaxxc", false}, {"a**", "a", true}, {`a\`, `a\`, true}, {"a*", "", false},
		{"?", "", false},
	} {
		if got := wildcard(c.pattern, c.text); got != c.want {
			t.Errorf("%q matches %q: %v", c.pattern, c.text, got)
		}
	}
}

func TestOriginsAreWrittenAsChromeWritesThem(t *testing.T) {
	for given, want := range map[string]string{
		"HTTP://Example.com:80/": "http://example.com", "https://a:443": "https://a",
		"http://a:443": "http://a:443", "http://[::1]:8080": "http://[::1]:8080",
	} {
		u, err := url.Parse(given)
		if got := originOf(u); err != nil || got != want {
			t.Errorf("%s is %s, want %s", given, got, want)
		}
	}
}

// told is what an error of a Run says, given what chromedp asked meanwhile.
func told(ended bool, err error, ask func(a *asked, w *watch)) string {
	var a asked
	w := a.begin()
	ask(&a, &w)
	last, looked := w.end()
	if err = explain(err, ended, last, looked, func(time.Time) string { return "" }); err == nil {
		return ""
	}
	return err.Error()
}

func TestErrorsOfARunSayWhatWasAskedLast(t *testing.T) {
	number := int64(0)
	ask := func(a *asked, method, params string) int64 {
		number++
		a.command(number, method, jsonv2.Value(params))
		return number
	}
	answer := func(a *asked, id int64, result string) {
		a.answer(&cdproto.Message{ID: id, Result: jsonv2.Value(result)})
	}
	late := context.DeadlineExceeded
	for want, c := range map[string]struct {
		ended bool
		err   error
		ask   func(a *asked, w *watch)
	}{
		"chrome: context deadline exceeded": {true, late, func(a *asked, _ *watch) {}},
		`chrome: the page did not answer a query for "#a": context deadline exceeded`: {true, late,
			func(a *asked, _ *watch) {
				ask(a, "DOM.performSearch", `{"query":"#a"}`)
			}},
		`chrome: nothing matches "#b": context deadline exceeded`: {true, late, func(a *asked, _ *watch) {
			answer(a, ask(a, "DOM.performSearch", `{"query":"#b"}`), `{"searchId":"1","resultCount":0}`)
			ask(a, "DOM.discardSearchResults", `{"searchId":"1"}`)
			ask(a, "DOM.performSearch", `{"query":"#b"}`) // the next try
		}},
		`chrome: the page did not answer Page.printToPDF: context deadline exceeded`: {true, late,
			func(a *asked, _ *watch) {
				answer(a, ask(a, "DOM.querySelector", `{"nodeId":1,"selector":"#c"}`), `{"nodeId":7}`)
				ask(a, "Page.printToPDF", `{}`)
			}},
		"chrome: context deadline exceeded, with another Run": {true,
			errors.New("context deadline exceeded, with another Run"), func(a *asked, w *watch) {
				answer(a, ask(a, "DOM.querySelector", `{"nodeId":1,"selector":"#d"}`), `{"nodeId":0}`)
				a.begin()
			}},
		"chrome: context deadline exceeded, within another Run": {true,
			errors.New("context deadline exceeded, within another Run"), func(a *asked, w *watch) {
				*w = a.begin()
				answer(a, ask(a, "DOM.querySelector", `{"nodeId":1,"selector":"#d"}`), `{"nodeId":0}`)
			}},
		"chrome: context deadline exceeded, from before": {true,
			errors.New("context deadline exceeded, from before"), func(a *asked, w *watch) {
				answer(a, ask(a, "DOM.querySelector", `{"nodeId":1,"selector":"#e"}`), `{"nodeId":0}`)
				a.running = 0
				*w = a.begin()
			}},
		"chrome: go to http://a/: page load error net::ERR_X": {false,
			&chromedp.LoadError{ErrorText: "net::ERR_X"}, func(a *asked, _ *watch) {
				answer(a, ask(a, "Page.navigate", `{"url":"http://a/"}`), `{}`)
			}},
		"a holder's own": {false, errors.New("a holder's own"), func(a *asked, _ *watch) {
			answer(a, ask(a, "DOM.querySelector", `{"nodeId":1,"selector":"#f"}`), `{"nodeId":0}`)
		}},
	} {
		if got := told(c.ended, c.err, c.ask); got != want {
			t.Errorf("the error is %q, want %q", got, want)
		}
	}
}

// What a text is, the page is asked once for a search in vain, and not before that has lasted.
func TestASearchInVainIsLookedAtOnce(t *testing.T) {
	var a asked
	checks := 0
	for id := range int64(5 * searchesBeforeCheck) {
		if a.command(id+1, "DOM.performSearch", jsonv2.Value(`{"query":"a["}`)) == "a[" {
			checks++
			if id < searchesBeforeCheck-1 {
				t.Errorf("asked after %d searches", id+1)
			}
		}
		a.answer(&cdproto.Message{ID: id + 1, Result: jsonv2.Value(`{"resultCount":0}`)})
	}
	if checks != 1 {
		t.Errorf("asked %d times", checks)
	}
}
