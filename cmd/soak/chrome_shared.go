package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim/fakebrowser"
	"github.com/pagepool/pagepool/sim/live"
)

// Profiles that real browsers alone have: one thing that all tabs share hangs, beside tenants that
// load pages and take screenshots.

// sharedSettings let a short run see all of it.
var sharedSettings = core.Settings{MaxPages: 3, MaxLease: 2 * time.Second,
	CheckEvery: 4 * time.Second}

// The callers of these profiles.
const (
	sharedTenants = 2
	sharedGap     = 400 * time.Millisecond // between two visits of one tenant
	sharedWork    = time.Second            // for a load and a screenshot
	sharedBegins  = 2 * time.Second        // everything is fine until then
	sharedLasts   = 3 * time.Second        // a browser that is stopped
	sharedFloods  = 10 * time.Second       // the longest lease of a page that floods
	flooder       = "flooder"
	lookEvery     = 20 * time.Millisecond // whether a page is cut off
)

// unheard is what the driver tells the holder of a page of which it hears nothing more.
const unheard = "the page is not heard any more"

// sharedProfiles says what happens in each, by the name of the part.
var sharedProfiles = [...]struct{ says, flag string }{
	fakebrowser.Main:    {"all processes of the browser are stopped for 3 s, and go on", ""},
	fakebrowser.Pipe:    {"pages flood the pipe to the browser", ""},
	fakebrowser.Drawing: {"the process that draws for all tabs is stopped", "--type=gpu-process"},
	fakebrowser.Network: {"the process that loads for all tabs is stopped",
		"--utility-sub-type=network.mojom.NetworkService"},
	fakebrowser.Storage: {"the process that stores for all tabs is stopped (headless-shell has none)",
		"--utility-sub-type=storage.mojom.StorageService"},
}

// sharedPart is the part of a profile's name; false: it is none of these.
func sharedPart(profile string) (fakebrowser.Part, bool) {
	i := slices.IndexFunc(fakebrowser.Parts[:], func(p fakebrowser.Part) bool {
		return p.String() == profile
	})
	return fakebrowser.Part(max(0, i)), i >= 0
}

// sharedCallers are the tenants, and what has the part hang. killed is where the log of the driver
// tells of a helper that was killed.
func sharedCallers(part fakebrowser.Part,
	killed *atomic.Pointer[func(part string)]) live.Callers[*chrome.Page] {
	return func(ctx context.Context, p *live.Player[*chrome.Page]) {
		for i := range sharedTenants {
			affinity := fmt.Sprintf("tenant-%d", i+1)
			p.Go(func(whole context.Context) {
				for pause(ctx, sharedGap) {
					shares(whole, p, affinity)
				}
			})
		}
		if pause(ctx, sharedBegins) {
			if err := hangs(ctx, p, part, killed); err != nil {
				p.Broken("inclusion", "not shown: "+err.Error())
			}
		}
		<-ctx.Done()
	}
}

// shares is one visit, which notes what did its work for it.
func shares(whole context.Context, p *live.Player[*chrome.Page], affinity string) {
	ctx, cancel := context.WithTimeout(whole, incidentPatience)
	defer cancel()
	p.Count(func(t *live.Tally) { t.Visits++ })
	l, err := p.Pool.GetPage(ctx, affinity)
	if err != nil {
		p.Count(func(t *live.Tally) { t.Refused[live.Cause(err)]++ })
		return
	}
	defer l.Release()
	p.Count(func(t *live.Tally) { t.Leases++ })
	ctx, cancel = context.WithTimeout(l.Context(), sharedWork)
	defer cancel()
	if err = p.Stage.Work(ctx, l.Page(), 0); err == nil {
		p.Worked(l, fakebrowser.Network)
		if err = p.Stage.(chromeStage).Draw(ctx, l.Page()); err == nil {
			p.Worked(l, fakebrowser.Drawing)
		}
	}
	switch {
	case err == nil:
		p.Count(func(t *live.Tally) { t.Worked++ })
	case l.Context().Err() != nil:
		p.Count(func(t *live.Tally) { t.Ended[live.Cause(context.Cause(l.Context()))]++ })
	default:
		p.Count(func(t *live.Tally) {
			if t.WorkFailed++; t.FirstError == "" {
				t.FirstError = err.Error()
			}
		})
		l.Suspect()
	}
}

// hangs has a part of the browser hang, and goes along until it goes on where that is its doing.
func hangs(ctx context.Context, p *live.Player[*chrome.Page], part fakebrowser.Part,
	killed *atomic.Pointer[func(part string)]) error {
	stage, launch := p.Stage.(chromeStage), p.Launch()
	tell := func(what string) {
		if what == part.String() {
			p.Turned(launch, part, fakebrowser.Dead)
		}
	}
	killed.Store(&tell)
	switch {
	case part == fakebrowser.Pipe:
		return floods(ctx, p)
	case part == fakebrowser.Main:
		if !stage.StopBrowser(launch) {
			return errors.New("the browser cannot be stopped")
		}
	case !stage.StopHelper(launch, sharedProfiles[part].flag):
		return fmt.Errorf("the browser has no process for %v", part)
	}
	pause(context.Background(), live.TurnsAfter)
	p.Turned(launch, part, fakebrowser.Hung)
	if part == fakebrowser.Main {
		pause(ctx, sharedLasts)
		p.Turned(launch, part, fakebrowser.Fine)
		stage.ContinueBrowser(launch)
	}
	return nil
}

// floods has pages flood the pipe, one after the other.
func floods(ctx context.Context, p *live.Player[*chrome.Page]) error {
	for _, addresses := range []bool{true, false} {
		l, err := p.Pool.GetPage(ctx, flooder, pool.WithMaxLease(sharedFloods))
		if err != nil {
			return err
		}
		err = floodsOn(p, l, addresses)
		l.Release()
		if err != nil {
			return fmt.Errorf("a flood of addresses (%v): %w", addresses, err)
		}
	}
	return nil
}

// floodsOn has the page of a lease flood the pipe until the lease ends, and notes when it is cut
// off.
func floodsOn(p *live.Player[*chrome.Page], l *chrome.Lease, addresses bool) error {
	if err := p.Stage.Work(l.Context(), l.Page(), 0); err != nil {
		return err
	}
	p.Floods(l) // it may be cut off before the call returns
	err := p.Stage.(chromeStage).Flood(l.Context(), l.Page(), addresses)
	if err != nil && !errors.Is(err, chrome.ErrPageClosed) {
		return err
	}
	cut := func() bool {
		return slices.ContainsFunc(l.Page().Diagnostics().Problems, func(problem chrome.Problem) bool {
			return strings.Contains(problem.Text, unheard)
		})
	}
	for pause(l.Context(), lookEvery) {
		if cut() {
			p.CutOff(l)
			<-l.Context().Done()
			return nil
		}
	}
	if cause := context.Cause(l.Context()); !errors.Is(cause, chrome.ErrPageClosed) {
		return fmt.Errorf("it was not cut off until its lease ended: %w", cause)
	}
	return nil
}

// killedHelper is what the driver's log says when a check has killed a helper that hung.
const killedHelper = "hung helper process killed"

// tellKilled passes on which part that was.
func tellKilled(r slog.Record, to *atomic.Pointer[func(part string)]) {
	tell := to.Load()
	if r.Message != killedHelper || tell == nil {
		return
	}
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "part" {
			(*tell)(a.Value.String())
		}
		return true
	})
}
