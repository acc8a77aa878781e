package chrome

import (
	"context"
	"runtime"
	"time"
)

// outcome is how a func ended that ran in a goroutine of its own.
type outcome[T any] struct {
	result   T
	err      error
	returned bool
	panicked any // nil where it neither returned nor panicked: it ended its goroutine
}

// within waits for do, which runs in a goroutine of its own, and for grace after ctx or life has
// ended. Then do is left to itself: chromedp waits for a holder's listener whatever becomes of ctx.
// A panic goes on here, as if do had been called; one of a do that was left has nobody to go to but
// the program.
func within[T any](
	ctx, life context.Context, grace time.Duration, do func() (T, error),
) (T, error) {
	did, left := make(chan outcome[T]), make(chan struct{})
	go func() {
		var o outcome[T]
		defer func() {
			if !o.returned {
				o.panicked = recover()
			}
			select {
			case did <- o:
			case <-left:
				if o.panicked != nil {
					panic(o.panicked)
				}
			}
		}()
		o.result, o.err = do()
		o.returned = true
	}()
	select {
	case o := <-did:
		return o.end()
	case <-life.Done():
	case <-ctx.Done():
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case o := <-did:
		return o.end()
	case <-timer.C:
	}
	close(left)
	var none T
	if life.Err() != nil {
		return none, context.Cause(life)
	}
	return none, ended(ctx)
}

// end ends the caller's func as the other one ended.
func (o *outcome[T]) end() (T, error) {
	switch {
	case o.panicked != nil:
		panic(o.panicked)
	case !o.returned:
		runtime.Goexit()
	}
	return o.result, o.err
}
