package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// family is this process and everything that it has started, however it was started: what loses its
// parent becomes this process's child. So the time of processes that have ended is not lost: it is
// with the one that waited for them, or with the dead themselves, for whom nobody waits before the
// row has ended.
type family struct{ ticks float64 } // a second has so many

func newFamily() (family, error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return family{}, fmt.Errorf("become the parent of orphans: %w", err)
	}
	return family{ticks: 100}, nil // USER_HZ, which Linux shows everywhere but on alpha
}

// member is a line of /proc/PID/stat.
type member struct {
	pid, parent int
	ticks       float64 // of its own, and of those that it has waited for
	dead        bool
}

func processes() map[int]member {
	found := map[int]member{}
	paths, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is right
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		head, tail, ok := strings.Cut(string(text), " (")
		end := strings.LastIndex(tail, ") ")
		if !ok || end < 0 {
			continue
		}
		fields := strings.Fields(tail[end+2:])
		m := member{dead: fields[0] == "Z" || fields[0] == "X"}
		m.pid, _ = strconv.Atoi(head)
		m.parent, _ = strconv.Atoi(fields[1])
		for _, field := range fields[11:15] { // utime, stime, cutime, cstime
			n, _ := strconv.ParseFloat(field, 64)
			m.ticks += n
		}
		found[m.pid] = m
	}
	return found
}

// members are this process and its descendants.
func (family) members() []member {
	all := processes()
	var mine []member
	for _, m := range all {
		for at, ok := m, true; ok; at, ok = all[at.parent] {
			if at.pid == os.Getpid() {
				mine = append(mine, m)
				break
			}
		}
	}
	return mine
}

// cpu is the processor time that the family has used.
func (f family) cpu() time.Duration {
	total := 0.0
	for _, m := range f.members() {
		total += m.ticks
	}
	return time.Duration(total / f.ticks * float64(time.Second))
}

// memory is the family's memory in bytes, but for this process's own: of what several share, each
// has its part.
func (f family) memory() float64 {
	total := 0.0
	for _, m := range f.members() {
		if m.pid == os.Getpid() {
			continue
		}
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", m.pid))
		if err != nil {
			continue // it has ended
		}
		for line := range strings.Lines(string(text)) {
			if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
				kilobytes, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
				total += kilobytes * 1024
			}
		}
	}
	return total
}

// browsers are the main processes of the browsers: children of this process that run this program
// and are no renderer or other helper.
func (f family) browsers(program string) []int {
	var pids []int
	for _, m := range f.members() {
		if m.parent != os.Getpid() || m.dead {
			continue
		}
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", m.pid))
		if err == nil && strings.HasPrefix(string(text), program) &&
			!strings.Contains(string(text), "--type=") {
			pids = append(pids, m.pid)
		}
	}
	return pids
}

// end ends all descendants.
func (f family) end() {
	for _, m := range f.members() {
		if m.pid != os.Getpid() && !m.dead {
			_ = unix.Kill(m.pid, unix.SIGKILL) // it may have ended
		}
	}
}
