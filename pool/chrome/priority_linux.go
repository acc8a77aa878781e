package chrome

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	// clockTick is the unit of processor times in /proc, on every architecture that Go runs on.
	clockTick = 10 * time.Millisecond
	// findEvery is the time between two looks for new processes, and forgetEvery is how often those
	// that are not the browser's are looked at again: ids come again. To list /proc costs more than
	// to look at all of a browser's processes.
	findEvery, forgetEvery = 500 * time.Millisecond, 10 * time.Second
	// lowestNice is the highest nice value.
	lowestNice = 19
)

// scale weighs the renderers of one browser.
type scale struct {
	process       *process
	ours          map[string]*weighed // by process id
	others        map[string]bool
	found, forgot time.Time
}

// weighed is one process of the browser's.
type weighed struct {
	weight
	niced map[int]int // the nice values of its threads before it was lowered
}

// newScale returns nil where a process that was lowered could not be raised again: its page may be
// somebody else's by then.
func newScale(p *process) *scale {
	if !mayRaise() {
		return nil
	}
	return &scale{process: p, ours: make(map[string]*weighed), others: make(map[string]bool)}
}

// mayRaise reports whether this process may give a thread back the priority that it had. What the
// kernel asks for (CAP_SYS_NICE, or a limit of nice values that allows it) is not all that counts
// in a container, so it is tried.
var mayRaise = sync.OnceValue(func() bool {
	tried := make(chan bool)
	go func() {
		runtime.LockOSThread() // and never unlocks it: a thread that stayed low ends with this function
		own := syscall.Gettid()
		nice, err := niceOf(own)
		tried <- err == nil && nice < lowestNice && setNice(own, nice+1) == nil &&
			setNice(own, nice) == nil
	}()
	return <-tried
})

// niceOf is the nice value of a thread. The kernel says 20 less it.
func niceOf(thread int) (int, error) {
	raw, err := syscall.Getpriority(syscall.PRIO_PROCESS, thread)
	return 20 - raw, err
}

func setNice(thread, nice int) error {
	return syscall.Setpriority(syscall.PRIO_PROCESS, thread, nice)
}

// low reports whether a renderer is lowered.
func (s *scale) low() bool {
	for _, w := range s.ours {
		if w.low {
			return true
		}
	}
	return false
}

// weigh looks at each process of the browser's once.
func (s *scale) weigh(now time.Time) {
	if now.Sub(s.found) > findEvery {
		s.found = now
		s.find(now)
	}
	for pid, w := range s.ours {
		used, state, group, ok := timesOf(pid)
		if !ok || group != s.process.group {
			delete(s.ours, pid)
			continue
		}
		if low := w.look(used, state == 'R', now); low != w.low {
			w.set(pid, low)
		}
	}
}

// find looks for processes that have come.
func (s *scale) find(now time.Time) {
	if now.Sub(s.forgot) > forgetEvery {
		s.forgot = now
		clear(s.others)
	}
	proc, err := os.Open("/proc")
	if err != nil {
		return
	}
	defer proc.Close()
	names, _ := proc.Readdirnames(-1)
	for _, pid := range names {
		if pid[0] > '9' || s.others[pid] || s.ours[pid] != nil {
			continue
		}
		if _, _, group, ok := timesOf(pid); ok && group == s.process.group {
			s.ours[pid] = new(weighed)
		} else {
			s.others[pid] = true
		}
	}
}

// timesOf is the processor time that a process has used, the state of its main thread, and its
// process group.
func timesOf(pid string) (used time.Duration, state byte, group int, ok bool) {
	stat, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
	if err != nil {
		return 0, 0, 0, false // it has ended
	}
	// The command's name, in parentheses, may hold anything; then come state, parent and group, and
	// as the 12th and 13th the times of the process and of the kernel for it.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0, 0, 0, false
	}
	group, _ = strconv.Atoi(string(fields[2]))
	for _, field := range fields[11:13] {
		ticks, _ := strconv.ParseInt(string(field), 10, 64)
		used += time.Duration(ticks) * clockTick
	}
	return used, fields[0][0], group, true
}

// set lowers a renderer, or raises it again. Threads that begin while it is low begin low.
func (w *weighed) set(pid string, low bool) {
	if low && !isRenderer(pid) {
		w.heavy = 0
		return
	}
	threads, err := os.ReadDir(filepath.Join("/proc", pid, "task"))
	if err != nil {
		return
	}
	w.low = low
	main, _ := strconv.Atoi(pid)
	if low {
		w.niced = make(map[int]int, len(threads))
	}
	for _, entry := range threads {
		thread, _ := strconv.Atoi(entry.Name())
		if low {
			nice, err := niceOf(thread)
			if err == nil && setNice(thread, min(nice+lowerBy, lowestNice)) == nil {
				w.niced[thread] = nice
			}
			continue
		}
		before, ok := w.niced[thread]
		if !ok {
			before = w.niced[main]
		}
		_ = setNice(thread, before)
	}
}

func isRenderer(pid string) bool {
	line, err := os.ReadFile(filepath.Join("/proc", pid, "cmdline"))
	return err == nil && bytes.Contains(line, []byte("--type=renderer"))
}
