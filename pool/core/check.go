package core

import "fmt"

// Violation is a broken claim of the contract.
type Violation struct {
	Name string // of the claim
	Says string // the claim; empty where CheckBooks found it
	What string // what broke it
}

func (v Violation) Error() string { return v.Name + ": " + v.What }

// checks are what a state can break by its own word, in constant time. Package spec, which
// production does not link, has all the claims.
var checks = [...]struct {
	name  string
	holds func(*State) error
}{
	{"capacity", capacityBooks},
	{"exclusive-lease", leaseBooks},
	{"root-limit", rootBooks},
	{"envelope", envelopeBooks},
	{"no-leak", tabBooks},
	{"two-browsers", browserBooks},
}

// CheckBooks returns the first claim that a state breaks by its own word. It takes constant time,
// so it is done in production after every step.
func CheckBooks(s *State) (Violation, bool) {
	for i := range checks {
		if err := checks[i].holds(s); err != nil {
			return Violation{Name: checks[i].name, What: err.Error()}, true
		}
	}
	return Violation{}, false
}

func capacityBooks(s *State) error {
	if s.alive() > s.limit() {
		return fmt.Errorf("%d tabs are on the books%s, and capacity is %d", s.alive(), s.named(nil),
			s.Capacity)
	}
	return nil
}

func leaseBooks(s *State) error {
	if s.leases.used != s.counts[Leased] || s.rootLeases < 0 {
		return fmt.Errorf("%d leases, %d of them root, on %d leased tabs%s", s.leases.used, s.rootLeases,
			s.counts[Leased],
			s.named(func(t *Tab) bool { return t.State == Leased }))
	}
	return nil
}

func rootBooks(s *State) error {
	if s.rootLeases > s.Capacity {
		return fmt.Errorf("%d root leases%s, and capacity is %d", s.rootLeases,
			s.named(func(t *Tab) bool { return t.State == Leased && t.Class != Nested }), s.Capacity)
	}
	return nil
}

func tabBooks(s *State) error {
	sum := int32(0)
	for _, n := range s.counts[Opening:] {
		sum += n
	}
	if sum != s.alive() || s.bound < 0 || s.bound > sum {
		return fmt.Errorf("%d tabs by state, %d in all, %d bound%s", sum, s.alive(), s.bound,
			s.named(nil))
	}
	return nil
}

func browserBooks(s *State) error {
	if len(s.Browsers) > MaxBrowsers {
		return fmt.Errorf("%d browsers are alive", len(s.Browsers))
	}
	return nil
}

func envelopeBooks(s *State) error {
	if int(s.Capacity) < s.Settings.MinPages || int(s.Capacity) > s.Settings.MaxPages {
		return fmt.Errorf("capacity is %d, and has to be %d to %d", s.Capacity, s.Settings.MinPages,
			s.Settings.MaxPages)
	}
	return nil
}

// named is a list of tabs for a message that counts them: those that are so, in the order of the
// slots.
func (s *State) named(so func(*Tab) bool) string {
	text := ""
	for i := range s.Tabs {
		t := &s.Tabs[i]
		if t.State == 0 || so != nil && !so(t) {
			continue
		}
		if text != "" {
			text += ", "
		}
		text += fmt.Sprintf("t%d %s", t.ID, t.State)
		if t.State == Leased {
			text += fmt.Sprintf(" by r%d", t.Holder)
		}
	}
	if text == "" {
		return ""
	}
	return " (" + text + ")"
}
