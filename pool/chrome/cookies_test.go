package chrome

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/storage"

	"github.com/pagepool/pagepool/internal/shell"
	"github.com/pagepool/pagepool/pool"
)

// toldStore is a store of which a pool says what to forget.
func toldStore() *CookieStore {
	s := new(CookieStore)
	Options{KeepCookies: s}.KeepsAffinities(shell.Locked{})
	return s
}

func cookiesNamed(names ...string) (cookies []*network.Cookie) {
	for _, name := range names {
		cookies = append(cookies, &network.Cookie{Name: name, Domain: "a.example"})
	}
	return cookies
}

// answers has a browser answer for an affinity.
func (s *CookieStore) answers(affinity string, browser, bytes int, names ...string) {
	k := s.of(affinity)
	if asked, useful := s.ask(k, browser, nil); useful {
		s.take(k, asked, browser, bytes, cookiesNamed(names...))
	}
}

// has is what a browser gets for an affinity.
func (s *CookieStore) has(t *testing.T, affinity string, browser int, want ...string) {
	t.Helper()
	var got []string
	for _, c := range s.next(s.of(affinity), browser) {
		got = append(got, c.Name)
	}
	if !slices.Equal(got, want) {
		t.Errorf("browser %d gets %v of %s, and not %v", browser, got, affinity, want)
	}
}

func TestCookiesAreForALaterBrowser(t *testing.T) {
	s := toldStore()
	first, second, third := s.launch(), s.launch(), s.launch()
	s.has(t, "a", second)
	s.answers("a", first, 1, "one")
	s.has(t, "a", first)
	s.has(t, "a", second, "one")
	s.has(t, "b", second)
	s.answers("a", second, 1, "two")
	s.answers("a", first, 1, "late")
	s.has(t, "a", second)
	s.has(t, "a", third, "two")

	k := s.of("a")
	earlier, _ := s.ask(k, second, nil)
	later, _ := s.ask(k, second, nil)
	s.take(k, later, second, 1, cookiesNamed("later"))
	s.take(k, earlier, second, 1, cookiesNamed("earlier"))
	s.has(t, "a", third, "later")
}

func TestCookiesOfAForgottenAffinityAreGoneForGood(t *testing.T) {
	s := toldStore()
	first, second := s.launch(), s.launch()
	s.answers("a", first, 1, "one")
	old := s.of("a")
	asked, _ := s.ask(old, first, nil)
	Options{KeepCookies: s}.ForgetAffinity(shell.Locked{}, "a")
	s.has(t, "a", second)
	s.take(old, asked, first, 1, cookiesNamed("from before"))
	if _, useful := s.ask(old, first, nil); useful {
		t.Error("a context from before is asked")
	}
	s.has(t, "a", second)
	if s.mu.bytes != 0 {
		t.Errorf("%d bytes are counted", s.mu.bytes)
	}
	Options{}.KeepsAffinities(shell.Locked{})
	Options{}.ForgetAffinity(shell.Locked{}, "a")
}

func TestCookiesAreNotKeptWhereNobodySaysWhatToForget(t *testing.T) {
	if k := new(CookieStore).of("a"); k != nil {
		t.Errorf("%+v is kept", k)
	}
}

func TestCookieStoreIsBounded(t *testing.T) {
	s := toldStore()
	first, second := s.launch(), s.launch()
	for i := range keptAffinities + 1 {
		s.answers(fmt.Sprint(i), first, 1, "one")
		s.of("0") // is in use
	}
	if n := len(s.mu.kept); n != keptAffinities || s.mu.bytes != keptAffinities {
		t.Errorf("%d affinities and %d bytes are kept", n, s.mu.bytes)
	}
	s.has(t, "0", second, "one")
	s.has(t, "1", second)
	s.answers("2", first, keptBytes, "large") // of 1, nothing is kept
	if n := len(s.mu.kept); n != 2 || s.mu.bytes != keptBytes {
		t.Errorf("beside the largest, %d affinities and %d bytes are kept", n, s.mu.bytes)
	}
	s.has(t, "2", second, "large")
}

// keeps is a context of the affinity a in a browser that a stub stands for.
func (s *stub) keeps(store *CookieStore) *browserContext {
	c := &browserContext{id: "c", b: &browser{wire: s.wire, number: store.launch(),
		settings: settings{Options: Options{KeepCookies: store}}}}
	c.terms.own("a", store)
	return c
}

func TestCookiesThatAreTooLongAreNotKept(t *testing.T) {
	s, store := newStub(t), toldStore()
	c := s.keeps(store)
	for _, length := range []int{10, keptMost} {
		done := c.keepCookies()
		asked := s.hear()
		if asked.Method != storage.CommandGetCookies ||
			!strings.Contains(string(asked.Params), `"browserContextId":"c"`) {
			t.Fatalf("the browser is asked %s %s", asked.Method, asked.Params)
		}
		s.say(`{"id":%d,"result":{"cookies":[{"name":%q,"value":%q}]}}`, asked.ID, fmt.Sprint(length),
			strings.Repeat("x", length))
		<-done
	}
	store.has(t, "a", store.launch(), "10")
}

// Chrome takes none of several where one is wrong.
func TestCookiesThatTheBrowserRefusesCostNoOthers(t *testing.T) {
	s, store := newStub(t), toldStore()
	store.answers("a", store.launch(), 1, "one", "two", "three")
	c := s.keeps(store)
	restored := make(chan error, 1)
	go func() { restored <- c.restoreCookies(t.Context()) }()
	var taken []string
	for i := range 4 {
		asked := s.hear()
		var set storage.SetCookiesParams
		if err := decode(asked.Params, &set); err != nil || asked.Method != storage.CommandSetCookies ||
			set.BrowserContextID != "c" {
			t.Fatalf("the browser is asked %s %s: %v", asked.Method, asked.Params, err)
		}
		if i == 0 && len(set.Cookies) != 3 || i > 0 && len(set.Cookies) != 1 {
			t.Errorf("command %d has %d cookies", i, len(set.Cookies))
		}
		if i == 0 || set.Cookies[0].Name == "two" {
			s.say(`{"id":%d,"error":{"code":-32602,"message":"Invalid cookie fields"}}`, asked.ID)
			continue
		}
		taken = append(taken, set.Cookies[0].Name)
		s.say(`{"id":%d,"result":{}}`, asked.ID)
	}
	if err := <-restored; err != nil || !slices.Equal(taken, []string{"one", "three"}) {
		t.Errorf("the browser has %v, and the error is %v", taken, err)
	}
}

func TestKeepCookiesNeedsContextsThatKeepThem(t *testing.T) {
	for want, cfg := range map[string]pool.Config{
		"KeepCookies is set: it needs ClearStorage off": {Reset: true},
		"KeepCookies is set: it needs pool.Config.More.AllowReassign off": {
			More: pool.More{AllowReassign: true}},
	} {
		o := Options{KeepCookies: new(CookieStore), ClearStorage: cfg.Reset}
		if _, err := o.configure("Launcher", cfg, nil); err == nil ||
			!strings.Contains(err.Error(), "chrome: Launcher."+want) {
			t.Errorf("the error is %v, and should say %q", err, want)
		}
	}
	if _, err := (Options{KeepCookies: new(CookieStore)}).configure("Launcher",
		pool.Config{Reset: true}, nil); err != nil {
		t.Error(err)
	}
}
