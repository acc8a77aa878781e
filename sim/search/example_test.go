package search_test

import (
	"fmt"
	"strings"

	"github.com/pagepool/pagepool/sim/search"
)

// semaphore is one permit, and two callers who each take it once. To acquire is to look whether it
// is free, and to fall asleep where it is not; to release is to free it, and to wake whoever
// sleeps.
type semaphore struct {
	taken   bool
	asleep  [2]bool
	at      [2]int // looks, fallsAsleep, releases or done
	careful bool   // whoever is about to fall asleep looks again
}

const (
	looks = iota
	fallsAsleep
	releases
	done
)

func (s *semaphore) CopyFrom(from *semaphore) { *s = *from }

// Actions are the callers that can go on.
func (s *semaphore) Actions(buffer []int) []int {
	for caller := range s.at {
		if s.at[caller] != done && !s.asleep[caller] {
			buffer = append(buffer, caller)
		}
	}
	return buffer
}

func (s *semaphore) Do(caller *int) {
	me, other := *caller, 1-*caller
	switch s.at[me] {
	case looks:
		if s.at[me] = fallsAsleep; !s.taken {
			s.taken, s.at[me] = true, releases
		}
	case fallsAsleep:
		s.asleep[me], s.at[me] = !s.careful || s.taken, looks
	case releases:
		s.taken, s.at[me] = false, done
		s.asleep[other] = false
	}
}

func (s *semaphore) Fingerprint() uint64 {
	hash := uint64(1)
	for caller := range s.at {
		hash = hash*8 + uint64(s.at[caller])
		if s.asleep[caller] {
			hash += 4
		}
	}
	return hash * 0x9e3779b97f4a7c15 // whether it is taken follows
}

func (s *semaphore) Broken() bool { return s.at == [2]int{releases, releases} }

func (s *semaphore) Good() bool { return s.at == [2]int{done, done} }

func (s *semaphore) label(caller *int) string {
	return fmt.Sprintf("%c %s", 'A'+*caller,
		[...]string{"looks", "falls asleep", "releases"}[s.at[*caller]])
}

// The search finds the wake-up that is lost: one caller looks, the other releases while nobody
// sleeps, and then the first falls asleep.
func Example() {
	for _, careful := range []bool{false, true} {
		start := &semaphore{careful: careful}
		found := search.Explore(start, search.Options[*semaphore, int]{})
		var way []string
		search.Follow(start, found.Path, func(s *semaphore, caller *int) {
			way = append(way, s.label(caller))
		})
		switch found.Verdict {
		case search.Holds:
			fmt.Printf("no claim is broken in %d states, and nobody waits for ever\n", found.States)
		case search.Broken:
			fmt.Printf("both have the permit: %s\n", strings.Join(way, ", "))
		case search.Stuck:
			fmt.Printf("somebody waits for ever: %s\n", strings.Join(way, ", "))
		}
	}
	// Output:
	// somebody waits for ever: B looks, A looks, B releases, A falls asleep
	// no claim is broken in 14 states, and nobody waits for ever
}
