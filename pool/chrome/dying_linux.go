package chrome

import (
	"bytes"
	"fmt"
	"os"
	"time"
)

// dyingEvery is how often dying looks. One look costs a few microseconds; what it finds late, every
// holder waits for.
const dyingEvery = 5 * time.Millisecond

// dying returns a channel that is closed when the process is known to end, at the latest with
// ended. A Chromium that was killed goes on ending for 100 ms, while its memory is given back. Only
// then does its connection end, and only then can it be waited for; nothing but the state of its
// main thread tells before. A pidfd of that thread does not, since Linux 6.15.
func dying(pid int, ended <-chan struct{}) <-chan struct{} {
	found := make(chan struct{})
	go func() {
		defer close(found)
		stat, err := os.Open(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			<-ended
			return
		}
		defer stat.Close()
		tick := time.NewTicker(dyingEvery)
		defer tick.Stop()
		for text := make([]byte, 512); ; {
			select {
			case <-tick.C:
			case <-ended:
				return
			}
			n, err := stat.ReadAt(text, 0)
			if n == 0 && err != nil || dead(text[:n]) { // nothing to read: it was waited for
				return
			}
		}
	}()
	return found
}

// dead reports whether a line of /proc says so: the state comes after the command, which is in
// parentheses and may hold anything.
func dead(stat []byte) bool {
	at := bytes.LastIndexByte(stat, ')')
	return at >= 0 && at+2 < len(stat) && (stat[at+2] == 'Z' || stat[at+2] == 'X')
}
