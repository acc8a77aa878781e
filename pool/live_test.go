package pool

import (
	"strconv"
	"testing"
	"time"
)

func TestLiveShowsTheLastFaultsNewestFirst(t *testing.T) {
	var f faults
	for n := range 2*mostFaults + 3 {
		f.add(time.Unix(int64(n), 0), strconv.Itoa(n), nil)
		list := f.list(false)
		if len(list) != min(n+1, mostFaults) {
			t.Fatalf("after %d faults it shows %d", n+1, len(list))
		}
		for i, x := range list {
			if want := strconv.Itoa(n - i); x.Text != want || !x.At.Equal(time.Unix(int64(n-i), 0)) {
				t.Fatalf("after %d faults, number %d is %v %q, want %s", n+1, i, x.At, x.Text, want)
			}
		}
	}
}
