package search_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/pagepool/pagepool/sim/scheduler"
	"github.com/pagepool/pagepool/sim/search"
)

// counter counts up to most by steps of one, and by steps of three, which are faults. From trap on
// it goes round.
type counter struct{ n, most, bad, trap int }

type by struct{ step int }

func (c *counter) CopyFrom(from *counter) { *c = *from }

func (c *counter) Actions(buffer []by) []by {
	if c.n >= c.most {
		return buffer
	}
	return append(buffer, by{1}, by{3})
}

func (c *counter) Do(b *by) {
	if c.n += b.step; c.trap > 0 && c.n > c.trap {
		c.n = c.trap
	}
}

func (c *counter) Fingerprint() uint64 { return uint64(c.n+1) * 0x9e3779b97f4a7c15 }

func (c *counter) Broken() bool { return c.bad > 0 && c.n == c.bad }

func (c *counter) Good() bool { return c.n >= c.most }

var faults = search.Options[*counter, by]{Fault: func(b *by) bool { return b.step == 3 }}

func TestSearchFindsTheShortestWayForAnyNumberOfWorkers(t *testing.T) {
	for workers := range 4 {
		o := faults
		o.Workers = workers
		found := search.Explore(&counter{most: 100, bad: 20}, o)
		if found.Verdict != search.Broken || found.Complete || len(found.Path) != 8 {
			t.Errorf("%d workers: %+v", workers, found)
		}
		var sum int
		end := search.Follow(&counter{most: 100, bad: 20}, found.Path, func(_ *counter, b *by) {
			sum += b.step
		})
		if sum != 20 || !end.Broken() {
			t.Errorf("%d workers: the path leads to %d", workers, sum)
		}
	}
	whole := search.Explore(&counter{most: 100}, faults)
	if whole.Verdict != search.Holds || !whole.Complete || whole.States != 103 ||
		whole.Transitions != 200 {
		t.Errorf("nothing is wrong: %+v", whole)
	}
	for workers := range 4 {
		o := faults
		o.Workers = workers
		if again := search.Explore(&counter{most: 100}, o); again.Sum != whole.Sum ||
			again.States != whole.States {
			t.Errorf("%d workers met other states: %+v", workers, again)
		}
	}
}

func TestSearchSaysFromWhereOnNothingAvoidsIt(t *testing.T) {
	o := faults
	o.NoReturn = true
	found := search.Explore(&counter{most: 8, bad: 8}, o)
	if found.Verdict != search.Broken || found.NoReturn != 0 {
		t.Errorf("without a fault it comes to 8 in any case: %+v", found)
	}
	stuck := search.Explore(&counter{most: 100, trap: 10}, faults)
	if stuck.Verdict != search.Stuck || stuck.Complete != true ||
		!slices.Equal(stuck.Component, []int{0}) {
		t.Errorf("it goes round at 10 for ever: %+v", stuck)
	}
	if end := search.Follow(&counter{most: 100, trap: 10}, stuck.Path, nil); end.n != 10 {
		t.Errorf("the path leads to %d", end.n)
	}
}

func TestSearchEndsWhereItIsTold(t *testing.T) {
	o := faults
	o.MaxStates = 50
	if cut := search.Explore(&counter{most: 1000}, o); cut.States != 50 || cut.Complete ||
		cut.Verdict != search.Holds {
		t.Errorf("at most 50 states: %+v", cut)
	}
	o = faults
	calls := 0
	o.Progress = func(p search.Progress) bool {
		calls++
		return p.States < 20
	}
	if cut := search.Explore(&counter{most: 1000}, o); cut.Complete || cut.States >= 1000 ||
		calls == 0 {
		t.Errorf("stopped by Progress: %+v", cut)
	}
}

func TestAroundFindsWhatSoManyDeviationsBreak(t *testing.T) {
	// The run goes up by two, so it never is at 7; after one deviation it is.
	happens := func(c *counter, _ int) bool {
		c.n += 2
		return true
	}
	for deviations, want := range map[int]search.Verdict{0: search.Holds, 1: search.Broken} {
		found, err := search.Around(&counter{most: 100, bad: 7}, 10, happens, deviations, faults)
		if err != nil {
			t.Fatal(err)
		}
		off := 0
		n := 0
		for _, step := range found.Steps {
			if step.Given < 0 {
				off++
				n += []int{1, 3}[step.Action]
			} else {
				n += 2
			}
		}
		if found.Verdict != want || off != deviations || want == search.Broken && n != 7 ||
			want == search.Holds && found.Within != 0 {
			t.Errorf("%d deviations: %+v", deviations, found)
		}
	}
	for _, wrong := range []func() error{
		func() error { _, err := search.Around(&counter{}, -1, happens, 0, faults); return err },
		func() error { _, err := search.Around(&counter{}, 1, happens, -2, faults); return err },
		func() error { _, err := search.Around(&counter{}, 1, nil, 0, faults); return err },
	} {
		if err := wrong(); err == nil || !strings.HasPrefix(err.Error(), "search: ") {
			t.Errorf("a search that cannot be: %v", err)
		}
	}
}

func TestWalkTakesOneRun(t *testing.T) {
	c := &counter{most: 30}
	search.Walk(c, scheduler.Default{}, 10, nil)
	if c.n != 10 {
		t.Errorf("ten default actions lead to %d", c.n)
	}
	search.Walk(c, scheduler.Default{}, 100, nil)
	if c.n != 30 {
		t.Errorf("at the end it is %d", c.n)
	}
	actors := 0
	actor := func(_ *counter, b *by) uint64 {
		actors++
		return uint64(b.step)
	}
	c = &counter{most: 1000, bad: 5}
	search.Walk(c, scheduler.NewPCT(1, 2, 100), 100, actor)
	if actors == 0 || c.n < 5 {
		t.Errorf("a source that decides by actors was offered %d, and leads to %d", actors, c.n)
	}
	stopped := &counter{n: 5, most: 1000, bad: 5}
	if search.Walk(stopped, scheduler.Default{}, 100, nil); stopped.n != 5 {
		t.Errorf("after a broken claim it goes on to %d", stopped.n)
	}
}
