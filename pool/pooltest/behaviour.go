package pooltest

import (
	"context"
	"time"
)

// Shows returns content at once.
func Shows(content string) Behaviour {
	return func(context.Context, *Browser, *Page) (string, error) { return content, nil }
}

// Fails returns an error at once: a refused connection, a status of 500.
func Fails(err error) Behaviour {
	return func(context.Context, *Browser, *Page) (string, error) { return "", err }
}

// After takes so long and then does something else. It ends early with ctx, and with the page.
func After(long time.Duration, then Behaviour) Behaviour {
	return func(ctx context.Context, b *Browser, page *Page) (string, error) {
		timer := time.NewTimer(long)
		defer timer.Stop()
		select {
		case <-timer.C:
			return then(ctx, b, page)
		case <-page.Done():
			return "", context.Cause(page.Context())
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}

// Waits never ends, as a page does whose request is not answered. Its main thread is free, so the
// tab is good again once the caller has given up.
func Waits(ctx context.Context, _ *Browser, page *Page) (string, error) {
	return "", page.Hang(ctx)
}

// Hangs has a script loop for ever. The pool rescues the tab once the lease has ended.
func Hangs(ctx context.Context, _ *Browser, page *Page) (string, error) {
	page.Loop()
	return "", page.Work(ctx)
}

// Wedges holds the page so that only killing its renderer ends it.
func Wedges(ctx context.Context, _ *Browser, page *Page) (string, error) {
	page.Wedge()
	return "", page.Work(ctx)
}

// Crashes ends the page's renderer: the lease ends with pool.ErrPageCrashed.
func Crashes(ctx context.Context, _ *Browser, page *Page) (string, error) {
	page.Crash()
	return "", ended(ctx, page)
}

// Dies ends the browser with all its pages: leases end with pool.ErrBrowserLost.
func Dies(ctx context.Context, b *Browser, page *Page) (string, error) {
	b.Die()
	return "", ended(ctx, page)
}

// noticed is how long it takes until a service that does not look at its lease's context notices.
const noticed = 100 * time.Millisecond

// ended waits until the pool has heard of the end of a page, as a call to a real browser does: then
// ctx has ended, where it is that of the lease.
func ended(ctx context.Context, page *Page) error {
	timer := time.NewTimer(noticed)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return page.Work(ctx)
	}
}
