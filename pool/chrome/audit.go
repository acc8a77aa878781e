package chrome

import (
	"context"
	"slices"
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/target"
)

// Stranger is something that was open in the browser and on nobody's books, and that an audit
// closed.
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

// strangerGrace is how long a stranger may take to go. A wedged page that is told again sooner than
// that begins its 500 ms anew each time.
const strangerGrace = 2 * time.Second

// What strangers are.
const (
	leftPage       = "a page of a holder whose lease is over"
	leftContext    = "a context of a holder whose lease is over"
	unclosedPage   = "a page whose close was given up"
	lateByItself   = "a page that nobody asked for"
	unclosedWhole  = "a context whose close was given up"
	unknownContext = "a context that nobody asked for"
)

// audits holds the browser's books against the browser, now and then, until it is gone.
func (b *browser) audits() {
	if b.AuditEvery < 0 {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	tick := time.NewTicker(b.AuditEvery)
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

// audit closes the strangers that were suspects in the last audit already, and returns those of
// this one, with the time since when each has been asked to go. What is just opened or closed is on
// its way into the books or out of them, and no suspect twice.
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
			post(b.wire, "", target.DisposeBrowserContext,
				target.DisposeBrowserContextParams{BrowserContextID: s.ContextID})
		}
		b.log.Warn(
			"stranger closed", "reason", s.Why, "target", s.TargetID, "context_id", s.ContextID, "url",
			discreet(shortened(s.URL)),
		)
		if b.OnStranger != nil {
			b.OnStranger(s)
		}
	}
	return now
}

// strangers returns what the browser lists and the books do not account for. Of a remote browser
// only what is in the driver's own contexts is its business.
func (b *browser) strangers(infos []*target.Info, profiles []cdp.BrowserContextID) []Stranger {
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []Stranger
	for _, info := range infos {
		if info.Type != "page" {
			continue
		}
		if why := b.strangeLocked(info); why != "" {
			found = append(found, Stranger{info.TargetID, info.BrowserContextID, info.URL, why})
		}
	}
	for _, id := range profiles {
		c, own := b.mu.contexts[id], b.mu.profiles[id]
		switch {
		case c != nil && c.gaveUp && c.closes == 0:
			found = append(found, Stranger{ContextID: id, Why: unclosedWhole})
		case own != nil && own.left:
			found = append(found, Stranger{ContextID: id, Why: leftContext})
		case c == nil && own == nil && b.process != nil && b.mu.making == 0:
			found = append(found, Stranger{ContextID: id, Why: unknownContext})
		}
	}
	for id, own := range b.mu.profiles {
		if own.left && !slices.Contains(profiles, id) {
			delete(b.mu.profiles, id)
		}
	}
	return found
}

// strangeLocked says what is strange about a page; empty: nothing.
func (b *browser) strangeLocked(info *target.Info) string {
	known, c := b.mu.pages[info.TargetID], b.mu.contexts[info.BrowserContextID]
	switch {
	case c != nil && c.closes > 0:
		return "" // it goes with its context
	case c != nil && c.checks:
		return ""
	case known != nil && known.tab != nil && known.tab.gaveUp && known.tab.closes == 0:
		return unclosedPage
	case known != nil && known.tab != nil:
		return ""
	case known != nil && known.left:
		return leftPage
	}
	root := b.mu.pages[b.rootLocked(info)]
	switch {
	case root != nil && root.tab != nil:
		return "" // opened by a page that is there, or by its holder
	case c != nil && c.opening > 0:
		return "" // it may be on its way into the books
	case b.mu.profiles[info.BrowserContextID] != nil || !b.oursLocked(info.BrowserContextID):
		return "" // in a context that a holder made, or somebody else's
	}
	return lateByItself
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

// profile is a context that a holder made.
type profile struct {
	owner target.ID // the page that he held
	left  bool      // his lease is over
}

// claims has what a holder opens over his session's connection noted as his, whatever it is and
// wherever: he, or the browser, may name it first when he has gone.
func (s *session) claims(method string) func(*cdproto.Message) {
	if method != target.CommandCreateTarget && method != target.CommandCreateBrowserContext {
		return nil
	}
	t := s.t
	return func(msg *cdproto.Message) {
		var made struct {
			TargetID         target.ID            `json:"targetId"`
			BrowserContextID cdp.BrowserContextID `json:"browserContextId"`
		}
		if msg.Error != nil || decode(msg.Result, &made) != nil {
			return
		}
		t.b.mu.Lock()
		defer t.b.mu.Unlock()
		if known := t.b.mu.pages[made.TargetID]; known != nil {
			known.root = t.id
			switch {
			case s.over && !known.left:
				t.b.leaveLocked(made.TargetID, known)
			case !s.over:
				t.b.arrivedLocked(made.TargetID, known)
			}
		}
		if id := made.BrowserContextID; id != "" {
			own := &profile{owner: t.id}
			t.b.mu.profiles[id] = own
			if s.over {
				t.b.leaveProfileLocked(id, own)
			}
		}
	}
}

// closeBeside closes what the holder of a lease that is over left open beside the page, and what
// comes there until the next lease begins. It waits for nothing.
func (t *tab) closeBeside(s *session) {
	t.b.mu.Lock()
	defer t.b.mu.Unlock()
	s.over = true
	if t.beside.refused > 1 {
		// The handler of the log may block.
		go t.b.log.Warn("pages beside a tab closed", "target", t.id, "pages", t.beside.refused)
	}
	t.beside = beside{unheld: true}
	t.b.leaveBesideLocked(t)
	for id, own := range t.b.mu.profiles {
		if own.owner == t.id {
			t.b.leaveProfileLocked(id, own)
		}
	}
}

// leaveProfileLocked closes a context that a holder left.
func (b *browser) leaveProfileLocked(id cdp.BrowserContextID, own *profile) {
	own.left = true
	post(
		b.wire, "", target.DisposeBrowserContext,
		target.DisposeBrowserContextParams{BrowserContextID: id},
	)
}
