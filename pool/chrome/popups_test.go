package chrome

import (
	"context"
	"errors"
	"strings"
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

// A page that ends with a browser that the pool closes was closed by the pool.
func TestAPageThatEndsWithItsBrowserIsTheClosingOfThePool(t *testing.T) {
	for _, closing := range []bool{false, true} {
		b := new(browser)
		b.closing.Store(closing)
		life, end := context.WithCancelCause(t.Context())
		of := &tab{b: b, c: &browserContext{b: b}, id: "t", end: end, done: make(chan struct{})}
		b.mu.pages = map[target.ID]*listed{"t": {tab: of, page: true, gone: make(chan struct{})}}
		b.destroyed("t")
		if cause := context.Cause(life); !errors.Is(cause, ErrPageClosed) ||
			strings.Contains(cause.Error(), "not by the pool") == closing {
			t.Errorf("the browser is closed by the pool: %v; the page ended with %v", closing, cause)
		}
	}
}
