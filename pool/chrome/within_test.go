package chrome

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

func lively() (context.Context, context.CancelCauseFunc) {
	return context.WithCancelCause(context.Background())
}

func TestActionsThatBlockAreLeftAfterTheirGrace(t *testing.T) {
	errEnd := errors.New("the page ended")
	for what, want := range map[string]error{"ctx": context.DeadlineExceeded, "page": errEnd} {
		synctest.Test(t, func(t *testing.T) {
			life, end := lively()
			defer end(nil)
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			if what == "page" {
				time.AfterFunc(time.Hour, func() { end(errEnd) })
				ctx = t.Context()
			}
			free, began := make(chan struct{}), time.Now()
			_, err := within(ctx, life, time.Second, func() (int, error) { <-free; return 1, nil })
			if !errors.Is(err, want) || time.Since(began) != time.Hour+time.Second {
				t.Errorf(
					"%s: %v after %v, want %v after the hour and the grace", what, err, time.Since(began), want,
				)
			}
			close(free) // a bubble with goroutines left in it is a failure
		})
	}
}

func TestActionsThatEndWithinTheirGraceHaveTheLastWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		life, end := lively()
		defer end(nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		got, err := within(ctx, life, time.Second, func() (int, error) {
			<-ctx.Done()
			<-time.After(time.Second / 2)
			return 1, nil
		})
		if got != 1 || err != nil {
			t.Errorf("got %d, %v", got, err)
		}
	})
}

func TestAPanicInAnActionIsItsCallers(t *testing.T) {
	life, end := lively()
	defer end(nil)
	want := errors.New("a holder's")
	defer func() {
		if got := recover(); got != want {
			t.Errorf("the caller recovers %v, want the value that the action panicked with", got)
		}
	}()
	_, _ = within(t.Context(), life, 0, func() (int, error) { panic(want) })
}

func TestAnActionThatEndsItsGoroutineEndsItsCallers(t *testing.T) {
	life, end := lively()
	defer end(nil)
	ended, returned := make(chan struct{}), false
	go func() {
		defer close(ended)
		_, _ = within(t.Context(), life, 0, func() (int, error) { runtime.Goexit(); return 0, nil })
		returned = true
	}()
	<-ended
	if returned {
		t.Error("the caller went on")
	}
}
