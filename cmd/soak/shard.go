package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/pagepool/pagepool/internal/prose"
	"github.com/pagepool/pagepool/pool/canon"
	"github.com/pagepool/pagepool/sim"
	"github.com/pagepool/pagepool/sim/search"
)

// The commands whose reports merge reads.
const (
	commandRun     = "run"
	commandExplore = "explore"
)

// shardReport stands in the report of a shard, for `soak merge`.
type shardReport struct {
	Part  uint64 `json:"part"`
	Parts uint64 `json:"parts"`
	Of    string `json:"of"`              // the command without -shard
	Kinds []byte `json:"kinds,omitempty"` // run: those of state met, by search.Unseen
	// run: the violations without what was saved of them, of which merge keeps the first alone
	Unsaved   []violation `json:"unsaved,omitempty"`
	Told      []told      `json:"told,omitempty"`      // explore: of each scenario
	Scenarios []string    `json:"scenarios,omitempty"` // explore: those of all shards, in order
	Sum       string      `json:"sum"`                 // of the report without wall times
}

func (r *shardReport) shard() *shard { return &shard{r.Part, r.Parts} }

// unseenReport is what a run says of the kinds of state that it has not met.
type unseenReport struct {
	Samples     int     `json:"samples"`
	Kinds       int     `json:"kinds"`       // met
	Probability float64 `json:"probability"` // that the next is not met (Good-Turing)
}

func unseenOf(u *search.Unseen) *unseenReport {
	return &unseenReport{u.Samples(), u.Kinds(), u.Estimate()}
}

// milliseconds makes a duration a whole number, so that a sum does not depend on the order.
func milliseconds(seconds float64) uint64 { return uint64(math.Round(seconds * 1000)) }

// historyOf is what the history of one seed adds to the hash of a range. The hash is the sum of
// these.
func historyOf(seed, hash uint64) uint64 {
	var h canon.Hasher
	h.Add(seed)
	h.Add(hash)
	return h.Sum()
}

// seal makes the report of a run one of a shard of the command.
func (r *runSum) seal(s shard, command string) {
	kinds, _ := r.unseen.MarshalBinary() // has no error
	r.Shard = &shardReport{Part: s.part, Parts: s.parts, Of: command, Kinds: kinds,
		Unsaved: r.unsaved}
	r.Shard.Sum = r.sum()
}

func (r *exploreReport) seal(o *exploreOptions, settings string) {
	r.Shard = &shardReport{Part: o.shard.part, Parts: o.shard.parts, Of: o.command() + settings}
	for _, c := range o.scenarios {
		r.Shard.Scenarios = append(r.Shard.Scenarios, c.Name)
	}
	for _, e := range r.Scenarios {
		r.Shard.Told = append(r.Shard.Told, *e.told)
	}
	r.Shard.Sum = r.sum()
}

func (r *runReport) sum() string {
	plain := *r
	plain.WallSeconds = 0
	if r.Shard != nil {
		shard := *r.Shard
		shard.Sum, plain.Shard = "", &shard
	}
	return sumOf(&plain)
}

func (r *exploreReport) sum() string {
	plain := *r
	plain.Workers, plain.Scenarios = 0, slices.Clone(r.Scenarios)
	for i := range plain.Scenarios {
		plain.Scenarios[i].WallSeconds, plain.Scenarios[i].MemoryBytes = 0, 0
	}
	if r.Shard != nil {
		shard := *r.Shard
		shard.Sum, plain.Shard = "", &shard
		shard.Told = slices.Clone(shard.Told)
		for i := range shard.Told {
			shard.Told[i].Graph = 0
		}
	}
	return sumOf(&plain)
}

func sumOf(report any) string {
	data, err := json.Marshal(report)
	if err != nil {
		return err.Error() // a report is plain data
	}
	sum := sha256.Sum256(data)
	return fmt.Sprintf("%x", sum[:8])
}

// judgeReached adds a violation where a campaign has not reached everything. command repeats it.
func (r *runReport) judgeReached(seeds uint64, reached *sim.Reached, command string) {
	zero := reached.Zero()
	if r.Profile != "hostile" || seeds < campaignSeeds || len(zero) == 0 {
		return
	}
	r.Violations = append(r.Violations, violation{
		Property: "reached", Says: "A campaign reaches every fault, every rung, " +
			"every rule of placement and every reason to close.",
		What: "never reached: " + strings.Join(zero, ", "), Seed: r.SeedFirst, Repeat: command,
	})
}

// mine are the scenarios of the shard: each parts-th.
func (o *exploreOptions) mine() ([]*sim.Scenario, error) {
	var mine []*sim.Scenario
	for i, c := range o.scenarios {
		if uint64(i)%o.shard.parts == o.shard.part-1 {
			mine = append(mine, c)
		}
	}
	if len(mine) == 0 {
		return nil, fmt.Errorf(
			"none of %s belongs to shard %v",
			prose.Count(len(o.scenarios), "scenario"),
			&o.shard,
		)
	}
	return mine, nil
}

// command repeats the search without -shard. What does not change a result is left out.
func (o *exploreOptions) command() string {
	command := "soak explore"
	if o.all {
		command += " -all"
	} else {
		for _, c := range o.scenarios {
			command += " " + c.Name
		}
	}
	for _, flag := range []struct {
		given bool
		text  string
	}{
		{o.from != "", " -from " + quote(o.from)},
		{o.faultsSet, fmt.Sprintf(" -faults %d", o.faults)},
		{o.deviationsSet, fmt.Sprintf(" -deviations %d", o.deviations)},
		{o.maxStates > 0, fmt.Sprintf(" -max-states %d", o.maxStates)},
		{!bool(o.symmetry), " -symmetry=false"},
		{bool(o.likeKeys), " -like-keys"},
	} {
		if flag.given {
			command += flag.text
		}
	}
	return command
}
