package spec

import (
	"fmt"
	"time"

	"github.com/pagepool/pagepool/pool/core"
)

// The claim about browsers that answer and do no work: they are checked on evidence, and replaced
// where a check has failed.

// checkPause is the least time from the beginning of one check to that of the next.
const checkPause = time.Second

// ledgerChecks is what the ledger knows of one browser's work.
type ledgerChecks struct {
	can       bool      // its driver can check it
	doubts    int       // doubtful ends and failed openings since its last check began
	doubtedAt core.Time // when the last of them was
	first     core.Affinity
	several   bool // these are of two affinities or more; a failed opening is of one of its own
	served    core.Affinity
	others    bool      // more than one affinity was served
	checkedAt core.Time // when its last check began, or it was ready
	operation core.OperationID
	underWay  bool
	failedAt  core.Time // when a check failed for which it is not replaced yet; 0: none has
}

// doubtful counts evidence against a browser: a doubtful end of an affinity's lease, or a failed
// opening.
func (l *Ledger) doubtful(id core.BrowserID, a core.Affinity) {
	b := l.browser(id)
	if b == nil || !b.checks.can {
		return
	}
	c := &b.checks
	switch {
	case c.doubts == 0:
		c.first = a
	case a == 0 || a != c.first:
		c.several = true
	}
	c.doubts++
	c.doubtedAt = l.now
}

// evidence takes from an event what speaks for or against a browser's work.
func (l *Ledger) evidence(e core.Event) {
	if t := l.heldBy(e.Request); t != nil {
		switch {
		case e.Kind == core.Expired, e.Kind == core.Discarded && e.Wedged:
			l.endedInDoubt(t)
		case e.Kind == core.Released:
			t.unjudged, t.doubtful = true, false
		case e.Kind == core.Discarded:
			t.doubtful = false
		}
	}
	if t := l.tab(e.Tab); t != nil && t.closing == 0 && t.hears(e) {
		l.answerOf(t, &e)
	}
	if b := l.browser(e.Browser); b != nil {
		l.checkEvent(b, e)
	}
}

// answerOf judges the end of a tab's last lease by the first answer of its page, and counts
// openings that fail.
func (l *Ledger) answerOf(t *entry, e *core.Event) {
	good, bad := false, false
	switch failed := e.Kind == core.Failed || e.Kind == core.Silent; {
	case failed && e.Of == core.OpenTab:
		if !t.opened && !t.failed {
			l.doubtful(t.browser, 0)
		}
	case e.Is(core.Done, core.ProbeTab):
		good = t.asked == core.ProbeTab
	case e.Is(core.Done, core.RescueTab):
		good = t.asked == core.RescueTab && t.halts
	case failed && e.Of == core.ProbeTab:
		bad = t.asked == core.ProbeTab
	case failed && (e.Of == core.RescueTab || e.Of == core.ResetTab):
		bad = t.asked == core.RescueTab || t.asked == core.ResetTab
	}
	if t.unjudged && bad {
		l.endedInDoubt(t)
	}
	if t.unjudged && good {
		l.endedWell(t)
	}
}

func (l *Ledger) checkEvent(b *ledgerBrowser, e core.Event) {
	c := &b.checks
	switch {
	case e.Is(core.Done, core.Launch):
		if e.Checks && !b.ready && !b.ending {
			c.can, c.checkedAt = true, l.now
		}
	case e.Of == core.CheckBrowser:
		switch {
		case !c.answers(e):
			return
		case e.Is(core.Done, core.CheckBrowser):
			l.sickBrowsers, c.failedAt = 0, 0
		case c.failedAt == 0:
			c.failedAt = l.now
		}
		l.checkEnds(b)
	case e.Kind == core.BrowserWorn:
		if c.failedAt != 0 {
			l.sickBrowsers++
			l.replacedAt = l.now
		}
	}
}

// answers says whether an event ends the check that is under way.
func (c *ledgerChecks) answers(e core.Event) bool {
	return c.underWay && (e.Operation == 0 || e.Operation == c.operation)
}

// checks enters a check that begins.
func (l *Ledger) checks(event core.Event, e *core.Effect) {
	b := l.browser(e.Browser)
	if b == nil || !b.checks.can || b.drains || b.ending || event.Kind != core.CheckDue ||
		event.Browser != e.Browser || l.checking() {
		l.breach("sick-browser", "b%d is checked, and is not to be", e.Browser)
		return
	}
	c := &b.checks
	c.doubts, c.doubtedAt, c.first, c.several = 0, 0, 0, false
	c.checkedAt, c.operation, c.underWay, l.checkBegan = l.now, e.Operation, true, l.now
}

// checkEnds notes that a browser's check, if one is under way, is over or waited for no more.
func (l *Ledger) checkEnds(b *ledgerBrowser) {
	if b != nil && b.checks.underWay {
		b.checks.underWay, l.checkEnded = false, l.now
	}
}

// checking says whether a check is under way in any browser.
func (l *Ledger) checking() bool {
	return find(l.browsers, func(b *ledgerBrowser) bool { return b.checks.underWay }) != nil
}

// serves notes that a browser's tab was granted.
func (c *ledgerChecks) serves(a core.Affinity) {
	if c.served == 0 {
		c.served = a
	}
	c.others = c.others || a != c.served
}

// pauseAfter is the pause after so many browsers replaced for a failed check, in a row.
func pauseAfter(set *core.Settings, sick int) time.Duration {
	most := set.CheckEvery
	if most < 0 {
		most = set.OpenBackoffMax
	}
	return doubled(set.OpenBackoff, most, sick)
}

// sickBrowser: a browser with enough evidence is checked, no sooner than a second after the last
// check, and one without every CheckEvery. One that a check found sick is replaced, after the
// pause. None is replaced but for Recycle, its age, its tabs, what is lost in it, or a failed
// check.
func sickBrowser(t *Transition) error {
	s, l := t.After, t.Ledger
	for i := range s.Browsers {
		b := &s.Browsers[i]
		lb := l.browser(b.ID)
		if lb == nil || !lb.checks.can {
			continue
		}
		if err := t.wornWhy(b, lb); err != nil {
			return err
		}
		if err := t.misdated(func(e *core.Event) bool {
			return e.Browser == b.ID &&
				(e.Kind == core.CheckDue || e.Kind == core.BrowserWorn || e.Of == core.CheckBrowser)
		}); err != nil {
			return err
		}
	}
	return nil
}

// checkDue is when a browser that serves is to be checked.
func (l *Ledger) checkDue(set *core.Settings, c *ledgerChecks) core.Time {
	if !c.can || l.checking() {
		return core.Never
	}
	at := core.Never
	if set.CheckEvery > 0 {
		at = c.checkedAt.Add(set.CheckEvery)
	}
	if set.BrowserDoubt > 0 && c.doubts >= set.BrowserDoubt && (c.several || !c.others) {
		at = min(at, max(c.doubtedAt, l.checkBegan.Add(checkPause)))
	}
	return max(at, l.checkEnded)
}

// replaceAt is when a browser is to be replaced for its failed check.
func (l *Ledger) replaceAt(set *core.Settings, c *ledgerChecks) core.Time {
	if l.sickBrowsers == 0 {
		return c.failedAt
	}
	return max(c.failedAt, l.replacedAt.Add(pauseAfter(set, l.sickBrowsers)))
}

// wornWhy: a browser that this step marks to be replaced has a reason.
func (t *Transition) wornWhy(b *core.Browser, lb *ledgerBrowser) error {
	before := browserOf(&t.Before.Facts, b.ID)
	if !b.Worn || before == nil || before.Worn {
		return nil
	}
	set := &t.After.Settings
	switch {
	case t.Event.Kind == core.RecycleRequested:
	// what is lost goes with its browser
	case t.Event.Is(core.Silent, core.KillTab), t.Event.Is(core.Silent, core.CloseContext):
	case t.Event.Kind == core.BrowserWorn && (lb.checks.failedAt != 0 || set.BrowserMaxAge > 0):
	case t.Event.Kind == core.Measured && t.After.Lightened && !t.Before.Lightened:
	case set.BrowserMaxTabs > 0 && b.Tabs > before.Tabs:
	default:
		return fmt.Errorf("b%d is to be replaced, and no check has failed", b.ID)
	}
	return nil
}
