package main

import (
	"os"
	"syscall"
	"time"

	"github.com/pagepool/pagepool/pool/chrome/loopback"
)

// prSetChildSubreaper is Linux's PR_SET_CHILD_SUBREAPER.
const prSetChildSubreaper = 36

// adoptOrphans makes this process the parent of what its browsers leave behind, and waits for them,
// as an init does: Chrome's own helpers lose their parent when it ends, and who else would wait for
// them may not. It returns what ends that.
func adoptOrphans() (end func()) {
	if _, _, failed := syscall.RawSyscall(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0); failed != 0 {
		return func() {}
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		look := time.NewTicker(200 * time.Millisecond)
		defer look.Stop()
		for {
			select {
			case <-look.C:
				reap()
			case <-stop:
				reap()
				return
			}
		}
	}()
	return func() {
		close(stop)
		<-done
		_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, prSetChildSubreaper, 0, 0)
	}
}

// reap waits for the zombies that were adopted. Those that this process has started lead a group of
// their own, and are waited for by whoever started them.
func reap() {
	for _, p := range loopback.Processes() {
		if p.Zombie && p.Parent == os.Getpid() && p.ID != p.Group {
			_, _ = syscall.Wait4(p.ID, nil, syscall.WNOHANG, nil)
		}
	}
}
