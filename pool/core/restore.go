package core

import (
	"errors"
	"fmt"
)

// Restore returns the state that has these facts, which it copies. It is an error where the facts
// do not go together.
func Restore(facts *Facts) (*State, error) {
	s := new(State)
	s.Facts.CopyFrom(facts)
	if len(s.Affinities) == 0 {
		s.Affinities = append(s.Affinities, AffinityFacts{})
	}
	for a := range s.Affinities {
		if k := &s.Affinities[a]; !k.Known {
			*k = AffinityFacts{Primary: None}
		}
	}
	if err := s.Facts.check(); err != nil {
		return nil, err
	}
	s.rebuild()
	if v, broken := CheckBooks(s); broken {
		return nil, v
	}
	return s, nil
}

// check says whether what the facts name is there, and whether lists come to an end.
func (f *Facts) check() error {
	noTab := func(slot int32) bool { return slot < None || int(slot) >= len(f.Tabs) }
	noContext := func(slot int32) bool {
		return slot < 0 || int(slot) >= len(f.Contexts) || f.Contexts[slot].State == 0
	}
	noAffinity := func(a Affinity) bool {
		return a != 0 && (int(a) >= len(f.Affinities) || !f.Affinities[a].Known)
	}
	for i := range f.Contexts {
		if c := &f.Contexts[i]; noAffinity(c.Affinity) {
			return fmt.Errorf("c%d is an affinity's that is not there", c.ID)
		}
	}
	for i := range f.Tabs {
		t := &f.Tabs[i]
		if t.State != 0 && (noContext(t.Context) || noAffinity(t.Affinity) || noTab(t.Next) ||
			noTab(t.Prev)) {
			return fmt.Errorf("t%d names a context, an affinity or a tab that is not there", t.ID)
		}
	}
	list := func(first int32, of Affinity) bool {
		n := 0
		for i := first; i != None; i = f.Tabs[i].Next {
			if n++; noTab(i) || n > len(f.Tabs) || f.Tabs[i].State == 0 || f.Tabs[i].Affinity != of {
				return false
			}
		}
		return true
	}
	if noTab(f.LastReady) || !list(f.Standbys, 0) {
		return errors.New("the standbys are not there")
	}
	for a := range f.Affinities {
		k := &f.Affinities[a]
		if k.Known && (a == 0 || k.Primary != None && noContext(k.Primary) ||
			!list(k.Tabs, Affinity(a))) {
			return fmt.Errorf("affinity %d names a context or a tab that is not there", a)
		}
	}
	for i := range f.Requests {
		r := &f.Requests[i]
		if r.Used && (noAffinity(r.Affinity) || r.Class >= Classes || noTab(r.Pin)) {
			return fmt.Errorf("r%d names an affinity or a tab that is not there", r.ID)
		}
	}
	for _, c := range f.Calls {
		if noAffinity(c.Affinity) {
			return fmt.Errorf("call %d is about an affinity that is not there", c.ID)
		}
	}
	return nil
}
