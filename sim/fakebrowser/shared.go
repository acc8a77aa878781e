package fakebrowser

import "github.com/pagepool/pagepool/pool/core"

// Part is something that all tabs of a browser share.
type Part uint8

const (
	Main    Part = iota // its main process: a browser that is stopped answers nothing
	Pipe                // over which everybody talks with it: a long message takes it up for a while
	Drawing             // processes of their own, which the browser starts again when they end
	Network
	Storage
	parts = iota
)

// Parts lists all of them.
var Parts = [parts]Part{Main, Pipe, Drawing, Network, Storage}

func (p Part) String() string {
	return [...]string{"main", "pipe", "drawing", "network", "storage"}[p]
}

// Helper says whether a part is a process that can end, and the browser with all its tabs goes on.
func (p Part) Helper() bool { return p >= Drawing }

// Health is how a part is.
type Health uint8

const (
	Fine Health = iota
	Hung        // what needs it waits for it
	Dead        // of helpers: what needs it fails, until the browser has started it again
)

func (h Health) String() string { return [...]string{"fine", "hung", "dead"}[h] }

// Shared is a part of a browser.
type Shared struct {
	Health Health
	Next   Health    // timed: what it becomes by itself
	Until  core.Time // timed: when; 0: it does not
}

// needs are the parts that operations of a kind need, beside the main process and the pipe. A tab
// is opened, frozen, probed and closed without the others. What a holder does needs them: see
// Serves.
func (s *State) needs(k OperationKind) []Part {
	switch {
	case k == Check:
		return Parts[Drawing:]
	case k == Reset && s.Clears:
		return Parts[Network:]
	}
	return nil
}

// pipes says whether an operation needs the main process and the pipe. To start a browser, and to
// end one by force, does not.
func (o *Operation) pipes() bool { return o.Kind != Launch && !(o.Kind == CloseBrowser && o.Force) }

// has says which part of an operation's browser that it needs has a health; false: none.
func (s *State) has(h Health, o *Operation) (Part, bool) {
	b := s.Browser(o.Browser)
	if b == nil || !o.pipes() {
		return 0, false
	}
	for _, p := range Parts[:Drawing] {
		if b.Parts[p].Health == h {
			return p, true
		}
	}
	for _, p := range s.needs(o.Kind) {
		if b.Parts[p].Health == h {
			return p, true
		}
	}
	return 0, false
}

// Delivers says whether a browser that answers nothing sends something long: it is busy. Its driver
// takes that for the answer to a ping, once after each answer.
func (s *State) Delivers(b *Browser) bool {
	flooded, _ := s.Flooded(b.ID)
	return b.Parts[Main].Health == Fine && (flooded || b.Parts[Pipe].Health == Hung)
}

// Serves says whether parts that the work of a tab's holder needs do theirs.
func (s *State) Serves(id core.TabID, needed ...Part) bool {
	t := s.Tab(id)
	if t == nil || t.Dead {
		return false
	}
	b := s.Browser(t.Browser)
	for _, p := range append(needed, Main, Pipe) {
		if b == nil || b.Parts[p].Health != Fine {
			return false
		}
	}
	return true
}

// Turn makes a part of a browser be so from now on. It is false where no such browser serves, where
// the part is so already, or cannot be.
func (s *State) Turn(id core.BrowserID, p Part, h Health) bool {
	b := s.Browser(id)
	if b == nil || b.Launching || b.Parts[p].Health == h || h == Dead && !p.Helper() {
		return false
	}
	b.Parts[p] = Shared{Health: h}
	return true
}

// Kills says whether the check of a browser that is under way can kill a helper: it hangs, and the
// driver has started the browser.
func (s *State) Kills(b *Browser, p Part) bool {
	if !s.Repairs || !p.Helper() || b.Parts[p].Health != Hung {
		return false
	}
	for i := range s.Operations {
		if o := &s.Operations[i]; o.Kind == Check && o.Browser == b.ID && !o.Echo {
			return true
		}
	}
	return false
}

// NextTurn is the part that changes first by itself, and when.
func (s *State) NextTurn() (b *Browser, p Part, at core.Time) {
	at = Never
	for i := range s.Browsers {
		for _, part := range Parts {
			if u := s.Browsers[i].Parts[part].Until; u != 0 && u < at {
				b, p, at = &s.Browsers[i], part, u
			}
		}
	}
	return b, p, at
}

// Recover makes everything that tabs share fine, but for browsers that are stopped.
func (s *State) Recover() {
	for i := range s.Tabs {
		s.CutOff(s.Tabs[i].ID, false)
	}
	for i := range s.Browsers {
		for _, p := range Parts[Pipe:] {
			s.Browsers[i].Parts[p] = Shared{}
		}
	}
}
