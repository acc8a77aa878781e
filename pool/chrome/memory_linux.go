package chrome

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
)

// memoryTold says why memory cannot be measured here; nil: it can.
var memoryTold error

// parentage is what a process's stat file says of its family.
type parentage struct{ parent, group int }

// memory is how many bytes the browser's processes use together that are nobody else's: what they
// have written (RssAnon), and what they share with one another (RssShmem), as /proc/PID/status has
// them (proc_pid_status(5)). Mapped files are left out: they are shared, and the kernel takes them
// back when it is short. The proportional size (smaps_rollup) would be truer, and takes a second
// and more of processor time for eight processes where this takes a millisecond.
func (p *process) memory() (int64, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	all := make(map[int]parentage)
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil {
			if of, ok := parentageOf(entry.Name()); ok {
				all[pid] = of
			}
		}
	}
	sum := int64(0)
	for pid := range all {
		if p.started(all, pid) {
			sum += written(pid)
		}
	}
	return sum, nil
}

// started says whether a process is of the browser's group, or descends from its main process: one
// that a script started in a session of its own has left the group.
func (p *process) started(all map[int]parentage, pid int) bool {
	for range len(all) { // ids are used again while they are read, so there might be a circle
		of, ok := all[pid]
		switch {
		case !ok:
			return false
		case of.group == p.group || pid == p.group:
			return true
		}
		pid = of.parent
	}
	return false
}

func parentageOf(pid string) (parentage, bool) {
	stat, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
	if err != nil {
		return parentage{}, false // it has ended
	}
	// The command's name, in parentheses, may hold anything; then come state, parent and group.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 3 {
		return parentage{}, false
	}
	parent, _ := strconv.Atoi(string(fields[1]))
	group, err := strconv.Atoi(string(fields[2]))
	return parentage{parent, group}, err == nil
}

// written is what one process uses by itself, and of what it shares; 0: it has ended.
func written(pid int) int64 {
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0
	}
	sum := int64(0)
	for line := range bytes.Lines(status) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		if fields := bytes.Fields(value); len(fields) == 2 &&
			(string(name) == "RssAnon" || string(name) == "RssShmem") {
			kilobytes, _ := strconv.ParseInt(string(fields[0]), 10, 64)
			sum += kilobytes << 10
		}
	}
	return sum
}
