package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/pagepool/pagepool/internal/prose"
	"github.com/pagepool/pagepool/pool/chrome/attacks"
	"github.com/pagepool/pagepool/pool/chrome/loopback"
)

// attacksReport is what `soak chrome attacks` prints of one build.
type attacksReport struct {
	Command     string        `json:"command"`
	Browser     string        `json:"browser"`
	Processors  int           `json:"processors"`
	Lease       float64       `json:"lease_seconds"`
	Trials      []attackTrial `json:"trials"`
	Interrupted bool          `json:"interrupted"`
	Note        string        `json:"note,omitempty"` // by hand: what the document is to say of it
	WallSeconds float64       `json:"wall_seconds"`
}

// attackTrial is the trial of one page, beside that of the page that merely burns a core.
type attackTrial struct {
	loopback.Trial
	Burn   float64  `json:"burn_p50_ms"`
	Rounds int      `json:"rounds"` // one that is slow is tried again, until two trials agree
	Broken []string `json:"broken"`
}

// cost is how many times as long good requests take as beside the page that burns a core.
func (t *attackTrial) cost() float64 { return t.P50 / max(t.Burn, 0.001) }

const (
	// burnEvery is after how many pages the page that burns a core is tried anew.
	burnEvery = 8
	// slowRounds is how often a page is tried, at most, that seems to break a promise about time.
	slowRounds = 3
)

// attacksSays is what help says of the command, in paragraphs.
var attacksSays = []string{
	"Try each page of the attack corpus on a real Chrome, each in a pool of 4 tabs with a " +
		"browser of its own, beside two tenants that take screenshots all the time. No good " +
		"request may fail; their median may be twice that beside a page that merely burns a " +
		"core; and the tab is of use again 2 s after MaxLease, which is 2 s. Beside a page that " +
		"may keep a shared process busy, a few requests may fail until that process is " +
		"replaced. A page that seems slow is tried again, until two trials agree.",
	"With --markdown, print docs/attacks.md from what --json has printed on each build.",
}

type attacksOptions struct {
	page     string
	path     string
	logged   yesNo
	markdown yesNo
	files    []string
}

// pages are those to try.
func (o *attacksOptions) pages() []attacks.Page {
	return slices.DeleteFunc(attacks.All(), func(p attacks.Page) bool {
		return o.page != "" && o.page != p.Name && o.page != p.Family
	})
}

func (s *soak) attacksCommand() *cobra.Command {
	var o attacksOptions
	c := &cobra.Command{
		Use:   "attacks [--markdown FILE...]",
		Short: "Try each page of the attack corpus beside two good tenants",
		Long:  paragraphs(attacksSays...),
		Args: func(_ *cobra.Command, args []string) error {
			o.files = args
			switch {
			case bool(o.markdown) != (len(args) > 0):
				return errors.New("want --markdown and the files that --json printed, or neither")
			case bool(o.markdown) && o.page != "":
				return errors.New("--page: want it without --markdown, whose document has every page")
			case len(o.pages()) == 0:
				return fmt.Errorf("--page %s: no such page or family; see docs/attacks.md", o.page)
			}
			return nil
		},
		RunE: func(*cobra.Command, []string) error {
			if o.markdown {
				return s.attacksDocument(o.files)
			}
			report, err := s.attacks(o)
			if err != nil {
				return err
			}
			return s.print(report, report.write)
		},
	}
	c.Flags().StringVar(&o.page, "page", "", "try the page or the family of this `NAME` alone")
	c.Flags().StringVar(&o.path, "path", "", "the `BROWSER`; without it, the first found")
	logged := c.Flags().VarPF(&o.logged, "log", "", "print what the pool and the driver log")
	logged.NoOptDefVal = "true"
	markdown := c.Flags().VarPF(&o.markdown, "markdown", "", "print the document from FILE...")
	markdown.NoOptDefVal = "true"
	return c
}

// attackRun is a run through the corpus.
type attackRun struct {
	*soak
	stage *loopback.Stage
	burn  float64 // the last median beside the page that burns a core
	since int     // pages since then
}

// attacks tries the corpus on one browser.
func (s *soak) attacks(o attacksOptions) (*attacksReport, error) {
	adopt := adoptOrphans()
	defer adopt()
	folder, done, err := temporaryFolder()
	if err != nil {
		return nil, err
	}
	defer done()
	began := time.Now()
	stage, log, heard, err := s.stage(o.path, folder, bool(o.logged))
	if err != nil {
		return nil, err
	}
	defer stage.Close()
	stage.Logger = log
	report, err := s.corpus(stage, o.pages())
	if err != nil {
		return nil, err
	}
	report.Browser, _ = heard.product.Load().(string)
	report.WallSeconds = time.Since(began).Seconds()
	return report, nil
}

// corpus tries pages, one after the other.
func (s *soak) corpus(stage *loopback.Stage, pages []attacks.Page) (*attacksReport, error) {
	report := &attacksReport{
		Command: "attacks", Processors: runtime.NumCPU(), Lease: loopback.TrialLease.Seconds(),
		Trials: []attackTrial{},
	}
	r := &attackRun{soak: s, stage: stage, since: burnEvery}
	bar := s.progress(int64(len(pages)), "attacks")
	defer bar.done()
	for _, page := range pages {
		t, err := r.try(page)
		if !s.goesOn() {
			s.cut, report.Interrupted = true, true
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", page.Name, err)
		}
		if len(t.Broken) > 0 {
			s.broke()
		}
		report.Trials = append(report.Trials, *t)
		bar.add(1)
		bar.say(page.Name)
	}
	return report, nil
}

// try tries one page. One that breaks a promise about time is tried again, with the page that burns
// a core before it, until two trials agree.
func (r *attackRun) try(page attacks.Page) (*attackTrial, error) {
	var rounds []attackTrial
	for slow := 0; ; {
		if r.since++; r.since > burnEvery || len(rounds) > 0 {
			yardstick, _ := attacks.Named(attacks.Burn)
			t, err := r.stage.Attack(r.ctx, yardstick, loopback.TrialLease, loopback.TrialLease)
			if err != nil {
				return nil, err
			}
			r.burn, r.since = t.P50, 1
		}
		t, err := r.stage.Attack(r.ctx, page, loopback.TrialLease, loopback.TrialLease)
		if t == nil {
			t = &loopback.Trial{Page: page.Name}
		}
		if err != nil {
			t.Error = err.Error() // the pages after it are tried all the same
		}
		rounds = append(rounds, attackTrial{Trial: *t, Burn: r.burn})
		if t.Slow(r.burn, loopback.TrialLease) {
			slow++
		}
		if slow == 0 || slow == 2 || len(rounds) == slowRounds {
			return middle(page, rounds), nil
		}
	}
}

// middle is the trial in the middle, by what others pay or else by the time until the tab was back,
// with the most failures of all. Of two it is the better one.
func middle(page attacks.Page, rounds []attackTrial) *attackTrial {
	ordered := slices.Clone(rounds)
	slices.SortFunc(ordered, func(a, b attackTrial) int {
		if rounds[0].cost() > 2 {
			return cmp.Compare(a.cost(), b.cost())
		}
		return cmp.Compare(a.Back, b.Back)
	})
	t := ordered[(len(ordered)-1)/2]
	for _, x := range rounds {
		t.Failed, t.FailedLater = max(t.Failed, x.Failed), max(t.FailedLater, x.FailedLater)
		if t.FirstError == "" {
			t.FirstError = x.FirstError
		}
	}
	t.Rounds = len(rounds)
	t.judge(page)
	return &t
}

// judge says which promises the trial broke.
func (t *attackTrial) judge(page attacks.Page) {
	t.Broken = append([]string{}, t.Trial.Broken(page, t.Burn, loopback.TrialLease)...)
}

func (r *attacksReport) write(w io.Writer) {
	say(w, "", fmt.Sprintf("%s of the attack corpus on %s, in %.0f s",
		prose.Count(len(r.Trials), "page"), r.Browser, r.WallSeconds))
	broken := 0
	for i := range r.Trials {
		t := &r.Trials[i]
		fmt.Fprintf(w, "  %-22s %5.0f ms %4.1f x  back %5.1f s  %3d of %3d failed\n",
			t.Page, t.P50, t.cost(), t.Back, t.Failed, t.Asked)
		for _, what := range t.Broken {
			say(w, "  BROKEN  ", what)
		}
		if t.Error != "" {
			say(w, "          ", "the attack: "+t.Error)
		}
		if len(t.Broken) > 0 {
			broken++
			if t.FirstError != "" {
				say(w, "          ", "the first failure: "+t.FirstError)
			}
		}
	}
	switch {
	case r.Interrupted:
		fmt.Fprintln(w, "interrupted")
	case broken == 0:
		fmt.Fprintln(w, "every promise held")
	default:
		fmt.Fprintf(w, "%s broke a promise\n", prose.Count(broken, "page"))
	}
}

// readAttacks reads what -json has printed.
func readAttacks(file string) (*attacksReport, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var r attacksReport
	if err := json.Unmarshal(text, &r); err != nil || len(r.Trials) == 0 {
		return nil, fmt.Errorf("%s is not what soak chrome attacks -json prints", file)
	}
	for i := range r.Trials {
		page, known := attacks.Named(r.Trials[i].Page)
		if !known {
			return nil, fmt.Errorf("%s: the corpus has no page %s", file, r.Trials[i].Page)
		}
		r.Trials[i].judge(page) // its mark may have changed since
	}
	return &r, nil
}
