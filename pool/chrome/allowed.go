package chrome

import "strings"

// The commands of the DevTools protocol that a holder may send, as a table. A command without a row
// of its own in commands falls under the row of its domain, and only on the session of a page. On
// the browser's session, which all holders of a browser share, a command without a row is refused.

// scope says what becomes of a command.
type scope uint8

const (
	refused   scope = iota // it is answered with an error
	allowed                // it is sent as it is
	silent                 // it is answered with an empty result, and not sent
	ownTarget              // its targetId, where it has one, has to be a target of the lease
	// ownContext is for a command whose browserContextId, where it has one, has to be a context of the
	// lease. A command without one that would act on the browser's default context is sent with the
	// context of the lease's page.
	ownContext
	newTarget    // as ownContext, and it opens a target
	ownProfile   // its browserContextId has to be a context that the holder made
	ownSession   // it ends a session of the lease: sessionId, or the deprecated targetId
	ownWindow    // its windowId has to be the window of a target of the lease
	findsWindow  // as ownTarget, and its answer names a window that is the lease's from then on
	listsTargets // its answer is cut down to targets of the lease
	listsOwn     // its answer is cut down to contexts of the lease
)

// rule is one row.
type rule struct {
	browser, page scope  // on the browser's session, and on the session of a page or another target
	why           string // it ends a sentence that begins with the command's name
}

// commands are the rows of single commands.
var commands = map[string]rule{
	"Browser.getVersion":          {allowed, allowed, "tells nothing of other tenants"},
	"Browser.getWindowForTarget":  {findsWindow, findsWindow, "names a window by one of its targets"},
	"Browser.getWindowBounds":     {ownWindow, ownWindow, "reads a window"},
	"Browser.setWindowBounds":     {ownWindow, ownWindow, "changes a window"},
	"Browser.setContentsSize":     {ownWindow, ownWindow, "changes a window"},
	"Browser.setPermission":       {ownContext, ownContext, "changes a context"},
	"Browser.grantPermissions":    {ownContext, ownContext, "changes a context"},
	"Browser.resetPermissions":    {ownContext, ownContext, "changes a context"},
	"Browser.setDownloadBehavior": {ownContext, ownContext, "changes a context"},
	"Browser.cancelDownload":      {ownContext, ownContext, "ends a download of a context"},

	"Storage.getCookies":   {ownContext, ownContext, "reads the cookies of a context"},
	"Storage.setCookies":   {ownContext, ownContext, "changes the cookies of a context"},
	"Storage.clearCookies": {ownContext, ownContext, "changes the cookies of a context"},

	"Target.activateTarget":        {ownTarget, ownTarget, "brings a target to the front"},
	"Target.attachToTarget":        {ownTarget, ownTarget, "gives control of a target"},
	"Target.closeTarget":           {ownTarget, ownTarget, "closes a target"},
	"Target.getTargetInfo":         {ownTarget, ownTarget, "tells the address of a target"},
	"Target.getTargets":            {listsTargets, listsTargets, "tells the addresses of all targets"},
	"Target.getBrowserContexts":    {listsOwn, listsOwn, "names all contexts"},
	"Target.createTarget":          {newTarget, newTarget, "opens a target in a context"},
	"Target.createBrowserContext":  {allowed, allowed, "makes a context of the holder's"},
	"Target.disposeBrowserContext": {ownProfile, ownProfile, "ends a context"},
	"Target.detachFromTarget":      {ownSession, ownSession, "ends a session"},
	// The driver has the browser's session tell of all targets, and nothing may change that. Of what
	// a page's session tells, the guard leaves out what is about other tenants.
	"Target.setDiscoverTargets":     {silent, allowed, "tells of new targets"},
	"Target.setAutoAttach":          {refused, allowed, "can stop all new targets"},
	"Target.autoAttachRelated":      {refused, refused, "changes the browser's shared session"},
	"Target.attachToBrowserTarget":  {refused, refused, "gives the whole browser"},
	"Target.exposeDevToolsProtocol": {refused, refused, "gives a page the whole browser"},
	"Target.sendMessageToTarget":    {refused, refused, "sends commands that are not checked"},
	"Target.setRemoteLocations":     {refused, refused, "has the browser connect to other machines"},
	"Target.openDevTools":           {refused, refused, "opens a page with the whole browser"},
	"Target.getDevToolsTarget":      {refused, refused, "names a page with the whole browser"},

	// Domains that end at the page, but for these.
	"Emulation.addScreen":                    {refused, refused, "changes the screens of all pages"},
	"Emulation.removeScreen":                 {refused, refused, "changes the screens of all pages"},
	"Emulation.updateScreen":                 {refused, refused, "changes the screens of all pages"},
	"Emulation.setPrimaryScreen":             {refused, refused, "changes the screens of all pages"},
	"Memory.getDOMCounters":                  {refused, allowed, "counts in the page's process"},
	"Memory.getDOMCountersForLeakDetection":  {refused, allowed, "counts in the page's process"},
	"Memory.prepareForLeakDetection":         {refused, allowed, "collects garbage in it"},
	"Memory.forciblyPurgeJavaScriptMemory":   {refused, allowed, "frees memory of the page's process"},
	"Memory.startSampling":                   {refused, allowed, "samples the page's process"},
	"Memory.stopSampling":                    {refused, allowed, "samples the page's process"},
	"Memory.getSamplingProfile":              {refused, allowed, "samples the page's process"},
	"Memory.getAllTimeSamplingProfile":       {refused, allowed, "samples the page's process"},
	"Storage.runBounceTrackingMitigations":   {refused, allowed, "changes the page's context"},
	"ServiceWorker.setForceUpdateOnPageLoad": {refused, allowed, "changes the page's context"},
}

// Why the domains are as they are.
const (
	whyPage    = "ends at the page and its context"
	whyBrowser = "acts on the whole browser"
	whyMachine = "acts on the machine"
)

// domains are the rows of domains, on the session of a page. A domain that is in none of these
// lists is refused: nobody has looked yet at what it reaches.
var domains = func() map[string]rule {
	rows := make(map[string]rule)
	add := func(page scope, why string, names ...string) {
		for _, name := range names {
			rows[name] = rule{refused, page, why}
		}
	}
	add(allowed, whyPage,
		"Accessibility", "Ads", "Animation", "Audits", "Autofill", "BackgroundService", "CSS",
		"CacheStorage", "Console", "CrashReportContext", "DOM", "DOMDebugger", "DOMSnapshot",
		"DOMStorage", "Debugger", "DeviceAccess", "DeviceOrientation", "DigitalCredentials",
		"Emulation", "EventBreakpoints", "FedCm", "Fetch", "FileSystem", "FindInPage",
		"HeadlessExperimental", "HeapProfiler", "IO", "IndexedDB", "Input", "Inspector",
		"LayerTree", "Log", "Media", "Network", "Overlay", "Page", "Performance",
		"PerformanceTimeline", "Preload", "Profiler", "Runtime", "Schema", "Security",
		"ServiceWorker", "WebAudio", "WebAuthn", "WebMCP")
	add(ownContext, whyPage, "Storage")
	add(refused, whyBrowser, "Browser", "Target", "Memory", "SystemInfo", "Tracing", "Extensions")
	add(refused, whyMachine, "BluetoothEmulation", "Cast", "PWA", "SmartCardEmulation", "Tethering")
	return rows
}()

// ruleOf is the row that a command falls under.
func ruleOf(method string) rule {
	if row, ok := commands[method]; ok {
		return row
	}
	domain, _, _ := strings.Cut(method, ".")
	if row, ok := domains[domain]; ok {
		return row
	}
	return rule{refused, refused, "is not known to end at the page"}
}

// on is what becomes of a command: on the browser's session, or on another.
func (r rule) on(browser bool) (scope, string) {
	if browser {
		if r.why == whyPage {
			return refused, "is for a page's session, and this one is the whole browser's"
		}
		return r.browser, r.why
	}
	return r.page, r.why
}
