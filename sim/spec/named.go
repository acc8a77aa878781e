package spec

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/pagepool/pagepool/pool/core"
)

// named names the tabs of the ledger that a message counts: those for which of says so, or all
// where it is nil. With the holder, where there is one, nobody has to look for him.
func (l *Ledger) named(of func(*entry) bool) string {
	var names []string
	for i := range l.tabs {
		e := &l.tabs[i]
		switch {
		case of != nil && !of(e):
		case e.holder != 0:
			names = append(names, fmt.Sprintf("t%d by r%d", e.id, e.holder))
		case e.closing != 0:
			names = append(names, fmt.Sprintf("t%d closing", e.id))
		default:
			names = append(names, fmt.Sprintf("t%d", e.id))
		}
	}
	return Listed(names)
}

// TabsIn names the tabs of a core in some states, oldest first; in any, where none is given.
func TabsIn(s *core.State, states ...core.TabState) string {
	var tabs []core.TabView
	s.EachTab(func(t core.TabView) {
		if len(states) == 0 || slices.Contains(states, t.State) {
			tabs = append(tabs, t)
		}
	})
	slices.SortFunc(tabs, func(a, b core.TabView) int { return cmp.Compare(a.ID, b.ID) })
	names := make([]string, len(tabs))
	for i, t := range tabs {
		names[i] = fmt.Sprintf("t%d", t.ID)
		if t.State == core.Leased {
			names[i] += fmt.Sprintf(" by r%d", t.Holder)
		}
	}
	return Listed(names)
}

// Listed is what a message counts, by name and in brackets, the first twenty; empty: nothing.
func Listed(names []string) string {
	const most = 20
	if len(names) == 0 {
		return ""
	}
	if more := len(names) - most; more > 0 {
		names = append(names[:most:most], fmt.Sprintf("%d more", more))
	}
	return " (" + strings.Join(names, ", ") + ")"
}
