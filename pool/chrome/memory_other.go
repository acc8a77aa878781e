//go:build !linux

package chrome

import "errors"

// memoryTold says why memory cannot be measured here.
var memoryTold = errors.New("chrome: memory is measured on Linux only")

func (*process) memory() (int64, error) { return 0, memoryTold }
