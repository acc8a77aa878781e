package chrome

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/chromedp/cdproto"
	chromebrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/cdproto/target"
)

// How a lease gets the terms of its affinity.
//
// The session of a lease begins before the lease, and that of a standby before anybody knows whose
// it will be. So the terms come at two moments. A session that begins in a context with an owner is
// given its terms at once; nobody waits for that, and its page keeps them while it is idle. When
// the lease begins, the terms are asked for once more, what differs is sent, and the holder's first
// command waits for the answers. After a failure at the first moment, the second tries again; after
// one at the second, the session ends, and every call of the holder's says why.

// sessionTerms are the terms of a session.
type sessionTerms struct {
	turn chan struct{} // holds a token while terms are asked for and sent
	has  *terms        // what the browser was told, nil: not known; guarded by turn
}

// contextTerms are the terms of a browser context.
type contextTerms struct {
	turn chan struct{} // holds a token while terms are sent

	mu      sync.Mutex
	owner   string       // the affinity whose context it is; empty: nobody's yet
	kept    *keptCookies // the owner's; nil: they are not kept
	has     bool         // it has the owner's terms
	cleared int          // how often it has lost them
}

// own makes the context an affinity's. At each lease its cookies are kept anew: where the affinity
// was forgotten meanwhile, this is not the context that was meant.
func (c *contextTerms) own(affinity string, store *CookieStore) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.owner != affinity {
		c.owner, c.has = affinity, false
		c.cleared++
	}
	if store != nil {
		c.kept = store.of(affinity)
	}
}

// lose notes that what the context had of its owner's terms has been cleared.
func (c *contextTerms) lose() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.has = false
	c.cleared++
}

func (c *contextTerms) look() (owner string, has bool, cleared int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.owner, c.has, c.cleared
}

// enter waits for the one token that turn has room for, or for ctx.
func enter(ctx context.Context, turn chan struct{}) error {
	select {
	case turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ended(ctx)
	}
}

// beginTerms gives a session, ahead of its lease, the terms of the affinity whose context it is in,
// if it is somebody's. It does not wait.
func (t *tab) beginTerms(s *session) {
	if !t.b.hasTerms() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if owner, _, _ := t.c.terms.look(); owner != "" && !t.mu.over {
		t.b.tabs.Go(func() { _ = s.agree(owner) })
	}
}

// leaseTermsLocked gives the lease that begins the terms of its affinity, and has the commands of
// its holder wait for that. It needs t.mu, and waits for nothing.
func (t *tab) leaseTermsLocked(affinity string) {
	s := t.mu.lease
	if !t.b.hasTerms() || s == nil || t.mu.over {
		return
	}
	t.c.terms.own(affinity, t.b.KeepCookies)
	agreed := make(chan struct{})
	s.line.agreed.Store(&agreed)
	t.b.tabs.Go(func() {
		if err := s.agree(affinity); err != nil {
			s.mute(&TenantError{Affinity: affinity, Err: err}) // without effect where the lease has ended
		}
		close(agreed)
	})
}

// agree asks for the terms of an affinity and sends, all at once, what the session and its context
// do not have of them. It waits for the answers, or for the end of the session.
func (s *session) agree(affinity string) error {
	ctx := s.life
	if err := enter(ctx, s.terms.turn); err != nil {
		return err
	}
	defer func() { <-s.terms.turn }()
	want, err := s.t.b.termsOf(ctx, affinity)
	if err != nil {
		return err
	}
	if err := s.t.c.proxied(want); err != nil {
		return err
	}
	sent := s.sendTerms(want)
	err = errors.Join(s.t.c.agree(ctx, want), sent.wait(ctx, s.t))
	if err == nil {
		s.terms.has = want
	} else {
		s.terms.has = nil
	}
	return err
}

// unanswered are commands of which the answers have not been waited for.
type unanswered []func(ctx context.Context, t *tab) error

// send sends a command for a field of TenantOptions. The error for an answer that refuses the
// command has the value and its rule.
func send[P, R any](
	all *unanswered, w *wire, on target.SessionID, field string, wrong InputError,
	command cdp.Command[P, R], params P,
) {
	asked := begin(w, on, command, params)
	*all = append(*all, func(ctx context.Context, t *tab) error {
		var err error
		if t == nil {
			_, err = asked.wait(ctx)
		} else {
			_, err = awaited(ctx, t, asked)
		}
		if refused := (*cdproto.Error)(nil); errors.As(err, &refused) {
			wrong.Err = refused
			return ofField(field, &wrong)
		}
		return err
	})
}

// wait waits for all answers; t is the tab whose page they are of, and nil where they are the
// browser's.
func (u unanswered) wait(ctx context.Context, t *tab) error {
	var errs []error
	for _, answered := range u {
		errs = append(errs, answered(ctx, t))
	}
	return errors.Join(errs...)
}

// sendTerms sends what the session does not have of the terms.
func (s *session) sendTerms(want *terms) unanswered {
	had, unknown := s.terms.has, s.terms.has == nil
	if unknown {
		had = new(terms)
	}
	var all unanswered
	w, on := s.t.b.wire, s.id()
	if unknown || want.Locale != had.Locale {
		send(&all, w, on, "Locale", InputError{"locale", quoted(want.Locale), localeRule, nil},
			emulation.SetLocaleOverride, emulation.SetLocaleOverrideParams{Locale: want.Locale})
	}
	if unknown || want.Timezone != had.Timezone {
		send(&all, w, on, "Timezone", InputError{"time zone", quoted(want.Timezone), zoneRule, nil},
			emulation.SetTimezoneOverride,
			emulation.SetTimezoneOverrideParams{TimezoneID: want.Timezone})
		if want.Timezone != "" {
			all = append(all, s.inZone(want.Timezone))
		}
	}
	if unknown || want.UserAgent != had.UserAgent || want.Locale != had.Locale {
		agent := &s.page.set.agent
		agent.Lock()
		agent.name, agent.languages = want.UserAgent, want.languages
		params := s.page.set.agentParams()
		agent.Unlock()
		send(&all, w, on, "UserAgent", InputError{"user agent", quoted(want.UserAgent), agentRule, nil},
			emulation.SetUserAgentOverride, params)
	}
	if unknown || !maps.Equal(want.headers, had.headers) {
		send(&all, w, on, "Headers", InputError{Name: "headers", Rule: "the browser must take them"},
			network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: want.headers})
	}
	size := InputError{Name: "Viewport", Rule: "the browser must take it"}
	switch {
	case !unknown && want.Viewport == had.Viewport:
	case want.Viewport.Width == 0:
		send(&all, w, on, "Viewport", size, emulation.ClearDeviceMetricsOverride, cdp.Empty{})
	default:
		send(&all, w, on, "Viewport", size, emulation.SetDeviceMetricsOverride, want.Viewport.metrics())
	}
	return all
}

// inZone asks the page, behind the command that sets it, whether it lives in a time zone.
func (s *session) inZone(zone string) func(context.Context, *tab) error {
	asked := begin(s.t.b.wire, s.id(), runtime.Evaluate,
		runtime.EvaluateParams{Expression: zoneIs(zone)})
	return func(ctx context.Context, t *tab) error {
		known, err := awaited(ctx, t, asked)
		if err == nil && (known.Result == nil || string(known.Result.Value) != "true") {
			err = ofField("Timezone", refuse("time zone", zone, zoneRule))
		}
		return err
	}
}

// agree gives the context the terms of its owner, unless it has them.
func (c *browserContext) agree(ctx context.Context, want *terms) error {
	if err := enter(ctx, c.terms.turn); err != nil {
		return err
	}
	defer func() { <-c.terms.turn }()
	for {
		_, has, cleared := c.terms.look()
		if has {
			return nil
		}
		err := c.sendTerms(want).wait(ctx, nil)
		if err == nil {
			err = c.restoreCookies(ctx) // behind the cookies of Tenant, which can be older
		}
		if err != nil {
			return err
		}
		c.terms.mu.Lock()
		c.terms.has = c.terms.cleared == cleared // otherwise they were cleared meanwhile
		c.terms.mu.Unlock()
	}
}

func (c *browserContext) sendTerms(want *terms) unanswered {
	var all unanswered
	if c.b.ClearStorage { // what it clears has not those of the terms before, if these were others
		post(c.b.wire, "", chromebrowser.ResetPermissions,
			chromebrowser.ResetPermissionsParams{BrowserContextID: c.id})
		post(c.b.wire, "", chromebrowser.SetDownloadBehavior, chromebrowser.SetDownloadBehaviorParams{
			Behavior:         chromebrowser.SetDownloadBehaviorBehaviorDefault,
			BrowserContextID: c.id,
		})
	}
	if len(want.cookies) > 0 {
		send(&all, c.b.wire, "", "Cookies",
			InputError{Name: "cookies", Rule: "the browser must take them"},
			storage.SetCookies,
			storage.SetCookiesParams{Cookies: want.cookies, BrowserContextID: c.id})
	}
	for _, name := range slices.Sorted(maps.Keys(want.Permissions)) {
		setting := chromebrowser.PermissionSettingDenied
		if want.Permissions[name] {
			setting = chromebrowser.PermissionSettingGranted
		}
		send(&all, c.b.wire, "", "Permissions",
			InputError{"permission", quoted(name), permissionRule, nil},
			chromebrowser.SetPermission, chromebrowser.SetPermissionParams{
				Permission: &chromebrowser.PermissionDescriptor{Name: name}, Setting: setting,
				BrowserContextID: c.id,
			})
	}
	params := chromebrowser.SetDownloadBehaviorParams{BrowserContextID: c.id}
	switch {
	case want.Downloads.Deny:
		params.Behavior = chromebrowser.SetDownloadBehaviorBehaviorDeny
	case want.Downloads.Folder != "":
		params.Behavior = chromebrowser.SetDownloadBehaviorBehaviorAllow
		params.DownloadPath = want.Downloads.Folder
	default:
		return all
	}
	send(&all, c.b.wire, "", "Downloads",
		InputError{"Folder", quoted(want.Downloads.Folder), "the browser must take it", nil},
		chromebrowser.SetDownloadBehavior, params)
	return all
}
