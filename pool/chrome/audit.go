package chrome

import (
	"context"
	"slices"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/target"
)

// Stranger is something that was open in the browser and on nobody's books, and that an audit closed.
type Stranger struct {
	// TargetID is the page; empty: it is a context.
	TargetID target.ID
	// ContextID is the context that it is, or that it is in.
	ContextID cdp.BrowserContextID
	// URL is what the page showed.
	URL string
	// Why says what it is.
	Why string
}

// strangerGrace is how long a stranger may take to go. A wedged page that is told again sooner than that begins
// its 500 ms anew each time.
const strangerGrace = 2 * time.Second

// What strangers are.
const (
	leftPage       = "a page of a holder whose lease is over"
	unclosedPage   = "a page whose close was given up"
	lateByItself   = "a page that nobody asked for"
	unclosedWhole  = "a context whose close was given up"
	unknownContext = "a context that nobody asked for"
)

// audits holds the browser's books against the browser, now and then, until it is gone.
func (b *browser) audits() {
	if b.auditEvery < 0 {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	tick := time.NewTicker(b.auditEvery)
	defer tick.Stop()
	suspects := make(map[Stranger]time.Time)
	for {
		select {
		case <-b.wire.lost:
			return
		case <-tick.C:
		}
		suspects = b.audit(ctx, suspects)
	}
}

// audit closes the strangers that were suspects in the last audit already, and returns those of this one, with
// the time since when each has been asked to go. What is just opened or closed is on its way into the books or
// out of them, and no suspect twice.
func (b *browser) audit(ctx context.Context, last map[Stranger]time.Time) map[Stranger]time.Time {
	now := make(map[Stranger]time.Time)
	infos, err := b.list(ctx)
	if err != nil {
		return now
	}
	profiles, err := call(ctx, b.wire, "", target.GetBrowserContexts, cdp.Empty{})
	if err != nil {
		return now
	}
	for _, s := range b.strangers(infos, profiles.BrowserContextIDs) {
		// The address of a page that goes from one to the next is no part of what it is.
		key := Stranger{TargetID: s.TargetID, ContextID: s.ContextID, Why: s.Why}
		told, again := last[key]
		now[key] = told
		if !again || time.Since(told) < strangerGrace {
			continue
		}
		now[key] = time.Now()
		if s.TargetID != "" {
			post(b.wire, "", target.CloseTarget, target.CloseTargetParams{TargetID: s.TargetID})
		} else {
			post(b.wire, "", target.DisposeBrowserContext, target.DisposeBrowserContextParams{BrowserContextID: s.ContextID})
		}
		b.log.Warn("stranger closed", "reason", s.Why, "target", s.TargetID, "context_id", s.ContextID, "url", s.URL)
		if b.onStranger != nil {
			b.onStranger(s)
		}
	}
	return now
}

// strangers returns what the browser lists and the books do not account for. Of a remote browser only what
// is in the driver's own contexts is its business.
func (b *browser) strangers(infos []*target.Info, profiles []cdp.BrowserContextID) []Stranger {
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []Stranger
	pages := make(map[cdp.BrowserContextID]int)
	for _, info := range infos {
		if info.Type != "page" {
			continue
		}
		pages[info.BrowserContextID]++
		if why := b.strangeLocked(info, slices.Contains(profiles, info.BrowserContextID)); why != "" {
			found = append(found, Stranger{info.TargetID, info.BrowserContextID, info.URL, why})
		}
	}
	for _, id := range profiles {
		c := b.mu.contexts[id]
		switch {
		case c != nil && c.gaveUp && c.closes == 0:
			found = append(found, Stranger{ContextID: id, Why: unclosedWhole})
		case c == nil && b.process != nil && pages[id] == 0:
			// With a page it may be a holder's, who made it for that.
			found = append(found, Stranger{ContextID: id, Why: unknownContext})
		}
	}
	return found
}

// strangeLocked says what is strange about a page; empty: nothing. made says that its context is not the one
// that every browser has from the start, in which neither the driver nor a holder opens anything.
func (b *browser) strangeLocked(info *target.Info, made bool) string {
	known, c := b.mu.pages[info.TargetID], b.mu.contexts[info.BrowserContextID]
	if c != nil && c.closes > 0 {
		return "" // it goes with its context
	}
	if known != nil && known.tab != nil {
		if known.tab.gaveUp && known.tab.closes == 0 {
			return unclosedPage
		}
		return ""
	}
	if known != nil && known.left {
		return leftPage
	}
	root := b.mu.pages[b.rootLocked(info)]
	switch {
	case root != nil && root.tab != nil:
		return "" // a popup of a page that is there
	case c != nil && c.tabs > 0:
		return "" // a holder's, opened beside his own, or a tab whose opening is not answered yet
	case c == nil && (b.process == nil || made && b.anyTabLocked()):
		return "" // somebody else's, or in a context that a holder made
	}
	return lateByItself
}

// anyTabLocked reports whether there is a tab that may have a holder.
func (b *browser) anyTabLocked() bool {
	for _, c := range b.mu.contexts {
		if c.tabs > 0 {
			return true
		}
	}
	return false
}

// closeBegins and closeEnds note a close of t, and whether it was given up.
func (b *browser) closeBegins(t *tab) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t.closes++
}

func (b *browser) closeEnds(t *tab, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t.closes--
	t.gaveUp = err != nil
}

// LeaseEnded closes what the holder of a lease that has just ended left open beside the page. It waits for
// nothing: what the browser forgets to close is for the audit.
func (t *tab) LeaseEnded() {
	b := t.b
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, known := range b.mu.pages {
		if !known.page || known.tab != nil || known.context != t.c.id {
			continue
		}
		// Opened by nobody, it is the only tab's holder's. An opening of the pool's own, whose answer is on its
		// way, is counted in tabs.
		if known.root != t.id && t.c.tabs > 1 {
			continue
		}
		known.left = true
		post(b.wire, "", target.CloseTarget, target.CloseTargetParams{TargetID: id})
	}
}
