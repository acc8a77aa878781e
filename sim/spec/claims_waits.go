package spec

import (
	"fmt"

	"github.com/pagepool/pagepool/pool/core"
)

// The claim about waiting: what a wait is told to have been.

// waitsHold: up to the last moment at which the root limit stopped it, a request waited for
// admission; and as long as its tab is opened or probed, or where it was promised none, the one
// that has been opening longest, for that. That stays so when the promise is broken.
func waitsHold(t *Transition) error {
	if err := t.brokenPromises(); err != nil {
		return err
	}
	if err := t.opensFor(core.Root, t.Before.RootOpen, t.After.RootOpen); err != nil {
		return err
	}
	if t.Before.Settings.ReservedPages > 0 {
		if err := t.opensFor(core.Urgent, t.Before.UrgentOpen, t.After.UrgentOpen); err != nil {
			return err
		}
	}
	for i := range t.Effects {
		e := &t.Effects[i]
		if e.Kind != core.Grant && e.Kind != core.Refuse {
			continue
		}
		j := requestAt(&t.Before.Facts, e.Request)
		if j == core.None {
			continue // it has waited for no time
		}
		r := &t.Before.Requests[j]
		waited := t.After.Now - r.Arrived
		if r.AdmittedAt == core.Never && permitsBefore(t, r) <= 0 && e.Waits.Admission != waited {
			return fmt.Errorf("r%d was stopped by the root limit until now, and is told %v of %v", r.ID,
				e.Waits.Admission.Duration(), waited.Duration())
		}
		if e.Kind == core.Grant {
			if err := t.admissionOf(r, e); err != nil {
				return err
			}
		}
		if e.Reason == core.BrowserUnavailable {
			continue // what it waited for has failed, and is no tab any more
		}
		startup, probe := t.waitedFor(r, e)
		if e.Waits.Startup != startup || e.Waits.Probe != probe {
			return fmt.Errorf("r%d is told that opening took %v and probing %v, and it was %v and %v", r.ID,
				e.Waits.Startup.Duration(), e.Waits.Probe.Duration(), startup.Duration(), probe.Duration())
		}
	}
	return nil
}

// permitsBefore is how many more leases of a request's class the root limit and the reserve
// allowed.
func permitsBefore(t *Transition, r *core.Request) int {
	return permits(&t.Before.Facts, classOf(&t.Before.Facts, r))
}

// opensFor: the last instant at which the root limit and the reserve stopped a class is this one,
// where they stopped it until this step.
func (t *Transition) opensFor(class core.Class, before, after core.Time) error {
	want := before
	if permits(&t.Before.Facts, class) <= 0 {
		want = t.After.Now
	}
	if after != want {
		return fmt.Errorf("the root limit stopped requests of class %d until %v, and the books say %v",
			class, want.Duration(), after.Duration())
	}
	return nil
}

// admissionOf: a root request that was promised no tab has waited for admission until the last
// instant at which the limits of all, or those of its affinity, stopped it.
func (t *Transition) admissionOf(r *core.Request, e *core.Effect) error {
	class := classOf(&t.Before.Facts, r)
	if class == core.Nested || r.AdmittedAt != core.Never || r.Pin != core.None {
		return nil
	}
	from := max(r.Arrived, t.After.RootOpen, t.After.Affinities[r.Affinity].OpenSince)
	if class == core.Urgent {
		from = max(r.Arrived, t.After.UrgentOpen, t.After.Affinities[r.Affinity].OpenSince)
	}
	if e.Waits.Admission != from-r.Arrived {
		return fmt.Errorf("r%d was stopped for the last time at %v, after %v, and is told %v", r.ID,
			from.Duration(), (from - r.Arrived).Duration(), e.Waits.Admission.Duration())
	}
	return nil
}

// waitedFor is how long the tabs that a request waited for were opened and probed: those of broken
// promises, and its own.
func (t *Transition) waitedFor(r *core.Request, e *core.Effect) (startup, probe core.Time) {
	its := t.itsTab(r, e)
	if its == nil {
		return r.Startup, r.Probe
	}
	startup, probe = handling(its, max(r.Arrived+e.Waits.Admission, r.CountedTo), t.After.Now)
	return r.Startup + startup, r.Probe + probe
}

// itsTab is the tab that a request was promised, or that it got, or where it gets none the one that
// has been opening longest.
func (t *Transition) itsTab(r *core.Request, e *core.Effect) *core.Tab {
	if r.Pin != core.None {
		return &t.Before.Tabs[r.Pin]
	}
	if e.Kind == core.Grant {
		return find(t.After.Tabs, func(tab *core.Tab) bool { return tab.State != 0 && tab.ID == e.Tab })
	}
	var oldest *core.Tab
	for i := range t.Before.Tabs {
		if tab := &t.Before.Tabs[i]; tab.State == core.Opening && (oldest == nil || tab.ID < oldest.ID) {
			oldest = tab
		}
	}
	return oldest
}

// brokenPromises: where a step breaks the promise of a request that goes on waiting, the request
// keeps the time for which the promised tab was opened and probed. No other step changes what it
// has kept.
func (t *Transition) brokenPromises() error {
	for i := range t.After.Requests {
		r := &t.After.Requests[i]
		if !r.Used {
			continue
		}
		j := requestAt(&t.Before.Facts, r.ID)
		if j == core.None {
			continue
		}
		before := &t.Before.Requests[j]
		startup, probe := before.Startup, before.Probe
		again := r.CountedTo == t.After.Now // it may have been promised the same tab once more
		if before.Pin != core.None && (again || r.Pin == core.None ||
			t.After.Tabs[r.Pin].ID != t.Before.Tabs[before.Pin].ID) {
			opened, probed := handling(&t.Before.Tabs[before.Pin], max(before.AdmittedAt, before.CountedTo),
				t.After.Now)
			startup, probe = startup+opened, probe+probed
		}
		if r.Startup != startup || r.Probe != probe {
			return fmt.Errorf("r%d has waited %v and %v for tabs to be opened and probed that it was "+
				"promised in vain, and the books say %v and %v",
				r.ID, startup.Duration(), probe.Duration(), r.Startup.Duration(), r.Probe.Duration())
		}
	}
	return nil
}

// handling is how much of the time from an instant until now a tab was opened and probed.
func handling(tab *core.Tab, from, now core.Time) (opening, probing core.Time) {
	opened, probed := tab.Opened.Ended, tab.Probed.Ended
	switch {
	case tab.State == core.Probing || thaws(tab):
		probed = now
	case tab.State == core.Opening:
		opened = now
	}
	return max(0, opened-max(from, tab.Opened.Began)), max(0, probed-max(from, tab.Probed.Began))
}
