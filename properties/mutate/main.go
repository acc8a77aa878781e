// Mutate changes the production code of the core in every small way that it knows, one at a time,
// and looks whether anything notices. It ends with 1 where a mutant survives that
// testdata/mutants.txt does not list with the reason why that is right.
//
//	go run ./properties/mutate                        every mutant; about an hour on one core
//	go run ./properties/mutate -every 20              a sample
//	go run ./properties/mutate -only State.grow -v    those whose key contains this
//	go run ./properties/mutate -json results.json     what became of each
//	go run ./properties/mutate -from results.json -seeds 400 -states 400000
//	                                                  look longer at those that survived
//
// The ways: negate a condition, and each side of && and ||; drop a statement that has an effect;
// shift an integer by one, and a comparison to its neighbour; swap + and -; let a value of a switch
// never match; return early. All mutants stand in one build, switched off, and each is switched on
// in a process of its own: so the compiler runs once, and a mutant that crashes or never ends ends
// nothing else.
//
// What notices, the cheapest first: the traces of testdata, some seeds of each profile of traffic,
// the walk of the core's own tests, the small scenarios to their ends, more seeds. A mutant is
// killed by a claim that broke, by an expectation of a trace, by a crash, or because it never
// ended. One that only makes a history differ from the golden one counts apart: the story of one
// trace is no rule.
//
// Not changed is what decides nothing: decidesNothing lists those files of the core, each with its
// reason.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Result is a mutant and what became of it.
type Result struct {
	Mutant
	Key      string
	Killed   string // claim, expectation, golden, crash, endless; empty: it survived
	Claim    string // the claims that broke
	Unit     string // where
	What     string
	Golden   string // the first trace whose history is not the golden one
	Changed  string // the first unit whose history is not what it was without the mutant
	Hits     int    // how often its place was reached in one unit, at most
	Accepted string // why it may survive
}

type options struct {
	every, seeds, states, parallel int
	only, from, json, accepted     string
	verbose, list                  bool
}

func main() {
	var o options
	flag.IntVar(&o.every, "every", 1, "judge every so manieth mutant only")
	flag.IntVar(&o.seeds, "seeds", 40, "seeds of the hostile profile; a quarter as many of each other")
	flag.IntVar(&o.states, "states", 20_000, "explore the scenarios that have at most so many states")
	flag.IntVar(&o.parallel, "parallel", 1, "how many to judge at a time")
	flag.StringVar(&o.only, "only", "", "judge the mutants only whose key contains this")
	flag.StringVar(&o.from, "from", "",
		"take what these results say of those that were killed, and judge the others")
	flag.StringVar(&o.json, "json", "", "write what became of each mutant to this file")
	flag.StringVar(&o.accepted, "accepted", "testdata/mutants.txt",
		"the list of the mutants that may survive")
	flag.BoolVar(&o.verbose, "v", false, "print every mutant's end")
	flag.BoolVar(&o.list, "list", false, "list the mutants and judge none")
	flag.Parse()
	unlisted, err := run(o, os.Stdout)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(2)
	case unlisted > 0:
		os.Exit(1)
	}
}

func run(o options, out io.Writer) (unlisted int, err error) {
	if o.every < 1 || o.parallel < 1 || o.seeds < 0 || o.states < 0 {
		return 0, fmt.Errorf("-every %d -parallel %d -seeds %d -states %d: the rule is at least 1, 1, "+
			"0 and 0", o.every, o.parallel, o.seeds, o.states)
	}
	root, err := filepath.Abs(".")
	if err != nil {
		return 0, err
	}
	s, err := load(root)
	if err != nil {
		return 0, err
	}
	mutants := s.find()
	accepted, err := readAccepted(o.accepted)
	if err != nil {
		return 0, err
	}
	chosen, settled, err := choose(mutants, o)
	if err != nil {
		return 0, err
	}
	if o.list {
		for _, m := range chosen {
			fmt.Fprintln(out, m.Key())
		}
		return 0, nil
	}
	dir, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	c := court{options: o, out: out}
	if c.judge, c.walk, err = s.build(dir); err != nil {
		return 0, err
	}
	results, err := c.hear(chosen, dir)
	results = append(results, settled...)
	if err != nil {
		return 0, err
	}
	for i := range results {
		results[i].Accepted = accepted[results[i].Key]
	}
	if o.json != "" {
		text, err := json.MarshalIndent(results, "", "  ")
		if err == nil {
			err = os.WriteFile(o.json, append(text, '\n'), 0o644)
		}
		if err != nil {
			return 0, err
		}
	}
	return report(out, results), nil
}

// choose returns the mutants that the flags ask for, and what earlier results say of the others.
func choose(mutants []*Mutant, o options) (chosen []*Mutant, settled []Result, err error) {
	earlier := map[string]Result{}
	if o.from != "" {
		var results []Result
		text, err := os.ReadFile(o.from)
		if err == nil {
			err = json.Unmarshal(text, &results)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("-from %s: %w", o.from, err)
		}
		for _, r := range results {
			earlier[r.Key] = r
		}
	}
	for i, m := range mutants {
		if i%o.every != 0 || !strings.Contains(m.Key(), o.only) {
			continue
		}
		if r := earlier[m.Key()]; r.Killed != "" && r.Killed != "golden" {
			r.Mutant = *m
			settled = append(settled, r)
		} else {
			chosen = append(chosen, m)
		}
	}
	if len(chosen) == 0 {
		return nil, nil, errors.New("no mutant is left by these flags; -list shows what there is")
	}
	return chosen, settled, nil
}

func (r *Result) word() string {
	if r.Killed == "" {
		return "survived"
	}
	return r.Killed
}
