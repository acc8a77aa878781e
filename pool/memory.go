package pool

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/pagepool/pagepool/pool/core"
)

// How often a browser's memory is measured: where MaxBrowserMemory bounds it, and where it is only
// shown.
const (
	memoryEvery = time.Second
	memoryShown = 10 * time.Second
)

// measures says whether a launcher's browsers can be measured. It is an error where the settings
// need that, and they cannot.
func measures(launcher any, settings *core.Settings) (bool, error) {
	why := fmt.Errorf("%T is no pool.MemoryTeller", launcher)
	if teller, ok := launcher.(MemoryTeller); ok {
		why = teller.TellsMemory()
	}
	if why != nil && settings.MaxBrowserMemory > 0 {
		return false, fmt.Errorf("MaxBrowserMemory=%d: the launcher cannot measure memory: %w",
			settings.MaxBrowserMemory, why)
	}
	return why == nil, nil
}

// measureLocked measures a browser's memory from now on, until the browser is asked to end or is
// forgotten.
func (p *Pool[P]) measureLocked(b *browser[P]) {
	measurer, ok := b.process.(Measurer)
	if !ok || !p.measures || b.unwanted || p.mu.browsers[b.id] != b {
		return
	}
	every := memoryShown
	if p.settings.MaxBrowserMemory > 0 {
		every = memoryEvery
	}
	b.stopMeasuring = p.clock.AfterFunc(every, func() {
		p.mu.Lock()
		defer p.unlock()
		if !b.unwanted && p.mu.browsers[b.id] == b {
			p.beginMeasureLocked(b, measurer)
		}
	})
}

// endMeasuring keeps the next measurement from being made.
func (b *browser[P]) endMeasuring() {
	if b.stopMeasuring != nil {
		b.stopMeasuring()
	}
}

// beginMeasureLocked measures a browser once. Of one above its limit, the pages are measured as
// well.
func (p *Pool[P]) beginMeasureLocked(b *browser[P], measurer Measurer) {
	ctx, cancel := context.WithCancel(b.life)
	stop := p.clock.AfterFunc(memoryEvery, cancel)
	most := p.settings.MaxBrowserMemory
	pages := make(map[*tab[P]]Measurer)
	for _, t := range p.mu.tabs {
		if page, ok := t.page.(Measurer); ok && t.browser == b {
			pages[t] = page
		}
	}
	var whole int64
	var err error
	uses := make(map[*tab[P]]int64)
	p.beginLocked(b, func() {
		defer cancel()
		defer stop()
		whole, err = measurer.Memory(ctx)
		if err == nil && most > 0 && whole > most {
			uses = measureAll(ctx, pages)
		}
	}, func() {
		p.browserFirstLocked(b)
		switch {
		case p.mu.browsers[b.id] != b:
			return
		case err != nil:
			p.noteLocked(slog.LevelDebug, "browser not measured", "browser", browserName(b.id), "error", err)
		default:
			p.measuredLocked(b, whole, uses)
		}
		p.measureLocked(b)
	})
}

// measureAll measures pages side by side. One that does not answer is left out.
func measureAll[P any](ctx context.Context, pages map[*tab[P]]Measurer) map[*tab[P]]int64 {
	type answer struct {
		of   *tab[P]
		uses int64
		err  error
	}
	answers := make(chan answer, len(pages))
	for t, page := range pages {
		go func() {
			uses, err := page.Memory(ctx)
			answers <- answer{t, uses, err}
		}()
	}
	all := make(map[*tab[P]]int64)
	for range pages {
		if a := <-answers; a.err == nil {
			all[a.of] = a.uses
		}
	}
	return all
}

// measuredLocked tells the core what a browser and its pages use, where that is bounded.
func (p *Pool[P]) measuredLocked(b *browser[P], whole int64, uses map[*tab[P]]int64) {
	most := p.settings.MaxBrowserMemory
	was := b.memory
	b.memory = whole
	if most < 0 {
		return
	}
	if was <= most && whole > most {
		p.noteLocked(slog.LevelWarn, "browser above MaxBrowserMemory",
			"browser", browserName(b.id), "bytes", whole, "limit", most)
	}
	for _, t := range slices.SortedFunc(maps.Keys(uses), func(t, u *tab[P]) int {
		return cmp.Compare(t.id, u.id)
	}) {
		if p.mu.tabs[t.id] == t {
			p.stepLocked(core.Event{Kind: core.Measured, Tab: t.id, Memory: uses[t]})
		}
	}
	p.stepLocked(core.Event{Kind: core.Measured, Browser: b.id, Memory: whole})
}
