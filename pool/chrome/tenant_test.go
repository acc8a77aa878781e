package chrome

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pagepool/pagepool/pool"
)

// What Tenant returns is checked before the browser is told anything, and all that is wrong is in
// one error.
func TestTermsSayWhatIsWrongWithThem(t *testing.T) {
	secret := map[string][]*http.Cookie{"https://a.example": {{Name: "a", Value: "se;cret"}}}
	for want, o := range map[string]TenantOptions{
		`Locale: locale is "de DE": it must be`:                {Locale: "de DE"},
		`UserAgent: user agent is "a b": it must be printable`: {UserAgent: "a\nb"},
		`Headers: header is "a b": a name must be`: {
			Headers: http.Header{"a b": {"c"}}},
		`Headers: the value of header "A": it must be one line`: {
			Headers: http.Header{"A": {"se\ncret"}}},
		`Headers: header is "Host": the browser sets it`: {
			Headers: http.Header{"Host": {"c"}}},
		`Cookies: cookie is "a": its value must be`: {Cookies: secret},
		`Cookies: address is "a.example": cookies must be for a who`: {
			Cookies: map[string][]*http.Cookie{"a.example": {}}},
		`Permissions: permission is "": it must be one`: {
			Permissions: map[string]bool{"": true}},
		`Viewport is 0 x 5: both sides`:                     {Viewport: Viewport{Height: 5}},
		`Proxy: Server is "ftp://a:1": it must be a scheme`: {Proxy: Proxy{Server: "ftp://a:1"}},
		`Proxy: Server is "a": it must be a scheme`:         {Proxy: Proxy{Server: "a"}},
		`Proxy: Server is "a:0": it must be a scheme`:       {Proxy: Proxy{Server: "a:0"}},
		`Proxy: Server is "http://a:1/b": it must be a scheme`: {
			Proxy: Proxy{Server: "http://a:1/b"}},
		`Proxy: Server is "http://...@a:1": it must be a scheme`: {
			Proxy: Proxy{Server: "http://u:secret@a:1"}},
		`Proxy: Bypass is "b c": it must be one host`: {
			Proxy: Proxy{Server: "a:1", Bypass: []string{"b c"}}},
		`Proxy: Bypass is "b": it needs a Server`: {
			Proxy: Proxy{Bypass: []string{"b"}}},
		`Downloads: Folder is "here": it must be a whole path`: {
			Downloads: Downloads{Folder: "here"}},
		`Downloads: Folder is "/here": it must be empty, since Deny`: {
			Downloads: Downloads{Folder: "/here", Deny: true}},
	} {
		o.Timezone = "Europe/Berlin" // of zones, the browser knows more
		_, err := o.checked()
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "cret") ||
			errors.As(err, new(*InputError)) {
			t.Errorf("%+v: the error is %v, and should say %q", o, err, want)
		}
	}
	_, err := TenantOptions{Locale: "de DE", Viewport: Viewport{Width: 1}}.checked()
	if err == nil || !strings.Contains(err.Error(), "Locale") ||
		!strings.Contains(err.Error(), "Viewport") {
		t.Errorf("of two, the error says %v", err)
	}
	if got, err := (TenantOptions{}).checked(); err != nil || len(got.cookies)+len(got.headers) > 0 {
		t.Errorf("no terms are %+v, %v", got, err)
	}
}

// Tenant is the caller's, and may do anything.
func TestTenantThatDoesNotReturnTerms(t *testing.T) {
	blocks, returned := make(chan struct{}), errors.New("returned")
	for want, do := range map[string]func(string) TenantOptions{
		"Tenant panicked: no such tenant": func(string) TenantOptions { panic("no such tenant") },
		"Tenant panicked: returned":       func(string) TenantOptions { panic(returned) },
		"Tenant has not returned after 5s": func(string) TenantOptions {
			<-blocks
			return TenantOptions{}
		},
		"Viewport is 1 x 0: both sides must": func(string) TenantOptions {
			return TenantOptions{Viewport: Viewport{Width: 1}}
		},
		"Tenant ended its goroutine": func(string) TenantOptions {
			runtime.Goexit()
			return TenantOptions{}
		},
		"Locale: locale is \"for \\\"a\\\"\"": func(affinity string) TenantOptions {
			return TenantOptions{Locale: `for "` + affinity + `"`}
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			blocks = make(chan struct{})
			defer close(blocks)
			began := time.Now()
			_, err := settings{Options: Options{Tenant: do}}.termsOf(t.Context(), "a")
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("the error is %v, and should say %q", err, want)
			}
			if took := time.Since(began); took > tenantMost {
				t.Errorf("%q takes %v", want, took)
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(returned)
			if _, err := (settings{
				Options: Options{Tenant: func(string) TenantOptions {
					<-blocks
					return TenantOptions{}
				}}}).termsOf(ctx, "a"); !errors.Is(err, returned) {
				t.Errorf("after the end of ctx the error is %v", err)
			}
		})
	}
}

func TestTenantErrorIsOneLine(t *testing.T) {
	_, wrong := TenantOptions{Locale: "de DE", UserAgent: "a\nb"}.checked()
	err := error(&TenantError{Affinity: "a\nb", Err: wrong})
	if text := err.Error(); strings.Contains(text, "\n") ||
		!strings.HasPrefix(text, `chrome: the terms of affinity "a b": Locale: `) ||
		!strings.Contains(text, "; UserAgent: ") {
		t.Errorf("the error is %q", text)
	}
	if !errors.Is(err, wrong) {
		t.Error("the error has lost its cause")
	}
}

func TestTenantNeedsTabsThatStayWithTheirAffinity(t *testing.T) {
	o := Options{Tenant: func(string) TenantOptions { return TenantOptions{} }}
	if _, err := o.configure("Remote", pool.Config{More: pool.More{AllowReassign: true}}, nil); err ==
		nil ||
		!strings.Contains(err.Error(),
			"Remote.Tenant is set: it needs pool.Config.More.AllowReassign off") {
		t.Errorf("the error is %v", err)
	}
	if _, err := o.configure("Remote", pool.Config{}, nil); err != nil {
		t.Error(err)
	}
}

// A locale alone, without a user agent, is told to pages and to servers.
func TestALocaleAloneIsToldToServers(t *testing.T) {
	s := newStub(t)
	want, err := TenantOptions{Locale: "fr-FR"}.checked()
	if err != nil {
		t.Fatal(err)
	}
	lease := &session{t: &tab{b: &browser{wire: s.wire}}, page: new(Page)}
	lease.terms.has, lease.mu.id = new(terms), "s"
	sent := lease.sendTerms(want)
	var told []string
	for range sent {
		msg := s.hear()
		told = append(told, string(msg.Method)+" "+string(msg.Params))
	}
	if len(told) != 2 || !strings.HasPrefix(told[0], "Emulation.setLocaleOverride") ||
		!strings.Contains(told[1], `"acceptLanguage":"fr-FR,`) {
		t.Errorf("the browser is told %q", told)
	}
}
