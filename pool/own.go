package pool

import (
	"context"
	"errors"
	"fmt"
)

// Affinities with terms of their own: what their contexts need can be given only when these are
// made, a proxy for example. The pool has no warm tab for such an affinity that it was not opened
// for.

// OwnTeller is a Launcher that knows which affinities have terms of their own. Its browsers are
// OwnMakers.
type OwnTeller interface {
	// OwnContext reports whether the contexts of an affinity have to be made for it. Such an
	// affinity adopts no standby: a tab is opened for it, in a context that NewContextFor makes,
	// and none of its tabs is handed to another affinity. The pool asks once for each GetPage, from
	// its goroutine, and without its lock; GetPage waits for the answer beyond its ctx. As long as
	// the pool has a tab, a context or a request of the affinity, the answer for the first of its
	// requests counts. Whoever changes the terms of an affinity disposes of it.
	OwnContext(affinity string) bool
}

// OwnMaker is a Browser that makes contexts for one affinity each.
type OwnMaker[P any] interface {
	// NewContextFor makes an isolated browser context on the terms of an affinity. What NewContext
	// says of ctx and of errors is true of it. An error counts as a failed opening, which pauses
	// the opening of tabs for all affinities: terms that are wrong in themselves are no error here.
	NewContextFor(ctx context.Context, affinity string) (BrowserContext[P], error)
}

// hasOwnTerms asks the launcher about an affinity. It needs no lock.
func (p *Pool[P]) hasOwnTerms(affinity string) bool {
	return p.owns != nil && p.owns.OwnContext(affinity)
}

// checkOwn refuses a browser that cannot make the contexts that its launcher asks for. The browser
// is ended: a launch that fails leaves no process.
func (p *Pool[P]) checkOwn(process Browser[P]) error {
	if _, makes := process.(OwnMaker[P]); makes || p.owns == nil {
		return nil
	}
	err := fmt.Errorf("the launcher %T has OwnContext, and its browser %T has no NewContextFor",
		p.launcher, process)
	force, cancel := context.WithCancel(context.Background())
	cancel()
	if end := process.Close(force); end != nil {
		err = errors.Join(err, end)
	}
	return err
}

// makeContext makes a context: on the terms of an affinity, or where that is empty, for whoever
// adopts its tab.
func (p *Pool[P]) makeContext(ctx context.Context, b *browser[P],
	affinity string) (BrowserContext[P], error) {
	if affinity == "" {
		return b.process.NewContext(ctx)
	}
	// checkOwn has looked whether it is one
	return b.process.(OwnMaker[P]).NewContextFor(ctx, affinity)
}
