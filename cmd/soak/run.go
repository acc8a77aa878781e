package main

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim"
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
	Violations       []violation       `json:"violations"`

	seeds int
	first *sim.Report // of the first seed
}

type runOptions struct {
	profile *sim.Profile
	seeds   seedRange
	hours   hours
	shard   shard
}

func (s *soak) runCommand() *cobra.Command {
	o := runOptions{seeds: seedRange{1, 1}, hours: hours{24 * time.Hour}, shard: shard{1, 1}}
	c := &cobra.Command{
		Use:   "run [PROFILE]",
		Short: "Run seeded traffic: " + strings.Join(profileNames(), ", "),
		Long: "Run seeded traffic on the production core, in virtual time. Every seed draws its own settings, its own\n" +
			"mix of callers and its own subset of faults; at the end the faults stop and everything has to come to rest.\n" +
			"From " + fmt.Sprint(campaignSeeds) + " seeds of the profile hostile on, a reached-count that stays at zero is a failure too.\n\n" + profileTable(),
		Args: func(_ *cobra.Command, args []string) error {
			name := "staging"
			if len(args) > 1 {
				return fmt.Errorf("want one profile, got %d", len(args))
			}
			if len(args) == 1 {
				name = args[0]
			}
			if o.profile = sim.ProfileNamed(name); o.profile == nil {
				return fmt.Errorf("unknown profile %q; the profiles are %s", name, strings.Join(profileNames(), ", "))
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
	c.Flags().Var(&o.seeds, "seed", "one seed, or a range")
	c.Flags().Var(&o.hours, "hours", "virtual time of each seed")
	c.Flags().Var(&o.shard, "shard", "run only the i-th of n parts of the seeds")
	s.takesSettings(c)
	return c
}

func profileNames() []string {
	var names []string
	for _, p := range sim.Profiles {
		names = append(names, p.Name)
	}
	return names
}

func profileTable() string {
	var b strings.Builder
	for _, p := range sim.Profiles {
		fmt.Fprintf(&b, "  %-10s %s\n", p.Name, p.Says)
	}
	return b.String()
}

// run runs every seed, as many at a time as there are processors; the report does not depend on how
// many that are.
func (s *soak) run(o runOptions) (*runReport, error) {
	if _, err := s.settings(core.Settings{}); err != nil && len(s.sets) > 0 {
		if _, other := s.settings(o.profile.Settings); other != nil {
			return nil, other
		}
	}
	began := time.Now()
	var seeds []uint64
	for seed := o.seeds.first; ; seed++ {
		if o.shard.has(seed) {
			seeds = append(seeds, seed)
		}
		if seed == o.seeds.last {
			break
		}
	}
	bar := s.progress(int64(len(seeds)), o.profile.Name)
	defer bar.done()
	reports := make([]*sim.Report, len(seeds))
	errs := make([]error, len(seeds))
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(seeds)) {
		workers.Go(func() {
			for s.ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(seeds) {
					return
				}
				reports[i], errs[i] = sim.Run(s.simOptions(o, seeds[i]))
				bar.add(1)
			}
		})
	}
	workers.Wait()
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		return nil, fmt.Errorf("seed %d: %w", seeds[i], errs[i])
	}
	report := s.sum(o, slices.DeleteFunc(reports, func(r *sim.Report) bool { return r == nil }))
	report.WallSeconds = time.Since(began).Seconds()
	return report, nil
}

func (s *soak) simOptions(o runOptions, seed uint64) sim.RunOptions {
	return sim.RunOptions{
		Profile: o.profile, Seed: seed, Hours: o.hours.Hours(),
		Set: func(settings *core.Settings) (err error) {
			*settings, err = s.settings(*settings)
			return err
		},
		Progress: func(core.Time) bool { return s.ctx.Err() == nil },
	}
}

// campaignSeeds is from how many seeds on everything has to have been reached.
const campaignSeeds = 100

func (s *soak) sum(o runOptions, reports []*sim.Report) *runReport {
	sum := &runReport{
		Command: "run", Profile: o.profile.Name, SeedFirst: o.seeds.first, SeedLast: o.seeds.last,
		Violations: []violation{}, seeds: len(reports),
	}
	var reached sim.Reached
	var hash core.Hasher
	saved := map[string]bool{} // one trace a property is enough
	for _, r := range reports {
		if sum.first == nil {
			sum.first = r
		}
		sum.SimulatedSeconds += r.SimulatedSeconds
		sum.Events += r.Events
		sum.Grants += r.Grants
		sum.CapacityMax = max(sum.CapacityMax, r.CapacityMax)
		sum.WorstRecovery = max(sum.WorstRecovery, r.WorstRecovery)
		sum.WaitP50, sum.WaitP99 = max(sum.WaitP50, r.WaitP50), max(sum.WaitP99, r.WaitP99)
		reached.Add(&r.Reached)
		hash.Add(r.HistoryHash)
		if r.Violation != nil {
			v := s.violationOf(o, r)
			if !saved[v.Property] {
				saved[v.Property] = true
				s.save(o, r, &v)
			}
			sum.Violations = append(sum.Violations, v)
		}
	}
	sum.Reached = reached.Map()
	sum.HistoryHash = fmt.Sprintf("%016x", hash.Sum())
	if zero := reached.Zero(); len(zero) > 0 && o.profile.Name == "hostile" && len(reports) >= campaignSeeds {
		sum.Violations = append(sum.Violations, violation{
			Property: "reached", Says: "A campaign reaches every fault, every rung, every rule of placement and every reason to close.",
			What: "never reached: " + strings.Join(zero, ", "), Seed: o.seeds.first, Repeat: s.runFlags(o, o.seeds),
		})
	}
	return sum
}

func (s *soak) runFlags(o runOptions, seeds seedRange) string {
	return fmt.Sprintf("soak run %s -seed %v -hours %v%s", o.profile.Name, &seeds, &o.hours, s.setFlags())
}

func (s *soak) violationOf(o runOptions, r *sim.Report) violation {
	return violation{
		Property: r.Violation.Property, Says: r.Violation.Says, What: r.Violation.What, Seed: r.Seed,
		Step: r.Violation.Step, Repeat: s.runFlags(o, seedRange{r.Seed, r.Seed}),
	}
}

// save writes the trace of a failed seed. Where it replays to the same failure, that is the shorter
// way to repeat it; what never ends cannot be seen in a trace, and takes the seed.
func (s *soak) save(o runOptions, r *sim.Report, v *violation) {
	file, repeats, err := saveRun(s.simOptions(o, r.Seed), r.Violation)
	if err != nil {
		fmt.Fprintf(s.stderr, "soak: the trace of seed %d was not saved: %v\n", r.Seed, err)
		return
	}
	v.File = file
	if repeats {
		v.Repeat = "soak replay " + quote(file)
	}
}

func (r *runReport) write(w io.Writer) {
	fmt.Fprintf(w, "%s, %s: %s of virtual time in %.2f s\n", r.Profile, plural(r.seeds, "seed"),
		seconds(r.SimulatedSeconds), r.WallSeconds)
	if r.seeds == 1 && r.first != nil {
		fmt.Fprintf(w, "  settings       %s\n", orDefault(r.first.Settings.Diff()))
	}
	fmt.Fprintf(w, "  events         %d\n  grants         %d\n", r.Events, r.Grants)
	fmt.Fprintf(w, "  tabs alive     at most %d\n", r.CapacityMax)
	fmt.Fprintf(w, "  wait           p50 %d ms, p99 %d ms\n", r.WaitP50, r.WaitP99)
	fmt.Fprintf(w, "  worst recovery %s\n", seconds(r.WorstRecovery))
	fmt.Fprintf(w, "  history        %s\n", r.HistoryHash)
	for _, v := range r.Violations {
		v.write(w)
	}
	if len(r.Violations) == 0 {
		fmt.Fprintln(w, "every claim held")
	}
}

func orDefault(settings string) string {
	if settings == "" {
		return "the defaults"
	}
	return settings
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
