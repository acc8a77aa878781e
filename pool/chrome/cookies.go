package chrome

import (
	"container/list"
	"context"
	"errors"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/storage"

	"github.com/pagepool/pagepool/internal/shell"
)

const (
	// keptAffinities and keptBytes bound what a CookieStore holds.
	keptAffinities, keptBytes = 10_000, 64 << 20
	// keptMost is the longest list of cookies of one affinity.
	keptMost = 1 << 20
)

// CookieStore holds, in memory, the cookies of the affinities that are warm, from the end of a
// lease until the affinity's next browser. It is for Options.KeepCookies of one launcher and one
// pool. The zero CookieStore is ready for use, and must not be copied.
//
// It holds the cookies of 10,000 affinities and 64 MB at most; those that were used longest ago go
// first. An affinity with more than 1 MB of cookies is not held.
type CookieStore struct {
	mu struct {
		sync.Mutex
		told     bool // a pool says when an affinity is to be forgotten
		browsers int  // so many have been launched
		bytes    int
		kept     map[string]*keptCookies
		order    list.List // the same, in the order of their last use
	}
}

// keptCookies are the cookies of one affinity. They are guarded by the store's lock.
type keptCookies struct {
	affinity  string
	forgotten bool            // it is in no store, and takes nothing any more
	place     *list.Element   // in the store's order
	asked     int             // how often a browser was asked for them
	taken     int             // which of these answers it has
	asking    <-chan struct{} // closed when the last answer has come; nil: nobody waits for one
	from      int             // the browser whose answer that was; 0: there is none
	bytes     int
	cookies   []*network.Cookie
}

// launch numbers a browser.
func (s *CookieStore) launch() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.browsers++
	return s.mu.browsers
}

// of returns what is kept of an affinity. It is nil where nobody would say when to forget it.
func (s *CookieStore) of(affinity string) *keptCookies {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.mu.told {
		return nil
	}
	k := s.mu.kept[affinity]
	if k == nil {
		k = &keptCookies{affinity: affinity}
		k.place = s.mu.order.PushBack(k)
		s.mu.kept[affinity] = k
	}
	s.mu.order.MoveToBack(k.place)
	s.boundLocked()
	return k
}

// boundLocked drops what was used longest ago where too much is kept.
func (s *CookieStore) boundLocked() {
	for len(s.mu.kept) > keptAffinities || s.mu.bytes > keptBytes {
		s.forgetLocked(s.mu.order.Front().Value.(*keptCookies).affinity)
	}
}

func (s *CookieStore) forgetLocked(affinity string) {
	if k := s.mu.kept[affinity]; k != nil {
		s.mu.bytes -= k.bytes
		k.forgotten, k.cookies = true, nil
		s.mu.order.Remove(k.place)
		delete(s.mu.kept, affinity)
	}
}

// ask numbers a question for the cookies of an affinity. It is false where the answer would be of
// no use: the affinity is forgotten, or a later browser has its cookies.
func (s *CookieStore) ask(k *keptCookies, browser int, answered <-chan struct{}) (int, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k.forgotten || k.from > browser {
		return 0, false
	}
	k.asked++
	k.asking = answered
	return k.asked, true
}

// asking returns what closes when the last question is answered, and gives up on it for all others.
func (s *CookieStore) asking(k *keptCookies) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	asking := k.asking
	k.asking = nil
	return asking
}

// take keeps the answer to a question, unless a later one has come.
func (s *CookieStore) take(k *keptCookies, asked, browser, bytes int, cookies []*network.Cookie) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k.forgotten || asked <= k.taken || k.from > browser {
		return
	}
	s.mu.bytes += bytes - k.bytes
	k.taken, k.from, k.bytes, k.cookies = asked, browser, bytes, cookies
	s.boundLocked()
}

// next returns the cookies that a later browser gets.
func (s *CookieStore) next(k *keptCookies, browser int) []*network.Cookie {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k.forgotten || k.from == 0 || k.from >= browser {
		return nil
	}
	return k.cookies
}

// KeepsAffinities is called when a pool begins to say which affinities are to be forgotten. A
// launcher in another one's type does not hear of them, and then nothing is kept.
func (o Options) KeepsAffinities(shell.Locked) {
	if s := o.KeepCookies; s != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.mu.told = true
		if s.mu.kept == nil {
			s.mu.kept = make(map[string]*keptCookies)
		}
	}
}

// ForgetAffinity is called when a pool gives up a context of an affinity, and when the affinity is
// disposed. What a lease that is still held says later is not kept.
func (o Options) ForgetAffinity(_ shell.Locked, affinity string) {
	if s := o.KeepCookies; s != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.forgetLocked(affinity)
	}
}

// keepCookies asks the browser for the cookies of the context, where they are to be kept. The
// channel that it returns is closed when they are; nil: there is nothing to wait for.
func (c *browserContext) keepCookies() <-chan struct{} {
	c.terms.mu.Lock()
	kept := c.terms.kept
	c.terms.mu.Unlock()
	store := c.b.KeepCookies
	if kept == nil {
		return nil
	}
	done := make(chan struct{})
	asked, useful := store.ask(kept, c.b.number, done)
	if !useful {
		return nil
	}
	took := func(msg *cdproto.Message) {
		defer close(done)
		var found storage.GetCookiesResult
		if msg.Error == nil && len(msg.Result) <= keptMost && decode(msg.Result, &found) == nil {
			store.take(kept, asked, c.b.number, len(msg.Result), found.Cookies)
		}
	}
	c.b.wire.send("", storage.CommandGetCookies, encode(storage.CommandGetCookies,
		storage.GetCookiesParams{BrowserContextID: c.id}), waiter{then: took})
	return done
}

// keepLastCookies is keepCookies before the context goes. It waits for the answer, for ctx, and for
// disposeTimeout.
func (c *browserContext) keepLastCookies(ctx context.Context) {
	if kept := c.keepCookies(); kept != nil {
		c.b.awaitCookies(ctx, kept)
	}
}

// awaitCookies waits for an answer, for ctx, and for disposeTimeout.
func (b *browser) awaitCookies(ctx context.Context, answered <-chan struct{}) {
	timer := time.NewTimer(disposeTimeout)
	defer timer.Stop()
	select {
	case <-answered:
	case <-timer.C:
	case <-ctx.Done():
	case <-b.wire.lost:
	}
}

// restoreCookies gives a new context the cookies that its affinity had in an earlier browser.
func (c *browserContext) restoreCookies(ctx context.Context) error {
	c.terms.mu.Lock()
	kept := c.terms.kept
	c.terms.mu.Unlock()
	if kept == nil {
		return nil
	}
	if asking := c.b.KeepCookies.asking(kept); asking != nil {
		c.b.awaitCookies(ctx, asking) // the last lease has just ended, in another browser
	}
	cookies := c.b.KeepCookies.next(kept, c.b.number)
	if len(cookies) == 0 {
		return nil
	}
	set := func(params ...*network.CookieParam) pending[cdp.Empty] {
		return begin(c.b.wire, "", storage.SetCookies,
			storage.SetCookiesParams{Cookies: params, BrowserContextID: c.id})
	}
	params := make([]*network.CookieParam, len(cookies))
	for i, cookie := range cookies {
		params[i] = sameCookie(cookie)
	}
	_, err := set(params...).wait(ctx)
	if refused := (*cdproto.Error)(nil); !errors.As(err, &refused) {
		return err
	}
	// It takes none where one is wrong.
	var all []pending[cdp.Empty]
	for _, param := range params {
		all = append(all, set(param))
	}
	for _, one := range all {
		_, err := one.wait(ctx)
		if refused := (*cdproto.Error)(nil); err != nil && !errors.As(err, &refused) {
			return err
		}
	}
	return nil
}

// sameCookie is a cookie as the browser is to set it again.
func sameCookie(c *network.Cookie) *network.CookieParam {
	param := &network.CookieParam{
		Name: c.Name, Value: c.Value, Path: c.Path, Secure: c.Secure, HTTPOnly: c.HTTPOnly,
		SameSite: c.SameSite, Priority: c.Priority, SourceScheme: c.SourceScheme,
		SourcePort: c.SourcePort, PartitionKey: c.PartitionKey,
	}
	if !c.Session && c.Expires > 0 {
		param.Expires = cdp.TimeSinceEpoch(c.Expires)
	}
	host := c.Domain
	if host != "" && host[0] == '.' {
		param.Domain, host = c.Domain, host[1:]
	}
	// Without a domain, the cookie is for the host of the address only, as it was.
	scheme := "http"
	if c.Secure || c.SourceScheme == network.CookieSourceSchemeSecure {
		scheme = "https"
	}
	if c.SourcePort > 0 {
		host = net.JoinHostPort(host, strconv.Itoa(int(c.SourcePort)))
	}
	param.URL = scheme + "://" + host + "/"
	return param
}
