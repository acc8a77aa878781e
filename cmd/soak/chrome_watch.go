package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/pagepool/pagepool/pool/chrome/loopback"
)

// figures are what may not grow.
type figures struct {
	When          string  `json:"when"`
	At            float64 `json:"at_seconds"`
	Goroutines    int     `json:"goroutines"`
	Descriptors   int     `json:"descriptors"`
	Processes     int     `json:"processes"`
	Zombies       int     `json:"zombies"`
	Files         int     `json:"files"` // in the browsers' folders, other than their profiles' own
	Memory        uint64  `json:"memory_bytes"`
	BrowserMemory uint64  `json:"browser_memory_bytes"`
}

// baseline is what there was before.
type baseline struct {
	folder      string
	goroutines  int
	descriptors int
	zombies     int
}

// temporaryFolder makes the folder of a run, in which this process and its browsers keep all their
// temporary files until done is called. What is left in it is kept, and is the run's own: other
// programs have browsers, too.
func temporaryFolder() (folder string, done func(), err error) {
	if folder, err = os.MkdirTemp("", "soak-"); err != nil {
		return "", nil, err
	}
	was, set := os.LookupEnv("TMPDIR")
	done = func() {
		if _ = os.Remove(folder); set {
			os.Setenv("TMPDIR", was)
		} else {
			os.Unsetenv("TMPDIR")
		}
	}
	return folder, done, os.Setenv("TMPDIR", folder)
}

func newBaseline(folder string) *baseline {
	// the runtime opens two descriptors for good when it first waits for one
	if out, in, err := os.Pipe(); err == nil {
		out.Close()
		in.Close()
	}
	return &baseline{
		folder: folder, goroutines: runtime.NumGoroutine(), descriptors: descriptors(),
		zombies: zombies(),
	}
}

func descriptors() int {
	entries, _ := os.ReadDir("/proc/self/fd")
	return max(0, len(entries)-1) // one is that of reading the list
}

// zombies counts those whose parent is this process.
func zombies() int {
	n := 0
	for _, p := range loopback.Processes() {
		if p.Zombie && p.Parent == os.Getpid() {
			n++
		}
	}
	return n
}

// browsers are the processes that know of the folder, or are in a group with one that does.
func (b *baseline) browsers() (alive []loopback.Process) {
	for _, p := range loopback.Within(b.folder) {
		if !p.Zombie {
			alive = append(alive, p)
		}
	}
	return alive
}

// figures are those of this moment.
func (b *baseline) figures(when string, at time.Duration) figures {
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	f := figures{
		When: when, At: at.Seconds(), Goroutines: runtime.NumGoroutine(), Descriptors: descriptors(),
		Zombies: zombies(),
		Memory:  memory.HeapAlloc + memory.StackInuse,
	}
	for _, p := range b.browsers() {
		f.Processes++
		f.BrowserMemory += proportional(p.ID)
	}
	_ = filepath.WalkDir(b.folder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == "profile" {
			return filepath.SkipDir
		}
		if err == nil && !d.IsDir() {
			f.Files++
		}
		return nil // a file may go while it is looked for
	})
	return f
}

// proportional is the memory of a process, with what it shares divided among those who do.
func proportional(pid int) uint64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
			kilobytes, _ := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kilobytes << 10
		}
	}
	return 0
}

// leavesWithin is how long what is on its way out may take.
const leavesWithin = 5 * time.Second

// left says what is there that was not there before, once what is on its way out had time for it.
func (b *baseline) left() []string {
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for end := time.Now().Add(leavesWithin); ; <-look.C {
		if left := b.now(); len(left) == 0 || time.Now().After(end) {
			return left
		}
	}
}

func (b *baseline) now() []string {
	left := []string{}
	for _, p := range b.browsers() {
		left = append(left, fmt.Sprintf("process %d: %.120s", p.ID, p.Command))
	}
	entries, _ := os.ReadDir(b.folder)
	for _, e := range entries {
		what := "file "
		if e.IsDir() {
			what = "folder "
		}
		left = append(left, what+filepath.Join(b.folder, e.Name()))
	}
	more := func(what string, before, now int) {
		if now > before {
			left = append(left, fmt.Sprintf("%d %s, %d before", now, what, before))
		}
	}
	more("goroutines", b.goroutines, runtime.NumGoroutine())
	more("descriptors", b.descriptors, descriptors())
	more("zombies", b.zombies, zombies())
	return left
}

// watch keeps the figures of a run.
type watch struct {
	before *baseline
	began  time.Time
	all    []figures
}

func (w *watch) mark(when string) {
	w.all = append(w.all, w.before.figures(when, time.Since(w.began)))
}
