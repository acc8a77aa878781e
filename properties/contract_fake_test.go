package properties

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/sim/fakebrowser"
)

// TestContractFake holds the fake browser to the contract that real Chrome is held to.
func TestContractFake(t *testing.T) {
	launcher := new(fakebrowser.Launcher)
	type page = *fakebrowser.Page
	at := func(do func(page)) func(context.Context, page) error {
		return func(_ context.Context, p page) error { do(p); return nil }
	}
	contractSuite(t, contractBench[page]{
		Launcher: launcher,
		Cannot:   []string{"Flood", "Block", "Dialog", "Redirect", "LoopAgain"},
		In:       synctest.Test,
		Census: func(_ context.Context, b pool.Browser[page]) (census, error) {
			alive := launcher.CensusOf(b)
			return census{Contexts: alive.Contexts, Pages: alive.Pages}, nil
		},
		Remains: func() []string {
			if alive := launcher.Census(); alive != (fakebrowser.Census{}) {
				return []string{"a browser"}
			}
			return nil
		},
		KillBrowser: func(b pool.Browser[page]) error { launcher.KillBrowser(b); return nil },
		AtStandby:   func(_ context.Context, p page) (bool, error) { return p.AtStandby(), nil },
		Work:        func(ctx context.Context, p page) error { return p.Work(ctx) },
		Hang:        func(ctx context.Context, p page) error { return p.Hang(ctx) },
		Loop:        at(page.Loop),
		Wedge:       at(page.Stall),
		Crash:       at(page.Crash),
		Popup:       at(page.Popup),
		Remember: func(_ context.Context, p page, value string) error {
			p.Remember(value)
			return nil
		},
		Recall: func(_ context.Context, p page) (string, error) { return p.Recall(), nil },
	})
}
