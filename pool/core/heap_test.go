package core

import (
	"cmp"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"
)

// counted is an arena that counts how often it is asked which of two comes first.
type counted struct {
	links []links
	keys  []int
	asked *int
}

func (a counted) at(i int32) *links { return &a.links[i] }

func (a counted) before(i, j int32) bool {
	*a.asked++
	return a.keys[i] < a.keys[j]
}

// orders are the orders in which elements can come, and be taken out.
var orders = map[string]func(ids []int32, keys []int){
	"first to last": func(ids []int32, keys []int) {
		slices.SortFunc(ids, func(i, j int32) int { return cmp.Compare(keys[i], keys[j]) })
	},
	"last to first": func(ids []int32, keys []int) {
		slices.SortFunc(ids, func(i, j int32) int { return cmp.Compare(keys[j], keys[i]) })
	},
	"any": func(ids []int32, keys []int) {
		rand.New(rand.NewPCG(1, 2)).Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	},
}

// TestAHeapCostsTheLogarithmOfItsSizeOverTimeInWhateverOrder takes a few times the logarithm of
// what is there as the price of putting one in, and of taking one out, wherever it is.
func TestAHeapCostsTheLogarithmOfItsSizeOverTimeInWhateverOrder(t *testing.T) {
	const n = 1 << 14
	for in, sortIn := range orders {
		for out, sortOut := range orders {
			asked := 0
			a := counted{make([]links, n), rand.New(rand.NewPCG(1, 1)).Perm(n), &asked}
			ids := make([]int32, n)
			for i := range ids {
				ids[i] = int32(i)
			}
			root := None
			sortIn(ids, a.keys)
			for _, i := range ids {
				root = insert(a, root, i)
			}
			sortOut(ids, a.keys)
			for _, i := range ids {
				root = remove(a, root, i)
			}
			if per := asked / (2 * n); root != None || per > 3*bits.Len(n) {
				t.Errorf("put in %s, taken out %s: %d comparisons each, and the root is %d", in, out, per, root)
			}
		}
	}
}

// TestAHeapHoldsWhatWasPutInAndNotTakenOutTheFirstOnTop goes through heaps far larger than a walk
// makes them.
func TestAHeapHoldsWhatWasPutInAndNotTakenOutTheFirstOnTop(t *testing.T) {
	const n = 300
	random := rand.New(rand.NewPCG(1, 3))
	a := counted{make([]links, n), random.Perm(n), new(int)}
	in := make([]bool, n)
	root, largest := None, 0
	for step := range 20_000 {
		i := int32(random.IntN(n))
		if in[i] {
			root = remove(a, root, i)
		} else {
			root = insert(a, root, i)
		}
		in[i] = !in[i]
		found := make([]bool, n)
		size := a.look(t, root, None, found)
		if largest = max(largest, size); !slices.Equal(found, in) {
			t.Fatalf("step %d: the heap has other elements than were put in", step)
		}
	}
	if largest < 100 {
		t.Errorf("no heap was larger than %d", largest)
	}
}

// look notes what there is from i down, and fails where it is not in order.
func (a counted) look(t *testing.T, i, above int32, found []bool) int {
	if i == None {
		return 0
	}
	x := a.links[i]
	if found[i] || x.up != above || above != None && a.keys[above] >= a.keys[i] {
		t.Fatalf("%d is below %d, and says that it is below %d", i, above, x.up)
	}
	found[i] = true
	return 1 + a.look(t, x.left, i, found) + a.look(t, x.right, i, found)
}
