package pool

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
)

// The errors of a pool. All of them work with errors.Is through whatever wraps them.
var (
	// ErrClosed answers root requests that wait for, or come to, a pool that is closed or closing,
	// and is the cause that ends a lease which Close had to revoke. A closed pool stays closed: make
	// a new one, or send the work elsewhere.
	ErrClosed = errors.New("pool: closed")
	// ErrQueueFull answers a request that finds MaxWaiting requests of its class, or AffinityWaiting
	// of its affinity and class, waiting already. Retry later, or raise that setting.
	ErrQueueFull = errors.New("pool: too many requests are waiting")
	// ErrLeaseExpired is the cause that ends a lease held longer than MaxLease, or than its own limit.
	ErrLeaseExpired = errors.New("pool: the lease was held longer than its limit")
	// ErrReleased is the cause that ends a lease's context when its holder gives it back.
	ErrReleased = errors.New("pool: the lease was released")
	// ErrPageCrashed is the cause that ends a lease when the renderer of its tab died.
	ErrPageCrashed = errors.New("pool: the page crashed")
	// ErrPageTooLarge is the cause that ends a lease when its page used more memory than the driver
	// lets it. A driver tells it by the cause of Tab.Context.
	ErrPageTooLarge = errors.New("pool: the page used too much memory")
	// ErrPageClosed is the cause that ends a lease when its page was closed by somebody else than the
	// pool: its script, its holder, or a user of the browser; or by the driver, because it floods the
	// browser's connection. A driver tells it by the cause of Tab.Context.
	ErrPageClosed = errors.New("pool: the page was closed")
	// ErrBrowserLost is the cause that ends a lease when its browser died or had to be given up.
	ErrBrowserLost = errors.New("pool: the browser was lost")
	// ErrBrowserUnavailable answers a request that sat through OpenRetries failed rounds of opening
	// or launching, with nothing else left to serve it. It comes with the last failure, which says
	// what to mend.
	ErrBrowserUnavailable = errors.New("pool: the browser opens no tab")
)

// Error is the error that every method of a pool or a lease returns, but for an error of the fn of
// Do, which Do returns as it is as long as the lease holds. It unwraps to one of the errors above
// or to that of the caller's own context, so errors.Is works on it.
type Error struct {
	Op       string // the method that failed, such as "GetPage"
	Affinity string // the affinity asked for, where the method has one
	Waits    Waits  // GetPage and Do without a lease: how the time until the error was spent
	Err      error  // why
	// Diagnosis is what the page was doing when the lease ended. Nil: there was no lease, it did not
	// leave the page suspect, or the driver makes no diagnosis.
	Diagnosis *Diagnosis
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("pool: ")
	b.WriteString(e.Op)
	if e.Affinity != "" {
		fmt.Fprintf(&b, " %q", shortened(e.Affinity))
	}
	if e.Waits.Total() > 0 {
		fmt.Fprintf(&b, " after %s", e.Waits)
	}
	b.WriteString(": " + strings.TrimPrefix(e.Err.Error(), "pool: "))
	if e.Diagnosis != nil {
		b.WriteString("; " + e.Diagnosis.String())
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// shortened keeps a key of 4,096 bytes out of error messages and logs.
func shortened(key string) string {
	const most = 64
	if len(key) <= most {
		return key
	}
	return strings.ToValidUTF8(key[:most], "") + "..."
}

func checkAffinity(key string) error {
	if len(key) == 0 || len(key) > trace.MaxKey {
		return fmt.Errorf("an affinity is 1 to %d bytes long, and this one has %d", trace.MaxKey,
			len(key))
	}
	return nil
}

func checkContext(ctx context.Context) error {
	if ctx == nil {
		return errors.New("ctx is nil")
	}
	return nil
}

// contextError says why a caller's context ended: its own error, and its cause where it has one.
func contextError(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// causes are the errors that end leases and refuse requests, by the core's reason.
var causes = [...]error{
	core.PoolClosed:         ErrClosed,
	core.QueueFull:          ErrQueueFull,
	core.BrowserUnavailable: ErrBrowserUnavailable,
	core.LeaseExpired:       ErrLeaseExpired,
	core.PageCrashed:        ErrPageCrashed,
	core.PageTooLarge:       ErrPageTooLarge,
	core.BrowserLost:        ErrBrowserLost,
}
