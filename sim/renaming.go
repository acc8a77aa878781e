package sim

import (
	"slices"

	"github.com/pagepool/pagepool/pool/core"
)

// Affinities that can change names. What a key is decides nothing in a pool: keys are compared, and
// no two tell more. So where the programs of a scenario are the same once some affinities have
// changed names, so is everything that can happen, under those names.

// renaming is one way in which affinities change names.
type renaming struct {
	keys []core.Affinity // by affinity: its name
	like []int32         // by client: the first that has its program, once that is renamed
}

// renamings are all that leave the programs as they are, the first of which renames nothing; nil:
// there is no other.
func renamings(programs []Program) (all []renaming) {
	var used []core.Affinity
	for i := range programs {
		for _, in := range programs[i] {
			if in.Affinity != 0 && !slices.Contains(used, in.Affinity) {
				used = append(used, in.Affinity)
			}
		}
	}
	if len(used) == 0 {
		return nil
	}
	keys := make([]core.Affinity, slices.Max(used)+1)
	var rename func(n int)
	rename = func(n int) {
		if n == len(used) {
			if like, same := renamed(programs, keys); same {
				all = append(all, renaming{slices.Clone(keys), like})
			}
			return
		}
		for _, name := range used {
			if !slices.ContainsFunc(used[:n], func(a core.Affinity) bool { return keys[a] == name }) {
				keys[used[n]] = name
				rename(n + 1)
			}
		}
	}
	if rename(0); len(all) == 1 {
		return nil
	}
	return all
}

// renamed says of each program which is the first that it is once its affinities are renamed, and
// whether the programs are the same then, in some order.
func renamed(programs []Program, keys []core.Affinity) (like []int32, same bool) {
	count := make([]int, len(programs))
	for i, p := range programs {
		for n := range p {
			p[n].Affinity = keys[p[n].Affinity]
		}
		first := slices.Index(programs, p)
		if first < 0 {
			return nil, false
		}
		like = append(like, int32(first))
		count[first]++
		count[slices.Index(programs, programs[i])]--
	}
	return like, !slices.ContainsFunc(count, func(n int) bool { return n != 0 })
}
