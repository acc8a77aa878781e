//go:build !linux

package chrome

// dying returns ended: nothing tells before.
func dying(_ int, ended <-chan struct{}) <-chan struct{} { return ended }
