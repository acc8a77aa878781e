package pool

import "time"

// Clock is where the pool takes its time from. It is a setting, More.Clock; nil is the real one.
// The pool calls it under its lock, so both methods return at once and do not call the pool.
type Clock interface {
	// Now returns the present instant. It never goes back.
	Now() time.Time
	// AfterFunc calls f in a goroutine of its own once d has passed, at once where d is not positive.
	// The returned stop keeps f from being called and reports whether it was in time.
	AfterFunc(d time.Duration, f func()) (stop func() bool)
}

type realClock struct{}

func (realClock) Now() time.Time { return time.Now() }

func (realClock) AfterFunc(d time.Duration, f func()) (stop func() bool) {
	return time.AfterFunc(d, f).Stop
}
