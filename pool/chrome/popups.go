package chrome

import (
	"context"
	"fmt"
	"strings"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/target"
)

// Pages beside a tab: popups of its page, and what its holder opens beside it. They are no tabs of
// the pool. Each costs about as much as a tab, so a lease has MaxPopups of them at most.

// popupsFlood is after how many pages that were closed as they came the tab's page is stopped, and
// a lease has no more pages beside its own: any of these may be what opens the others. Each costs
// the browser's main thread some 15 ms, and a page without an opener a process.
const popupsFlood = 16

// beside is what a tab has beside its page. It is guarded by browser.mu.
type beside struct {
	// unheld says that the last lease has ended, and that the next holder has sent nothing: there
	// may be no page.
	unheld  bool
	of      *session // of the lease; nil: its holder has sent nothing
	refused int      // pages that were closed as they came, in this lease
}

// besideLocked is the number of pages beside a tab, without those that were told to close.
func (b *browser) besideLocked(t *tab) int {
	n := 0
	for _, known := range b.mu.pages {
		if known.page && known.tab == nil && known.root == t.id && !known.left {
			n++
		}
	}
	return n
}

// arrivedLocked closes a page beside a tab that is one too many. It reports whether the page stays.
func (b *browser) arrivedLocked(id target.ID, known *listed) bool {
	root := b.mu.pages[known.root]
	if !known.page || known.tab != nil || known.left || root == nil || root.tab == nil {
		return !known.left
	}
	t := root.tab
	if !t.beside.unheld && t.beside.refused < popupsFlood &&
		(b.MaxPopups < 0 || b.besideLocked(t) <= b.MaxPopups) {
		return true
	}
	b.leaveLocked(id, known)
	if t.beside.unheld {
		return false // it comes late, and not in the lease
	}
	t.beside.refused++
	if t.beside.refused == 1 {
		go b.log.Warn("pages beside a tab closed", "target", t.id, "pages", 1) // whose handler may block
	}
	s := t.beside.of
	if s == nil {
		return false // there is nobody to tell, and nothing to stop
	}
	if t.beside.refused%popupsFlood == 0 {
		b.leaveBesideLocked(t)
		go s.stopScripts(fmt.Sprintf("%d pages that it opened were closed, and all others beside it",
			popupsFlood))
	}
	s.tell(fmt.Sprintf("a page that was opened beside this one was closed: %s.MaxPopups is %d",
		b.owner, b.MaxPopups))
	return false
}

// leaveBesideLocked closes all pages beside a tab.
func (b *browser) leaveBesideLocked(t *tab) {
	for id, known := range b.mu.pages {
		if known.page && known.tab == nil && known.root == t.id && !known.left {
			b.leaveLocked(id, known)
		}
	}
}

// stopScripts stops the scripts of a page that does something without end, and runs no more of
// them, until its holder has it go elsewhere, or switches scripts on. The page is of no use to the
// next one. Once the lease has ended, it does nothing. why tells the holder.
func (s *session) stopScripts(why string) {
	s.t.b.mu.Lock()
	defer s.t.b.mu.Unlock()
	if s.over {
		return
	}
	s.spoil()
	s.stops.Lock()
	s.stops.scripts = true
	s.t.disableScripts(true)
	s.t.stopScript()
	s.stops.Unlock()
	s.tell("the page's scripts are stopped until it is navigated: " + why)
}

// noteUse lets pages come beside a tab from its holder's first command on. A session is begun ahead
// of its lease, and until that is granted the last document may still run. What chromedp sends by
// itself when a page changes its document is in the domain DOM.
func (s *session) noteUse(method string) {
	if !s.begun.Load() || strings.HasPrefix(method, "DOM.") || s.used.Swap(true) {
		return
	}
	s.t.b.mu.Lock()
	defer s.t.b.mu.Unlock()
	if !s.over {
		s.t.beside = beside{of: s}
	}
}

// tellHolder has a problem in the diary of the lease. It must not be called with browser.mu, which
// passOn locks when it has t.mu.
func (t *tab) tellHolder(text string) {
	t.mu.Lock()
	s := t.mu.lease
	t.mu.Unlock()
	if s != nil {
		s.tell(text)
	}
}

// tell has a problem in the diary of the session.
func (s *session) tell(text string) {
	s.line.diary.add(sum([]byte(text)), Problem{Kind: Browser, Text: text})
}

// sourceLocked is the tab that a page belongs to which names no opener, or one that is not known
// any more: a script can open such a page (noopener). It is a tab of the page's context, of several
// the one with the fewest pages. Nil: there is none, or the page may be a tab that is being opened.
func (b *browser) sourceLocked(context cdp.BrowserContextID) *tab {
	c := b.mu.contexts[context]
	if c == nil || c.opening > 0 {
		return nil
	}
	var source *tab
	least := 0
	for _, known := range b.mu.pages {
		if known.tab == nil || known.tab.c != c {
			continue
		}
		if n := b.besideLocked(known.tab); source == nil || n < least {
			source, least = known.tab, n
		}
	}
	return source
}

// placeLocked gives the pages of a context that belong to nobody to a tab, once no tab of it is
// being opened.
func (b *browser) placeLocked(c *browserContext) {
	for id, known := range b.mu.pages {
		if known.context != c.id || !known.page || known.tab != nil || known.left {
			continue
		}
		if root := b.mu.pages[known.root]; root != nil && root.tab != nil {
			continue
		}
		if source := b.sourceLocked(c.id); source != nil {
			known.root = source.id
			b.arrivedLocked(id, known)
		}
	}
}

// checkRoom refuses a page more than MaxPopups before the browser opens it.
func (g *guard) checkRoom() error {
	b := g.t.b
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := g.t.beside.refused; n >= popupsFlood {
		return fmt.Errorf("%d pages that came beside the lease's own were closed, "+
			"so it can open no more until its end", n)
	}
	if n := b.besideLocked(g.t); b.MaxPopups >= 0 && n >= b.MaxPopups {
		return fmt.Errorf(
			"%d pages are open beside the lease's own, and %s.MaxPopups is %d", n, b.owner, b.MaxPopups,
		)
	}
	return nil
}

// leaveLocked closes a page that nobody is to have. Chrome can forget that, so closeLeft does it
// again.
func (b *browser) leaveLocked(id target.ID, known *listed) {
	known.left = true
	b.tellLocked(id, known)
	select {
	case b.leaves <- struct{}{}:
	default:
	}
}

// closeLeft closes the pages that nobody is to have until they are gone, as long as the browser
// lives.
func (b *browser) closeLeft() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for {
		select {
		case <-b.wire.lost:
			return
		case <-b.leaves:
		}
		_ = b.closePages(ctx, func(info *target.Info, _ target.ID) bool {
			known := b.mu.pages[info.TargetID]
			return known != nil && known.left
		})
	}
}
