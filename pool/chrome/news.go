package chrome

import (
	"sync"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/target"
)

// askedNews is what a holder's own navigations to long addresses bring. It is asked for, and no
// flood: a page may be shown by a data: address of 2 MB.
type askedNews struct {
	sync.Mutex
	longest, left int // bytes: of the page's longest address, and of the news that may still come
}

// expect takes in a command of the holder's.
func (n *askedNews) expect(method string, bytes int) {
	n.Lock()
	defer n.Unlock()
	switch method {
	case page.CommandNavigate:
		n.longest = max(n.longest, bytes)
	case page.CommandReload, page.CommandNavigateToHistoryEntry:
	default:
		return
	}
	n.left = newsOfAddress * n.longest
}

// renew is for a session that begins: it is told of the document that is there.
func (n *askedNews) renew() {
	n.Lock()
	defer n.Unlock()
	n.left = newsOfAddress * n.longest
}

// brings takes a message out of what may still come, if it is within that.
func (n *askedNews) brings(bytes int) bool {
	n.Lock()
	defer n.Unlock()
	if bytes > n.left {
		return false
	}
	n.left -= bytes
	return true
}

// asked reports whether a message is news that a holder has asked for. from is a session, or the
// page that the browser's own news is of. It runs on the pump.
func (w *wire) asked(from []byte, of spender, size int) bool {
	if of != spendsPage && of != spendsTarget {
		return false
	}
	n := w.newsOf(string(from))
	return n != nil && n.brings(size)
}

// newsOf is what holders have asked for of a page; nil: it is none of the pool's.
func (b *browser) newsOf(from string) *askedNews {
	b.wire.mu.Lock()
	l := b.wire.mu.sessions[target.SessionID(from)]
	b.wire.mu.Unlock()
	if l != nil {
		return l.news
	}
	t := b.ownerOf(target.SessionID(from))
	if t == nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		if known := b.mu.pages[target.ID(from)]; known != nil {
			t = known.tab
		}
	}
	if t == nil {
		return nil
	}
	return &t.news
}
