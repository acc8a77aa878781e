//go:build !linux

package chrome

import "time"

// scale weighs renderers on Linux only.
type scale struct{}

func newScale(*process) *scale { return nil }

func (*scale) lowers() bool { return false }

func (*scale) weigh(time.Time) {}
