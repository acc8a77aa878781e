package core

// Owed calls fn for every browser, context and tab that is on the books, as the effect that asked
// for it, and for every operation that has not been answered, oldest first: what a browser that has
// done all else would still do. done says that the effect is carried out already. It is what a
// search that begins at a recorded state knows of the browser behind it.
func (s *State) Owed(fn func(e Effect, done bool)) {
	for i := range s.Browsers {
		b := &s.Browsers[i]
		fn(Effect{Kind: Launch, Browser: b.ID}, !b.Unlaunched)
		if b.AskedAt != Never {
			fn(Effect{Kind: Ping, Browser: b.ID}, false)
		}
		if b.State == BrowserClosing {
			fn(Effect{Kind: CloseBrowser, Browser: b.ID, Force: true}, false)
		}
	}
	for i := range s.Contexts {
		c := &s.Contexts[i]
		if c.State == 0 {
			continue
		}
		if s.inContexts[i] == 0 || c.Affinity != 0 {
			// it is there, whatever opens in it
			fn(Effect{Kind: OpenTab, Context: c.ID, Browser: c.Browser}, true)
		}
		for j := range s.Tabs {
			if t := &s.Tabs[j]; t.State != 0 && t.Context == int32(i) {
				s.owedOf(t, fn)
			}
		}
		if c.AskedAt != Never {
			fn(Effect{Kind: CloseContext, Context: c.ID, Browser: c.Browser, Affinity: c.Affinity}, false)
		}
	}
}

func (s *State) owedOf(t *Tab, fn func(e Effect, done bool)) {
	c := &s.Contexts[t.Context]
	e := Effect{Tab: t.ID, Context: c.ID, Browser: t.Browser, Affinity: t.Affinity,
		Operation: t.Number}
	with := func(kind EffectKind) Effect {
		e.Kind = kind
		return e
	}
	fn(with(OpenTab), !t.Unopened)
	switch {
	case t.AskedAt == Never:
	case t.State == Idle, t.State == Standby:
		fn(with(FreezeTab), false)
	case t.State == Closing:
		if t.Kill == KillAsked {
			fn(with(KillTab), false)
		}
		e.Kept = s.inContexts[t.Context] > 1 || s.isPrimary(t.Context)
		fn(with(CloseAgain), false)
	case t.underWay() != NoEffect && t.underWay() != OpenTab:
		e.Halt = t.State == Resetting && t.Part == PartHalt
		fn(with(t.underWay()), false)
	}
}

// CallView is one call that waits.
type CallView struct {
	ID   CallID
	Kind EventKind // Disposed, WarmRequested or RecycleRequested
	Of   Affinity  // a disposal
}

// EachCall calls fn for every disposal, Warm and Recycle that waits.
func (s *State) EachCall(fn func(CallView)) {
	for i := range s.Calls {
		c := &s.Calls[i]
		v := CallView{ID: c.ID, Kind: WarmRequested, Of: c.Affinity}
		switch {
		case c.Affinity != 0:
			v.Kind = Disposed
		case c.Recycle:
			v.Kind = RecycleRequested
		}
		fn(v)
	}
}
