package core

import (
	"fmt"
	"testing"
)

// warmPool is a pool of four in which affinity 1 holds a tab and has an idle one, affinity 2 holds
// the other three, and this many requests of other affinities wait for the root limit.
func warmPool(b *testing.B, waiting int) (*State, []Effect) {
	b.Helper()
	s, tell := servedPool(b, true)
	for r, a := range []Affinity{1, 2, 2, 2} {
		tell(Event{Kind: Requested, Request: RequestID(r + 1), Affinity: a})
	}
	tell(Event{Kind: Requested, Request: 50, Affinity: 1, Class: Nested})
	tell(Event{Kind: Released, Request: 50})
	for r := range waiting {
		tell(Event{Kind: Requested, Request: RequestID(r + 100), Affinity: Affinity(r + 3)})
	}
	if s.Count(Idle) != 1 || s.Waiting(Root) != waiting {
		b.Fatalf("%d idle, %d waiting", s.Count(Idle), s.Waiting(Root))
	}
	return s, make([]Effect, 0, 16)
}

// BenchmarkStepWarm is a nested request that its own idle tab serves, and its release.
func BenchmarkStepWarm(b *testing.B) {
	for _, waiting := range []int{10, 10_000, 100_000} {
		b.Run(fmt.Sprintf("waiting=%d", waiting), func(b *testing.B) {
			s, out := warmPool(b, waiting)
			id := RequestID(1 << 20)
			b.ReportAllocs()
			for b.Loop() {
				id++
				out = s.Step(0, Event{Kind: Requested, Request: id, Affinity: 1, Class: Nested}, out[:0])
				out = s.Step(0, Event{Kind: Released, Request: id}, out[:0])
			}
		})
	}
}

// BenchmarkStepQueue is a request that waits behind the others, and is given up.
func BenchmarkStepQueue(b *testing.B) {
	for _, waiting := range []int{10, 10_000, 100_000} {
		b.Run(fmt.Sprintf("waiting=%d", waiting), func(b *testing.B) {
			s, out := warmPool(b, waiting)
			id := RequestID(1 << 20)
			b.ReportAllocs()
			for b.Loop() {
				id++
				out = s.Step(0, Event{Kind: Requested, Request: id, Affinity: 2}, out[:0])
				out = s.Step(0, Event{Kind: Abandoned, Request: id}, out[:0])
			}
		})
	}
}

// BenchmarkStepShort is a request that waits behind others that no limit stops, because nothing
// that is being opened is there yet, and is given up.
func BenchmarkStepShort(b *testing.B) {
	for _, waiting := range []int{10, 10_000, 100_000} {
		b.Run(fmt.Sprintf("waiting=%d", waiting), func(b *testing.B) {
			s, tell := servedPool(b, false)
			for r := range waiting {
				tell(Event{Kind: Requested, Request: RequestID(r + 100), Affinity: Affinity(r + 3)})
			}
			if s.need() == 0 {
				b.Fatal("nobody is short of a tab")
			}
			out := make([]Effect, 0, 16)
			id := RequestID(1 << 20)
			b.ReportAllocs()
			for b.Loop() {
				id++
				out = s.Step(0, Event{Kind: Requested, Request: id, Affinity: 2}, out[:0])
				out = s.Step(0, Event{Kind: Abandoned, Request: id}, out[:0])
			}
		})
	}
}

// servedPool is a pool of four whose browser does what it is asked at once, but for opening tabs,
// if these are not to open.
func servedPool(b *testing.B, opens bool) (s *State, tell func(Event)) {
	b.Helper()
	settings, err := Settings{MaxPages: 4, MaxWaiting: 1 << 20}.Resolve()
	if err != nil {
		b.Fatal(err)
	}
	s = New(settings)
	tell = func(e Event) {
		for _, f := range s.Step(0, e, nil) {
			switch {
			case f.Kind == Launch:
				tell(Event{Kind: Done, Of: Launch, Browser: f.Browser})
			case f.Kind == OpenTab && opens:
				tell(Event{Kind: Done, Of: OpenTab, Tab: f.Tab})
			}
		}
	}
	tell(Event{})
	return s, tell
}
