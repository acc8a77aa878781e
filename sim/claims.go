package sim

import (
	"github.com/pagepool/pagepool/sim/spec"
)

// Claim is a claim about whole runs: true of every run once the faults have stopped, or from every
// reachable state under a fair browser.
type Claim struct{ Name, Says string }

// Claims are what runs and searches check by themselves. The claims about single steps are
// spec.Invariants.
var Claims = []Claim{
	{"answered", "Every request is granted, refused or abandoned in the end."},
	{"bounded-recovery", "After a wedged render, full capacity is back within MaxLease + " +
		"RescueTimeout + CloseTimeout + KillTimeout."},
	{"nested-progress", "While root leases are held by pages that wait for nested requests, some " +
		"nested request always gets a tab."},
	{"refilled", "With nobody waiting and no lease held the standby target is met again, whatever " +
		"failed before."},
	{"contracted", "An idle pool returns to MinPages."},
	{"progress", "Time goes on: what happens at one instant comes to an end."},
}

// LiveClaims are what is checked of a pool on a real browser, besides the invariants and Claims.
var LiveClaims = []Claim{
	{"same-state", "The recorded events, fed to a second core, give back the very state that the " +
		"pool is in."},
	{"inclusion", "Whatever the real browser does, the fake browser can do."},
}

// Says is the sentence of a claim or an invariant.
func Says(name string) string {
	for _, c := range Claims {
		if c.Name == name {
			return c.Says
		}
	}
	for _, c := range LiveClaims {
		if c.Name == name {
			return c.Says
		}
	}
	for i := range spec.Invariants {
		if spec.Invariants[i].Name == name {
			return spec.Invariants[i].Says
		}
	}
	return ""
}
