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

// Configure refuses settings of pages that are wrong, and ClearStorage without pool.Config.Reset.
// With ClearStorage it sets OrphanCap to pool.Off: the state of a context without a tab would be met
// again.
func (l Launcher) Configure(cfg pool.Config) (pool.Config, error) {
	return l.Options.configure("Launcher", cfg)
}

// Configure is as Launcher's.
func (r Remote) Configure(cfg pool.Config) (pool.Config, error) {
	return r.Options.configure("Remote", cfg)
}

func (o Options) configure(owner string, cfg pool.Config) (pool.Config, error) {
	_, err := o.checked(owner)
	if o.ClearStorage && !cfg.Reset {
		err = errors.Join(err, fmt.Errorf("chrome: %s.ClearStorage is true: "+
			"it needs pool.Config.Reset, since a reset clears the storage", owner))
	}
	if o.ClearStorage {
		cfg.More.OrphanCap = pool.Off
	}
	return cfg, err
}
