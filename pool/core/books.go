package core

import (
	"fmt"
	"slices"
)

// Scratch is memory that BooksAgree needs and nothing depends on. Checks that run at the same time
// need one each.
type Scratch struct {
	anew     State
	is, want []int32
}

// BooksAgree compares the index of a state with what rebuild makes of its facts, and the facts with
// one another. The error says what does not agree. It takes time in proportion to the state.
func (s *State) BooksAgree(scratch *Scratch) error {
	anew := &scratch.anew
	anew.Facts = s.Facts // rebuild only reads them
	anew.rebuild()
	b := books{state: s, anew: anew, scratch: scratch}
	b.step()
	b.tables()
	b.facts()
	b.contexts()
	for a := range s.Affinities {
		if k := s.at(Affinity(a)); k.Known {
			b.affinity(Affinity(a), k)
		}
	}
	b.queues()
	if s.sums != anew.sums {
		b.fail("the sums are %+v, and counted anew %+v", s.sums, anew.sums)
	}
	return b.err
}

type books struct {
	state, anew *State
	scratch     *Scratch
	err         error
}

// fail notes the first thing that is wrong.
func (b *books) fail(format string, values ...any) {
	if b.err == nil {
		b.err = fmt.Errorf(format, values...)
	}
}

func (b *books) same(what string, of any, counted, says int32) {
	if counted != says {
		b.fail("%s of %v: counted %d, and the books say %d", what, of, counted, says)
	}
}

// step looks whether the last step has left nothing to be done.
func (b *books) step() {
	s := b.state
	if len(s.touched)+len(s.moved) > 0 {
		b.fail("after the step, affinities %d and tabs %v are to be looked at", s.touched, s.moved)
	}
}

// tables looks whether each id is found where it is, and no other id is there.
func (b *books) tables() {
	s := b.state
	same := func(what string, is, want *table) {
		if is.used != want.used {
			b.fail("%ss: counted %d ids, and the books say %d", what, want.used, is.used)
		}
		for _, w := range want.ids {
			if at, ok := is.get(w.id); w.id != 0 && (!ok || at != w.slot) {
				b.fail("the place of %s %d: it is in %d, and the books say %d", what, w.id, w.slot, at)
			}
		}
	}
	same("tab", &s.tabIndex, &b.anew.tabIndex)
	same("lease", &s.leases, &b.anew.leases)
	same("request", &s.requestIndex, &b.anew.requestIndex)
}

// facts looks whether those agree that name one another, and the free slots are empty.
func (b *books) facts() {
	s := b.state
	used := func(what string, used, free, all int) {
		if used+free != all {
			b.fail("%d slots of %ss: %d are used, and %d are listed as free", all, what, used, free)
		}
	}
	contexts := 0
	for i := range s.Contexts {
		if s.Contexts[i].State != 0 {
			contexts++
		}
	}
	used("tab", int(s.tabIndex.used), len(s.FreeTabs), len(s.Tabs))
	used("context", contexts, len(s.FreeContexts), len(s.Contexts))
	used("request", int(s.requestIndex.used), len(s.FreeRequests), len(s.Requests))
	for i := range s.Tabs {
		t := &s.Tabs[i]
		if t.State == 0 && *t != (Tab{}) {
			b.fail("slot %d, which no tab uses, is not empty", i)
		}
		if r, ok := s.requestIndex.get(uint64(t.Pinned)); t.Pinned != 0 &&
			(!ok || s.Requests[r].Pin != int32(i)) {
			b.fail("t%d is promised to r%d, which does not know", t.ID, t.Pinned)
		}
	}
	b.same("standbys", "their list", s.counts[Standby], b.list(s.Standbys, s.LastReady))
	if (s.Standbys == None) != (s.LastReady == None) {
		b.fail("the first standby is in slot %d, and the last one in %d", s.Standbys, s.LastReady)
	}
}

// list counts a list of tabs, and looks whether each knows who is before it; last is its end, or
// none where that is not kept.
func (b *books) list(first, last int32) (n int32) {
	before := None
	for i := first; i != None && b.err == nil; i = b.state.Tabs[i].Next {
		if t := &b.state.Tabs[i]; t.Prev != before {
			b.fail("who is before t%d: it is %d, and the books say %d", t.ID, before, t.Prev)
		}
		before = i
		n++
	}
	if last != None {
		b.same("the end of a list", "tabs", before, last)
	}
	return n
}

// contexts compares how many tabs are in each context.
func (b *books) contexts() {
	s := b.state
	for i, is := range s.inContexts {
		if want := b.anew.inContexts[i]; is != want {
			b.fail("c%d: counted %d tabs%s, and the books say %d", s.Contexts[i].ID, want,
				s.named(func(t *Tab) bool { return t.Context == int32(i) }), is)
		}
	}
}

// affinity compares what is known of one affinity.
func (b *books) affinity(a Affinity, k affinity) {
	s := b.state
	is, want := *k.affinityIndex, &b.anew.keys[a]
	is.queue, is.links = want.queue, want.links // places in heaps depend on their past
	if is != *want {
		b.fail("affinity %d: counted %+v, and the books say %+v", a, *want, is)
	}
	if k.bound == 0 && k.Generation != 0 {
		b.fail("affinity %d is cold, and of generation %d", a, k.Generation)
	}
	b.list(k.Tabs, None)
	for c := Root; c < Classes; c++ {
		heap(b, requestArena{s}, k.queue[c], requestArena{b.anew}, b.anew.keys[a].queue[c],
			"those that wait")
	}
}

// queues looks at the affinities that wait.
func (b *books) queues() {
	s := b.state
	for c := Root; c < Classes; c++ {
		heap(b, headArena{s, c}, s.heads[c], headArena{b.anew, c}, b.anew.heads[c], "heads")
		heap(b, headArena{s, c}, s.ownHeads[c], headArena{b.anew, c}, b.anew.ownHeads[c],
			"heads of their own")
	}
}

// heap looks whether a heap has its order, and the elements that it has when it is built anew.
func heap[A arena](b *books, a A, root int32, anew A, want int32, of string) {
	if root == None && want == None {
		return
	}
	s := b.scratch
	s.is, s.want = members(b, a, root, None, of, s.is[:0]),
		members(b, anew, want, None, of, s.want[:0])
	slices.Sort(s.is)
	slices.Sort(s.want)
	if !slices.Equal(s.is, s.want) {
		b.fail("%s: they are %d, and the books say %d", of, s.want, s.is)
	}
}

func members[A arena](b *books, a A, i, above int32, of string, list []int32) []int32 {
	if i == None || b.err != nil {
		return list
	}
	x := a.at(i)
	if x.up != above || above != None && !a.before(above, i) {
		b.fail("the order of %s, at %d", of, i)
	}
	return members(b, a, x.right, i, of, members(b, a, x.left, i, of, append(list, i)))
}
