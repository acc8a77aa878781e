package replay

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pagepool/pagepool/pool/canon"
	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim/spec"
)

// factWords are the facts that an expect line can state about the moment after a step.
const factWords = "tabs N, standbys N, leases N, waiting N, lost N, capacity N, contexts N, " +
	"orphans N, page-count KEY N, warm-list KEY..., state-hash HEX, " +
	"opening/standby/idle/probing/rescuing/resetting/leased/closing/lost/gone t1"

// fact checks a fact. got is empty where it holds, and says what is so where it does not.
func (r *replayer) fact(words []trace.Word) (got string, isFact bool, err error) {
	s := r.world.Core()
	switch words[0].Text {
	case "tabs":
		return r.counted(words, s.Alive(), spec.TabsIn(s))
	case "standbys":
		return r.counted(words, s.Count(core.Standby), spec.TabsIn(s, core.Standby))
	case "leases":
		return r.counted(words, s.Leases(), spec.TabsIn(s, core.Leased))
	case "waiting":
		return r.number(words, s.Waiting(core.Root)+s.Waiting(core.Nested))
	case "contexts":
		return r.number(words, s.ContextCount())
	case "orphans":
		return r.number(words, s.Orphans())
	case "state-hash":
		if is := fmt.Sprintf("%016x", canon.StateHash(&s.Facts)); len(words) != 2 || words[1].Text != is {
			return is, true, nil
		}
		return "", true, nil
	case "capacity":
		return r.number(words, int(s.Capacity))
	case "page-count":
		if len(words) != 3 {
			return "", true, fmt.Errorf("page-count: want a key and a number")
		}
		count := 0
		s.EachAffinity(func(a core.AffinityView) {
			if r.names.Key(a.Affinity) == words[1].Text {
				count = a.PageCount
			}
		})
		return r.number(words[1:], count)
	case "warm-list":
		return r.warmList(words[1:]), true, nil
	}
	return r.tabFact(words)
}

func (r *replayer) number(words []trace.Word, is int) (string, bool, error) {
	want, err := strconv.Atoi(words[len(words)-1].Text)
	if err != nil || len(words) != 2 {
		return "", true, fmt.Errorf("%s: want a number", words[0].Text)
	}
	if want == is {
		return "", true, nil
	}
	return strconv.Itoa(is), true, nil
}

// counted is number of what has names, which it gives where the number is another.
func (r *replayer) counted(words []trace.Word, is int, names string) (got string, isFact bool,
	err error) {
	if got, isFact, err = r.number(words, is); got != "" {
		got += names
	}
	return got, isFact, err
}

func (r *replayer) warmList(want []trace.Word) string {
	var warm, wanted []string
	r.world.Core().EachAffinity(func(a core.AffinityView) {
		if a.Bound > 0 {
			warm = append(warm, r.names.Key(a.Affinity))
		}
	})
	for _, w := range want {
		wanted = append(wanted, w.Text)
	}
	slices.Sort(warm)
	slices.Sort(wanted)
	if slices.Equal(warm, wanted) {
		return ""
	}
	return "warm-list " + strings.Join(warm, " ")
}

// tabFact checks "leased t1" and the like. "lost 2" counts instead.
func (r *replayer) tabFact(words []trace.Word) (string, bool, error) {
	states := []core.TabState{core.Opening, core.Standby, core.Idle, core.Probing, core.Rescuing,
		core.Resetting, core.Leased, core.Closing, core.Lost}
	i := slices.IndexFunc(states, func(t core.TabState) bool { return t.String() == words[0].Text })
	if i < 0 && words[0].Text != "gone" || len(words) != 2 {
		return "", false, nil
	}
	if _, err := strconv.Atoi(words[1].Text); err == nil && i >= 0 {
		return r.counted(words, r.world.Core().Count(states[i]), spec.TabsIn(r.world.Core(), states[i]))
	}
	id, ok := trace.ParseID(words[1], "t")
	if !ok {
		return "", true, fmt.Errorf("%s: want a tab such as t1", words[0].Text)
	}
	is := "gone"
	if core.TabID(id) > r.world.Core().LastTab {
		is = "not opened:"
	}
	if t, alive := r.world.Core().Tab(core.TabID(id)); alive {
		is = t.State.String()
	}
	if is == words[0].Text {
		return "", true, nil
	}
	return fmt.Sprintf("%s t%d", is, id), true, nil
}
