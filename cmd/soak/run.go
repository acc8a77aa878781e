package main

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pagepool/pagepool/internal/prose"
	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim"
	"github.com/pagepool/pagepool/sim/search"
	"github.com/pagepool/pagepool/sim/traffic"
)

// runReport is what `soak run` prints. Of several seeds, the waits are those of the worst seed.
type runReport struct {
	Command          string            `json:"command"`
	Profile          string            `json:"profile"`
	SeedFirst        uint64            `json:"seed_first"`
	SeedLast         uint64            `json:"seed_last"`
	SimulatedSeconds float64           `json:"simulated_seconds"`
	WallSeconds      float64           `json:"wall_seconds"`
	Events           int               `json:"events"`
	Grants           uint64            `json:"grants"`
	CapacityMax      int               `json:"capacity_max"`
	WorstRecovery    float64           `json:"worst_recovery_seconds"`
	WaitP50          int               `json:"wait_p50_ms"`
	WaitP99          int               `json:"wait_p99_ms"`
	Reached          map[string]uint64 `json:"reached"`
	HistoryHash      string            `json:"history_hash"`
	Unseen           *unseenReport     `json:"unseen,omitempty"`
	Violations       []violation       `json:"violations"`
	Interrupted      bool              `json:"interrupted,omitempty"`
	Shard            *shardReport      `json:"shard,omitempty"`

	seeds, wanted uint64 // run to their end; asked for
	hours         hours  // asked for, of each seed
	unanswered    int    // requests that were left without an answer
	first         *traffic.Report
}

type runOptions struct {
	profile *traffic.Profile
	seeds   seedRange
	hours   hours
	shard   shard
}

func (s *soak) runCommand() *cobra.Command {
	o := runOptions{seeds: seedRange{1, 1}, hours: hours{24 * time.Hour}, shard: shard{1, 1}}
	c := &cobra.Command{
		Use:   "run [PROFILE]",
		Short: "Run seeded traffic: " + strings.Join(profileNames(), ", "),
		Long: paragraphs("Run seeded traffic on the production core, in virtual time. Every seed draws "+
			"its own settings, its own mix of callers and its own subset of faults; at the end the faults "+
			"stop and everything has to come to rest. A broken claim is saved as a trace and shrunk. A run "+
			"of "+fmt.Sprint(campaignSeeds)+" seeds or more of the profile hostile fails, too, if one of "+
			"the faults and decisions that -json counts under reached never occurs. Without a profile, it "+
			"is staging.") + "\n\n" + profileTable(),
		Example:   "  soak run hostile -seed 1-2000 -hours 1\n  soak run burst -set MaxPages=2",
		ValidArgs: profileNames(),
		Args: func(_ *cobra.Command, args []string) error {
			name := "staging"
			if len(args) > 1 {
				return fmt.Errorf("want one profile, got %d", len(args))
			}
			if len(args) == 1 {
				name = args[0]
			}
			if o.profile = traffic.ProfileNamed(name); o.profile == nil {
				return fmt.Errorf("unknown profile %q; the profiles are %s", name,
					strings.Join(profileNames(), ", "))
			}
			return nil
		},
		RunE: func(*cobra.Command, []string) error {
			report, err := s.run(o)
			if err != nil {
				return err
			}
			if len(report.Violations) > 0 {
				s.broke()
			}
			return s.print(report, report.write)
		},
	}
	c.Flags().Var(&o.seeds, "seed", "one seed, or a range such as 1-1000")
	c.Flags().Var(&o.hours, "hours", "virtual time of each seed")
	c.Flags().Var(&o.shard, "shard", "run only the i-th of n parts of the seeds")
	s.takesSettings(c)
	return c
}

func profileNames() []string {
	var names []string
	for _, p := range traffic.Profiles {
		names = append(names, p.Name)
	}
	return names
}

func profileTable() string {
	return listed(func(add func(name, says string)) {
		for _, p := range traffic.Profiles {
			add(p.Name, p.Says)
		}
	})
}

// run runs every seed, as many at a time as there are processors; the report does not depend on how
// many that are.
func (s *soak) run(o runOptions) (*runReport, error) {
	base, err := s.fitted(o.profile.Settings, core.Settings{}, o.profile.Check)
	if err != nil {
		return nil, err
	}
	first, n := o.shard.of(o.seeds)
	if n == 0 {
		return nil, fmt.Errorf("no seed of %v belongs to shard %v", &o.seeds, &o.shard)
	}
	began := time.Now()
	bar := s.progress(int64(n), o.profile.Name)
	defer bar.done()
	sum := &runSum{saved: map[string]bool{}, runReport: &runReport{
		Command: commandRun, Profile: o.profile.Name, SeedFirst: o.seeds.first, SeedLast: o.seeds.first,
		Violations: []violation{}, wanted: n, hours: o.hours,
	}}
	for a := range s.runSeeds(o, base, first, n) {
		outcome := <-a.done
		if outcome.err != nil {
			return nil, fmt.Errorf("seed %d: %w", a.seed, outcome.err)
		}
		if outcome.report != nil {
			s.add(sum, o, base, outcome.report)
			bar.add(1)
		}
	}
	sum.WallSeconds = time.Since(began).Seconds()
	report := s.finish(sum, o)
	s.cut = s.cut || report.Interrupted
	return report, nil
}

// attempt is one seed, which one of the workers runs.
type attempt struct {
	seed uint64
	done chan outcome // has room for its one answer
}

// outcome is what a seed came to; neither where it was not begun any more.
type outcome struct {
	report *traffic.Report
	err    error
}

// runSeeds runs n seeds, and returns them in their order. Those that are ahead of the reader are
// few, so that a range of any length fits into memory.
func (s *soak) runSeeds(o runOptions, base core.Settings, first, n uint64) <-chan attempt {
	workers := runtime.GOMAXPROCS(0)
	inOrder, todo := make(chan attempt, 4*workers), make(chan attempt)
	go func() {
		defer close(inOrder)
		defer close(todo)
		for i := uint64(0); i < n && s.goesOn(); i++ {
			a := attempt{first + i*o.shard.parts, make(chan outcome, 1)}
			inOrder <- a
			todo <- a
		}
	}()
	for range workers {
		go func() {
			for a := range todo {
				if !s.goesOn() {
					a.done <- outcome{}
					continue
				}
				report, err := traffic.Run(s.simOptions(o, base, a.seed))
				a.done <- outcome{report, err}
			}
		}()
	}
	return inOrder
}

// simOptions has the seed draw its settings, which give way to those of -set; with base they agree.
func (s *soak) simOptions(o runOptions, base core.Settings, seed uint64) traffic.Options {
	return traffic.Options{
		Profile: o.profile, Seed: seed, Hours: o.hours.Hours(),
		Set: func(settings *core.Settings) (err error) {
			*settings, err = s.fitted(*settings, base, o.profile.Check)
			return err
		},
		Progress: func(core.Time) bool { return s.goesOn() },
	}
}

// campaignSeeds is from how many seeds on everything has to have been reached.
const campaignSeeds = 100

// runSum is a report in the making.
type runSum struct {
	*runReport
	reached   sim.Reached
	simulated uint64 // milliseconds: a sum that does not depend on the order
	histories uint64 // as historyOf, summed
	unseen    search.Unseen
	saved     map[string]bool // by property: one trace of each is enough
	unsaved   []violation     // those of the runs, before any was saved
}

// add takes in the next seed.
func (s *soak) add(sum *runSum, o runOptions, base core.Settings, r *traffic.Report) {
	if sum.first == nil {
		sum.first = r
	}
	sum.SeedLast = r.Seed
	if !r.Stopped {
		sum.seeds++
	}
	sum.unanswered += r.Unanswered
	sum.simulated += milliseconds(r.SimulatedSeconds)
	sum.Events += r.Events
	sum.Grants += r.Grants
	sum.CapacityMax = max(sum.CapacityMax, r.CapacityMax)
	sum.WorstRecovery = max(sum.WorstRecovery, r.WorstRecovery)
	sum.WaitP50, sum.WaitP99 = max(sum.WaitP50, r.WaitP50), max(sum.WaitP99, r.WaitP99)
	sum.reached.Add(&r.Reached)
	sum.histories += historyOf(r.Seed, r.HistoryHash)
	sum.unseen.Add(r.Outlines)
	if r.Violation == nil {
		return
	}
	v := s.violationOf(o, r)
	sum.unsaved = append(sum.unsaved, v)
	if !sum.saved[v.Property] {
		sum.saved[v.Property] = true
		s.save(o, base, r, &v)
	}
	sum.Violations = append(sum.Violations, v)
}

// finish sees to what only all seeds together say. A campaign reaches everything, unless settings
// were given, which may make something impossible, or Ctrl-C has cut it short. A shard leaves that
// to merge.
func (s *soak) finish(sum *runSum, o runOptions) *runReport {
	if sum.Interrupted = sum.seeds < sum.wanted; !sum.Interrupted {
		sum.SeedLast = o.seeds.last
	}
	sum.Reached = sum.reached.Map()
	sum.SimulatedSeconds = float64(sum.simulated) / 1000
	sum.HistoryHash = fmt.Sprintf("%016x", sum.histories)
	sum.Unseen = unseenOf(&sum.unseen)
	if o.shard.parts > 1 {
		sum.seal(o.shard, s.runFlags(o, o.seeds))
	} else if !sum.Interrupted && len(s.sets) == 0 {
		sum.judgeReached(sum.seeds, &sum.reached, s.runFlags(o, o.seeds))
	}
	return sum.runReport
}

func (s *soak) runFlags(o runOptions, seeds seedRange) string {
	return fmt.Sprintf("soak run %s -seed %v -hours %v%s", o.profile.Name, &seeds, &o.hours,
		s.setFlags())
}

func (s *soak) violationOf(o runOptions, r *traffic.Report) violation {
	return violation{
		Property: r.Violation.Property, Says: r.Violation.Says, What: r.Violation.What, Seed: r.Seed,
		Step: r.Violation.Step, Repeat: s.runFlags(o, seedRange{r.Seed, r.Seed}),
	}
}

// save writes the trace of a failed seed. Where it replays to the same failure, that is the shorter
// way to repeat it; what never ends cannot be seen in a trace, and takes the seed.
func (s *soak) save(o runOptions, base core.Settings, r *traffic.Report, v *violation) {
	again := s.simOptions(o, base, r.Seed)
	again.Progress = nil // it takes no longer than the first time, and Ctrl-C asks for a report
	file, text, err := saveRun(again, r.Violation, v.Repeat)
	if err != nil {
		fmt.Fprintf(s.stderr, "soak: the trace of seed %d was not saved: %v\n", r.Seed, err)
		return
	}
	defer s.addPage(v)
	if !v.savedIn(file, text) {
		return
	}
	if err := s.shrinkSaved(v, text); err != nil {
		fmt.Fprintf(s.stderr, "soak: %s was not shrunk: %v\n", file, err)
	}
}

func (r *runReport) write(w io.Writer) {
	fmt.Fprintf(w, "%s, %s: %s of virtual time in %.2f s\n", r.Profile, prose.Count(r.wanted, "seed"),
		seconds(r.SimulatedSeconds), r.WallSeconds)
	if r.wanted == 1 && r.first != nil {
		say(w, "  settings       ", orDefault(r.first.Settings.Diff()))
	}
	fmt.Fprintf(w, "  events         %d\n  grants         %d\n", r.Events, r.Grants)
	fmt.Fprintf(w, "  tabs alive     at most %d\n", r.CapacityMax)
	fmt.Fprintf(w, "  wait           p50 %d ms, p99 %d ms\n", r.WaitP50, r.WaitP99)
	fmt.Fprintf(w, "  worst recovery %s\n", seconds(r.WorstRecovery))
	if u := r.Unseen; u != nil {
		say(w, "  kinds of state ",
			fmt.Sprintf("%d; the next one is new with a probability of %.2g", u.Kinds, u.Probability))
	}
	fmt.Fprintf(w, "  history        %s\n", r.HistoryHash)
	writeViolations(w, r.Violations)
	switch {
	case r.Interrupted:
		say(w, "", fmt.Sprintf("interrupted after %d of %s, %.4g of %.4g hours of virtual time", r.seeds,
			prose.Count(r.wanted, "seed"), r.SimulatedSeconds/3600, float64(r.wanted)*r.hours.Hours()))
	case len(r.Violations) == 0:
		fmt.Fprintln(w, "every claim held")
	}
}

func orDefault(settings string) string {
	if settings == "" {
		return "the defaults"
	}
	return settings
}
