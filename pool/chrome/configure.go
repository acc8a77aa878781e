package chrome

import (
	"errors"
	"fmt"

	"github.com/pagepool/pagepool/pool"
)

var (
	_ pool.Configurer = Launcher{}
	_ pool.Configurer = Remote{}
)

// Configure refuses what no launch could work with: settings that are wrong, a browser that is not
// there, the sandbox as root, ClearStorage without pool.Config.Reset or with tabs that share a
// context, Tenant with AllowReassign. With ClearStorage it sets OrphanCap to pool.Off: the state of
// a context without a tab would be met again.
func (l Launcher) Configure(cfg pool.Config) (pool.Config, error) {
	_, err := l.resolve()
	if err != nil {
		err = &cannotStart{err}
	}
	return l.Options.configure("Launcher", cfg, err)
}

// Configure is as Launcher's. It does not look for the browser.
func (r Remote) Configure(cfg pool.Config) (pool.Config, error) {
	_, wrongURL := r.endpoint()
	_, wrong := r.Options.checked("Remote")
	return r.Options.configure("Remote", cfg, errors.Join(wrongURL, wrong))
}

func (o Options) configure(owner string, cfg pool.Config, err error) (pool.Config, error) {
	if o.ClearStorage && !cfg.Reset {
		err = errors.Join(err, fmt.Errorf("chrome: %s.ClearStorage is true: "+
			"it needs pool.Config.Reset, since a reset clears the storage", owner))
	}
	if n := cfg.More.TabsPerContext; o.ClearStorage && n > 1 {
		err = errors.Join(err, fmt.Errorf("chrome: %s.ClearStorage is true, and "+
			"pool.Config.More.TabsPerContext is %d: it must be 1, since a reset clears the context, "+
			"also under a lease on another tab of it", owner, n))
	}
	if o.Tenant != nil && cfg.More.AllowReassign {
		err = errors.Join(err, fmt.Errorf("chrome: %s.Tenant is set: "+
			"it needs pool.Config.More.AllowReassign off, which hands on a context with its cookies", owner))
	}
	if o.KeepCookies != nil && o.ClearStorage {
		err = errors.Join(err, fmt.Errorf(
			"chrome: %s.KeepCookies is set: it needs ClearStorage off, which removes all cookies", owner))
	}
	if o.KeepCookies != nil && cfg.More.AllowReassign {
		err = errors.Join(err, fmt.Errorf("chrome: %s.KeepCookies is set: "+
			"it needs pool.Config.More.AllowReassign off, which hands on a context with its cookies", owner))
	}
	if o.ClearStorage {
		cfg.More.OrphanCap = pool.Off
	}
	return cfg, err
}
