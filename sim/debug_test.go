package sim

import (
	"os"
	"strconv"
	"testing"

	"github.com/pagepool/pagepool/pool/core"
)

func TestDebugSeed(t *testing.T) {
	seed, _ := strconv.Atoi(os.Getenv("SEED"))
	if seed == 0 {
		t.Skip()
	}
	n, _ := strconv.Atoi(os.Getenv("N"))
	if n == 0 {
		n = 60
	}
	hours := 1.0
	if h, err := strconv.ParseFloat(os.Getenv("HOURS"), 64); err == nil {
		hours = h
	}
	name := os.Getenv("PROFILE")
	if name == "" {
		name = "hostile"
	}
	var log []string
	r, err := Run(RunOptions{Profile: ProfileNamed(name), Seed: uint64(seed), Hours: hours, Observe: func(w *World, e core.Event, effects []core.Effect) {
		line := w.now.Duration().String() + " " + string(core.AppendEvent(nil, e, Names))
		for _, f := range effects {
			line += "\n      -> " + string(core.AppendEffect(nil, f, Names))
		}
		log = append(log, line)
		if len(log) > n {
			log = log[1:]
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if r.Violation == nil {
		t.Log("no violation")
		return
	}
	t.Log(r.Settings.Diff())
	for _, l := range log {
		t.Log(l)
	}
	t.Log(r.Violation)
}
