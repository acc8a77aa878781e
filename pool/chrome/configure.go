package chrome

import (
	"fmt"

	"github.com/pagepool/pagepool/pool"
)

var (
	_ pool.Configurer = Launcher{}
	_ pool.Configurer = Remote{}
)

// Configure refuses ClearStorage without pool.Config.Reset. With ClearStorage it sets OrphanCap to
// pool.Off: the state of a context without a tab would be met again.
func (l Launcher) Configure(cfg pool.Config) (pool.Config, error) {
	return l.settings().configure("Launcher", cfg)
}

// Configure is as Launcher's.
func (r Remote) Configure(cfg pool.Config) (pool.Config, error) {
	return r.settings().configure("Remote", cfg)
}

func (s settings) configure(owner string, cfg pool.Config) (pool.Config, error) {
	if !s.clearStorage {
		return cfg, nil
	}
	if !cfg.Reset {
		return cfg, fmt.Errorf("chrome: %s.ClearStorage is true: "+
			"it needs pool.Config.Reset, since a reset clears the storage", owner)
	}
	cfg.More.OrphanCap = pool.Off
	return cfg, nil
}
