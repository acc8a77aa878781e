package chrome

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/pagepool/pagepool/pool"
)

const (
	blank = "about:blank"
	// auditEvery is AuditEvery's default.
	auditEvery = 30 * time.Second
	// freezeAfter is FreezeAfter's default.
	freezeAfter = time.Second
	// maxPopups is MaxPopups's default.
	maxPopups = 4
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

// Options are the page settings that Launcher and Remote share. The zero Options are valid.
//
//	chrome.Launcher{NoSandbox: true, Options: chrome.Options{ClearStorage: true}}
type Options struct {
	// StandbyURL is the address that a page in the standby state shows. Empty: about:blank. A server
	// that refuses the connection, or answers 502, 503 or 504, is asked again until OpenTimeout ends;
	// every other failure, and every other status of 400 and more, fails the opening at once.
	StandbyURL string
	// Ready, where it is set, waits until a page that shows StandbyURL is in the standby state:
	// Selector and Function make such a func. ctx bounds it; its error fails the opening, the reset or
	// the rescue.
	Ready func(ctx context.Context, page *Page) error
	// Prepare, where it is set, runs after Ready each time that a page is brought to the standby
	// state. ctx bounds it; its error fails that operation. The page has a DevTools session of its
	// own, which lasts until the page is brought to the standby state again: so does what Prepare sets
	// through it.
	Prepare func(ctx context.Context, page *Page) error
	// Tenant, where it is set, returns the terms of an affinity: locale, headers, cookies and others.
	// The driver calls it when a lease begins, and ahead of that when a tab is made ready for the next
	// lease of the affinity that has it, each time in a goroutine of its own, of several tabs at once,
	// and with no lock held. The holder's first command waits for the terms. Where they cannot be had,
	// each call on the page answers a TenantError: Tenant panics, takes longer than 5 s, or returns
	// what breaks a rule. Other leases do not wait for that. AllowReassign must be off.
	Tenant func(affinity string) TenantOptions
	// KeepCookies, where it is set, carries the cookies of warm affinities into the next browser, so
	// that tenants stay logged in when a browser is replaced or lost: new(CookieStore). They are read
	// when a lease ends, and before a browser that is being replaced closes a context. An affinity
	// that is disposed or evicted is forgotten. Other storage is not carried. ClearStorage must be
	// off.
	KeepCookies *CookieStore
	// InitScripts are scripts that every document of a page runs before its own.
	InitScripts []string
	// Viewport is the size of every page. The zero Viewport leaves it to the browser.
	Viewport Viewport
	// ClearStorage has a reset, and a rescue, remove what the page's browser context keeps; see the
	// package documentation. It needs pool.Config.Reset, and TabsPerContext 1, since a lease beside it
	// would lose what it has stored. It sets OrphanCap to pool.Off. Off: an affinity finds it again.
	ClearStorage bool
	// AcceptDialogs has alerts, confirms and prompts accepted, instead of dismissed.
	AcceptDialogs bool
	// WholeBrowser lets holders send every command, to the whole browser and to every target. A tenant
	// can then see the addresses of all others, read and change their cookies, close, stop and crash
	// their pages, and end the browser. Set it only where all holders trust each other. Off: see the
	// package documentation.
	WholeBrowser bool
	// AllowSchemes are schemes that pages may be sent to besides http, https, about:blank, data and
	// blob, in lower case and without their colon, such as "file". Pages on such a scheme can read the
	// machine, or govern the browser. "file" also allows commands that give a page the content of
	// files: DOM.setFileInputFiles (chromedp.SetUploadFiles), and Input.dispatchDragEvent with files.
	// It is no boundary where WholeBrowser is set.
	AllowSchemes []string
	// MaxPopups is how many pages a lease may have beside its own: popups of its page, popups of
	// those, and what its holder opens. They are no tabs of the pool, and its capacity does not count
	// them. One more is closed as it comes; the log says so, and so do Page.Diagnostics and, for a
	// holder's own command, its error. After 16 of them the scripts of the lease's page are stopped
	// until its holder navigates. All are closed when the lease ends. 0: 4. pool.Off: as many as there
	// come.
	MaxPopups int
	// MaxAnswer is the longest answer to a holder's command, in bytes of the protocol: a screenshot or
	// a PDF takes four thirds of its size. The call of a longer one fails, and its error names both
	// sizes. Over a WebSocket, Chrome itself sends none above 256 MB, and says nothing. 0: 256 MB.
	MaxAnswer int64
	// MaxTabMemory is how much memory the scripts of a page may use, in bytes: the JavaScript heap,
	// what it holds of the document, and buffers. It is looked at once a second; of a browser that
	// Launcher starts, V8 has the same limit, or 64 MB where this is lower, and ends the renderer
	// there. A lease whose page uses more ends with pool.ErrPageTooLarge, and the tab is closed. 0:
	// no limit.
	MaxTabMemory int64
	// FreezeAfter is how long a tab is idle before its page is frozen: its timers, frames and
	// animations then cost nothing, and what its scripts have left over of their memory is collected
	// once. It is thawed before its next lease begins. Pages are focused for their scripts
	// (document.hasFocus) as long as this is on. 0: 1 second. pool.Off: pages are never frozen.
	FreezeAfter time.Duration
	// AuditEvery is the time between two audits. 0: 30 seconds. Negative (pool.Off): no audit.
	AuditEvery time.Duration
	// OnStranger, where it is set, is told of each thing that an audit closed. The next audit waits
	// for it, and so does Close.
	OnStranger func(Stranger)
	// Logger is told of what the driver had to do about a browser or a page. Nil: nobody is told.
	Logger *slog.Logger
}

// settings are Options with the defaults in place.
type settings struct {
	Options
	owner string // the type whose settings they are, for errors
	log   *slog.Logger
}

// checked puts the defaults in, and returns one error for all that is wrong. owner is the type
// whose settings they are.
func (o Options) checked(owner string) (settings, error) {
	s := settings{Options: o, owner: owner, log: o.Logger}
	var wrong []error
	refuse := func(name string, value any, rule string) {
		wrong = append(wrong, fmt.Errorf("chrome: %s.%s is %v: %s", owner, name, value, rule))
	}
	for i, scheme := range s.AllowSchemes {
		if !schemeName.MatchString(scheme) {
			refuse(fmt.Sprintf("AllowSchemes[%d]", i), fmt.Sprintf("%q", scheme),
				"it must be a scheme in lower case without its colon, such as file")
		}
	}
	if s.StandbyURL == "" {
		s.StandbyURL = blank
	}
	if u, err := url.Parse(s.StandbyURL); err != nil || u.Scheme == "" ||
		httpURL(s.StandbyURL) && u.Host == "" {
		refuse(
			"StandbyURL", fmt.Sprintf("%q", s.StandbyURL),
			"it must be a whole address, such as https://example.com/standby",
		)
	}
	if !s.schemeAllowed(s.StandbyURL) {
		refuse("StandbyURL", fmt.Sprintf("%q", discreet(s.StandbyURL)),
			fmt.Sprintf("AllowSchemes must have its scheme %q", schemeOf(s.StandbyURL)))
	}
	for i, script := range s.InitScripts {
		if script == "" {
			refuse(fmt.Sprintf("InitScripts[%d]", i), `""`, "a script must not be empty")
		}
	}
	s.Viewport.check(refuse)
	if s.MaxPopups == 0 {
		s.MaxPopups = maxPopups
	}
	if s.MaxPopups < pool.Off {
		refuse("MaxPopups", s.MaxPopups, "it must be at least 1, or pool.Off")
	}
	if s.MaxAnswer == 0 {
		s.MaxAnswer = maxAnswer
	}
	if s.MaxAnswer < 0 {
		refuse("MaxAnswer", s.MaxAnswer, "it must be more than 0")
	}
	if s.MaxTabMemory < 0 {
		refuse("MaxTabMemory", s.MaxTabMemory, "it must be more than 0, or 0 for no limit")
	}
	if s.FreezeAfter == 0 {
		s.FreezeAfter = freezeAfter
	}
	if s.FreezeAfter < pool.Off {
		refuse("FreezeAfter", s.FreezeAfter, "it must be more than 0, or pool.Off")
	}
	if s.AuditEvery == 0 {
		s.AuditEvery = auditEvery
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s, errors.Join(wrong...)
}

// check tells refuse what is wrong with v.
func (v Viewport) check(refuse func(name string, value any, rule string)) {
	if v.Width < 0 || v.Width > maxPixels || v.Height < 0 || v.Height > maxPixels ||
		(v.Width == 0) != (v.Height == 0) {
		refuse(
			"Viewport", fmt.Sprintf("%d x %d", v.Width, v.Height),
			"both sides must be 1 to 10,000,000, or both 0",
		)
	}
	if !(v.Scale >= 0) || v.Scale > 1e3 || v.Width == 0 && (v.Scale != 0 || v.Mobile) {
		refuse(
			"Viewport", fmt.Sprintf("%+v", v),
			"Scale must be 0 to 1,000, and needs Width and Height, as Mobile does",
		)
	}
}

// httpURL reports whether an address is asked for over HTTP, so that its answer has a status.
func httpURL(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https")
}

// Selector is for Ready: it waits as WaitSelector does.
func Selector(selector string) func(context.Context, *Page) error {
	return func(ctx context.Context, page *Page) error {
		return page.Run(ctx, WaitSelector(selector))
	}
}

// Function is for Ready: it waits as WaitFunction does.
func Function(expression string) func(context.Context, *Page) error {
	return func(ctx context.Context, page *Page) error {
		return page.Run(ctx, WaitFunction(expression))
	}
}

// pollEvery is the time between two looks at an expression. Frames would be sooner, but a hidden
// page has none.
const pollEvery = 20 * time.Millisecond
