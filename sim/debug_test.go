package sim

import "testing"

func TestDebugFollow(t *testing.T) {
	s := ScenarioNamed("browser-lost")
	w, _ := s.World()
	take := func(label string) bool {
		for _, a := range w.Actions(nil) {
			if w.Label(&a) == label {
				t.Log("*", label)
				w.Do(&a)
				return true
			}
		}
		return false
	}
	for _, l := range []string{"launch b1 works", "open t1 works", "client 1 gets A", "open t2 hangs"} {
		if !take(l) {
			t.Fatal(l)
		}
	}
	for range 40 {
		acts := w.Actions(nil)
		var pick *Action
		for i := range acts {
			if !acts[i].Fault {
				pick = &acts[i]
				break
			}
		}
		if pick == nil {
			break
		}
		t.Log(w.Label(pick))
		w.Do(pick)
		if w.violation != nil { t.Fatal(w.violation) }
		if w.good() { t.Log("good"); return }
	}
}
