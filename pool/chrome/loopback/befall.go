//go:build !windows

package loopback

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Process is one process of a browser, as the system lists it.
type Process struct {
	ID, Group, Parent int
	Zombie            bool
	Command           string
}

// Processes lists what the system runs. It is empty where there is no /proc.
func Processes() []Process {
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	var all []Process
	for _, file := range files {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		// The command's name, in parentheses, may hold anything; then come state, parent and group.
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if len(fields) < 3 {
			continue
		}
		p := Process{Zombie: fields[0] == "Z" || fields[0] == "X"}
		p.ID, _ = strconv.Atoi(filepath.Base(filepath.Dir(file)))
		p.Parent, _ = strconv.Atoi(fields[1])
		p.Group, _ = strconv.Atoi(fields[2])
		command, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline"))
		p.Command = strings.TrimSpace(strings.ReplaceAll(string(command), "\x00", " "))
		all = append(all, p)
	}
	return all
}

// Browsers lists the processes that belong to browsers of this stage: those that know of its
// folder, and those in a group with one.
func (s *Stage) Browsers() []Process { return Within(s.folder) }

// Within lists the processes of every browser whose files are in a folder.
func Within(folder string) []Process {
	all := Processes()
	groups := map[int]bool{}
	for _, p := range all {
		if p.ID == p.Group && strings.Contains(p.Command, folder+"/") {
			groups[p.Group] = true
		}
	}
	var found []Process
	for _, p := range all {
		if p.ID != os.Getpid() && (groups[p.Group] || strings.Contains(p.Command, folder+"/")) {
			found = append(found, p)
		}
	}
	return found
}

// KillBrowser ends the main process of a launch's browser, as the kernel does when memory is short.
func (s *Stage) KillBrowser(launch uint64) bool {
	return signal(Within(s.FolderOf(launch)), syscall.SIGKILL, isMain, true)
}

// KillRenderer ends one of a browser's renderers.
func (s *Stage) KillRenderer(launch uint64) bool {
	return signal(Within(s.FolderOf(launch)), syscall.SIGKILL, func(p Process) bool {
		return strings.Contains(p.Command, "--type=renderer")
	}, true)
}

// StopBrowser has a browser answer nothing any more, and all its pages, until ContinueBrowser.
func (s *Stage) StopBrowser(launch uint64) bool {
	return signal(Within(s.FolderOf(launch)), syscall.SIGSTOP, func(Process) bool { return true },
		false)
}

// ContinueBrowser has a browser that was stopped go on.
func (s *Stage) ContinueBrowser(launch uint64) bool {
	return signal(Within(s.FolderOf(launch)), syscall.SIGCONT, func(Process) bool { return true },
		false)
}

// StopHelper has a process that the tabs of a browser share do nothing any more: one whose command
// has this flag. It is false where the browser has none.
func (s *Stage) StopHelper(launch uint64, flag string) bool {
	return signal(Within(s.FolderOf(launch)), syscall.SIGSTOP, func(p Process) bool {
		return strings.Contains(p.Command, flag)
	}, true)
}

func isMain(p Process) bool { return p.ID == p.Group && !strings.Contains(p.Command, "--type=") }

// signal sends a signal to the first that pick picks, or to all of them. It is false where there is
// none.
func signal(to []Process, what syscall.Signal, pick func(Process) bool, first bool) bool {
	sent := false
	for _, p := range to {
		if p.Zombie || !pick(p) || first && sent {
			continue
		}
		sent = syscall.Kill(p.ID, what) == nil || sent
	}
	return sent
}
