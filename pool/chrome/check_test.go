package chrome

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Work is done once it has been done without an error, whatever came before.
func TestWorkIsTriedAgainUntilItIsDone(t *testing.T) {
	refused := errors.New("refused")
	const never = -1
	for _, c := range []struct {
		says  string
		tries []time.Duration // how long each takes; what is below zero, or not here, is never answered
		fails []bool
		took  time.Duration
		err   error
	}{
		{"at once", []time.Duration{time.Millisecond}, nil, time.Millisecond, nil},
		{"slowly", []time.Duration{1900 * time.Millisecond}, nil, 1900 * time.Millisecond, nil},
		{"after an error", []time.Duration{0, time.Millisecond}, []bool{true}, 501 * time.Millisecond,
			nil},
		{"after a call that was lost", []time.Duration{never, time.Millisecond}, nil,
			501 * time.Millisecond, nil},
		{"never", nil, nil, partTimeout, errSilent},
		{"never but for errors", make([]time.Duration, 4), []bool{true, true, true, true}, partTimeout,
			refused},
	} {
		synctest.Test(t, func(t *testing.T) {
			began, tries := time.Now(), atomic.Int32{}
			err := answered(t.Context(), partTimeout, func(ctx context.Context) error {
				this := int(tries.Add(1)) - 1
				if this >= len(c.tries) || c.tries[this] == never {
					<-ctx.Done()
					return ctx.Err()
				}
				select {
				case <-time.After(c.tries[this]):
				case <-ctx.Done():
				}
				if this < len(c.fails) && c.fails[this] {
					return refused
				}
				return ctx.Err()
			})
			if took := time.Since(began); took != c.took || !errors.Is(err, c.err) {
				t.Errorf("%s: %v after %v; want %v after %v", c.says, err, took, c.err, c.took)
			}
			if errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v sounds as if the caller's time were over", c.says, err)
			}
		})
	}
}

func TestWorkEndsWithItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		err := answered(ctx, partTimeout, func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		})
		if took := time.Since(began); took != time.Second || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v after %v", err, took)
		}
	})
}
