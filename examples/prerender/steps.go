package main

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/pagepool/pagepool/pool/chrome"
)

// idle are the values of waitUntil, each with the most requests that may be in flight for idleTime;
// -1: not waited for.
var idle = map[string]int{"": -1, "load": -1, "networkidle0": 0, "networkidle2": 2}

// idleTime is how long the network has to be idle.
const idleTime = 500 * time.Millisecond

// check finds what is wrong with the options before a tab is taken for them. What only the browser
// knows, it says later.
func (v *visit) check() error {
	if v.URL == "" && v.HTML == "" {
		return badRequest("url is missing: it must be a whole address that begins with http:// or " +
			"https://, unless html says what to show")
	}
	if v.URL != "" {
		// Where it leads to is the guard's concern.
		u, err := url.Parse(v.URL)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return badRequest("url is %.200q: it must be a whole address that begins with http:// or "+
				"https://", v.URL)
		}
		v.URL = u.String()
	}
	if v.URL == "" && (len(v.Cookies) > 0 || v.Username != "") {
		return badRequest("url is missing: cookies and username are for its host")
	}
	if _, known := idle[v.WaitUntil]; !known {
		return badRequest("waitUntil is %.80q: it must be load, networkidle0 or networkidle2",
			v.WaitUntil)
	}
	if v.Wait != "" && v.WaitForSelector != "" {
		return badRequest("wait is short for waitForSelector: only one of them may be given")
	}
	if v.WaitForSelector == "" {
		v.WaitForSelector = v.Wait
	}
	for i, c := range v.Cookies {
		if _, known := sameSites[strings.ToLower(c.SameSite)]; !known {
			return badRequest("the sameSite of cookie %d is %.80q: it must be Lax, Strict or None", i,
				c.SameSite)
		}
	}
	return nil
}

var sameSites = map[string]http.SameSite{
	"": 0, "lax": http.SameSiteLaxMode, "strict": http.SameSiteStrictMode,
	"none": http.SameSiteNoneMode,
}

// affinityKey keeps the secrets that it is made of out of an affinity, which logs and dumps show.
var affinityKey = []byte(rand.Text())

// affinity is whose page a request is for: a tenant's. A request that says who it is, with headers,
// cookies or a password, has one of its own, which only the same tenant with the same of them has
// again. So whatever a server makes of them (cookies of its own, what it has cached or logged in
// to) reaches no other request.
func (v *visit) affinity(tenant string) string {
	if len(v.Headers) == 0 && len(v.Cookies) == 0 && v.Username == "" {
		return tenant
	}
	// maps are written in order
	text, _ := json.Marshal([]any{tenant, v.Headers, v.Cookies, v.Username, v.Password})
	sum := hmac.New(sha256.New, affinityKey)
	sum.Write(text)
	return tenant + "#" + hex.EncodeToString(sum.Sum(nil)[:16])
}

// prepare are the actions before the page is there.
func (v *visit) prepare() (actions []chromedp.Action[chromedp.Void]) {
	add := func(action chromedp.Action[chromedp.Void]) { actions = append(actions, action) }
	if len(v.Headers) > 0 {
		headers := http.Header{}
		for name, value := range v.Headers {
			headers[name] = []string{value}
		}
		add(chrome.SetExtraHeaders(headers))
	}
	if len(v.Cookies) > 0 {
		var cookies []*http.Cookie
		for _, c := range v.Cookies {
			cookies = append(cookies, &http.Cookie{Name: c.Name, Value: c.Value, Domain: c.Domain,
				Path: c.Path, Secure: c.Secure,
				HttpOnly: c.HTTPOnly, SameSite: sameSites[strings.ToLower(c.SameSite)]})
		}
		add(chrome.SetCookies(v.URL, cookies...))
	}
	if v.Username != "" {
		u, _ := url.Parse(v.URL) // which check has seen
		add(chrome.Authenticate(u.Scheme+"://"+u.Host, v.Username, v.Password))
	}
	if v.UserAgent != "" {
		add(chrome.SetUserAgent(v.UserAgent))
	}
	if v.Locale != "" {
		add(chrome.SetLocale(v.Locale))
	}
	if v.Timezone != "" {
		add(chrome.SetTimezone(v.Timezone))
	}
	if v.JavaScriptEnabled != nil {
		add(chrome.SetJavaScriptEnabled(*v.JavaScriptEnabled))
	}
	if len(v.BlockResources) > 0 {
		kinds := make([]network.ResourceType, len(v.BlockResources))
		for i, kind := range v.BlockResources {
			kinds[i] = network.ResourceType(kind)
		}
		add(chrome.BlockResources(kinds...))
	}
	if len(v.BlockURLs) > 0 {
		add(chrome.BlockURLs(v.BlockURLs...))
	}
	return actions
}

// run shows the page and waits until what its script makes of it is there.
func (v *visit) run(ctx context.Context, page *chrome.Page, guard *guard) error {
	if err := page.Run(ctx, v.prepare()...); err != nil {
		return err
	}
	if err := v.show(ctx, page, guard); err != nil {
		return err
	}
	var waits []chromedp.Action[chromedp.Void]
	if v.WaitForSelector != "" {
		waits = append(waits, chrome.WaitSelector(v.WaitForSelector))
	}
	if v.WaitForExpression != "" {
		waits = append(waits, chrome.WaitFunction(v.WaitForExpression))
	}
	if most := idle[v.WaitUntil]; most >= 0 {
		waits = append(waits, chrome.WaitNetworkIdle(most, idleTime))
	}
	return page.Run(ctx, waits...)
}

// show goes to the page.
func (v *visit) show(ctx context.Context, page *chrome.Page, guard *guard) error {
	switch {
	case v.HTML != "" && v.URL != "":
		return page.Run(ctx, chrome.SetContentAt(v.URL, v.HTML))
	case v.HTML != "":
		return page.Run(ctx, chrome.SetContent(v.HTML))
	}
	response, err := chrome.Run(ctx, page, chromedp.NavigateResponse(v.URL))
	if err != nil {
		return guard.explain(err)
	}
	if response == nil || response.Status < http.StatusBadRequest {
		return nil
	}
	if guard.marked(response.Headers) {
		return guard.refusal(response.URL)
	}
	return fmt.Errorf("the address was answered with %d %s", response.Status,
		http.StatusText(int(response.Status)))
}
