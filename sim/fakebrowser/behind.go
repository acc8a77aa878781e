package fakebrowser

import "github.com/pagepool/pagepool/pool/core"

// Behind is the browser that a pool of this state has, as far as the pool can know: everything on
// its books is alive, no page is wedged, and what has not been answered still can be.
func Behind(s *core.State) State {
	var f State
	s.Owed(func(e core.Effect, done bool) {
		o := f.Begin(e)
		if o == nil || !done {
			return
		}
		f.Operations = f.Operations[:len(f.Operations)-1]
		switch e.Kind {
		case core.Launch:
			f.Browser(e.Browser).Launching = false
		case core.OpenTab:
			f.Tab(e.Tab).Opening = false
			if e.Tab == 0 {
				f.Tabs = f.Tabs[:len(f.Tabs)-1] // its context alone is left
			}
		}
	})
	return f
}
