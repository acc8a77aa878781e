package pool_test

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/pagepool/pagepool/pool"
)

// Programs that this repository does not see are compiled against these signatures. A change of one
// of them does not compile here.

type (
	aPool  = *pool.Pool[*Screen]
	aLease = *pool.Lease[*Screen]
)

var (
	_ func(pool.Launcher[*Screen], pool.Config) (aPool, error) = pool.New[*Screen]

	_ func(aPool, context.Context, string, ...pool.GetOption) (aLease, error) = aPool.GetPage
	_ func(aPool, context.Context, string, func(context.Context, *Screen) error,
		...pool.GetOption) error = aPool.Do
	_ func(aPool, context.Context, string, ...pool.DisposeOption) error = aPool.DisposeAffinity
	_ func(aPool, time.Duration) ([]string, error)                      = aPool.EvictIdle
	_ func(aPool, context.Context) error                                = aPool.Ready
	_ func(aPool) []string                                              = aPool.WarmAffinities
	_ func(aPool) pool.Stats                                            = aPool.Stats
	_ func(aPool, func(pool.Announcement)) func()                       = aPool.Subscribe
	_ func(aPool, context.Context) error                                = aPool.Recycle
	_ func(aPool, io.Writer) error                                      = aPool.Dump
	_ func(aPool, context.Context) error                                = aPool.Close

	_ func() pool.GetOption              = pool.Nested
	_ func(int) pool.GetOption           = pool.WithPriority
	_ func(time.Duration) pool.GetOption = pool.WithMaxLease
	_ func() pool.DisposeOption          = pool.NoWait
	_ func() pool.DisposeOption          = pool.Retain

	_ func(aLease) *Screen                                  = aLease.Page
	_ func(aLease) string                                   = aLease.TabID
	_ func(aLease) context.Context                          = aLease.Context
	_ func(aLease) bool                                     = aLease.Reused
	_ func(aLease) pool.Waits                               = aLease.Waits
	_ func(aLease)                                          = aLease.Release
	_ func(aLease, error)                                   = aLease.Discard
	_ func(aLease)                                          = aLease.Suspect
	_ func(aLease, context.Context) (pool.Diagnosis, error) = aLease.Diagnosis

	_ func(context.Context) uint64   = pool.OperationID
	_ func(pool.Waits) time.Duration = pool.Waits.Total
	_ error                          = (*pool.Error)(nil)
	_ interface{ Unwrap() error }    = (*pool.Error)(nil)

	_ = [...]error{
		pool.ErrClosed, pool.ErrQueueFull, pool.ErrLeaseExpired, pool.ErrReleased,
		pool.ErrPageCrashed, pool.ErrPageClosed, pool.ErrPageTooLarge, pool.ErrBrowserLost,
		pool.ErrBrowserUnavailable,
	}
	_ = [...]pool.Left{pool.Clean, pool.SpoiledTab, pool.SpoiledContext}
)

// Off is -1, for a setting of any kind.
var (
	_ int           = pool.Off
	_ time.Duration = pool.Off
	_ int64         = pool.Off
	_               = [1]int{}[pool.Off+1]
)

// A conversion between struct types compiles only where the fields are the same in the same order.
var (
	_ = struct {
		Affinity   string
		Generation uint64
		Warm       bool
	}(pool.Announcement{})
	_ = struct{ Admission, Tab, Startup, Probe time.Duration }(pool.Waits{})
	_ = struct {
		Op, Affinity string
		Waits        pool.Waits
		Err          error
		Diagnosis    *pool.Diagnosis
	}(pool.Error{})
	_ = struct {
		MaxPages, MinPages, ReservedPages, ReservedPriority int

		AffinityTabs, RootCap       int
		MaxWaiting, AffinityWaiting int
		MaxLease                    time.Duration
		Reset                       bool
		Logger                      *slog.Logger
		Tracer                      pool.Tracer
		Timeouts                    pool.Timeouts
		Retire                      pool.Retire
		More                        pool.More
	}(pool.Config{})
	_ = struct {
		LaunchTimeout, OpenGrace, OpenTimeout, OpenBackoff, OpenBackoffMax, RescueTimeout,
		ProbeBudget, ProbeMaxAge, CloseGrace, CloseTimeout, KillTimeout, BrowserCloseTimeout,
		StallTimeout, DrainTimeout time.Duration
	}(pool.Timeouts{})
	_ = struct {
		MaxUses                     int
		MaxAge, MaxAgeJitter        time.Duration
		MaxIdle, IdleContraction    time.Duration
		BrowserMaxAge               time.Duration
		BrowserMaxTabs              int
		MaxBrowserMemory            int64
		AffinityDoubt, BrowserDoubt int
		CheckEvery                  time.Duration
	}(pool.Retire{})
	_ = struct {
		OpenRetries, OrphanCap, TabsPerContext, MaxBypass int

		PriorityAging                time.Duration
		RetainOnEvict, AllowReassign bool
		Clock                        pool.Clock
		RecorderEvents               int
		DumpPseudonyms, Strict       bool
	}(pool.More{})
)

// A driver that has these methods, and no others, is one.
type (
	launcher interface {
		Launch(ctx context.Context) (pool.Browser[*Screen], error)
	}
	process interface {
		NewContext(ctx context.Context) (pool.BrowserContext[*Screen], error)
		Done() <-chan struct{}
		Ping(ctx context.Context) error
		Close(ctx context.Context) error
	}
	browserContext interface {
		NewTab(ctx context.Context) (pool.Tab[*Screen], error)
		Close(ctx context.Context) error
	}
	page interface {
		Page() *Screen
		Context() context.Context
		Done() <-chan struct{}
		Reset(ctx context.Context) error
		Probe(ctx context.Context) error
		Rescue(ctx context.Context) error
		Close(ctx context.Context) error
		Kill(ctx context.Context) error
	}
	leaseTab interface {
		BeginLease(ctx context.Context) (*Screen, context.Context, error)
		EndLease(ctx context.Context) (pool.Left, error)
	}
	clock interface {
		Now() time.Time
		AfterFunc(d time.Duration, f func()) (stop func() bool)
	}
	tracer interface {
		Start(ctx context.Context, span pool.Span) (context.Context, func(pool.SpanEnd))
	}
)

var (
	_ pool.Launcher[*Screen]       = launcher(nil)
	_ pool.Browser[*Screen]        = process(nil)
	_ pool.BrowserContext[*Screen] = browserContext(nil)
	_ pool.Tab[*Screen]            = page(nil)
	_ pool.LeaseTab[*Screen]       = leaseTab(nil)
	_ pool.Clock                   = clock(nil)
	_ pool.Tracer                  = tracer(nil)
)

var (
	_ launcher       = pool.Launcher[*Screen](nil)
	_ process        = pool.Browser[*Screen](nil)
	_ browserContext = pool.BrowserContext[*Screen](nil)
	_ page           = pool.Tab[*Screen](nil)
	_ leaseTab       = pool.LeaseTab[*Screen](nil)
	_ clock          = pool.Clock(nil)
	_ tracer         = pool.Tracer(nil)
)
