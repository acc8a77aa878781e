package pool

import (
	"errors"
	"fmt"
	"strings"
)

// The errors of a pool. All of them work with errors.Is through whatever wraps them; what a
// method returns says in words what failed and what to do about it.
var (
	// ErrClosed answers root requests that wait for, or come to, a pool that is closed or closing,
	// and is the cause that ends a lease which Close had to revoke.
	ErrClosed = errors.New("pool: closed")
	// ErrQueueFull answers a request that finds MaxWaiting of its class waiting already.
	ErrQueueFull = errors.New("pool: too many requests are waiting; retry later, or raise MaxWaiting")
	// ErrLeaseExpired is the cause that ends a lease held longer than MaxLease, or than its own limit.
	ErrLeaseExpired = errors.New("pool: the lease was held longer than its limit")
	// ErrReleased is the cause that ends a lease's context when its holder gives it back.
	ErrReleased = errors.New("pool: the lease was released")
	// ErrWedged marks a page whose main thread does not answer; give it to Lease.Discard.
	ErrWedged = errors.New("pool: the page does not answer")
	// ErrPageCrashed is the cause that ends a lease when the renderer of its tab died.
	ErrPageCrashed = errors.New("pool: the page crashed")
	// ErrBrowserLost is the cause that ends a lease when its browser died or had to be given up.
	ErrBrowserLost = errors.New("pool: the browser was lost")
	// ErrBrowserUnavailable answers a request that sat through OpenRetries failed rounds of opening
	// or launching, with nothing else left to serve it. It wraps the last failure.
	ErrBrowserUnavailable = errors.New("pool: the browser opens no tab")
)

// Error is what GetPage returns when it returns no lease. It unwraps to one of the errors above or
// to the caller's own context's, so errors.Is works on it.
type Error struct {
	Op       string // the method that failed, such as "GetPage"
	Affinity string // the affinity asked for
	Waits    Waits  // how the time until the error was spent
	Err      error  // why
}

func (e *Error) Error() string {
	affinity := e.Affinity
	if len(affinity) > 64 {
		affinity = strings.ToValidUTF8(affinity[:64], "") + "..."
	}
	return fmt.Sprintf("pool: %s %q after %s: %s", e.Op, affinity, e.Waits, strings.TrimPrefix(e.Err.Error(), "pool: "))
}

func (e *Error) Unwrap() error { return e.Err }
