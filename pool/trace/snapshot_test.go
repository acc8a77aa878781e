package trace

import (
	"testing"
	"time"

	"github.com/pagepool/pagepool/pool/core"
)

// A dump of an earlier version says since when a tab was in doubt and since when a rung; today both
// are from when the time of an operation counts.
func TestADumpOfAnEarlierVersionReads(t *testing.T) {
	const second = core.Time(time.Second)
	began := func(line string) (core.Time, bool) {
		t.Helper()
		words, err := Words(line)
		var n Snapshot
		if err == nil {
			err = n.readLine(words)
		}
		switch {
		case err != nil:
			t.Fatal(err)
		case len(n.Facts.Contexts) > 0:
			return n.Facts.Contexts[0].Began, n.Facts.Contexts[0].Awaiting
		}
		return n.Facts.Tabs[0].Began, n.Facts.Tabs[0].Awaiting
	}
	for line, want := range map[string]core.Time{
		"tab 0 id=1 state=probing since=3s suspect-at=1s suspect":               1 * second,
		"tab 0 id=1 state=rescuing since=3s suspect-at=1s suspect":              1 * second,
		"tab 0 id=1 state=probing since=3s suspect-at=1s":                       3 * second,
		"tab 0 id=1 state=resetting since=3s suspect-at=1s":                     3 * second,
		"tab 0 id=1 state=closing since=3s suspect-at=1s rung-since=4s":         4 * second,
		"tab 0 id=1 state=closing since=3s began=5s":                            5 * second,
		"context 0 id=1 state=2 since=3s rung-since=4s asked-at=3s closes=1":    4 * second,
		"context 0 id=1 state=2 since=3s began=5s asked-at=3s closes=1":         5 * second,
		"context 0 id=1 state=2 since=3s rung-since=6s asked-at=never closes=2": 6 * second,
	} {
		if at, _ := began(line); at != want {
			t.Errorf("%s: its time counts from %v, and it has to from %v", line, at.Duration(),
				want.Duration())
		}
	}
	if _, awaits := began("context 0 id=1 state=2 rung-since=4s asked-at=3s"); !awaits {
		t.Error("a context that was asked to close awaits no answer")
	}
	if _, awaits := began("context 0 id=1 state=2 rung-since=4s asked-at=never"); awaits {
		t.Error("a context whose close has failed awaits an answer")
	}
}
