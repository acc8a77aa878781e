package chrome

import (
	"context"
	"errors"
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
)

// How pages are closed, and seen to be gone.

const (
	// closeRetry is how long a page that still answers may take to go before it is told again: Chrome
	// forgets a close that comes while a navigation commits, and says that it was done. On a busy
	// machine that can be four of five.
	closeRetry = 20 * time.Millisecond
	// closeGrace is the same for a page that does not answer. Chrome itself gives it 500 ms, and with
	// each close anew: told every 100 ms, it would stay for ever.
	closeGrace = 800 * time.Millisecond
)

// list asks the browser what is open.
func (b *browser) list(ctx context.Context) ([]*target.Info, error) {
	answer, err := call(ctx, b.wire, "", target.GetTargets, target.GetTargetsParams{})
	return answer.TargetInfos, err
}

// closePages closes those that pick picks of what the browser lists, again and again until there is
// none, ctx ends, or the browser is gone. The browser's word that it closed one counts for nothing.
// Each is told again when it answers still, and otherwise after closeGrace. pick runs with b.mu
// held.
func (b *browser) closePages(
	ctx context.Context, pick func(info *target.Info, root target.ID) bool,
) error {
	unlisted := make(map[target.ID]*listed) // what the browser has not told of
	for {
		infos, err := b.list(ctx)
		if err != nil {
			return b.unlessGone(ctx, err)
		}
		pages := b.tellToClose(infos, pick, unlisted)
		if len(pages) == 0 {
			return nil
		}
		b.settle(ctx, pages)
	}
}

// leaving is a page that was told to close.
type leaving struct {
	known   *listed
	session target.SessionID // empty: nobody is attached to it
}

// tellToClose sends a close to those that pick picks and that are due, and returns all that pick
// picks.
func (b *browser) tellToClose(
	infos []*target.Info, pick func(*target.Info, target.ID) bool, unlisted map[target.ID]*listed,
) []leaving {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	var pages []leaving
	for _, info := range infos {
		if !pick(info, b.rootLocked(info)) {
			continue
		}
		known := b.mu.pages[info.TargetID]
		if known == nil {
			if known = unlisted[info.TargetID]; known == nil {
				known = new(listed)
				unlisted[info.TargetID] = known
			}
		}
		if !now.Before(known.due) {
			b.tellLocked(info.TargetID, known)
		}
		page := leaving{known: known, session: known.session}
		if known.tab != nil {
			page.session = known.tab.session
		}
		pages = append(pages, page)
	}
	return pages
}

// tellLocked tells a page to close. Whoever else closes the same page waits as long before it is
// told again: of a page that does not answer, each close begins the 500 ms anew.
func (b *browser) tellLocked(id target.ID, known *listed) {
	post(b.wire, "", target.CloseTarget, target.CloseTargetParams{TargetID: id})
	known.due = time.Now().Add(closeGrace)
}

// settle waits until pages that were told to close are gone, or until one is to be told again.
func (b *browser) settle(ctx context.Context, pages []leaving) {
	b.mu.Lock()
	first := pages[0].known.due
	for _, page := range pages {
		if page.known.due.Before(first) {
			first = page.known.due
		}
	}
	b.mu.Unlock()
	ctx, cancel := context.WithDeadline(ctx, first)
	defer cancel()
	again := make(chan *listed, len(pages))
	for _, page := range pages {
		if page.session != "" {
			go b.stays(ctx, page, again)
		}
	}
	for _, page := range pages {
		select {
		case <-page.known.gone:
			continue
		case known := <-again:
			b.mu.Lock()
			known.due = time.Time{}
			b.mu.Unlock()
		case <-ctx.Done():
		case <-b.wire.lost:
		}
		return
	}
}

// stays reports a page that still answers when it has had closeRetry to go.
func (b *browser) stays(ctx context.Context, page leaving, again chan<- *listed) {
	retry := time.NewTimer(closeRetry)
	defer retry.Stop()
	// Not by Probe: a page that crashed may live again, when a navigation was on its way.
	_, err := call(ctx, b.wire, page.session, runtime.Evaluate, one)
	if refused := (*cdproto.Error)(nil); err != nil && !errors.As(err, &refused) {
		return
	}
	select {
	case <-retry.C:
		again <- page.known
	case <-ctx.Done():
	}
}
