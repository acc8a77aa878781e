package sim

// Claim is a liveness claim: true of every run once the faults have stopped, or from every reachable
// state under a fair browser.
type Claim struct{ Name, Says string }

// Claims are the liveness claims that runs and searches check by themselves. The claims about
// single steps are core.Invariants.
var Claims = []Claim{
	{"answered", claims["answered"]},
	{"nested-progress", claims["nested-progress"]},
	{"refilled", claims["refilled"]},
	{"closes", claims["closes"]},
	{"bounded-recovery", claims["bounded-recovery"]},
	{"stuck-isolated", claims["stuck-isolated"]},
}

// Says is the sentence of a claim or an invariant.
func Says(name string) string { return saysOf(name) }
