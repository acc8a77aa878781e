// Package prose writes what commands and reports say to people.
package prose

import "fmt"

// Count is a number of things: 1 step, 2 steps. The noun is one whose plural ends in s.
func Count[N int | int32 | uint32 | uint64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
