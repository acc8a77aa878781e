package chrome

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// interception is what the actions of this package stop requests of a page for. All of them share
// one Fetch.enable, since each such command replaces the one before.
type interception struct {
	sending sync.Mutex // is held while Fetch.enable is sent, and not by who answers requests
	mu      sync.Mutex // guards what follows
	block   []*fetch.RequestPattern
	logins  map[string]login         // by origin
	tried   map[fetch.RequestID]bool // requests that credentials were given for once
	// content answers the next document of the page's own frame. Nil: its server does.
	content *string
	listens bool
}

// login is a user of an origin.
type login struct{ user, password string }

// triedMost is how many requests are remembered whose credentials were given. Beyond it all are
// forgotten, so that a wrong password may be tried once more.
const triedMost = 4096

// kinds are what a request can be for, by their names in lower case.
var kinds = map[string]network.ResourceType{}

func init() {
	for _, kind := range []network.ResourceType{
		network.ResourceTypeDocument, network.ResourceTypeStylesheet, network.ResourceTypeImage,
		network.ResourceTypeMedia,
		network.ResourceTypeFont, network.ResourceTypeScript, network.ResourceTypeTextTrack,
		network.ResourceTypeXHR,
		network.ResourceTypeFetch, network.ResourceTypeEventSource, network.ResourceTypeManifest,
		network.ResourceTypePing,
		network.ResourceTypeOther,
	} {
		kinds[strings.ToLower(string(kind))] = kind
	}
}

// BlockResources is an action that has all requests of some kinds fail: stylesheet, image, media,
// font, script, texttrack, xhr, fetch, eventsource, manifest, ping, document and other, as
// network.ResourceType has them, in any case. Several calls add up. It ends with the lease.
//
// It does not concern WebSockets, workers, and frames of another site that the browser keeps in
// another process. An action of chromedp that intercepts requests (Fetch.enable) replaces it.
func BlockResources(resources ...network.ResourceType) chromedp.Action[chromedp.Void] {
	var patterns []*fetch.RequestPattern
	for _, resource := range resources {
		kind, known := kinds[strings.ToLower(string(resource))]
		if !known {
			var names []string
			for name := range kinds {
				names = append(names, name)
			}
			slices.Sort(names)
			return invalid(
				refuse("kind of resource", string(resource), "it must be one of "+strings.Join(names, ", ")),
			)
		}
		patterns = append(patterns, &fetch.RequestPattern{URLPattern: "*", ResourceType: kind})
	}
	return block("BlockResources", patterns)
}

// BlockURLs is an action that has all requests fail whose whole address matches one of some
// patterns. In a pattern, * stands for any text, ? for one character, and a backslash before them
// for themselves: "*.png", "https://ads.example.com/*". Several calls add up. What BlockResources
// says of its limits is true here as well.
func BlockURLs(patterns ...string) chromedp.Action[chromedp.Void] {
	var all []*fetch.RequestPattern
	for _, pattern := range patterns {
		if strings.TrimSpace(pattern) == "" {
			return invalid(
				refuse("pattern of addresses", pattern, "it must not be empty; * blocks everything"),
			)
		}
		all = append(all, &fetch.RequestPattern{URLPattern: pattern})
	}
	return block("BlockURLs", all)
}

func block(name string, patterns []*fetch.RequestPattern) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		return intercept(ctx, t, name, func(i *interception) { i.block = append(i.block, patterns...) })
	})
}

// Authenticate is an action that answers the Basic and Digest challenges of one origin, such as
// https://example.com, with a user and a password. Other origins are not given them. A wrong
// password ends as none does: Navigate returns 401. Each call is for one origin, and several add
// up.
//
// The action ends with the lease. What it has logged in to, the browser context goes on using,
// beyond the lease, in the leases of the same affinity, unless the launcher says ClearStorage.
func Authenticate(origin, user, password string) chromedp.Action[chromedp.Void] {
	u, err := url.Parse(origin)
	if err != nil || !httpURL(origin) || u.Host == "" || u.User != nil ||
		strings.Trim(u.Path, "/") != "" ||
		u.RawQuery != "" ||
		u.Fragment != "" {
		return invalid(
			refuse(
				"origin", discreet(origin), "it must be a scheme and a host, such as https://example.com",
			),
		)
	}
	if user == "" {
		return invalid(refuse("user", user, "it must not be empty"))
	}
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		return intercept(ctx, t, "Authenticate", func(i *interception) {
			if i.logins == nil {
				i.logins = make(map[string]login)
			}
			i.logins[originOf(u)] = login{user, password}
		})
	})
}

// originOf is an address's origin as Chrome writes it: without the scheme's own port.
func originOf(u *url.URL) string {
	scheme, host := strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	port := map[string]string{"http": ":80", "https": ":443"}[scheme]
	return scheme + "://" + strings.TrimSuffix(host, port)
}

// intercept changes what requests of the page are stopped, and begins to answer them.
func intercept(
	ctx context.Context, t *chromedp.Target, name string, change func(*interception),
) error {
	p, err := pageOf(ctx, name)
	if err != nil {
		return err
	}
	i := &p.set.intercept
	i.sending.Lock()
	defer i.sending.Unlock()
	patterns, asks, began := i.change(change)
	if len(patterns) == 0 {
		if _, err := cdp.Call(ctx, t, fetch.Disable, cdp.Empty{}); err != nil {
			return fmt.Errorf("chrome: %s: %w", name, err)
		}
		return nil
	}
	if began {
		heard := func(event any) { p.intercepted(t.SessionID, event) }
		if err := chromedp.Listen(p.Context(), heard); err != nil {
			return fmt.Errorf("chrome: %s: %w", name, err)
		}
	}
	params := fetch.EnableParams{Patterns: patterns, HandleAuthRequests: &asks}
	if _, err := cdp.Call(ctx, t, fetch.Enable, params); err != nil {
		return fmt.Errorf("chrome: %s: %w", name, err)
	}
	return nil
}

// change changes what is stopped, and returns it: as patterns, whether challenges are among it, and
// whether this is the first that anything is.
func (i *interception) change(
	change func(*interception),
) (patterns []*fetch.RequestPattern, asks, began bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	change(i)
	patterns = slices.Clone(i.block)
	for origin := range i.logins {
		escaped := strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`).Replace(origin)
		patterns = append(patterns, &fetch.RequestPattern{URLPattern: escaped + "/*"})
	}
	if i.content != nil {
		patterns = append(
			patterns, &fetch.RequestPattern{URLPattern: "*", ResourceType: network.ResourceTypeDocument},
		)
	}
	began = !i.listens && len(patterns) > 0
	i.listens = i.listens || began
	return patterns, len(i.logins) > 0, began
}

// intercepted answers what was stopped. It runs between two messages of the page, and waits for
// nothing.
func (p *Page) intercepted(session target.SessionID, event any) {
	w := p.tab.b.wire
	switch event := event.(type) {
	case *fetch.EventRequestPaused:
		if html := p.set.intercept.answers(event, p.TargetID()); html != nil {
			post(w, session, fetch.FulfillRequest, fetch.FulfillRequestParams{
				RequestID: event.RequestID, ResponseCode: http.StatusOK, Body: []byte(*html),
				ResponseHeaders: []*fetch.HeaderEntry{
					{Name: "Content-Type", Value: "text/html; charset=utf-8"},
				},
			})
			return
		}
		if p.set.intercept.blocks(event) {
			post(w, session, fetch.FailRequest, fetch.FailRequestParams{
				RequestID: event.RequestID, ErrorReason: network.ErrorReasonBlockedByClient,
			})
			return
		}
		post(w, session, fetch.ContinueRequest, fetch.ContinueRequestParams{RequestID: event.RequestID})
	case *fetch.EventAuthRequired:
		post(w, session, fetch.ContinueWithAuth, fetch.ContinueWithAuthParams{
			RequestID: event.RequestID, AuthChallengeResponse: p.set.intercept.answer(event),
		})
	}
}

// answers returns the content that a request is to be answered with, once; nil: none.
func (i *interception) answers(event *fetch.EventRequestPaused, page target.ID) *string {
	i.mu.Lock()
	defer i.mu.Unlock()
	if event.ResourceType != network.ResourceTypeDocument || string(event.FrameID) != string(page) {
		return nil
	}
	html := i.content
	i.content = nil
	return html
}

// blocks reports whether a request that was stopped is to fail.
func (i *interception) blocks(event *fetch.EventRequestPaused) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.ContainsFunc(i.block, func(pattern *fetch.RequestPattern) bool {
		if pattern.ResourceType != "" {
			return pattern.ResourceType == event.ResourceType
		}
		return wildcard(pattern.URLPattern, event.Request.URL)
	})
}

// answer is the answer to a challenge: credentials where there are some for its origin, and once
// for each request.
func (i *interception) answer(event *fetch.EventAuthRequired) *fetch.AuthChallengeResponse {
	i.mu.Lock()
	defer i.mu.Unlock()
	challenge := event.AuthChallenge
	user, known := i.logins[challenge.Origin]
	switch {
	case challenge.Source == fetch.AuthChallengeSourceProxy:
		return &fetch.AuthChallengeResponse{Response: fetch.AuthChallengeResponseResponseDefault}
	case !known, i.tried[event.RequestID]:
		return &fetch.AuthChallengeResponse{Response: fetch.AuthChallengeResponseResponseCancelAuth}
	}
	if i.tried == nil || len(i.tried) >= triedMost {
		i.tried = make(map[fetch.RequestID]bool)
	}
	i.tried[event.RequestID] = true
	return &fetch.AuthChallengeResponse{
		Response: fetch.AuthChallengeResponseResponseProvideCredentials, Username: user.user,
		Password: user.password,
	}
}

// wildcard reports whether a pattern matches all of a text, as Chrome matches them: * is any text,
// ? one character, and a backslash takes the next character as it is.
func wildcard(pattern, text string) bool {
	// star and mark are where the latest * stands, and the text that it has left: there the match goes
	// on when it fails further behind.
	p, at, star, mark := 0, 0, -1, 0
	for at < len(text) {
		literal := p
		if p < len(pattern)-1 && pattern[p] == '\\' {
			literal = p + 1
		}
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, at
			p++
		case p < len(pattern) && (literal == p && pattern[p] == '?' || pattern[literal] == text[at]):
			p, at = literal+1, at+1
		case star >= 0:
			mark++
			p, at = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
