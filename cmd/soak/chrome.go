package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/pagepool/pagepool/internal/prose"
	"github.com/pagepool/pagepool/pool/chrome"
	"github.com/pagepool/pagepool/pool/chrome/loopback"
	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim"
	"github.com/pagepool/pagepool/sim/fakebrowser"
	"github.com/pagepool/pagepool/sim/live"
	"github.com/pagepool/pagepool/sim/traffic"
)

// chromeReport is what `soak chrome` prints: the report of a run, in real seconds, and what a real
// browser adds.
type chromeReport struct {
	runReport
	Browser string     `json:"browser"`
	Visits  live.Tally `json:"visits"`
	// the longest that a holder waited to hear that his browser was killed
	Told    float64   `json:"told_seconds"`
	Figures []figures `json:"figures"`
	Left    []string  `json:"left"` // what was there afterwards and not before
	Loops   []loop    `json:"loops,omitempty"`
	State   string    `json:"state_hash"` // before the pool's end
}

// usualMishaps is how much more often things die than in simulated hours, which have few deaths in
// a minute.
const usualMishaps = 5

type chromeOptions struct {
	profile  string
	lasting  lasting
	seed     seedRange
	mishaps  count
	path     string
	logged   yesNo
	record   string
	dump     string
	measured string
}

// incidentProfile is a profile that real browsers alone have; the simulated incident is a trace.
const incidentProfile = "incident"

func chromeProfiles() []string {
	names := append(profileNames(), incidentProfile)
	for _, p := range fakebrowser.Parts {
		names = append(names, p.String())
	}
	return names
}

func (s *soak) chromeCommand() *cobra.Command {
	o := chromeOptions{lasting: lasting{30 * time.Second}, seed: seedRange{1, 1},
		mishaps: usualMishaps}
	c := &cobra.Command{
		Use:   "chrome [PROFILE]",
		Short: "Run the same traffic on a real browser",
		Long: paragraphs("Run the same traffic on a real Chrome, in real time, on pages served on this "+
			"machine. Every step of the pool is checked by the same code as in a simulated run, and the "+
			"fake browser has to be able to do whatever Chrome did. When it is over, nothing may be left: "+
			"no target, process, zombie, folder, goroutine or descriptor. As root the browser's sandbox "+
			"is off, since Chrome does not start otherwise; all pages are the command's own.") +
			"\n\n" + profileTable() + listed(func(add func(name, says string)) {
			add(incidentProfile, incidentSays)
			for _, p := range fakebrowser.Parts {
				add(p.String(), sharedProfiles[p].says)
			}
		}),
		ValidArgs: chromeProfiles(),
		Args: func(c *cobra.Command, args []string) error {
			o.profile = "staging"
			if len(args) > 1 {
				return fmt.Errorf("want one profile, got %d", len(args))
			}
			if len(args) == 1 {
				o.profile = args[0]
			}
			if !slices.Contains(chromeProfiles(), o.profile) {
				return fmt.Errorf("unknown profile %q; the profiles are %s", o.profile,
					strings.Join(chromeProfiles(), ", "))
			}
			if o.seed.first != o.seed.last {
				return fmt.Errorf("--seed %v: want one seed, since a real browser is not repeatable", &o.seed)
			}
			for _, flag := range []string{"seed", "mishaps"} {
				if c.Flags().Changed(flag) && traffic.ProfileNamed(o.profile) == nil {
					return fmt.Errorf("--%s: want it with one of the profiles %s; %s draws nothing", flag,
						strings.Join(profileNames(), ", "), o.profile)
				}
			}
			return nil
		},
		RunE: func(*cobra.Command, []string) error {
			report, err := s.chrome(o)
			if err != nil {
				return err
			}
			if len(report.Violations) > 0 {
				s.broke()
			}
			return s.print(report, report.write)
		},
	}
	c.Flags().Var(&o.lasting, "for", "how long callers come")
	c.Flags().Var(&o.seed, "seed", "the seed `N` that the callers are drawn from")
	c.Flags().Var(&o.mishaps, "mishaps", "how much more often than in simulated hours browsers and "+
		"pages die, and browsers fall silent")
	c.Flags().StringVar(&o.path, "path", "", "the `BROWSER`; without it, the first found")
	c.Flags().VarPF(&o.logged, "log", "",
		"print what the pool and the driver log to standard error").NoOptDefVal = "true"
	c.Flags().StringVar(&o.record, "record", "", "write all that happened to this `FILE`, as a trace")
	c.Flags().StringVar(&o.dump, "dump", "", "write the pool's dump before its end to this `FILE`; "+
		"state_hash is that of its replay")
	c.Flags().StringVar(&o.measured, "latencies", "",
		"write how long each kind of operation took to this `FILE`")
	s.takesSettings(c)
	c.AddCommand(s.attacksCommand())
	return c
}

// chromeStage is the pages of this machine as a stage.
type chromeStage struct{ *loopback.Stage }

// Befall has a mishap happen to a browser.
func (s chromeStage) Befall(m traffic.Mishap, launch uint64) bool {
	switch m {
	case traffic.BrowserDies:
		return s.KillBrowser(launch)
	case traffic.PageCrashes:
		return s.KillRenderer(launch)
	}
	return s.StopBrowser(launch)
}

// chromeSettings are a profile's, with what a real browser takes longer for than the simulated one.
func chromeSettings(profile string) core.Settings {
	settings := incidentSettings
	if _, ok := sharedPart(profile); ok {
		settings = sharedSettings
	}
	if p := traffic.ProfileNamed(profile); p != nil {
		settings = p.Settings
	}
	if profile == "hostile" {
		settings.Reset = true
		settings.MaxUses, settings.BrowserMaxTabs = 40, 200
		settings.LaunchTimeout = 15 * time.Second // a machine that is busy takes seconds
		settings.BrowserCloseTimeout = 15 * time.Second
	}
	settings.FreezeAfter = chrome.Options{}.IdleFreeze()
	return settings
}

// chrome runs the traffic of a profile on a real browser.
func (s *soak) chrome(o chromeOptions) (*chromeReport, error) {
	settings, err := s.settings(chromeSettings(o.profile))
	if err != nil {
		return nil, err
	}
	adopt := adoptOrphans()
	defer adopt()
	folder, done, err := temporaryFolder()
	if err != nil {
		return nil, err
	}
	defer done()
	began := time.Now()
	before := newBaseline(folder)
	stage, log, heard, err := s.stage(o.path, folder, bool(o.logged))
	if err != nil {
		return nil, err
	}
	stage.Calm = o.profile != "hostile" && o.profile != "burst"
	report := &chromeReport{Figures: []figures{}, Left: []string{}}
	watch := &watch{before: before, began: began}
	live, err := s.live(o, settings, chromeStage{stage}, log, heard, watch, report)
	if err := stage.Close(); err != nil {
		fmt.Fprintf(s.stderr, "soak: the server of the pages: %v\n", err)
	}
	if err != nil {
		return nil, err
	}
	report.Browser, _ = heard.product.Load().(string)
	report.Left = before.left()
	report.Figures = append(watch.all, before.figures("after", time.Since(began)))
	s.fill(report, live, o)
	report.WallSeconds = time.Since(began).Seconds()
	return report, nil
}

// stage returns pages of this machine for a browser with its profile in folder, what is to log, and
// what that hears. The caller closes the stage.
func (s *soak) stage(path, folder string, logged bool) (
	*loopback.Stage, *slog.Logger, *heard, error,
) {
	log := slog.New(slog.DiscardHandler)
	if logged {
		log = slog.New(slog.NewTextHandler(s.stderr, nil))
	}
	from := new(heard)
	log = slog.New(hearing{log.Handler(), from})
	stage, err := loopback.New(chrome.Launcher{
		ExecPath: path, NoSandbox: os.Geteuid() == 0, Options: chrome.Options{Logger: log},
	}, folder)
	return stage, log, from, err
}

// live plays the callers.
func (s *soak) live(o chromeOptions, settings core.Settings, stage chromeStage, log *slog.Logger,
	from *heard, w *watch, report *chromeReport) (*live.Result, error) {
	bar := s.progress(int64(o.lasting.Seconds()), o.profile)
	defer bar.done()
	options := live.Options[*chrome.Page]{
		Stage: stage, Settings: settings, For: o.lasting.Duration, Logger: log, Keep: o.record != "",
		Mark: w.mark,
		Tell: func(m live.Moment) {
			bar.add(1)
			c := m.Stats.Counters
			bar.say(fmt.Sprintf("%s: %d grants, %d callers, %d tabs, %d leases, %d expired, %d rescues, "+
				"%d crashes, %d browsers",
				o.profile, c.Grants, m.Callers, m.Stats.Tabs.Alive(), m.Stats.Leases, c.Expired, c.Rescues,
				c.Crashes, c.BrowserStarts))
		},
	}
	var err error
	if part, ok := sharedPart(o.profile); ok {
		options.Callers = sharedCallers(part, &from.killed)
	} else if o.profile == incidentProfile {
		options.Callers = incidentCallers(report, settings)
	} else if options.Callers, err = live.Profile[*chrome.Page](traffic.ProfileNamed(o.profile),
		o.seed.first, settings, int(o.mishaps)); err != nil {
		return nil, err
	}
	return live.Run(s.ctx, options)
}

// fill puts what a run came to into the report.
func (s *soak) fill(report *chromeReport, found *live.Result, o chromeOptions) {
	r := found.Report
	worst := r.WorstRecovery
	// whose pool is short of pages all the time, and so never at full capacity
	if o.profile == incidentProfile {
		worst = 0
		for _, l := range report.Loops {
			worst = max(worst, l.Held+l.Back)
		}
	}
	report.runReport = runReport{
		Command: "chrome", Profile: o.profile, SeedFirst: o.seed.first, SeedLast: o.seed.last,
		SimulatedSeconds: found.Ran.Seconds(), Events: r.Events, Grants: r.Grants,
		CapacityMax:   r.CapacityMax,
		WorstRecovery: worst, WaitP50: r.WaitP50, WaitP99: r.WaitP99, Reached: r.Reached.Map(),
		HistoryHash: fmt.Sprintf("%016x", r.HistoryHash), Violations: []violation{},
		Interrupted: found.Stopped, first: r,
	}
	report.State = fmt.Sprintf("%016x", found.StateHash)
	report.Visits, report.Told = found.Tally, found.Tally.Told.Seconds()
	s.cut = s.cut || found.Stopped
	repeat := fmt.Sprintf("soak chrome %s -for %v -seed %v%s", o.profile, o.lasting, &o.seed,
		s.setFlags())
	if o.mishaps != usualMishaps {
		repeat += fmt.Sprintf(" -mishaps %v", &o.mishaps)
	}
	if o.path != "" {
		repeat += " -path " + quote(o.path)
	}
	if len(report.Left) > 0 {
		found.Violations = append(found.Violations, sim.Violation{
			Property: "closes", Says: sim.Says("closes"), What: "left: " + strings.Join(report.Left, "; "),
			Step: r.Events,
		})
	}
	if o.profile == incidentProfile && len(report.Loops) == 0 && found.Ran > incidentShows {
		found.Violations = append(found.Violations, sim.Violation{
			Property: "stuck-isolated", Says: sim.Says("stuck-isolated"), Step: r.Events,
			What: "not shown: no page looped; the first error was " + found.Tally.FirstError,
		})
	}
	for _, v := range found.Violations {
		report.Violations = append(report.Violations, violation{
			Property: v.Property, Says: v.Says, What: v.What, Seed: o.seed.first, Step: v.Step,
			Repeat: repeat,
		})
	}
	if len(found.Violations) > 0 {
		s.saveDump(report, found)
	}
	if o.record != "" {
		s.write(o.record, found.Trace)
	}
	if o.dump != "" {
		s.write(o.dump, found.Dump)
	}
	if o.measured != "" {
		s.write(o.measured, found.Latencies("Measured by "+repeat,
			fmt.Sprintf("on %s, %s.", report.Browser, prose.Count(runtime.NumCPU(), "processor"))))
	}
}

// saveDump saves what the flight recorder held. A broken invariant is in it, and a replay of it
// shows it again.
func (s *soak) saveDump(report *chromeReport, found *live.Result) {
	name := fmt.Sprintf("chrome-%s-%s.trace", report.Violations[0].Property, report.Profile)
	if !s.write(name, found.Dump) {
		return
	}
	for i := range report.Violations {
		report.Violations[i].savedIn(name, found.Dump)
	}
	if found.Outside != nil {
		fmt.Fprintf(s.stderr, "soak: before %s:\n  %s\n", found.Outside.Line,
			strings.Join(found.Outside.Last, "\n  "))
	}
}

func (s *soak) write(file string, data []byte) bool {
	err := os.WriteFile(file, data, 0o644)
	if err != nil {
		fmt.Fprintf(s.stderr, "soak: %v\n", err)
	}
	return err == nil
}

// heard is what a log has told.
type heard struct {
	product atomic.Value // the browser that the driver started
	// is told of each helper that the driver killed; nil: nobody is
	killed atomic.Pointer[func(part string)]
}

// hearing passes a log on, and keeps what it tells.
type hearing struct {
	slog.Handler
	heard *heard
}

// Enabled takes in everything.
func (hearing) Enabled(context.Context, slog.Level) bool { return true }

// WithAttrs keeps an eye on what a logger with attributes says, too.
func (l hearing) WithAttrs(attrs []slog.Attr) slog.Handler {
	return hearing{l.Handler.WithAttrs(attrs), l.heard}
}

// WithGroup is as WithAttrs.
func (l hearing) WithGroup(name string) slog.Handler {
	return hearing{l.Handler.WithGroup(name), l.heard}
}

// Handle looks for what is to be kept.
func (l hearing) Handle(ctx context.Context, r slog.Record) error {
	tellKilled(r, &l.heard.killed)
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "product" {
			l.heard.product.Store(a.Value.String())
		}
		return true
	})
	if !l.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return l.Handler.Handle(ctx, r)
}

func (r *chromeReport) write(w io.Writer) {
	say(w, "", fmt.Sprintf("%s on %s: callers came for %s, all took %.2f s", r.Profile, r.Browser,
		seconds(r.SimulatedSeconds), r.WallSeconds))
	say(w, "  settings       ", orDefault(r.first.Settings.Diff()))
	fmt.Fprintf(w, "  events         %d\n  grants         %d\n", r.Events, r.Grants)
	fmt.Fprintf(w, "  tabs alive     at most %d\n", r.CapacityMax)
	fmt.Fprintf(w, "  wait           p50 %d ms, p99 %d ms\n", r.WaitP50, r.WaitP99)
	fmt.Fprintf(w, "  worst recovery %s\n", seconds(r.WorstRecovery))
	t := r.Visits
	say(w, "  visits         ", fmt.Sprintf(
		"%d; work that was done %d, that failed %d; leases ended early: %s; requests refused: %s",
		t.Visits, t.Worked, t.WorkFailed, tallied(t.Ended), tallied(t.Refused)))
	if t.Kills > 0 {
		fmt.Fprintf(w, "  killed         %s; holders were told within %v\n",
			prose.Count(t.Kills, "browser"), t.Told.Round(time.Millisecond))
	}
	for _, l := range r.Loops {
		say(w, "  loop           ", fmt.Sprintf(
			"its lease ended after %s; %s later its tab was %s, its affinity %s",
			seconds(l.Held), seconds(l.Back), either(l.Saved, "of use again", "gone"),
			either(l.Warm, "warm all the time", "cold")))
	}
	fmt.Fprintf(w, "  %-6s %7s %10s %11s %9s %5s %9s %9s\n", "", "at", "goroutines", "descriptors",
		"processes", "files", "memory", "browser")
	for _, f := range r.Figures {
		fmt.Fprintf(w, "  %-6s %7s %10d %11d %9d %5d %6.1f MB %6.1f MB\n", f.When, seconds(f.At),
			f.Goroutines, f.Descriptors,
			f.Processes, f.Files, float64(f.Memory)/1e6, float64(f.BrowserMemory)/1e6)
	}
	writeViolations(w, r.Violations)
	switch {
	case r.Interrupted:
		fmt.Fprintln(w, "interrupted")
	case len(r.Violations) == 0:
		fmt.Fprintln(w, "every claim held, and nothing is left")
	}
}

// tallied are numbers of things, by their names.
func tallied(counts map[string]int) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		all = append(all, fmt.Sprintf("%s %d", name, counts[name]))
	}
	if len(all) == 0 {
		return "none"
	}
	return strings.Join(all, ", ")
}

func either(is bool, this, that string) string {
	if is {
		return this
	}
	return that
}
