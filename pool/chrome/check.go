package chrome

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/systeminfo"

	"github.com/pagepool/pagepool/pool"
)

// The tabs of a browser share processes for drawing, the network and storage. While one of these
// hangs, the browser still answers every command that does not need it. A check uses each of them
// once.

const (
	// partTimeout is how long a part of a check may take. With four loops beside a healthy browser on
	// two cores the slowest part took 0.6 s, and close to 2 s with twenty.
	partTimeout = 2 * time.Second
	// restartTimeout is the same for a part whose process was just killed. Chrome took up to 1.3 s to
	// start another, and more than 2 s where ten processes wanted each core.
	restartTimeout = 4 * time.Second
	// askAgain is the time after which a part is tried once more within these times. A command that
	// Chrome gets while it restarts a process fails at once, or is never answered.
	askAgain = 500 * time.Millisecond
	// repairAgain is how long no second process is killed for the same part: the check fails instead.
	// It is the default of the pool's CheckEvery.
	repairAgain = time.Minute
)

// part is one kind of work for which the tabs of a browser share a process.
type part struct {
	name   string
	helper string // the type of that process, as SystemInfo.getProcessInfo has it
	do     func(*checkPage, context.Context) error
}

// parts are the kinds of work that a check does. Browser.getVersion, Target.getTargets and
// Storage.getUsageAndQuota would find nothing: they are answered while each of these processes
// hangs. A script that reads localStorage would find a hung storage service, but stops its page.
var parts = [...]part{
	{"drawing", "GPU", (*checkPage).draw},
	{"network", "network.mojom.NetworkService", (*checkPage).readCookies},
	{"storage", "storage.mojom.StorageService", (*checkPage).clearStorage},
}

// checks is what a browser keeps between its checks. Who has the token in turn may use the rest.
type checks struct {
	turn chan struct{}
	page *checkPage
	// opening brings the next page, or is nil. The opening of a page outlives a check that cannot wait
	// for it.
	opening chan openedPage
	stale   bool                  // the last check failed on page
	killed  [len(parts)]time.Time // when a process was killed for a part
}

// Check does each kind of work once for which the tabs share a process: it has a small picture
// drawn, asks the network service for cookies, and the storage service to clear an origin that
// nobody visits. It works on a page of its own, in a context of its own, which are opened by the
// first check and kept. They are no tab.
//
// Each part may take 2 seconds. Where one takes longer and the driver has started the browser, the
// process that does this work is killed, Chrome restarts it, and the part may take 4 seconds more.
// That is done once a minute for each part. Nil: all parts were done. Otherwise the error names the
// parts that were not, and what was killed. It waits for ctx at most.
func (b *browser) Check(ctx context.Context) error {
	if err := b.check(ctx); err != nil {
		return fmt.Errorf("chrome: check of the browser's work: %w", err)
	}
	return nil
}

func (b *browser) check(ctx context.Context) error {
	if ctx.Err() != nil {
		return ended(ctx)
	}
	select {
	case b.checks.turn <- struct{}{}:
		defer func() { <-b.checks.turn }()
	case <-ctx.Done():
		return fmt.Errorf("another check still runs: %w", ended(ctx))
	}
	if err := b.turnToCheckPage(ctx); err != nil {
		return fmt.Errorf("page: %w", err)
	}
	var failures [len(parts)]error
	var work sync.WaitGroup
	for i := range parts {
		work.Go(func() { failures[i] = b.checkPart(ctx, i) })
	}
	work.Wait()
	err := errors.Join(failures[:]...)
	b.checks.stale = err != nil
	return err
}

// checkPart does one part, and once more after a repair.
func (b *browser) checkPart(ctx context.Context, i int) error {
	p, began := parts[i], time.Now()
	do := func(ctx context.Context) error { return p.do(b.checks.page, ctx) }
	err := answered(ctx, partTimeout, do)
	if err == nil {
		return nil
	}
	silent := time.Since(began).Round(time.Millisecond)
	if ctx.Err() != nil || b.isLost() {
		return fmt.Errorf("%s: not done within %v: %w", p.name, silent, err)
	}
	pid, failure := b.killHelper(ctx, i)
	if failure != nil {
		return fmt.Errorf("%s: not done within %v: %w; %w", p.name, silent, err, failure)
	}
	b.log.WarnContext(
		ctx, "hung helper process killed", "pid", b.pid(), "part", p.name, "silent", silent, "helper",
		p.helper, "helper_pid", pid, "operation", pool.OperationID(ctx),
	)
	if err = answered(ctx, restartTimeout, do); err != nil {
		return fmt.Errorf(
			"%s: not done within %v, nor within %v after its process %d (%s) was killed: %w", p.name, silent,
			restartTimeout, pid, p.helper, err,
		)
	}
	return nil
}

// killHelper kills the process that does the work of a part, and returns its id. Chrome restarts
// it.
func (b *browser) killHelper(ctx context.Context, i int) (int, error) {
	p := parts[i]
	if b.process == nil {
		return 0, errors.New("the browser is somebody else's, so no process of it is killed")
	}
	if ago := time.Since(b.checks.killed[i]); ago < repairAgain {
		return 0, fmt.Errorf(
			"its process (%s) was killed %v ago already", p.helper, ago.Round(time.Millisecond),
		)
	}
	ctx, cancel := context.WithTimeout(ctx, partTimeout)
	defer cancel()
	listed, err := call(ctx, b.wire, "", systeminfo.GetProcessInfo, cdp.Empty{})
	if err != nil {
		return 0, err
	}
	for _, info := range listed.ProcessInfo {
		if info.Type != p.helper {
			continue
		}
		pid := int(info.ID)
		if err := b.process.killOne(pid); err != nil {
			return 0, fmt.Errorf("its process %d (%s) cannot be killed: %w", pid, p.helper, err)
		}
		b.checks.killed[i] = time.Now()
		return pid, nil
	}
	return 0, fmt.Errorf("the browser has no process of its own for it (%s)", p.helper)
}

// errSilent says that the time for a part is over.
var errSilent = errors.New("no answer")

// silence says why ctx has ended. A ctx of the driver's own that has is no error of the caller's.
func silence(ctx context.Context) error {
	if context.Cause(ctx) == errSilent {
		return errSilent
	}
	return ended(ctx)
}

// answered does work until it has been done once without an error, until timeout is over or ctx
// ends. It begins anew every askAgain, and goes on waiting for what it has begun before.
func answered(
	ctx context.Context, timeout time.Duration, work func(context.Context) error,
) error {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errSilent)
	var tries sync.WaitGroup
	defer tries.Wait()
	defer cancel()
	again := time.NewTicker(askAgain)
	defer again.Stop()
	done := make(chan error, timeout/askAgain+1)
	var last error
	for {
		tries.Go(func() { done <- work(ctx) })
		for next := false; !next; {
			select {
			case <-again.C:
				next = true
			case err := <-done:
				if err == nil {
					return nil
				}
				if ctx.Err() == nil {
					last = err
				}
			case <-ctx.Done():
				return errors.Join(last, silence(ctx))
			}
		}
	}
}
