package properties

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/anishathalye/porcupine"

	"github.com/pagepool/pagepool/properties/linear"
)

// The specification by itself: histories of a few calls that it has to accept, and their neighbours
// that it has to refuse.

// during is one call, with the instants of its call and its return.
func during(call, end int64, in linear.Input, out linear.Output) porcupine.Operation {
	return porcupine.Operation{Input: in, Call: call, Output: out, Return: end}
}

func get(number int, key string) linear.Input {
	return linear.Input{Kind: linear.Get, Number: number, Key: key}
}

func giveBack(number int, key string) linear.Input {
	return linear.Input{Kind: linear.GiveBack, Number: number, Key: key}
}

func dispose(number int, key string) linear.Input {
	return linear.Input{Kind: linear.Dispose, Number: number, Key: key}
}

func tab(number, context int) linear.Output { return linear.Output{Tab: number, Context: context} }

func again(number, context int) linear.Output {
	return linear.Output{Tab: number, Context: context, Reused: true}
}

// held is Stats while nothing but n leases of a is there, all after so many grants.
func held(n int, grants uint64, row linear.Row) linear.Output {
	return linear.Output{View: &linear.View{
		Capacity: 2, Alive: n + 1, Leases: n, Leased: n, Contexts: n + 1, Grants: grants,
		Rows: []linear.Row{row},
	}}
}

var (
	stats    = linear.Input{Kind: linear.Look}
	warmList = linear.Input{Kind: linear.List}
	done     = linear.Output{}
	failed   = linear.Output{Err: "context canceled"}
)

func TestLinearizableTheSpecificationSaysYesAndNo(t *testing.T) {
	disposed := linear.Input{Kind: linear.Disposed, Number: 9, Key: "a"}
	first := during(1, 2, get(1, "a"), tab(1, 1))
	for _, test := range []struct {
		says    string
		history []porcupine.Operation
		want    porcupine.CheckResult
	}{
		{"a tab goes from hand to hand", []porcupine.Operation{
			first, during(3, 4, giveBack(1, "a"), done), during(5, 6, get(2, "a"), again(1, 1))},
			porcupine.Ok},
		{"a tab has one holder", []porcupine.Operation{first, during(3, 4, get(2, "a"), again(1, 1))},
			porcupine.Illegal},
		{"a grant may come before the release of the same moment has returned", []porcupine.Operation{
			first, during(3, 6, giveBack(1, "a"), done), during(4, 5, get(2, "a"), again(1, 1))},
			porcupine.Ok},
		{"a tab is new once", []porcupine.Operation{
			first, during(3, 4, giveBack(1, "a"), done), during(5, 6, get(2, "a"), tab(1, 1))},
			porcupine.Illegal},
		{"a tab that nobody had was not used before",
			[]porcupine.Operation{during(1, 2, get(1, "a"), again(1, 1))}, porcupine.Illegal},
		{"a tab serves no other affinity", []porcupine.Operation{
			first, during(3, 4, giveBack(1, "a"), done), during(5, 6, get(2, "b"), again(1, 1))},
			porcupine.Illegal},
		{"a context serves no other affinity", []porcupine.Operation{
			first, during(3, 4, giveBack(1, "a"), done), during(5, 6, get(2, "b"), tab(2, 1))},
			porcupine.Illegal},
		{"an orphan is used again", []porcupine.Operation{
			first, during(3, 4, giveBack(1, "a"), done), during(5, 6, get(2, "a"), tab(2, 1))},
			porcupine.Ok},
		{"a spoiled tab is not used again", []porcupine.Operation{
			first, during(3, 4, linear.Input{Kind: linear.GiveBack, Number: 1, Key: "a", Spoiled: true},
				done),
			during(5, 6, get(2, "a"), again(1, 1))}, porcupine.Illegal},
		{"a disposed tab is not used again", []porcupine.Operation{
			first, during(3, 4, giveBack(1, "a"), done), during(5, 6, dispose(0, "a"), done),
			during(7, 8, get(2, "a"), again(1, 1))}, porcupine.Illegal},
		{"a disposed tab is not idle when it is given back", []porcupine.Operation{
			first, during(3, 4, dispose(0, "a"), done), during(5, 6, giveBack(1, "a"), done),
			during(7, 8, get(2, "a"), again(1, 1))}, porcupine.Illegal},
		{"a disposal with an error may have had no effect", []porcupine.Operation{
			first, during(3, 4, giveBack(1, "a"), done), during(5, 6, dispose(9, "a"), failed),
			during(7, 8, get(2, "a"), again(1, 1))}, porcupine.Ok},
		{"a disposal with an error may have had its effect", []porcupine.Operation{
			first, during(3, 4, dispose(9, "a"), failed), during(5, 6, warmList, done)}, porcupine.Ok},
		{"who holds a tab is warm", []porcupine.Operation{first, during(5, 6, warmList, done)},
			porcupine.Illegal},
		{"who was disposed is cold", []porcupine.Operation{
			first, during(3, 4, dispose(0, "a"), done),
			during(5, 6, warmList, linear.Output{Keys: []string{"a"}})}, porcupine.Illegal},
		{"who was seen cold has no idle tab", []porcupine.Operation{
			first, during(3, 4, giveBack(1, "a"), done), during(5, 6, warmList, done),
			during(7, 8, get(2, "a"), again(1, 1))}, porcupine.Illegal},
		{"a disposal is answered when the old leases are over", []porcupine.Operation{
			first, during(3, 8, dispose(9, "a"), done), during(3, 8, disposed, done),
			during(5, 6, giveBack(1, "a"), done)}, porcupine.Ok},
		{"a disposal is not answered while an old lease is held", []porcupine.Operation{
			first, during(3, 4, dispose(9, "a"), done), during(3, 4, disposed, done),
			during(5, 6, giveBack(1, "a"), done)}, porcupine.Illegal},
		{"a disposal is not answered while an old page is there", []porcupine.Operation{
			first, during(3, 4, giveBack(1, "a"), done), during(5, 6, dispose(9, "a"), done),
			during(5, 6, disposed, linear.Output{Alive: []int{1}})}, porcupine.Illegal},
		{
			"Stats counts the leases", []porcupine.Operation{first,
				during(3, 4, stats, held(1, 1, linear.Row{Key: "a", PageCount: 1, Tabs: 1}))}, porcupine.Ok},
		{"Stats counts no lease twice",
			[]porcupine.Operation{
				first, during(3, 4, stats, held(2, 1, linear.Row{Key: "a", PageCount: 1, Tabs: 2}))},
			porcupine.Illegal},
		{
			"Stats is of one moment", []porcupine.Operation{first,
				during(3, 4, stats, held(1, 1, linear.Row{Key: "a", PageCount: 1}))}, porcupine.Illegal},
		{"the counters of Stats are of that moment too", []porcupine.Operation{
			first, during(3, 4, stats, held(1, 0, linear.Row{Key: "a", PageCount: 1, Tabs: 1}))},
			porcupine.Illegal},
		{"a pageCount counts the tabs of the primary", []porcupine.Operation{
			first, during(3, 4, stats, held(1, 1, linear.Row{Key: "a", Tabs: 1}))}, porcupine.Illegal},
		{"a pageCount counts no supplementary tab", []porcupine.Operation{
			first, during(3, 4, get(2, "a"), tab(2, 2)),
			during(5, 6, stats, held(2, 2, linear.Row{Key: "a", Tabs: 2, PageCount: 2}))},
			porcupine.Illegal},
		{"a tab beside the primary is supplementary", []porcupine.Operation{
			first, during(3, 4, get(2, "a"), tab(2, 2)),
			during(5, 6, stats, held(2, 2, linear.Row{Key: "a", Tabs: 2, PageCount: 1, Supplementary: 1}))},
			porcupine.Ok},
		{"no more than capacity + 1 tabs are alive",
			[]porcupine.Operation{first, during(3, 4, stats, linear.Output{View: &linear.View{
				Capacity: 2, Alive: 4, Leases: 1, Leased: 1, Contexts: 3, Grants: 1,
				Rows: []linear.Row{{Key: "a", PageCount: 1, Tabs: 1}}}})}, porcupine.Illegal},
		{"a closed pool grants nothing", []porcupine.Operation{
			during(1, 2, linear.Input{Kind: linear.Close}, done), during(3, 4, get(1, "a"), tab(1, 1))},
			porcupine.Illegal},
		{"Close is not answered while a lease is held", []porcupine.Operation{
			first, during(3, 4, linear.Input{Kind: linear.Close}, done),
			during(3, 4, linear.Input{Kind: linear.Closed}, done),
			during(5, 6, giveBack(1, "a"), done)}, porcupine.Illegal},
		{"nobody is refused for a close that did not begin", []porcupine.Operation{
			during(1, 2, get(1, "a"), linear.Output{Err: "closed", Closing: true})}, porcupine.Illegal},
		{"a request that gave up holds nothing", []porcupine.Operation{
			during(1, 2, get(1, "a"), failed),
			during(3, 4, stats, held(1, 1, linear.Row{Key: "a", PageCount: 1, Tabs: 1}))},
			porcupine.Illegal},
	} {
		h := &linear.History{
			Rules:      linear.Rules{MinPages: 2, MaxPages: 2, RootCap: 2, OrphanCap: 4, TabsPerContext: 1},
			Operations: test.history}
		if got := h.Check(); got != test.want {
			t.Errorf("%s: %s, want %s\n%s", test.says, got, test.want, h.Text())
		}
	}
}

// A failure leaves a picture, and says how far the search came.
func TestLinearizableAFailureIsDrawn(t *testing.T) {
	h := &linear.History{
		Rules: linear.Rules{MinPages: 2, MaxPages: 2, RootCap: 2, TabsPerContext: 1},
		Operations: []porcupine.Operation{
			during(1, 2, get(1, "a"), tab(1, 1)), during(3, 4, get(2, "a"), again(1, 1)),
		},
	}
	v := h.Explain(false)
	path := filepath.Join(t.TempDir(), "picture.html")
	if err := v.Draw(path); err != nil {
		t.Fatal(err)
	}
	picture, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(picture), "GetPage a #2") {
		t.Errorf("%v, %d bytes: want a picture with the second GetPage", err, len(picture))
	}
	if says := v.Stuck(h); !strings.Contains(says, "has 1 of 2 calls") ||
		!strings.Contains(says, "GetPage a #2") {
		t.Errorf("the explanation is %q", says)
	}
}
