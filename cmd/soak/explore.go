package main

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim"
	"github.com/pagepool/pagepool/sim/replay"
	"github.com/pagepool/pagepool/sim/search"
)

// exploreReport is what `soak explore` prints.
type exploreReport struct {
	Command    string             `json:"command"`
	Scenarios  []exploredScenario `json:"scenarios"`
	Workers    int                `json:"workers"`
	Violations []violation        `json:"violations"`

	Interrupted bool         `json:"interrupted,omitempty"`
	Shard       *shardReport `json:"shard,omitempty"`
}

type exploredScenario struct {
	Scenario    string      `json:"scenario"`
	States      int         `json:"states"`
	Transitions int         `json:"transitions"`
	Depth       int         `json:"depth"`
	WallSeconds float64     `json:"wall_seconds"`
	MemoryBytes int         `json:"memory_bytes"`
	Complete    bool        `json:"complete"`
	StatesSum   string      `json:"states_sum"`
	Violations  []violation `json:"violations"`

	told *told // nil: of a result that merge has read, which was no shard's
}

// told is what prose tells of a search beside its figures. The report of a shard has it, so that
// merge tells the same.
type told struct {
	Trace  []string `json:"trace,omitempty"`  // the actions that break a claim
	Around []string `json:"around,omitempty"` // what goes on for ever from their end, for example
	// how many of them it takes until nothing avoids it; -1: not known
	NoReturn int     `json:"no_return"`
	Omission float64 `json:"omission"`         // how likely it is that a state was overlooked
	Graph    int     `json:"memory_bytes"`     // beside the set of visited states
	CutBy    string  `json:"cut_by,omitempty"` // what ended it early
	Luck     string  `json:"luck,omitempty"`   // around a run: whether luck or design kept its promises
	Within   *int    `json:"within,omitempty"` // around a run: as Exploration.Within

	stopped bool // Ctrl-C ended it
}

type exploreOptions struct {
	scenarios []*sim.Scenario
	all       yesNo
	maxStates count
	maxMemory memory // of the whole process
	workers   count
	symmetry  yesNo
	likeKeys  yesNo
	from      string // a trace, at whose end the searches begin
	faults    count  // of each search, where it was given
	faultsSet bool

	deviations    count // around the trace
	deviationsSet bool

	shard shard // of the scenarios
}

func scenarioNames() []string {
	var names []string
	for _, c := range sim.Scenarios {
		names = append(names, c.Name)
	}
	return names
}

func (s *soak) exploreCommand() *cobra.Command {
	o := exploreOptions{symmetry: true, workers: count(min(2, runtime.GOMAXPROCS(0))),
		maxMemory: 2 << 30, shard: shard{1, 1}}
	scenarios := listed(func(add func(name, says string)) {
		for _, c := range sim.Scenarios {
			add(c.Name, c.Says)
		}
	})
	c := &cobra.Command{
		Use:   "explore [SCENARIO...]",
		Short: "Explore every interleaving of a scenario",
		Long: paragraphs("Visit every interleaving of a small scenario, breadth first, and check every "+
			"claim in each state. A deviation is what a healthy browser does not do: an answer before its "+
			"time, a failure, a crash, a deadline that fires early. A search that -max-states or "+
			"-max-memory cuts says how far it came, and the exit is 0 where no claim broke by then.",
			"With -from FILE, the search begins where a trace or a dump ends. With -deviations too, it "+
				"visits every run within so many deviations of the recorded one, and says if that kept its "+
				"claims by luck or by design.") +
			"\n\n" + scenarios,
		Example:   "  soak explore R-6 worn-browser\n  soak explore -from dump.trace -deviations 2",
		ValidArgs: scenarioNames(),
		Args: func(_ *cobra.Command, args []string) error {
			return o.choose(args)
		},
		RunE: func(c *cobra.Command, _ []string) error {
			o.faultsSet = c.Flags().Changed("faults")
			if o.deviationsSet = c.Flags().Changed("deviations"); o.deviationsSet &&
				(o.from == "" || o.faultsSet || c.Flags().NArg() > 0 || bool(o.all)) {
				return fmt.Errorf("--deviations %d: want --from FILE with it, and neither a scenario nor "+
					"--faults", o.deviations)
			}
			report, err := s.explore(&o)
			if err != nil {
				return err
			}
			if len(report.Violations) > 0 {
				s.broke()
			}
			return s.print(report, report.write)
		},
	}
	c.Flags().VarPF(&o.all, "all", "", "explore every scenario").NoOptDefVal = "true"
	c.Flags().StringVar(&o.from, "from", "", "begin where this `FILE` ends; without a scenario, with "+
		"nobody but those who hold or wait there")
	c.Flags().Var(within{&o.deviations, 0, sim.MostFaults}, "deviations",
		"with -from: every run within so many deviations of the one that the trace records")
	c.Flags().Var(within{&o.faults, 0, sim.MostFaults}, "faults",
		"how many deviations from a healthy browser, instead of those of the scenario")
	c.Flags().Var(&o.maxStates, "max-states", "stop each after this many states; 0: no bound")
	c.Flags().Var(&o.maxMemory, "max-memory", "stop when the searches take more memory than this")
	c.Flags().Var(within{&o.workers, 1, math.MaxInt32}, "workers",
		"how many processors a search uses; what it finds does not depend on it")
	c.Flags().VarPF(&o.symmetry, "symmetry", "", "states that are the same once two like tabs, "+
		"contexts or callers change places count once").NoOptDefVal = "true"
	c.Flags().VarPF(&o.likeKeys, "like-keys", "", "with --symmetry: states that are the same once "+
		"two keys change places count once, too, where the callers of both do alike").NoOptDefVal = "true"
	c.Flags().Var(&o.shard, "shard", "explore only the i-th of n parts of the scenarios")
	s.takesSettings(c)
	_ = c.MarkFlagFilename("from", "trace") // it is a flag of this command
	return c
}

func (o *exploreOptions) choose(args []string) error {
	switch {
	case bool(o.likeKeys) && (!bool(o.symmetry) || o.from != ""):
		return fmt.Errorf("--like-keys: want --symmetry with it, and not --from")
	case bool(o.all) && len(args) > 0:
		return fmt.Errorf("want --all or names, not both")
	case bool(o.all):
		o.scenarios = sim.Scenarios
		return nil
	case len(args) == 0 && o.from != "":
		o.scenarios = []*sim.Scenario{{Name: filepath.Base(o.from), Faults: 1, Menu: sim.AllFaults}}
		return nil
	case len(args) == 0:
		return fmt.Errorf("want a scenario or --all; the scenarios are %s",
			strings.Join(scenarioNames(), ", "))
	}
	for _, name := range args {
		c := sim.ScenarioNamed(name)
		if c == nil {
			return fmt.Errorf("unknown scenario %q; the scenarios are %s", name,
				strings.Join(scenarioNames(), ", "))
		}
		if !slices.Contains(o.scenarios, c) {
			o.scenarios = append(o.scenarios, c)
		}
	}
	return nil
}

func (s *soak) explore(o *exploreOptions) (*exploreReport, error) {
	mine, err := o.mine()
	if err != nil {
		return nil, err
	}
	report := &exploreReport{
		Command: commandExplore, Scenarios: make([]exploredScenario, len(mine)),
		Workers: int(o.workers), Violations: []violation{},
	}
	if o.deviationsSet {
		report.Workers = 1 // whatever it was told
	}
	bar := s.progress(-1, "states")
	defer bar.done()
	for i, c := range mine {
		if report.Scenarios[i], err = s.exploreOne(o, c, bar); err != nil {
			if o.from == "" {
				err = fmt.Errorf("%s: %w", c.Name, err)
			}
			return nil, err
		}
		report.Violations = append(report.Violations, report.Scenarios[i].Violations...)
		report.Interrupted = report.Interrupted || report.Scenarios[i].told.stopped
	}
	s.cut = s.cut || report.Interrupted
	if o.shard.parts > 1 {
		report.seal(o, s.setFlags())
	}
	return report, nil
}

func (s *soak) exploreOne(o *exploreOptions, c *sim.Scenario, bar progress) (exploredScenario,
	error) {
	changed := *c
	if o.faultsSet {
		changed.Faults = int(o.faults)
	}
	how, err := s.searchOf(o, &changed)
	if err != nil {
		return exploredScenario{}, err
	}
	runtime.GC() // what an earlier search has left does not count towards this one's memory
	defer o.collectSeldom()()
	began, last, cutBy, stopped := time.Now(), 0, fmt.Sprintf("-max-states %d", o.maxStates), false
	x, err := how.search(sim.ExploreOptions{
		MaxStates: int(o.maxStates),
		Workers:   int(o.workers), NoSymmetry: !bool(o.symmetry), LikeKeys: bool(o.likeKeys),
		NoReturn: true,
		Progress: func(p search.Progress) bool {
			bar.add(p.States - last)
			last = p.States
			bar.say(fmt.Sprintf("%s, depth %d: %.0f states/s, %d to go on from, %v;", c.Name, p.Depth,
				float64(p.States)/time.Since(began).Seconds(), p.Frontier, inUse()))
			switch {
			case !s.goesOn():
				cutBy, stopped = "Ctrl-C", true
				return false
			case inUse() > o.maxMemory:
				cutBy = "-max-memory " + o.maxMemory.String()
				return false
			}
			return true
		},
	})
	if err != nil {
		return exploredScenario{}, err
	}
	e := exploredScenario{
		Scenario: c.Name, States: x.States, Transitions: x.Transitions, Depth: x.Depth,
		WallSeconds: time.Since(began).Seconds(), MemoryBytes: x.VisitedBytes, Complete: x.Complete,
		StatesSum: fmt.Sprintf("%016x", x.Sum), Violations: []violation{},
		told: &told{Trace: x.Trace, Around: x.Goes, NoReturn: x.NoReturn, Omission: x.Omission(),
			Graph: x.GraphBytes, CutBy: cutBy, stopped: stopped},
	}
	if o.deviationsSet {
		e.told.Within = &x.Within
		e.told.Luck = luckOf(x, int(o.deviations))
	}
	if v := x.Violation; v != nil {
		found := violation{
			Property: v.Property, Says: v.Says, What: v.What, Step: v.Step,
			Repeat: o.repeat(c) + s.setFlags(),
		}
		file, text, err := saveExplored(how, &changed, x, found.Repeat)
		if err == nil {
			found.savedIn(file, text)
			s.addPage(&found)
		} else if o.from != "" {
			fmt.Fprintf(s.stderr, "soak: what broke %s was not saved: %v\n", v.Property, err)
		}
		e.Violations = append(e.Violations, found)
	}
	return e, nil
}

// collectSeldom has the garbage collector run seldom until what it returns is called: a search
// keeps most of what it allocates. At the bound of its memory the collector runs as often as it
// must.
func (o *exploreOptions) collectSeldom() (restore func()) {
	limit := debug.SetMemoryLimit(int64(min(o.maxMemory, math.MaxInt64)))
	percent := debug.SetGCPercent(400)
	return func() {
		debug.SetMemoryLimit(limit)
		debug.SetGCPercent(percent)
	}
}

// A searched scenario: how it is searched, and what is written where a claim broke.
type searched struct {
	search func(sim.ExploreOptions) (*sim.Exploration, error)
	text   func(x *sim.Exploration, comments ...string) ([]byte, error)
	file   func(property string) string
	from   *sim.World // where the search began; nil: at the scenario's start
}

// searchOf is the search of a scenario: from its start, from the end of a trace, or around one.
func (s *soak) searchOf(o *exploreOptions, c *sim.Scenario) (how searched, err error) {
	if o.from == "" {
		if c.Settings, err = s.settings(c.Settings); err != nil {
			return how, err
		}
		return searched{
			func(options sim.ExploreOptions) (*sim.Exploration, error) { return sim.Explore(c, options) },
			func(x *sim.Exploration, comments ...string) ([]byte, error) {
				return replay.Counterexample(c, x, sim.Names, comments...)
			},
			func(property string) string { return kept(fmt.Sprintf("%s-%s.trace", property, c.Name)) }, nil,
		}, nil
	}
	data, err := os.ReadFile(o.from)
	if err != nil {
		return how, err
	}
	tr, err := trace.Read(bytes.NewReader(data))
	if err != nil {
		return how, inFile(o.from, err)
	}
	if err = s.change(tr); err != nil {
		return how, err
	}
	how.file = func(property string) string { return beside(o.from, property, c.Name) }
	if o.deviationsSet {
		how.search = func(options sim.ExploreOptions) (*sim.Exploration, error) {
			x, err := replay.Around(tr, int(o.deviations), c.Name, options)
			if err != nil {
				err = inFile(o.from, err)
			}
			return x, err
		}
		how.text = func(x *sim.Exploration, comments ...string) ([]byte, error) {
			return replay.Deviating(tr, int(o.deviations), x, comments...)
		}
		return how, nil
	}
	if how.from, err = replay.Resume(tr, c); err != nil {
		return how, inFile(o.from, err)
	}
	how.search = func(options sim.ExploreOptions) (*sim.Exploration, error) {
		return sim.ExploreFrom(how.from, c.Name, options)
	}
	how.text = func(x *sim.Exploration, comments ...string) ([]byte, error) {
		return replay.Continued(tr, c, x, comments...)
	}
	return how, nil
}

// beside is where what a search found that began with a file is saved: beside that file, under its
// name, the claim's, and the scenario's where one came on top.
func beside(file, property, scenario string) string {
	base := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
	name := base + "-" + property
	if scenario != filepath.Base(file) {
		name += "-" + scenario
	}
	return filepath.Join(filepath.Dir(file), name+".trace")
}

// repeat is the command that explores a scenario again.
func (o *exploreOptions) repeat(c *sim.Scenario) string {
	command := "soak explore"
	if o.from == "" || c.Name != filepath.Base(o.from) {
		command += " " + c.Name
	}
	if o.from != "" {
		command += " -from " + quote(o.from)
	}
	if o.faultsSet {
		command += fmt.Sprintf(" -faults %d", o.faults)
	}
	if o.deviationsSet {
		command += fmt.Sprintf(" -deviations %d", o.deviations)
	}
	return command
}

// inUse is the memory that the process has in use, garbage included.
func inUse() memory {
	objects := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(objects)
	return memory(objects[0].Value.Uint64())
}
