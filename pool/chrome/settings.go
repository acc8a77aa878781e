package chrome

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"
)

const (
	blank = "about:blank"
	// auditEvery is AuditEvery's default.
	auditEvery = 30 * time.Second
	// maxPixels is the largest side of a page that Chrome takes.
	maxPixels = 10_000_000
)

// Viewport is the size of a page.
type Viewport struct {
	// Width and Height are in CSS pixels. Both are 1 to 10,000,000, or 0 for the browser's own.
	Width, Height int
	// Scale is the number of device pixels to a CSS pixel. 0: 1.
	Scale float64
	// Mobile has the page laid out as on a mobile device.
	Mobile bool
}

// settings are what a Launcher and a Remote say about pages, with the defaults in place.
type settings struct {
	standbyURL    string
	ready         func(ctx context.Context, page *Page) error
	prepare       func(ctx context.Context, page *Page) error
	initScripts   []string
	viewport      Viewport
	clearStorage  bool
	acceptDialogs bool
	wholeBrowser  bool
	allowSchemes  []string
	owner         string // the type whose settings they are, for errors
	auditEvery    time.Duration
	onStranger    func(Stranger)
	log           *slog.Logger
}

// checked puts the defaults in, and returns one error for all that is wrong. owner is the type whose
// settings they are.
func (s settings) checked(owner string) (settings, error) {
	var wrong []error
	refuse := func(name string, value any, rule string) {
		wrong = append(wrong, fmt.Errorf("chrome: %s.%s is %v: %s", owner, name, value, rule))
	}
	s.owner = owner
	for i, scheme := range s.allowSchemes {
		if !schemeName.MatchString(scheme) {
			refuse(fmt.Sprintf("AllowSchemes[%d]", i), fmt.Sprintf("%q", scheme),
				"it must be a scheme in lower case without its colon, such as file")
		}
	}
	if s.standbyURL == "" {
		s.standbyURL = blank
	}
	if u, err := url.Parse(s.standbyURL); err != nil || u.Scheme == "" || httpURL(s.standbyURL) && u.Host == "" {
		refuse("StandbyURL", fmt.Sprintf("%q", s.standbyURL), "it must be a whole address, such as https://example.com/standby")
	}
	if !s.schemeAllowed(s.standbyURL) {
		refuse("StandbyURL", fmt.Sprintf("%q", discreet(s.standbyURL)),
			fmt.Sprintf("AllowSchemes must have its scheme %q", schemeOf(s.standbyURL)))
	}
	for i, script := range s.initScripts {
		if script == "" {
			refuse(fmt.Sprintf("InitScripts[%d]", i), `""`, "a script must not be empty")
		}
	}
	v := s.viewport
	if v.Width < 0 || v.Width > maxPixels || v.Height < 0 || v.Height > maxPixels || (v.Width == 0) != (v.Height == 0) {
		refuse("Viewport", fmt.Sprintf("%d x %d", v.Width, v.Height), "both sides must be 1 to 10,000,000, or both 0")
	}
	if !(v.Scale >= 0) || v.Scale > 1e3 || v.Width == 0 && (v.Scale != 0 || v.Mobile) {
		refuse("Viewport", fmt.Sprintf("%+v", v), "Scale must be 0 to 1,000, and needs Width and Height, as Mobile does")
	}
	if s.auditEvery == 0 {
		s.auditEvery = auditEvery
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s, errors.Join(wrong...)
}

// httpURL reports whether an address is asked for over HTTP, so that its answer has a status.
func httpURL(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https")
}

// Selector is for Ready: it waits as WaitSelector does.
func Selector(selector string) func(context.Context, *Page) error {
	return func(ctx context.Context, page *Page) error { return page.Run(ctx, WaitSelector(selector)) }
}

// Function is for Ready: it waits as WaitFunction does.
func Function(expression string) func(context.Context, *Page) error {
	return func(ctx context.Context, page *Page) error { return page.Run(ctx, WaitFunction(expression)) }
}

// pollEvery is the time between two looks at an expression. Frames would be sooner, but a hidden page has none.
const pollEvery = 20 * time.Millisecond
