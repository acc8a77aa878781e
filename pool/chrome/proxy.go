package chrome

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/pagepool/pagepool/pool"
)

// Proxies of tenants. Chrome takes a proxy only when a browser context is made, so the pool has no
// warm tab for an affinity with one that was not opened for it; see pool.OwnTeller.

var (
	_ pool.OwnTeller       = Launcher{}
	_ pool.OwnTeller       = Remote{}
	_ pool.OwnMaker[*Page] = (*browser)(nil)
)

// Proxy is the proxy of a browser context. The zero Proxy leaves it to the browser.
type Proxy struct {
	// Server is its address: http, https, socks4 or socks5, a host and a port, such as
	// http://10.0.0.7:3128. Without a scheme it is http. A proxy that asks for a name and a
	// password gets none.
	Server string
	// Bypass are the hosts that are asked without it, such as .example.com, 10.0.0.0/8 or *:8080.
	// Chrome asks the machine that it runs on (localhost, 127.0.0.1 and others) without a proxy,
	// unless one of Bypass is <-loopback>.
	Bypass []string
}

const (
	serverRule = "it must be a scheme (http, https, socks4, socks5), a host and a port from 1 to " +
		"65535, such as http://10.0.0.7:3128, and no user"
	bypassRule = "it must be one host, suffix, network or <-loopback>, without spaces, commas and " +
		"semicolons"
)

var proxySchemes = []string{"http", "https", "socks4", "socks5"}

// check returns what is wrong with a proxy.
func (x Proxy) check() error {
	if x.Server == "" {
		if len(x.Bypass) > 0 {
			return refuse("Bypass", strings.Join(x.Bypass, " "), "it needs a Server")
		}
		return nil
	}
	address := x.Server
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil || !slices.Contains(proxySchemes, u.Scheme) || u.User != nil || u.Path != "" ||
		strings.ContainsAny(x.Server, "?#;, ") || !hostAndPort(u.Host) {
		return refuse("Server", discreetProxy(x.Server), serverRule)
	}
	for _, host := range x.Bypass {
		if host == "" || strings.ContainsAny(host, ";, \t\r\n") {
			return refuse("Bypass", host, bypassRule)
		}
	}
	return nil
}

// hostAndPort says whether a text is a host and a port. Chrome has a default port for each scheme;
// a port that was forgotten is found sooner where there is none here.
func hostAndPort(text string) bool {
	host, port, err := net.SplitHostPort(text)
	n, wrong := strconv.ParseUint(port, 10, 16)
	return err == nil && wrong == nil && n > 0 && host != ""
}

// discreetProxy is an address without the user in it, who may have a password.
func discreetProxy(server string) string {
	i := strings.LastIndex(server, "@")
	if i < 0 {
		return server
	}
	scheme, _, _ := strings.Cut(server, "://")
	return scheme + "://...@" + server[i+1:]
}

func (x Proxy) equal(o Proxy) bool {
	return x.Server == o.Server && slices.Equal(x.Bypass, o.Bypass)
}

// text is a proxy in words.
func (x Proxy) text() string {
	switch {
	case x.Server == "":
		return "none"
	case len(x.Bypass) == 0:
		return quoted(x.Server)
	}
	return fmt.Sprintf("%s (Bypass %s)", quoted(x.Server), strings.Join(x.Bypass, " "))
}

// OwnContext reports whether the terms of an affinity have a proxy. It calls Tenant, and waits for
// it as a lease does. Where the terms cannot be had, it is false, and the lease says why.
func (l Launcher) OwnContext(affinity string) bool { return l.hasProxy(affinity) }

// OwnContext is as Launcher's.
func (r Remote) OwnContext(affinity string) bool { return r.hasProxy(affinity) }

func (o Options) hasProxy(affinity string) bool {
	if o.Tenant == nil {
		return false
	}
	terms, err := settings{Options: o}.termsOf(context.Background(), affinity)
	return err == nil && terms.Proxy.Server != ""
}

// NewContextFor makes a profile with the proxy of an affinity. Where the terms cannot be had it
// makes one without, in which every call of a holder's says so: an error here would pause the
// opening of tabs for all affinities.
func (b *browser) NewContextFor(
	ctx context.Context, affinity string,
) (pool.BrowserContext[*Page], error) {
	var proxy Proxy
	if terms, err := b.termsOf(ctx, affinity); err == nil {
		proxy = terms.Proxy
	}
	return b.newContext(ctx, proxy)
}

// proxied refuses terms with another proxy than that of the context. It notes so: the context is
// then of no use to the next lease either.
func (c *browserContext) proxied(want *terms) error {
	other := !want.Proxy.equal(c.proxy)
	c.otherProxy.Store(other)
	if !other {
		return nil
	}
	return ofField("Proxy", errors.New("it is "+want.Proxy.text()+", and this context was made with "+
		c.proxy.text()+": the next lease gets a new context"))
}
