package sim

import ("testing"; "github.com/pagepool/pagepool/pool/core")

func TestDebugFollow(t *testing.T) {
	s := ScenarioNamed("E-15")
	w, _ := s.World()
	take := func(label string) bool {
		for _, a := range w.Actions(nil) {
			if w.Label(&a) == label {
				w.Do(&a)
				return true
			}
		}
		return false
	}
	for _, l := range []string{"launch b1 works", "open t1 works", "client 1 gets A", "open t2 works", "client 1 releases", "client 2 gets B", "client 3 gets C", "open t3 works", "client 2 releases", "client 3 releases", "contract"} {
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
		w.core.EachTab(func(x core.TabView) { t.Logf("%+v", x) }); t.Log(w.core.Capacity(), w.core.Alive(), w.core.Count(2), w.core.Target(), w.core.Quiet(), w.full(), w.contracted())
		if w.violation != nil { t.Fatal(w.violation) }
		if w.good() { t.Log("good"); return }
	}
}
