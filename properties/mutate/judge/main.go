// Judge looks whether anything in this repository notices a mutant of the core: first the traces,
// then traffic and small scenarios. It is built by the command mutate, with an overlay that brings
// the mutants.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime/metrics"
	"strings"
	"sync"
	"time"
)

// The overlay sets these.
var (
	selectMutant func(n, limit int)
	hits         func() int
)

// Verdict is what became of one mutant, as JSON on standard output.
type Verdict struct {
	Mutant  int
	Killed  string // claim, expectation, golden, crash, endless; empty: it survived
	Claim   string // the claims that broke
	Unit    string // where
	What    string
	Golden  string // the first trace whose history is not the golden one
	Changed string // the first unit whose history is not what it was
	Hits    int    // how often its place was reached, at most
}

// Known is what units come to without a mutant: the hash of their history, and their size.
type Known map[string]struct {
	Hash uint64
	Size int
}

func main() {
	mutant := flag.Int("mutant", 0,
		"the mutant to switch on; 0: none, and what the units come to is printed")
	known := flag.String("known", "", "the file with what the units come to without a mutant")
	seeds := flag.Int("seeds", 40, "seeds of the hostile profile; a quarter as many of each other")
	part := flag.String("part", "", "cheap: the traces and some seeds; rest: what is left; empty: all")
	states := flag.Int("states", 20_000, "explore the scenarios that have at most so many states")
	flag.Parse()
	if selectMutant == nil {
		fmt.Fprintln(os.Stderr, "judge: this build has no mutants; go run ./properties/mutate makes "+
			"one that has")
		os.Exit(2)
	}
	c := &court{verdict: Verdict{Mutant: *mutant}, known: Known{}, seeds: *seeds, states: *states,
		part: *part, began: time.Now().Add(time.Hour)}
	if *known != "" {
		text, err := os.ReadFile(*known)
		if err == nil {
			err = json.Unmarshal(text, &c.known)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "judge:", err)
			os.Exit(2)
		}
	}
	go c.watch()
	c.hear()
	if v := &c.verdict; *mutant == 0 && (v.Killed != "" || v.Golden != "") {
		fmt.Fprintf(os.Stderr, "judge: without a mutant, %s is not what it should be: %s%s %s\n", v.Unit,
			v.Claim, v.Golden, v.What)
		os.Exit(2)
	}
	if *mutant == 0 {
		c.say(c.known)
	}
	c.say(c.verdict)
}

// court hears one mutant, unit after unit.
type court struct {
	known         Known
	seeds, states int
	part          string

	mu      sync.Mutex // guards verdict and began against watch
	verdict Verdict
	began   time.Time // the unit
	allowed time.Duration
}

// say prints a result and ends the process.
func (c *court) say(result any) {
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		fmt.Fprintln(os.Stderr, "judge:", err)
		os.Exit(2)
	}
	os.Exit(0)
}

// mostMemory is a heap that no unit needs.
const mostMemory = 2 << 30

// watch ends a unit that goes on for ever, or grows for ever.
func (c *court) watch() {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	for range time.Tick(20 * time.Millisecond) {
		metrics.Read(sample)
		c.mu.Lock()
		if late := time.Since(c.began) > c.allowed; late || sample[0].Value.Uint64() > mostMemory {
			c.verdict.Killed, c.verdict.What = "endless", "no end of time or memory"
			c.say(c.verdict)
		}
		c.mu.Unlock()
	}
}

// unit runs one, and says whether the mutant still lives.
func (c *court) unit(name string, allowed time.Duration, run func() outcome) (lives bool) {
	c.mu.Lock()
	c.verdict.Unit, c.began, c.allowed = name, time.Now(), allowed
	c.mu.Unlock()
	defer func() {
		if p := recover(); p != nil {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.verdict.Killed, c.verdict.What = "crash", fmt.Sprint(p)
			if strings.HasPrefix(c.verdict.What, "mutant: ") {
				c.verdict.Killed = "endless"
			}
			lives = false
		}
	}()
	selectMutant(c.verdict.Mutant, mostHits)
	o := run()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.began = time.Now().Add(time.Hour)
	v := &c.verdict
	v.Hits = max(v.Hits, hits())
	if v.Mutant == 0 {
		c.known[name] = struct {
			Hash uint64
			Size int
		}{o.hash, o.size}
	} else if c.known[name].Hash != o.hash && v.Changed == "" {
		v.Changed = name
	}
	if o.golden && v.Golden == "" {
		v.Golden = name
	}
	if o.killed != "" {
		v.Killed, v.Claim, v.What = o.killed, o.claim, o.what
	}
	return o.killed == ""
}

// mostHits is how often no mutant's place is reached in a unit that ends.
const mostHits = 300_000_000

// outcome is what a unit came to.
type outcome struct {
	killed, claim, what string
	golden              bool // its history is not the golden one
	hash                uint64
	size                int
}
