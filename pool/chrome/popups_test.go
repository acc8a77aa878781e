package chrome

import (
	"testing"

	"github.com/chromedp/cdproto/target"
)

// A page that was told to close is none of those that a lease may have, though it is there still.
func TestAPageThatWasToldToCloseLeavesRoomForAnother(t *testing.T) {
	b := &browser{settings: settings{Options: Options{MaxPopups: 1}}}
	of := func(known listed) *listed {
		known.root, known.page = "t", true
		return &known
	}
	next := of(listed{})
	b.mu.pages = map[target.ID]*listed{
		"t": of(listed{tab: &tab{b: b, id: "t"}}), "old": of(listed{left: true}), "next": next,
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := b.besideLocked(b.mu.pages["t"].tab); n != 1 || !b.arrivedLocked("next", next) {
		t.Errorf("%d pages count, and the lease may have 1", n)
	}
}
