package pool

import (
	"context"
	"time"
)

// The driver's side: what a pool needs of a browser. Package chrome is the driver for Chrome;
// package fakebrowser is a model of one. The pool calls all methods from goroutines of its own,
// several at once, and holds no lock meanwhile. It asks once for what does not change, when a
// browser or a tab has opened: Done, Page, Context and Lost.
//
// Every ctx bounds the call only, never the life of what it opens, and carries OperationID, the
// core's number of that operation. The pool ends it when the operation's time is over
// (LaunchTimeout, OpenTimeout, CloseTimeout, KillTimeout, half of BrowserCloseTimeout), or the
// browser is gone. Neither a value nor an error, or a nil pointer, counts as a failure. A panic is
// not caught.

// Launcher starts browser processes. P is what a holder of a lease gets.
type Launcher[P any] interface {
	// Launch starts one browser and returns when it answers. The browser outlives ctx.
	// An error means that no process was left behind.
	Launch(ctx context.Context) (Browser[P], error)
}

// Browser is one running browser process.
type Browser[P any] interface {
	// NewContext makes an isolated browser context. An error means that nothing was left open, and
	// comes only when that is known; otherwise the call goes on past its ctx.
	NewContext(ctx context.Context) (BrowserContext[P], error)
	// Done is closed when the browser is gone. It is always the same channel.
	Done() <-chan struct{}
	// Ping returns nil when the browser process answers, and an error at once when it is gone or on
	// its way out. The pool asks before it believes bad news of a single tab.
	Ping(ctx context.Context) error
	// Close ends the browser, gracefully until ctx ends, then by force. Nil: it is gone.
	Close(ctx context.Context) error
}

// BrowserContext is one isolated browser context: cookies, storage and cache of its own.
type BrowserContext[P any] interface {
	// NewTab opens a page and brings it to the standby state. An error means that nothing was left
	// open, and comes only when that is known; otherwise the call goes on past its ctx.
	NewTab(ctx context.Context) (Tab[P], error)
	// Close ends the context. Nil: it is verified gone, with all that was in it. It is idempotent.
	Close(ctx context.Context) error
}

// Tab is one page in a context.
type Tab[P any] interface {
	// Page is what the holders of leases work with, the same for all of them.
	Page() P
	// Context is the tab's own life, one and the same. Leases derive from it; its cause says why it
	// ended.
	Context() context.Context
	// Done is closed when the page crashed or is gone. It is always the same channel.
	Done() <-chan struct{}
	// Reset brings the page from its document back to the standby state: popups closed, history
	// empty. It is the second part of a reset; Halter has the first.
	Reset(ctx context.Context) error
	// Probe returns nil when the page's main thread answers.
	Probe(ctx context.Context) error
	// Rescue stops what holds the main thread. Nil: it was stopped, and the page is back at its
	// standby state.
	Rescue(ctx context.Context) error
	// Close closes the page. Nil: it is verified gone.
	Close(ctx context.Context) error
	// Kill ends the page's renderer by force. Nil: it is dead and its target gone.
	Kill(ctx context.Context) error
}

// LossTeller is a Browser that knows of its loss before it is gone: a process that was killed takes
// a while to end, and neither its holders nor the next browser need wait for that. Lost returns a
// channel, the same each time, that is closed when the browser is known to end unasked. The pool
// then ends all calls into it but Close, which it calls with a ctx that has ended, and waits for
// Done, which follows, for BrowserCloseTimeout.
type LossTeller interface {
	Lost() <-chan struct{}
}

// EndTeller is a Browser that knows why it ended. Ended returns a channel, the same each time, that
// holds the reason when Done is closed, where the browser ended unasked and the driver knows why.
// The pool asks for it once, as for Done.
type EndTeller interface {
	Ended() <-chan error
}

// Checker is a Browser that can be asked to do each kind of work once: to draw a frame, to load a
// resource, to store something. The processes that do this are shared by all its tabs, and may hang
// while everything else answers.
type Checker interface {
	// Check returns nil when the browser did all of it. It uses no tab of the pool. An error names
	// the work that was not done: the pool then replaces the browser, as Recycle does. Check may
	// repair what hangs and return nil. The pool calls it every CheckEvery, after BrowserDoubt
	// doubtful ends of leases or failed openings, and ends its ctx after StallTimeout; Check
	// returns then.
	Check(ctx context.Context) error
}

// LeaseTab is a Tab whose leases have sessions of their own. What a holder sets through the session
// of its lease ends with that session.
type LeaseTab[P any] interface {
	// BeginLease begins the session of the next lease and returns what its holder works with, and
	// the context that the lease derives from. The pool calls it once before each lease, after the
	// tab was opened or after EndLease. It waits for the page's main thread. An error means that no
	// session is left.
	BeginLease(ctx context.Context) (P, context.Context, error)
	// EndLease stops what is in flight (a navigation, a reload, a form post), sees that it has
	// stopped, and ends the session. It needs no turn of the page's main thread. After an error the
	// pool calls it once more, or closes the tab.
	EndLease(ctx context.Context) (Left, error)
}

// Left says what a lease left on its tab that the end of its session does not undo.
type Left uint8

const (
	Clean      Left = iota // nothing that the next lease must not meet
	SpoiledTab             // something that no end of a session undoes: the pool closes the tab
	// something in the context that cannot be cleared: the pool closes the tab with its context
	SpoiledContext
)

func (l Left) String() string {
	switch l {
	case SpoiledTab:
		return "spoiled-tab"
	case SpoiledContext:
		return "spoiled-context"
	}
	return "clean"
}

// NavigationTeller is a LeaseTab that knows of the navigations of its leases.
type NavigationTeller interface {
	// Navigations says whether a navigation of the main frame began in the lease that EndLease
	// ended last, and whether one finished (its document loaded, or the browser reported its
	// failure).
	Navigations() (began, finished bool)
}

// Freezer is a Tab whose page can be frozen while nobody holds it.
type Freezer interface {
	// Freeze stops the page's timers and frames, once it has loaded, and has it give back memory
	// that it does not need. The pool calls it once nobody has had the tab for IdleFreeze, when the
	// session of the next lease has begun. ctx ends when the pool calls another of the tab's
	// methods; Freeze then returns an error. After an error the page may be frozen. A Probe thaws:
	// it returns nil when the page answers and is visible. The pool probes a tab for which it has
	// called Freeze before it grants that tab. All other methods work on a frozen page.
	Freeze(ctx context.Context) error
}

// FreezeTeller is a Launcher whose tabs are Freezers. With Config.More.AllowReassign only standbys
// are frozen.
type FreezeTeller interface {
	// IdleFreeze returns how long a tab is idle, or a standby, before the pool calls Freeze. 0: it
	// never does.
	IdleFreeze() time.Duration
}

// Measurer is a Browser or a Tab whose memory can be measured.
type Measurer interface {
	// Memory returns how many bytes are used: of a Browser, by all its processes together; of a
	// Tab, by its page. A page that does not answer is not waited for beyond ctx. The pool measures
	// a browser every 10 s, or with MaxBrowserMemory every second, and a tab where its browser is
	// above that.
	Memory(ctx context.Context) (int64, error)
}

// MemoryTeller is a Launcher whose browsers are Measurers.
type MemoryTeller interface {
	// TellsMemory returns nil, or says why its browsers cannot be measured after all: New then refuses
	// MaxBrowserMemory.
	TellsMemory() error
}

// Configurer is a Launcher that has a say in the pool's settings.
type Configurer interface {
	// Configure returns the settings that the pool is to work with, or an error that says what the
	// two do not agree on. New calls it.
	Configure(cfg Config) (Config, error)
}

// Halter is a Tab that can stop its page's scripts and hear its main thread, and leave the document
// as it is. It is the first part of a reset; of a Tab that is no Halter the pool calls Rescue for
// it.
type Halter interface {
	// Halt returns nil when no script holds the main thread any more and the main thread has answered.
	Halt(ctx context.Context) error
}

type operationKey struct{}

// OperationID returns the core's number of the operation that ctx was made for, so that a driver's
// log and the pool's flight recorder can be read side by side. It is 0 for any other context.
func OperationID(ctx context.Context) uint64 {
	id, _ := ctx.Value(operationKey{}).(uint64)
	return id
}

func withOperationID(ctx context.Context, id uint64) context.Context {
	return context.WithValue(ctx, operationKey{}, id)
}
