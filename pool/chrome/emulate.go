package chrome

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// overrides are what the actions of this package have set on a page, where one command of the
// protocol replaces what another action has set by it.
type overrides struct {
	agent struct {
		sync.Mutex
		name      string // the user agent; empty: the browser's own
		languages string // the value of Accept-Language, without weights; empty: the browser's own
	}
	intercept interception
}

// SetUserAgent is an action that changes the user agent that servers and scripts are told. The
// browser then sends no client hints (Sec-CH-UA), which would name its own. It concerns the next
// navigation, and ends with the lease.
func SetUserAgent(agent string) chromedp.Action[chromedp.Void] {
	if err := checkAgent(agent); err != nil {
		return invalid(err)
	}
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		return override(ctx, t, "SetUserAgent", func(o *overrides) { o.agent.name = agent })
	})
}

const agentRule = "it must be printable ASCII, and not empty"

func checkAgent(agent string) error {
	if agent == "" || strings.ContainsFunc(agent, func(r rune) bool { return r < ' ' || r >= 0x7f }) {
		return refuse("user agent", agent, agentRule)
	}
	return nil
}

// SetLocale is an action that has the page work in a locale, such as de-DE: its formats (Intl), the
// languages that scripts are told, and the header Accept-Language. It concerns the next navigation,
// and ends with the lease.
func SetLocale(locale string) chromedp.Action[chromedp.Void] {
	languages, err := languagesOf(locale)
	if err != nil {
		return invalid(err)
	}
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(
			ctx, t, emulation.SetLocaleOverride, emulation.SetLocaleOverrideParams{Locale: locale},
		)
		if refused := (*cdproto.Error)(nil); errors.As(err, &refused) &&
			strings.Contains(refused.Message, "Invalid locale") {
			return &InputError{Name: "locale", Value: quoted(locale), Rule: localeRule, Err: err}
		}
		if err != nil {
			return fmt.Errorf("chrome: set the locale: %w", err)
		}
		return override(ctx, t, "SetLocale", func(o *overrides) { o.agent.languages = languages })
	})
}

const localeRule = "it must be a language that the browser knows, such as de or de-DE"

// languagesOf is the value of Accept-Language, without weights, for a locale.
func languagesOf(locale string) (string, error) {
	if !token(locale) {
		return "", refuse("locale", locale, localeRule)
	}
	language, _, _ := strings.Cut(locale, "-")
	if language == locale {
		return locale, nil
	}
	return locale + "," + language, nil
}

// override changes what one command sets together.
func override(ctx context.Context, t *chromedp.Target, name string, change func(*overrides)) error {
	p, err := pageOf(ctx, name)
	if err != nil {
		return err
	}
	p.set.agent.Lock()
	defer p.set.agent.Unlock()
	change(&p.set)
	_, err = cdp.Call(ctx, t, emulation.SetUserAgentOverride, p.set.agentParams())
	if err != nil {
		return fmt.Errorf("chrome: %s: %w", name, err)
	}
	return nil
}

// agentParams needs o.agent. With an empty user agent, the browser goes on with its own.
func (o *overrides) agentParams() emulation.SetUserAgentOverrideParams {
	return emulation.SetUserAgentOverrideParams{
		UserAgent: o.agent.name, AcceptLanguage: o.agent.languages,
	}
}

// zoneIs is an expression that says whether a page lives in a time zone. The command that sets it
// refuses an unknown one only where its session has set none before. Later it takes every text, and
// the page lives in UTC or where it was; scripts know more names than it, such as europe/berlin.
func zoneIs(zone string) string {
	const is = `(zone => { try {
		const of = options => new Intl.DateTimeFormat("en", options).resolvedOptions().timeZone.
			replace(/^((Etc\/)?GMT|[+]00:00)$/, "UTC")
		return of({timeZone: zone}) == of() } catch { return false } })`
	return is + "(" + quoteJS(zone) + ")"
}

const zoneRule = "it must be one that the browser knows, such as Europe/Berlin"

// SetTimezone is an action that has the page live in a time zone of the IANA data base, such as
// Europe/Berlin. It ends with the lease.
func SetTimezone(zone string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		unknown := refuse("time zone", zone, zoneRule)
		if zone == "" {
			return unknown
		}
		_, err := cdp.Call(
			ctx, t, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: zone},
		)
		if refused := (*cdproto.Error)(nil); errors.As(err, &refused) {
			return &InputError{Name: "time zone", Value: quoted(zone), Rule: zoneRule, Err: err}
		}
		is := false
		if err == nil {
			is, err = evaluate[bool](ctx, t, zoneIs(zone))
		}
		if err != nil {
			return fmt.Errorf("chrome: set the time zone: %w", err)
		}
		if !is {
			return unknown
		}
		return nil
	})
}

// SetJavaScriptEnabled is an action that switches the scripts of pages off, and on again. Actions
// that evaluate expressions work all the same. It concerns the next navigation, and ends with the
// lease.
func SetJavaScriptEnabled(enabled bool) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(
			ctx, t, emulation.SetScriptExecutionDisabled,
			emulation.SetScriptExecutionDisabledParams{Value: !enabled},
		)
		if err != nil {
			return fmt.Errorf("chrome: switch JavaScript: %w", err)
		}
		return nil
	})
}
