package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pagepool/pagepool/internal/prose"
	"github.com/pagepool/pagepool/sim"
	"github.com/pagepool/pagepool/sim/search"
)

func (s *soak) mergeCommand() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:   "merge FILE...",
		Short: "Make the results of shards one",
		Long: paragraphs("Make the results of shards one: files that `soak run -json -shard i/n` or "+
			"`soak explore -json -shard i/n` have printed, in any order. The result is the one that the "+
			"same command without -shard prints. A file that comes twice counts once.",
			"The exit is 0 when every property held, 1 when one broke, and 2 when a file is damaged or of "+
				"another command, when a shard is missing or was interrupted, and when two overlap: then "+
				"nothing is written."),
		Example: "  soak merge shard-*.json -o whole.json",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return fmt.Errorf("want the results of shards, such as shard-*.json")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error { return s.merge(args, out) },
	}
	c.Flags().StringVarP(&out, "out", "o", "",
		"write the result to this `FILE`, as JSON, beside what is printed; where the exit is 0 or 1")
	return c
}

// result is a report that merge reads: a *runReport or an *exploreReport.
type result interface {
	shardOf() *shardReport
	cutShort() bool
	check() error // of what no sum covers, in the result of a whole
	sum() string
	command() string
	violations() []violation
	write(io.Writer)
}

func (r *runReport) shardOf() *shardReport       { return r.Shard }
func (r *runReport) cutShort() bool              { return r.Interrupted }
func (r *runReport) command() string             { return r.Command }
func (r *runReport) violations() []violation     { return r.Violations }
func (r *exploreReport) shardOf() *shardReport   { return r.Shard }
func (r *exploreReport) cutShort() bool          { return r.Interrupted }
func (r *exploreReport) command() string         { return r.Command }
func (r *exploreReport) violations() []violation { return r.Violations }

var hash = regexp.MustCompile(`^[0-9a-f]{16}$`)

func (r *runReport) check() error {
	_, err := sim.ReachedOf(r.Reached)
	switch {
	case err != nil:
		return err
	case !hash.MatchString(r.HistoryHash):
		return fmt.Errorf("history_hash is %q; want 16 hex digits", r.HistoryHash)
	case r.SeedLast < r.SeedFirst:
		return fmt.Errorf("seeds %d to %d", r.SeedFirst, r.SeedLast)
	case r.Unseen == nil || r.Violations == nil:
		return fmt.Errorf("unseen or violations are missing")
	case r.Shard != nil && len(r.Shard.Unsaved) != len(r.Violations):
		return fmt.Errorf("it has %s, and %d unsaved; want as many",
			prose.Count(len(r.Violations), "violation"), len(r.Shard.Unsaved))
	}
	return nil
}

func (r *exploreReport) check() error {
	switch {
	case len(r.Scenarios) == 0 || r.Violations == nil:
		return fmt.Errorf("scenarios or violations are missing")
	case r.Shard != nil && len(r.Shard.Told) != len(r.Scenarios):
		return fmt.Errorf("it has %s, and tells of %d; want as many",
			prose.Count(len(r.Scenarios), "scenario"), len(r.Shard.Told))
	}
	for _, e := range r.Scenarios {
		if e.Scenario == "" || !hash.MatchString(e.StatesSum) {
			return fmt.Errorf(
				"scenario %q has states_sum %q; want 16 hex digits",
				e.Scenario,
				e.StatesSum,
			)
		}
	}
	return nil
}

// part is one file.
type part struct {
	file string
	result
}

func (s *soak) merge(files []string, out string) error {
	var parts []part
	if info, err := os.Stat(out); out != "" && err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("-out %s: want a regular file, or a name that is free", out)
	}
	for _, file := range files {
		if out != "" && same(out, file) {
			return fmt.Errorf("-out %s: want another file than those that are merged", out)
		}
		read, err := readResult(file)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		parts = append(parts, part{file, read})
	}
	parts, err := fitTogether(parts)
	if err != nil {
		return err
	}
	merged, err := join(parts)
	if err != nil {
		return err
	}
	s.cut = merged.cutShort()
	if err := save(merged, out); err != nil {
		return err
	}
	if len(merged.violations()) > 0 {
		s.broke()
	}
	return s.print(merged, merged.write)
}

// readResult reads a file and checks everything that it can say by itself.
func readResult(file string) (result, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var kind struct {
		Command string `json:"command"`
		Error   string `json:"error"`
	}
	if err := json.Unmarshal(data, &kind); err != nil {
		return nil, fmt.Errorf(
			"the file is damaged (%w); want what `soak run -json -shard i/n` has printed",
			err,
		)
	}
	if kind.Error != "" {
		return nil, fmt.Errorf("it is no result: soak %s said %q", kind.Command, kind.Error)
	}
	var read result
	switch kind.Command {
	case commandRun:
		read = new(runReport)
	case commandExplore:
		read = new(exploreReport)
	default:
		return nil, fmt.Errorf(
			"command is %q; want a result of soak run or soak explore",
			kind.Command,
		)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(read); err != nil {
		return nil, fmt.Errorf("the file is damaged, or of another version: %w", err)
	}
	if err := read.check(); err != nil {
		return nil, fmt.Errorf("the file is damaged, or of another version: %w", err)
	}
	p := read.shardOf()
	if p == nil {
		return read, nil
	}
	switch {
	case p.Part < 1 || p.Part > p.Parts || p.Parts < 2:
		return nil, fmt.Errorf(
			"the file is damaged: shard %v; want i/n with 1 <= i <= n",
			p.shard(),
		)
	case p.Sum != read.sum():
		return nil, fmt.Errorf(
			"the file is damaged, or of another version: its sum is %q, and what it holds has %s",
			p.Sum,
			read.sum(),
		)
	case read.cutShort():
		return nil, fmt.Errorf("shard %v was interrupted; run it again", p.shard())
	}
	return read, nil
}

// fitTogether returns the parts in order and each once, where they are one whole.
func fitTogether(parts []part) ([]part, error) {
	first := parts[0]
	byNumber := map[uint64]part{}
	for _, p := range parts {
		mine, its := first.shardOf(), p.shardOf()
		switch {
		case mine == nil && its == nil && first.sum() == p.sum():
			continue
		case mine == nil || its == nil:
			whole, other := first, p
			if mine != nil {
				whole, other = p, first
			}
			return nil, fmt.Errorf(
				"%s is no shard but a whole, and overlaps with %s; want results with -shard i/n",
				whole.file,
				other.file,
			)
		case p.command() != first.command() || its.Of != mine.Of:
			return nil, fmt.Errorf(
				"%s is a shard of `%s`, and %s of `%s`",
				first.file,
				mine.Of,
				p.file,
				its.Of,
			)
		case its.Parts != mine.Parts:
			return nil, fmt.Errorf(
				"%s is shard %v, and %s shard %v of the same: they overlap",
				first.file,
				mine.shard(),
				p.file,
				its.shard(),
			)
		}
		if twin, ok := byNumber[its.Part]; ok && twin.sum() != p.sum() {
			return nil, fmt.Errorf(
				"%s and %s are both shard %v, with different results: they overlap",
				twin.file,
				p.file,
				its.shard(),
			)
		}
		byNumber[its.Part] = p
	}
	if first.shardOf() == nil {
		return parts[:1], nil
	}
	return complete(first, byNumber)
}

// mostNamed is how many missing shards an error names.
const mostNamed = 100

// complete returns the parts in order, where none is missing. A shard without work has no result:
// the command refuses it.
func complete(first part, byNumber map[uint64]part) ([]part, error) {
	of := first.shardOf()
	begins, work := busy(first.result)
	var whole []part
	var missing []uint64
	for i := uint64(0); i < min(work, of.Parts) && len(missing) < mostNamed; i++ {
		number := (begins+i)%of.Parts + 1
		if p, ok := byNumber[number]; ok {
			whole = append(whole, p)
		} else {
			missing = append(missing, number)
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		var names []string
		for _, number := range missing {
			names = append(names, (&shard{number, of.Parts}).String())
		}
		if len(names) == mostNamed {
			names = append(names, "and maybe more")
		}
		return nil, fmt.Errorf(
			"of `%s` there is no result of shard %s", of.Of, strings.Join(names, ", "))
	}
	slices.SortFunc(whole, func(a, b part) int {
		return cmp.Compare(a.shardOf().Part, b.shardOf().Part)
	})
	return whole, nil
}

// busy says which shard has the first seed or scenario, counted from 0, and how many of these there
// are: each next one belongs to the next shard.
func busy(of result) (begins, work uint64) {
	switch r := of.(type) {
	case *runReport:
		return r.SeedFirst % r.Shard.Parts, r.SeedLast - r.SeedFirst + 1
	case *exploreReport:
		return 0, uint64(len(r.Shard.Scenarios))
	}
	return 0, 0
}

// join makes one result of parts that fit together; a whole is one already.
func join(parts []part) (result, error) {
	whole := parts[0].shardOf() == nil
	switch r := parts[0].result.(type) {
	case *exploreReport:
		if whole {
			return r, nil
		}
		return joinExplored(parts)
	case *runReport:
		if whole {
			r.wanted = r.SeedLast - r.SeedFirst + 1
			return r, nil
		}
	}
	return joinRuns(parts)
}

// joinRuns adds up the shards of a run, and judges what only all seeds together say.
func joinRuns(parts []part) (*runReport, error) {
	whole := *parts[0].result.(*runReport)
	of, seeds := whole.Shard.Of, seedRange{whole.SeedFirst, whole.SeedLast}
	sum := runSum{saved: map[string]bool{}, runReport: &runReport{
		Command: whole.Command, Profile: whole.Profile,
		SeedFirst: seeds.first, SeedLast: seeds.last, Violations: []violation{},
	}}
	for _, p := range parts {
		if err := sum.join(p.result.(*runReport)); err != nil {
			return nil, fmt.Errorf("%s: %w", p.file, err)
		}
	}
	sum.seeds = seeds.last - seeds.first + 1
	sum.wanted = sum.seeds
	sum.Reached = sum.reached.Map()
	sum.SimulatedSeconds = float64(sum.simulated) / 1000
	sum.HistoryHash = fmt.Sprintf("%016x", sum.histories)
	sum.Unseen = unseenOf(&sum.unseen)
	bySeed := func(a, b violation) int { return cmp.Compare(a.Seed, b.Seed) }
	slices.SortFunc(sum.Violations, bySeed) // a seed has one at most
	slices.SortFunc(sum.unsaved, bySeed)
	for i := range sum.Violations {
		v := &sum.Violations[i]
		if sum.saved[v.Property] { // a run saves one trace of each property
			*v = sum.unsaved[i]
		}
		sum.saved[v.Property] = true
	}
	if !strings.Contains(of, " -set ") {
		sum.judgeReached(sum.seeds, &sum.reached, of)
	}
	return sum.runReport, nil
}

// join takes in a shard.
func (sum *runSum) join(r *runReport) error {
	reached, err := sim.ReachedOf(r.Reached)
	if err != nil {
		return err
	}
	var unseen search.Unseen
	if err := unseen.UnmarshalBinary(r.Shard.Kinds); err != nil {
		return err
	}
	histories, err := strconv.ParseUint(r.HistoryHash, 16, 64)
	if err != nil {
		return err
	}
	sum.reached.Add(&reached)
	sum.unseen.Join(&unseen)
	sum.histories += histories
	sum.simulated += milliseconds(r.SimulatedSeconds)
	sum.WallSeconds += r.WallSeconds
	sum.Events += r.Events
	sum.Grants += r.Grants
	sum.CapacityMax = max(sum.CapacityMax, r.CapacityMax)
	sum.WorstRecovery = max(sum.WorstRecovery, r.WorstRecovery)
	sum.WaitP50, sum.WaitP99 = max(sum.WaitP50, r.WaitP50), max(sum.WaitP99, r.WaitP99)
	sum.Violations = append(sum.Violations, r.Violations...)
	sum.unsaved = append(sum.unsaved, r.Shard.Unsaved...)
	return nil
}

// joinExplored puts the scenarios in the order of the command.
func joinExplored(parts []part) (*exploreReport, error) {
	names := parts[0].shardOf().Scenarios
	whole := &exploreReport{
		Command:    commandExplore,
		Scenarios:  []exploredScenario{},
		Violations: []violation{},
	}
	for i, name := range names {
		p := parts[i%len(parts)]
		r := p.result.(*exploreReport)
		place := i / len(parts)
		if place >= len(r.Scenarios) || r.Scenarios[place].Scenario != name {
			return nil, fmt.Errorf("%s: no result of scenario %s", p.file, name)
		}
		e := r.Scenarios[place]
		e.told = &r.Shard.Told[place]
		whole.Workers = max(whole.Workers, r.Workers)
		whole.Scenarios = append(whole.Scenarios, e)
		whole.Violations = append(whole.Violations, e.Violations...)
	}
	return whole, nil
}

// save writes a result whole or not at all.
func save(report any, file string) (err error) {
	if file == "" {
		return nil
	}
	beside, err := os.CreateTemp(filepath.Dir(file), ".merge-*")
	if err != nil {
		return fmt.Errorf("-out: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(beside.Name())
		}
	}()
	err = encode(beside, report)
	if closed := beside.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Chmod(beside.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(beside.Name(), file)
	}
	return err
}
