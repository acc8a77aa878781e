// Package chrome drives Chrome and its relatives for a pool. It is the only part of pagepool that
// knows the DevTools protocol.
//
//	p, err := pool.New(chrome.Launcher{}, pool.Config{})
//	if err != nil {
//		return err
//	}
//	defer p.Close(ctx)
//
//	var title string
//	err = p.Do(ctx, "tenant-1", func(ctx context.Context, page *chrome.Page) (err error) {
//		if err = page.Run(ctx, chromedp.Navigate("https://example.com")); err != nil {
//			return err
//		}
//		title, err = chrome.Run(ctx, page, chromedp.Title())
//		return err
//	})
//
// What a page has become is the result of an action:
//
//	html, err := chrome.Run(ctx, page, chromedp.OuterHTML("html"))
//	pdf, err := chrome.Run(ctx, page, chromedp.PrintToPDF(chromedp.PDFPrintBackground()))
//	png, err := chrome.Run(ctx, page, chromedp.FullScreenshot(100)) // of all of the page
//
// # Actions
//
// Besides chromedp's actions, which all work, this package has those that a service needs. They go
// together in any order, in Page.Run, in Run and on the context of a lease:
//
//	to show something    Navigate, NavigateOK, SetContent, SetContentAt
//	to change who asks   SetExtraHeaders, SetCookies, ClearCookies, Authenticate, SetUserAgent,
//	                     SetLocale, SetTimezone
//	to leave things out  BlockResources, BlockURLs, SetJavaScriptEnabled
//	to wait              WaitSelector, WaitFunction, WaitNetworkIdle
//	to print             PrintPDF
//
// What they set ends with the lease, but for what a browser context keeps: cookies, and logins that
// Authenticate has made. An InputError says that an action was given something that cannot work, a
// WaitError what was missing when ctx ended, a LoadError which address did not load, and a
// StatusError what the server answered. Run makes WaitErrors and LoadErrors of chromedp's as well.
//
// # Who owns what
//
// A browser process belongs to the launcher that started it, with its process group and a folder
// for its profile and its temporary files; Close ends and removes all of it. A tab belongs to
// the pool: the driver has a DevTools session of its own on its page until that is verified gone. A
// lease's session belongs to its holder, and ends with the lease. A holder owns what it starts on a
// page, and nothing else.
//
// # What is guaranteed
//
// Every call ends with its ctx or with the end of what it works on, but for opening: a page may
// appear after its caller has gone, so that call stays until what it opened is closed again. A
// close that returns nil was verified against the browser's own list. A tab that wedges, floods its
// console, or whose holder blocks in a listener stops itself only: all others, and the driver's own
// calls, have connections that do not wait for it.
//
// # Between two holders
//
// Each lease has a DevTools session and a chromedp of its own. What a holder sets through it ends
// with the lease, whether pool.Config.Reset is on or off: emulation, headers, blocked addresses,
// interception, scripts, bindings, listeners, exposed functions. When the lease ends, the
// navigation in flight is stopped before the tab is used again. That includes a navigation of the
// page's own which has not begun yet: a form, a link, a refresh. A Page answers pool.ErrReleased
// from then on.
//
// With Reset off, the scripts and timers of the page go on. What they begin to load before the next
// lease has begun is stopped as well. What they begin later is part of the document that the next
// lease meets.
//
// What the next lease of the same affinity meets depends on the settings:
//
//	Reset off     the last document, its history and window.name, and all that the browser context
//	              keeps: cookies, storage, caches, service workers, credentials, permissions
//	Reset on      the standby state, and all that the browser context keeps
//	ClearStorage  the standby state, and nothing of the browser context
//	always        the clipboard, which is one for the whole browser
//
// ClearStorage needs Reset, and TabsPerContext 1. It clears cookies, storage and caches, and resets
// permissions and the download folder. The protocol cannot clear everything. After one of the
// following, the context is closed, and the next lease gets a new one: credentials for a server or
// a proxy that were given to Fetch.continueWithAuth, an address with a user in it,
// Security.setIgnoreCertificateErrors, a page whose server asked for client hints (Accept-CH), a
// window that was resized. The driver learns of these from the commands and the events of the
// lease's session; it does not see an address with a user that a worker or a popup asks for by
// itself.
//
// The end of a session does not undo some commands: Emulation.setVirtualTimePolicy,
// Emulation.setPageScaleFactor, Page.setBypassCSP, Page.setFontSizes, Page.setWebLifecycleState
// with frozen, Browser.setWindowBounds, Browser.setContentsSize. After one of these the tab is
// closed when its lease ends, and so it is after every other setting of Emulation, Overlay and Page
// that no test has seen undone. Undone are: CPU throttling, data saver, background, device metrics,
// cookies and scripts switched off, media, focus, geolocation, hardware concurrency, locale, time
// zone, touch and user agent.
//
// A holder's listener that blocks stops the holder's own calls. Plain chromedp calls on a lease's
// context wait for it whatever becomes of their ctx. Calls of Page do not. Nobody else waits for
// it.
//
// A lease may have MaxPopups pages beside its own: popups, and pages that its holder opens. One
// more is closed as it comes. All of them close when the lease ends. They are no tabs: the pool's
// promise never to have more than MaxPages tabs and one spare does not count them. Dialogs are
// answered at once: leaving a page is confirmed, everything else is dismissed, or accepted where
// AcceptDialogs says so. A holder who closes the page himself, by its script, by a command, or by
// chromedp.Cancel on the lease's context, ends his lease, and nothing else.
//
// # A tenant's own terms
//
// Options.Tenant returns the terms of an affinity, beside the Options of all:
//
//	Tenant: func(affinity string) chrome.TenantOptions {
//		tenant := tenants[affinity]
//		return chrome.TenantOptions{
//			Locale:  tenant.Locale,
//			Headers: http.Header{"X-Tenant": {affinity}},
//			Cookies: map[string][]*http.Cookie{"https://app.example": {tenant.Session}},
//		}
//	},
//
// They are in place before the first command of a holder is sent. A page has them from the first
// lease of the tenant on, also between two leases, and a standby that it adopts gets them then:
//
//	locale, time zone, user agent,   asked for and renewed at every lease
//	headers, viewport
//	cookies, permissions, downloads  given to the browser context before its first lease, and
//	                                 again after ClearStorage has cleared it
//	proxy                            given when the browser context is made, so that such a tenant
//	                                 never adopts a standby
//
// So a tenant that was evicted, or whose browser is replaced, has all of them in its next context.
// Terms that cannot be had end the lease's session with a TenantError: no command of the holder
// goes to the page without them. The page is healthy, and the next lease asks again.
//
// # Cookies from one browser to the next
//
// With Options.KeepCookies, an affinity that is warm when its browser is replaced or lost finds its
// cookies again in the next one, behind those of Options.Tenant. They are read when a lease ends,
// and once more before a context goes with a browser that is being replaced; of a browser that
// dies, those of the last ends of leases count. Other storage, such as localStorage, is not
// carried: the protocol reads it only on a page of each origin.
//
// The pool says which affinities are to be forgotten: one that is disposed, in the same step, and
// one whose context is given up for any other reason than the end of its browser, such as an
// eviction. A lease that is held meanwhile can bring nothing back. The cookies are in memory, and
// in no log, dump or error. A Launcher or Remote that is a field of another type's does not hear
// what to forget, and so keeps nothing.
//
// # What a holder may do
//
// The driver checks every command that a holder sends through chromedp. Commands that end at the
// page and its context are sent. Commands that name a target, a session, a context or a window are
// sent for those of the lease: its page, its popups and workers, what the holder opened beside it,
// and contexts that the holder made. Lists of targets and contexts have only those, and events
// about other targets do not arrive. A command that names no context works on that of the lease's
// page. All other commands, such as Browser.crash, Target.setAutoAttach on the browser's session,
// Tracing and SystemInfo, are answered with an error that names WholeBrowser, the setting that
// allows them.
//
// Pages go to http, https, about:blank, data and blob addresses. Other schemes, such as file,
// chrome and view-source, need AllowSchemes, and so do commands that give a page the files of the
// machine, such as that of chromedp.SetUploadFiles. A refused navigation is an error answer of
// Page.navigate: it names the scheme, the address without its query, and the setting. Scripts,
// redirects and frames cannot leave for such a scheme; Chrome itself prevents that. Not checked is
// where downloads go: a holder chooses the folder with Browser.setDownloadBehavior.
//
// A page that its script, its holder or a user of the browser closes ends its lease with
// ErrPageClosed. It has not crashed.
//
// # Floods
//
// What a page sends unasked has a budget: its console, its network, its addresses, changes of its
// document. Beyond it what it logs and loads is not heard any more until its next document, which
// its Diagnostics say. A page that floods with what the driver needs, such as addresses of 2 MB, is
// closed, and its lease ends with ErrPageClosed.
//
// # The audit
//
// Now and then the driver asks the browser for everything that is open. What is on nobody's books
// (a page that came late, one that was told to close and said so, a popup whose lease is over) is
// closed and reported; see Stranger.
//
// # Checks
//
// The tabs of a browser share processes for drawing, the network and storage, which can hang while
// the browser answers. The browser that a Launcher or a Remote returns has a method
// Check(context.Context) error, which uses each of these processes once and kills one of the
// launcher's that hangs, so that Chrome starts another. The first check opens a page in a context
// of its own, which stays until the browser is closed. That page is no tab, and the pool's promise
// never to have more than MaxPages tabs and one spare does not count it.
//
// # Where it runs
//
// As root Chrome needs NoSandbox, and refuses to start without it; better is another user. In a
// container whose PID 1 is the Go program, run with an init (docker run --init): Chrome leaves
// processes that only PID 1 can wait for.
package chrome

import "io"

// Launcher starts browsers. The zero Launcher finds one on the PATH and runs it headless, with the
// sandbox on. A Launcher is a value and may be used for several browsers at once.
type Launcher struct {
	// Options are the settings of its pages.
	Options

	// ExecPath is the browser to start: a path, or a name on the PATH. It may be a script that starts
	// one. Empty: the first found of headless-shell, Chromium and Chrome, under the names that
	// distributions give them. Where that is a distribution's script, the program behind it is
	// started. headless-shell takes two thirds of the processor time and of the memory of Chromium.
	ExecPath string
	// Args are more flags of the form --name or --name=value. They replace the launcher's own of the
	// same name; lists such as --disable-features, and --js-flags, are joined.
	Args []string
	// Env are more environment variables of the form NAME=value.
	Env []string
	// NoSandbox switches off the sandbox that keeps a page from the machine, and says so in the log.
	// Chrome does not start as root with the sandbox on.
	NoSandbox bool
	// WebGL lets pages use WebGL. One graphics process draws for all pages, also without a GPU: a page
	// with a shader that does not end stops the screenshots of every tenant.
	WebGL bool
	// Headful opens visible windows.
	Headful bool
	// TempDir is where each browser's folder is made, which is removed when the browser has ended.
	// Empty: the system's. Chrome makes a socket in it, so its path has at most 40 bytes or so.
	TempDir string
	// Output takes what the browsers print. Nil: only the last of it is kept, for errors.
	Output io.Writer
}
