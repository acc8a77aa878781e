package core

// Owed calls fn for every browser, context and tab that is on the books, as the effect that asked for it, and for
// every operation that has not been answered, oldest first: what a browser that has done all else would still do.
// done says that the effect is carried out already. It is what a search that begins at a recorded state knows of
// the browser behind it.
func (s *State) Owed(fn func(e Effect, done bool)) {
	for i := range s.browsers {
		b := &s.browsers[i]
		fn(Effect{Kind: Launch, Browser: b.id}, !b.unlaunched)
		if b.askedAt != never {
			fn(Effect{Kind: Ping, Browser: b.id}, false)
		}
		if b.state == ended {
			fn(Effect{Kind: CloseBrowser, Browser: b.id, Force: true}, false)
		}
	}
	for i := range s.contexts {
		c := &s.contexts[i]
		if c.state == 0 {
			continue
		}
		if s.inContexts[i].tabs == 0 || c.affinity != 0 {
			fn(Effect{Kind: OpenTab, Context: c.id, Browser: c.browser}, true) // it is there, whatever opens in it
		}
		for j := range s.tabs {
			if t := &s.tabs[j]; t.state != 0 && t.context == int32(i) {
				s.owedOf(t, fn)
			}
		}
		if c.askedAt != never {
			fn(Effect{Kind: CloseContext, Context: c.id, Browser: c.browser, Affinity: c.affinity}, false)
		}
	}
}

func (s *State) owedOf(t *tab, fn func(e Effect, done bool)) {
	c := &s.contexts[t.context]
	e := Effect{Tab: t.id, Context: c.id, Browser: t.browser, Affinity: t.affinity, Operation: t.operation}
	with := func(kind EffectKind) Effect {
		e.Kind = kind
		return e
	}
	fn(with(OpenTab), !t.unopened)
	switch {
	case t.askedAt == never:
	case t.state == Probing:
		fn(with(ProbeTab), false)
	case t.state == Rescuing:
		fn(with(RescueTab), false)
	case t.state == Resetting:
		kind := [...]EffectKind{PartHalt: RescueTab, PartLeave: ResetTab, PartEnd: EndSession, PartBegin: BeginSession}[t.part]
		e.Halt = t.part == PartHalt
		fn(with(kind), false)
	case t.state == Closing:
		if t.kill == killAsked {
			fn(with(KillTab), false)
		}
		e.Kept = s.inContexts[t.context].tabs > 1 || s.isPrimary(t.context)
		fn(with(CloseAgain), false)
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
	for i := range s.calls {
		c := &s.calls[i]
		v := CallView{ID: c.id, Kind: WarmRequested, Of: c.affinity}
		switch {
		case c.affinity != 0:
			v.Kind = Disposed
		case c.recycle:
			v.Kind = RecycleRequested
		}
		fn(v)
	}
}
