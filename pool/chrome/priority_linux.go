package chrome

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
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
	proc          string              // /proc
	ours          map[string]*weighed // by process id
	others        map[string]bool
	found, forgot time.Time
	room          [4096]byte
}

// weighed is one process of the browser's.
type weighed struct {
	weight
	renderer bool
	niced    map[string]int // the nice values of its threads before it was lowered; nil: it is not
}

// newScale returns nil where a process that was lowered could not be raised again: its page may be
// somebody else's by then.
func newScale(p *process) *scale {
	if !mayRaise() {
		return nil
	}
	return &scale{
		process: p, proc: "/proc", ours: make(map[string]*weighed), others: make(map[string]bool),
	}
}

// mayRaise reports whether this process may give a thread back the priority that it had. What the
// kernel asks for (CAP_SYS_NICE, or a limit of nice values that allows it) is not all that counts
// in a container, so it is tried.
var mayRaise = sync.OnceValue(func() bool {
	tried := make(chan bool)
	go func() {
		runtime.LockOSThread() // and never unlocks it: a thread that stayed low ends with this function
		own := strconv.Itoa(syscall.Gettid())
		nice, err := niceOf(own)
		tried <- err == nil && nice < lowestNice && setNice(own, nice+1) == nil &&
			setNice(own, nice) == nil
	}()
	return <-tried
})

// niceOf is the nice value of a thread. The kernel says 20 less it.
func niceOf(thread string) (int, error) {
	id, err := strconv.Atoi(thread)
	if err != nil {
		return 0, err
	}
	raw, err := syscall.Getpriority(syscall.PRIO_PROCESS, id)
	return 20 - raw, err
}

func setNice(thread string, nice int) error {
	id, err := strconv.Atoi(thread)
	if err != nil {
		return err
	}
	return syscall.Setpriority(syscall.PRIO_PROCESS, id, nice)
}

// lowers reports whether a renderer is lowered.
func (s *scale) lowers() bool {
	for _, w := range s.ours {
		if w.niced != nil {
			return true
		}
	}
	return false
}

// weigh looks at each process of the browser's once. One that cannot be read is raised.
func (s *scale) weigh(now time.Time) {
	if now.Sub(s.found) > findEvery {
		s.found = now
		s.find(now)
	}
	for pid, w := range s.ours {
		process, err := s.statOf(pid)
		if isGone(err) || err == nil && process.group != s.process.group {
			delete(s.ours, pid)
			continue
		}
		if err == nil {
			err = s.judge(pid, w, process, now)
		}
		if err != nil {
			w.weight = weight{}
		}
		switch {
		case w.low():
			s.lower(pid, w)
		case w.niced != nil:
			s.raise(pid, w)
		}
	}
}

// find looks for processes that have come.
func (s *scale) find(now time.Time) {
	if now.Sub(s.forgot) > forgetEvery {
		s.forgot = now
		clear(s.others)
	}
	names, _ := s.list("")
	for _, pid := range names {
		if pid[0] > '9' || s.others[pid] || s.ours[pid] != nil {
			continue
		}
		if process, err := s.statOf(pid); err == nil && process.group == s.process.group {
			s.ours[pid] = new(weighed)
		} else {
			s.others[pid] = true
		}
	}
}

// judge has a renderer looked at. Most processes have done nothing since the last look, and their
// threads are not read.
func (s *scale) judge(pid string, w *weighed, process stat, now time.Time) error {
	if process.used == w.last.used && !process.wants && w.heavy == 0 {
		w.at = now
		return nil
	}
	if w.renderer = w.renderer || s.isRenderer(pid); !w.renderer {
		return nil
	}
	threads, err := s.list(pid, "task")
	if err != nil {
		return err
	}
	r := reading{used: process.used, threads: make(map[string]times, len(threads))}
	for _, thread := range threads {
		spent, err := s.timesOf(pid, "task", thread)
		if isGone(err) {
			continue // it has ended, or the kernel has no schedstat
		}
		if err != nil {
			return err
		}
		r.threads[thread] = spent
	}
	if len(r.threads) == 0 {
		return fs.ErrNotExist
	}
	r.wants = func() bool {
		return slices.ContainsFunc(threads, func(thread string) bool {
			of, _ := s.statOf(pid, "task", thread)
			return of.wants
		})
	}
	w.look(r, now)
	return nil
}

// stat is what /proc says of a process, or of a thread.
type stat struct {
	used  time.Duration // on a processor
	wants bool          // it has one, or waits for one; of a process, its main thread
	group int
}

func (s *scale) statOf(path ...string) (stat, error) {
	text, err := s.text(append(path, "stat")...)
	if err != nil {
		return stat{}, err
	}
	// The command's name, in parentheses, may hold anything; then come state, parent and group, and
	// as the 12th and 13th the times of the process and of the kernel for it.
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 13 {
		return stat{}, fmt.Errorf("%s has %d fields", path, len(fields))
	}
	group, err := strconv.Atoi(string(fields[2]))
	of := stat{wants: string(fields[0]) == "R", group: group}
	for _, field := range fields[11:13] {
		ticks, failed := strconv.ParseInt(string(field), 10, 64)
		of.used, err = of.used+time.Duration(ticks)*clockTick, errors.Join(err, failed)
	}
	return of, err
}

// timesOf is what schedstat says of a thread, in nanoseconds.
func (s *scale) timesOf(path ...string) (times, error) {
	text, err := s.text(append(path, "schedstat")...)
	if err != nil {
		return times{}, err
	}
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		return times{}, fmt.Errorf("%s has %d times", path, len(fields))
	}
	ran, err := strconv.ParseInt(string(fields[0]), 10, 64)
	waited, failed := strconv.ParseInt(string(fields[1]), 10, 64)
	return times{time.Duration(ran), time.Duration(waited)}, errors.Join(err, failed)
}

func (s *scale) isRenderer(pid string) bool {
	line, err := s.text(pid, "cmdline")
	return err == nil && bytes.Contains(line, []byte("--type=renderer"))
}

// text is the beginning of a file, until the next call. os.ReadFile would take twice the time.
func (s *scale) text(path ...string) ([]byte, error) {
	name := s.proc + "/" + strings.Join(path, "/")
	file, err := syscall.Open(name, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer syscall.Close(file)
	n, err := syscall.Read(file, s.room[:])
	return s.room[:max(n, 0)], err
}

func (s *scale) list(path ...string) ([]string, error) {
	folder, err := os.Open(filepath.Join(s.proc, filepath.Join(path...)))
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	return folder.Readdirnames(-1)
}

// isGone reports whether what was to be read is not there any more.
func isGone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH)
}

// lower lowers each thread of a renderer. Threads that begin while it is low begin low. But Chrome
// gives a worker's thread a nice value of its own, so each look lowers those that are not low.
func (s *scale) lower(pid string, w *weighed) {
	threads, err := s.list(pid, "task")
	if err != nil {
		return
	}
	first := w.niced == nil
	if first {
		w.niced = make(map[string]int, len(threads))
	}
	for _, thread := range threads {
		nice, err := niceOf(thread)
		before, ok := w.niced[thread]
		if !ok {
			before = w.niced[pid]
		}
		if err != nil || !first && nice >= min(before+lowerBy, lowestNice) {
			continue
		}
		if setNice(thread, min(nice+lowerBy, lowestNice)) == nil {
			w.niced[thread] = nice
		}
	}
}

// raise gives each thread its nice value back, and the main thread's to those that began since the
// last look. A thread may begin while this is done, so it goes on until no other is found.
func (s *scale) raise(pid string, w *weighed) {
	raised := make(map[string]bool)
	for before := -1; before < len(raised); {
		before = len(raised)
		threads, err := s.list(pid, "task")
		if err != nil {
			return // the next look tries again
		}
		for _, thread := range threads {
			if raised[thread] {
				continue
			}
			raised[thread] = true
			nice, ok := w.niced[thread]
			if !ok {
				nice = w.niced[pid]
			}
			_ = setNice(thread, nice)
		}
	}
	w.niced = nil
}
