package pool

import (
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"time"

	"github.com/pagepool/pagepool/internal/shell"
	"github.com/pagepool/pagepool/pool/core"
)

// Off switches a setting off, where its rule says that this is possible.
const Off = -1

// Config is what an operator chooses. The zero Config is valid: 0 means the default. Where a rule
// says "or Off", any negative value switches the setting off. New checks every rule and returns one
// error that names each setting outside its rule; it clamps nothing. The names of settings are
// unique across the groups, so errors, traces and soak -set write them without the group.
type Config struct {
	// MaxPages is the most tabs that capacity grows to; one spare tab comes on top. Default 4. 1 to
	// 1,000.
	MaxPages int
	// MinPages is the capacity at the start, in tabs, and what an idle pool shrinks to. Default
	// MaxPages less ReservedPages. 1 to that.
	MinPages int
	// ReservedPages is how many of MaxPages are for root requests at or above ReservedPriority, in
	// tabs: root leases below it never number more than MaxPages less ReservedPages. Nested requests
	// are not bound by it. Default 0. 0 to MaxPages - 1.
	ReservedPages int
	// ReservedPriority is a priority; see ReservedPages. Default 1. At least 1.
	ReservedPriority int

	// AffinityTabs is how many tabs one affinity may own for root work. Default: the smaller of 5
	// and MaxPages. 1 to MaxPages.
	AffinityTabs int
	// RootCap is how many root leases one affinity may hold at once. Default AffinityTabs. 1 to
	// AffinityTabs.
	RootCap int

	// MaxWaiting is how many requests of a class may wait. One more is refused with ErrQueueFull,
	// unless a tab is there for it. Default 10,000. At least 1.
	MaxWaiting int
	// AffinityWaiting is the same for the requests of one affinity. Default MaxWaiting. 1 to
	// MaxWaiting.
	AffinityWaiting int

	// MaxLease is the longest hold of a lease. Default 90s. > 0, or Off.
	MaxLease time.Duration

	// Reset brings a tab back to the standby state after each lease, in two parts. First its scripts
	// are stopped and its main thread is heard, within RescueTimeout (500ms where that is off). Then
	// its page leaves the document, within OpenTimeout. A tab that does not answer in time is closed.
	// Without Reset, the next holder meets the page as the last one left it; the driver says what
	// that comes to.
	Reset bool

	// Logger is told of what went wrong and what the pool did about it. Nil: nobody is told.
	Logger *slog.Logger
	// Tracer is told of waits, leases and operations of the driver. Nil: nobody is told.
	Tracer Tracer

	Timeouts Timeouts
	Retire   Retire
	More     More
}

// Timeouts bound what a pool waits for.
type Timeouts struct {
	// LaunchTimeout bounds the start of a browser. Default 30s. > 0.
	LaunchTimeout time.Duration
	// OpenGrace is when an opening is overdue: waiting requests are given another tab. Default 2s.
	// > 0, at most OpenTimeout.
	OpenGrace time.Duration
	// OpenTimeout bounds the opening of a tab. Default 30s. > 0.
	OpenTimeout time.Duration
	// OpenBackoff is the pause after the first failed round of launching or opening; it doubles with
	// each. Default 500ms. > 0, at most OpenBackoffMax.
	OpenBackoff time.Duration
	// OpenBackoffMax is the longest pause between failed rounds. Default 4s. > 0.
	OpenBackoffMax time.Duration
	// RescueTimeout bounds all probing and rescuing of a suspect tab. Default 500ms. > 0, or Off.
	RescueTimeout time.Duration
	// ProbeBudget bounds the probe of a tab before it is handed out again. Default 3s. At least 250ms
	// and below MaxLease where that is on, or Off.
	ProbeBudget time.Duration
	// ProbeMaxAge is how long a tab's last good answer counts. Default 1s. > 0.
	ProbeMaxAge time.Duration
	// CloseGrace is when a close is overdue: waiting requests no longer count on its slot. Default
	// 250ms. > 0, at most CloseTimeout.
	CloseGrace time.Duration
	// CloseTimeout is when the renderer of a tab that does not close is killed. Default 5s. > 0.
	CloseTimeout time.Duration
	// KillTimeout is when a tab that a kill did not end is lost. Default 2s. > 0.
	KillTimeout time.Duration
	// BrowserCloseTimeout is when a browser that does not end is written off. Half of it is for a
	// graceful end, half for one by force. Default 5s. > 0.
	BrowserCloseTimeout time.Duration
	// StallTimeout is when a silent browser is lost. Default 10s. > 0, or Off.
	StallTimeout time.Duration
	// DrainTimeout is how long a browser that is being replaced may go on. Default 2m. > 0.
	DrainTimeout time.Duration
}

// Retire says when tabs and browsers that work are given up for new ones.
type Retire struct {
	// MaxUses is after how many leases a tab is retired. Default 500. At least 1, or Off.
	MaxUses int
	// MaxAge is after how long a tab is retired, once it is idle or a standby. Default Off. > 0, or
	// Off.
	MaxAge time.Duration
	// MaxAgeJitter bounds what is drawn on top of MaxAge for each tab. Default 0. >= 0.
	MaxAgeJitter time.Duration
	// MaxIdle is after how long an affinity that nobody held or waited for is closed, as by EvictIdle.
	// Default Off. > 0, or Off.
	MaxIdle time.Duration
	// IdleContraction is how long a pool is idle before it shrinks. Default 60s. > 0.
	IdleContraction time.Duration
	// BrowserMaxAge is after how long a browser is replaced. Default Off. > 0, or Off.
	BrowserMaxAge time.Duration
	// BrowserMaxTabs is after how many tabs a browser is replaced. Default Off. At least 1, or Off.
	BrowserMaxTabs int
	// MaxBrowserMemory is how many bytes the processes of a browser may use together. While one is
	// above it, no standby is opened, and its standbys and idle tabs are closed one after the
	// other, the largest first; where none is left, the browser is replaced. What counts says the
	// driver (Measurer); New refuses a launcher whose browsers cannot be measured. Default Off. >
	// 0, or Off.
	MaxBrowserMemory int64
	// AffinityDoubt is after how many doubtful ends of an affinity's leases in a row its context is
	// given up, with all that it keeps, if a lease of another affinity in the same browser has
	// ended well since the first of them. What is doubtful says BrowserDoubt. Default 2. At least
	// 2, or Off.
	AffinityDoubt int
	// BrowserDoubt is after how many doubtful ends of leases and failed openings a browser's work
	// is checked, where the driver can do that (Checker). They count since the last check, and only
	// where they are of two affinities, or the browser serves one alone. An end is doubtful where
	// the lease expired or its holder said Suspect, or where the page does not answer the first
	// question after it. Default 3. At least 2, or Off.
	BrowserDoubt int
	// CheckEvery is how often a browser's work is checked without such evidence. Default 60s. > 0,
	// or Off.
	CheckEvery time.Duration
}

// More are settings that few pools change.
type More struct {
	// OpenRetries is how many failed rounds of launching or opening a request sits through. Default
	// 3. > 0.
	OpenRetries int
	// OrphanCap is how many contexts may be kept without a tab. Default 2 x MaxPages.
	// At least 1, or Off: keep none.
	OrphanCap int
	// TabsPerContext is how many tabs may share a context. Default 1, which keeps every tab in a
	// renderer of its own. At least 1.
	TabsPerContext int
	// MaxBypass is how often a waiting request may be overtaken by a later request of another
	// affinity that has a warm tab. Default 4. At least 1, or Off.
	MaxBypass int
	// PriorityAging is how long a request waits to be ordered one level of priority higher. Default
	// 3s. > 0, or Off: strict priority.
	PriorityAging time.Duration
	// RetainOnEvict keeps the context of an evicted affinity.
	RetainOnEvict bool
	// AllowReassign hands an idle tab, with its state, to another affinity as a last resort.
	AllowReassign bool

	// Clock is where the time comes from. Nil: the real one.
	Clock Clock
	// RecorderEvents is how many events the flight recorder keeps at least; a pool that knows more
	// tabs, contexts, affinities and requests than that keeps as many. Dump writes them, and they are
	// reported with a bug of the pool. Default 4,096. 1 to 1,000,000, or Off.
	RecorderEvents int
	// DumpPseudonyms writes k1, k2, ... for the affinities in dumps and reports of bugs, which then
	// hold nothing of your tenants.
	DumpPseudonyms bool
	// Strict panics when the pool finds a bug of its own, instead of logging it.
	Strict bool
}

const (
	defaultRecorderEvents = 4096
	maxRecorderEvents     = 1_000_000
)

// resolve checks the rules and fills in the defaults, of the core's settings and of the shell's.
func (c Config) resolve() (core.Settings, Config, error) {
	settings, err := c.settings().Resolve()
	switch n := c.More.RecorderEvents; {
	case n == 0:
		c.More.RecorderEvents = defaultRecorderEvents
	case n < 0:
		c.More.RecorderEvents = 0
	case n > maxRecorderEvents:
		err = errors.Join(err, fmt.Errorf("RecorderEvents=%d: the rule is 1 to 1,000,000, or off", n))
	}
	if c.More.Clock != nil && isNil(c.More.Clock) {
		err = errors.Join(err, fmt.Errorf("Clock is a nil %T; leave it out for the real one",
			c.More.Clock))
	}
	if c.Tracer != nil && isNil(c.Tracer) {
		err = errors.Join(err, fmt.Errorf("Tracer is a nil %T; leave it out where nobody is to be told",
			c.Tracer))
	}
	if err != nil {
		return settings, c, err
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.More.Clock == nil {
		c.More.Clock = realClock{}
	}
	return settings, c, nil
}

// settings is the part of c that the core knows, field by field by name; a test keeps the two
// structs in step.
func (c Config) settings() core.Settings {
	var s core.Settings
	to := reflect.ValueOf(&s).Elem()
	for i := range to.NumField() {
		if name := to.Type().Field(i).Name; name != shell.OfLauncher {
			to.Field(i).Set(shell.Setting(&c, name))
		}
	}
	return s
}

// GetOption changes one GetPage or Do: Nested, WithPriority, WithMaxLease, WithLabel.
type GetOption struct {
	kind  getOption
	value int64 // of a priority or a limit
	label string
}

type getOption uint8

const (
	noOption getOption = iota
	nested
	priority
	maxLease
	label
)

// Nested says that the request is issued by a page that is itself under a root lease, which cannot
// end before it does. It is bound by no limit but the pool's size, and may use the spare tab.
func Nested() GetOption { return GetOption{kind: nested} }

// WithPriority orders the request before those of lower priority that wait. The default is 0.
func WithPriority(n int) GetOption { return GetOption{kind: priority, value: int64(n)} }

// WithMaxLease gives the lease a limit of its own, in place of Config.MaxLease: it ends with
// ErrLeaseExpired when it has been held that long. More than 0, or Off for a lease without a limit.
func WithMaxLease(d time.Duration) GetOption { return GetOption{kind: maxLease, value: int64(d)} }

// WithLabel says in words what the lease is for: an address, a job. Live shows it, and so do the
// log where a lease ends without its holder or leaves a suspect page, and the comments of a dump
// without pseudonyms. It decides nothing. At most 1,024 bytes of UTF-8.
func WithLabel(text string) GetOption { return GetOption{kind: label, label: text} }

// DisposeOption changes one DisposeAffinity: NoWait, Retain.
type DisposeOption struct {
	noWait bool
	retain bool
}

// NoWait returns at once, without waiting for the old generation to be gone.
func NoWait() DisposeOption { return DisposeOption{noWait: true} }

// Retain keeps the affinity's context, with its cache and storage, when its tabs are gone, as far
// as OrphanCap allows: the affinity's next tab opens inside it.
func Retain() DisposeOption { return DisposeOption{retain: true} }
