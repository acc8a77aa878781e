package steps

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/pool/why"
)

// browsers are the browsers of a state by name, each with its tabs.
func browsers(s *core.State) (list []string) {
	tabs := map[core.BrowserID][]string{}
	for _, t := range why.Tabs(s) {
		tabs[t.Browser] = append(tabs[t.Browser], fmt.Sprintf("t%d", t.ID))
	}
	s.EachBrowser(func(b core.BrowserView) {
		text := fmt.Sprintf("b%d %s", b.ID, b.State)
		if b.Worn {
			text += ", to be replaced"
		}
		list = append(list, text+": "+named(tabs[b.ID]))
	})
	return list
}

// affinities are those that are warm or have an orphan, by key: each with its tabs and its primary.
func affinities(s *core.State, names trace.Names) (list []string) {
	tabs := map[core.Affinity][]string{}
	for _, t := range why.Tabs(s) {
		if t.Bound() {
			tabs[t.Affinity] = append(tabs[t.Affinity], fmt.Sprintf("t%d", t.ID))
		}
	}
	s.EachAffinity(func(a core.AffinityView) {
		if a.Generation == 0 && a.Primary == 0 {
			return
		}
		text := trace.QuoteKey(names.Key(a.Affinity))
		if a.Generation != 0 {
			text += fmt.Sprintf(" warm, generation %d", a.Generation)
		} else {
			text += " cold"
		}
		switch {
		case a.Primary != 0 && a.PageCount == 0:
			text += fmt.Sprintf(", orphan c%d", a.Primary)
		case a.Primary != 0:
			text += fmt.Sprintf(", primary c%d", a.Primary)
		}
		list = append(list, text+": "+named(tabs[a.Affinity]))
	})
	slices.Sort(list)
	return list
}

func named(tabs []string) string {
	if len(tabs) == 0 {
		return "no tab"
	}
	return strings.Join(tabs, ", ")
}

// gone are the tabs, callers, browsers and affinities of the step before that this one has no more,
// each as it was then. It keeps those of this one for the next.
func (r *Recorder) gone(step *Step) (gone []string) {
	now := [kinds][]string{ofBrowsers: step.Browsers, ofAffinities: step.Affinities}
	for _, c := range step.Slots {
		now[ofTabs] = append(now[ofTabs], c.Short)
	}
	for _, c := range step.Callers {
		now[ofCallers] = append(now[ofCallers], c.Short)
	}
	for kind, before := range r.were {
		for _, text := range before {
			if !slices.ContainsFunc(now[kind], func(is string) bool { return name(is) == name(text) }) {
				gone = append(gone, text)
			}
		}
	}
	r.were = now
	return gone
}

// What a step has by name: a key may be called t1.
const (
	ofTabs = iota
	ofCallers
	ofBrowsers
	ofAffinities
	kinds // how many there are
)

// name is what a text is about: its first word, which is quoted where a key has blanks.
func name(text string) string {
	if key, ok := quoted(text); ok {
		return key
	}
	first, _, _ := strings.Cut(text, " ")
	return first
}

func quoted(text string) (string, bool) {
	if !strings.HasPrefix(text, `"`) {
		return "", false
	}
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return text[:i+1], true
		}
	}
	return "", false
}
