// Package pool keeps warm browser tabs for many tenants and hands them out one lease at a time.
//
// It is for services that render pages on behalf of many callers in few browsers: an affinity (a
// tenant, a realm, a user) likes to meet the same browser context again, because its caches are
// warm, and must never meet another's.
//
//	p, err := pool.New(chrome.Launcher{}, pool.Config{MaxPages: 4})
//	if err != nil {
//		return err
//	}
//	defer p.Close(context.Background())
//
//	return p.Do(ctx, "tenant-7", func(ctx context.Context, page *chrome.Page) error {
//		return chromedp.Do(ctx, chromedp.Navigate(url), chromedp.WaitVisible("#ready"))
//	})
//
// # Who owns what
//
// The pool owns browsers, contexts and tabs, from launch to end. A [Lease] is the exclusive right
// to use one tab: from [Pool.GetPage] until its Release, Discard or Suspect, or until it is taken
// away. Then its Context ends, and the cause says why: [ErrLeaseExpired], [ErrPageCrashed],
// [ErrPageClosed], [ErrPageTooLarge], [ErrBrowserLost] or [ErrClosed]. Using the page after the
// lease has ended returns [ErrReleased], if the driver gives each lease a session of its own.
// [Pool.Do] leases, calls and releases, whatever the function does.
//
// The ctx of GetPage bounds the wait and not the lease; the ctx of Do bounds both.
//
// # What is guaranteed
//
// There are never more than Capacity + 1 tabs, those that are being closed and those that will not
// close included. No context ever serves two affinities. A tab that does not close, a page that
// does not answer and a browser that does not start delay nobody but those whom no other tab can
// serve. An affinity whose tabs are on their way out is cold in the same step, for
// [Pool.WarmAffinities] and for the subscribers of [Pool.Subscribe]. Every request is answered
// exactly once, and one that gives up strands nothing. Work that a page asks for while its own
// lease is held ([Nested]) always gets on. After [Pool.Close] nothing is left.
//
// # How it works
//
// All decisions are made by package core, a state machine without time, goroutines or locks. This
// package tells it what happened, one event at a time under one mutex, and carries out what it
// says: it wakes callers, and asks the driver for what has to be done, one goroutine for each
// operation. A driver is a [Launcher]; package chrome is the one for Chrome.
//
// # When something went wrong
//
// A lease that expires or runs out of time says what its page was doing: in [Error], by
// [Lease.Diagnosis], and in the log, if the driver makes a diagnosis, as package chrome does.
// Config.Tracer is told how long everything took.
//
// The pool keeps its last events. [Pool.Dump] writes them as a trace; "soak replay FILE" goes
// through it step by step, on the same core, to the state that the pool was in.
package pool
