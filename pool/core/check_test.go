package core

import (
	"testing"
)

// A message that counts tabs names them.
func TestBooksThatDoNotHoldNameTheirTabs(t *testing.T) {
	settings, err := Settings{MaxPages: 2}.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	s := New(settings)
	s.Step(0, Event{}, nil)
	s.Step(0, Event{Kind: Done, Of: Launch, Browser: 1}, nil)
	s.Step(1, Event{Kind: Done, Of: OpenTab, Tab: 1}, nil)
	s.Step(2, Event{Kind: Requested, Request: 7, Affinity: 1}, nil)
	if v, broken := CheckBooks(s); broken {
		t.Fatal(v)
	}
	for _, c := range []struct {
		holds func(*State) error
		spoil func(*State)
		want  string
	}{
		{capacityBooks, func(s *State) { s.Capacity = 0 },
			"2 tabs are on the books (t1 leased by r7, t2 opening), and capacity is 0"},
		{leaseBooks, func(s *State) { s.leases.used = 5 },
			"5 leases, 1 of them root, on 1 leased tabs (t1 leased by r7)"},
		{rootBooks, func(s *State) { s.rootLeases = 3 },
			"3 root leases (t1 leased by r7), and capacity is 2"},
		{tabBooks, func(s *State) { s.bound = -1 },
			"2 tabs by state, 2 in all, -1 bound (t1 leased by r7, t2 opening)"},
	} {
		broken := s.Clone()
		c.spoil(broken)
		if err := c.holds(broken); err == nil || err.Error() != c.want {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
	if got := s.named(func(*Tab) bool { return false }); got != "" {
		t.Errorf("no tab is named %q", got)
	}
}
