package chrome

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// Of the processes of a browser, renderers that burn a core are lowered, and raised when they do
// not any more.
func TestARendererThatBurnsIsLowered(t *testing.T) {
	if !mayRaise() {
		if newScale(&process{}) != nil {
			t.Fatal("renderers are lowered that cannot be raised again")
		}
		return
	}
	for kind, lowers := range map[string]bool{"--type=renderer": true, "--type=gpu-process": false} {
		burner := exec.Command("sh", "-c", "while :; do :; done", kind)
		burner.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := burner.Start(); err != nil {
			t.Fatal(err)
		}
		pid := strconv.Itoa(burner.Process.Pid)
		t.Cleanup(func() {
			_ = burner.Process.Kill()
			_ = burner.Wait()
		})
		before, err := niceOf(pid)
		if err != nil {
			t.Fatal(err)
		}
		s, now, last := newScale(&process{group: burner.Process.Pid}), time.Now(), stat{}
		for look := range heavyLooks + 3 {
			if look == heavyLooks+2 {
				_ = setNice(pid, before) // as Chrome does with the thread of a worker
			}
			for began := last.used; last.used < began+3*clockTick; runtime.Gosched() {
				last, _ = s.statOf(pid)
			}
			now = now.Add(4 * clockTick)
			s.weigh(now)
		}
		want := before
		if lowers {
			want = min(before+lowerBy, lowestNice)
		}
		if nice, _ := niceOf(pid); nice != want || s.lowers() != lowers {
			t.Errorf("%s has nice value %d and had %d", kind, nice, before)
		}
		if err := burner.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		for last.wants = true; last.wants; runtime.Gosched() {
			last, _ = s.statOf(pid)
		}
		s.weigh(now.Add(time.Minute))
		if nice, _ := niceOf(pid); nice != before || s.lowers() {
			t.Errorf("%s pauses, has nice value %d and had %d", kind, nice, before)
		}
	}
}

// When a renderer is raised, no thread of it is left low: neither one that was there when it was
// lowered, nor one that began since. This process stands for a renderer.
func TestNoThreadOfARendererStaysLow(t *testing.T) {
	if !mayRaise() {
		return
	}
	s, pid := newScale(&process{}), strconv.Itoa(os.Getpid())
	nices := func() map[string]int {
		threads, err := s.list(pid, "task")
		if err != nil {
			t.Fatal(err)
		}
		all := make(map[string]int)
		for _, thread := range threads {
			if nice, err := niceOf(thread); err == nil {
				all[thread] = nice
			}
		}
		return all
	}
	before, w, end := nices(), new(weighed), make(chan struct{})
	defer close(end)
	for range 2 {
		s.lower(pid, w)
		for range 8 {
			began := make(chan struct{})
			go func() {
				runtime.LockOSThread() // a thread of its own, which ends with this function
				close(began)
				<-end
			}()
			<-began
		}
		if nice, _ := niceOf(pid); nice != min(before[pid]+lowerBy, lowestNice) {
			t.Errorf("it has nice value %d and had %d", nice, before[pid])
		}
	}
	s.raise(pid, w)
	after := nices()
	if len(after) <= len(before) {
		t.Fatal("no thread has begun")
	}
	for thread, nice := range after {
		if own, ok := before[thread]; nice != own && (ok || nice != before[pid]) {
			t.Errorf("thread %s has nice value %d, and had %d", thread, nice, own)
		}
	}
}

// fakeProc is a /proc with one renderer that has a main thread and a worker. Its ids are higher
// than any process's.
type fakeProc struct {
	*testing.T
	folder string
}

const fakePID, fakeWorker = 1 << 28, 1<<28 + 1

func (f fakeProc) write(text string, path ...string) {
	f.Helper()
	name := filepath.Join(f.folder, strconv.Itoa(fakePID), filepath.Join(path...))
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		f.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		f.Fatal(err)
	}
}

// says has the main thread idle, and the worker with what it ran and waited for.
func (f fakeProc) says(ran, waited time.Duration) {
	f.Helper()
	used := ran / clockTick
	for id, state := range map[string]string{"": "S", strconv.Itoa(fakePID): "S",
		strconv.Itoa(fakeWorker): "R"} {
		line := fmt.Sprintf("1 (a) b) %s 1 %d 0 0 0 0 0 0 0 0 %d 0 0", state, fakePID, used)
		if id == "" {
			f.write(line, "stat")
		} else {
			f.write(line, "task", id, "stat")
		}
	}
	f.write("5 7 1\n", "task", strconv.Itoa(fakePID), "schedstat")
	f.write(fmt.Sprintf("%d %d 9\n", ran, waited), "task", strconv.Itoa(fakeWorker), "schedstat")
	f.write("chrome --type=renderer", "cmdline")
}

// A renderer is lowered for a worker that hardly gets a turn while its main thread is idle, and
// raised when it cannot be read any more.
func TestARendererThatCannotBeReadIsNotLowered(t *testing.T) {
	f := fakeProc{t, t.TempDir()}
	s := &scale{process: &process{group: fakePID}, proc: f.folder, ours: make(map[string]*weighed),
		others: make(map[string]bool)}
	now, ran, waited := time.Now(), time.Second, time.Second
	turn := weighEvery * 4 / 5 // what it waited for its turns
	looks := func(n int, spoil func()) {
		for range n {
			ran, waited, now = ran+weighEvery/5, waited+turn, now.Add(weighEvery)
			f.says(ran, waited)
			spoil()
			s.weigh(now)
		}
	}
	schedstat := func() {
		for _, id := range []int{fakePID, fakeWorker} {
			name := filepath.Join(f.folder, strconv.Itoa(fakePID), "task", strconv.Itoa(id), "schedstat")
			if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	looks(2*heavyLooks, schedstat)
	if s.lowers() {
		t.Error("it is lowered, and its threads cannot be read")
	}
	looks(heavyLooks+1, func() {})
	if !s.lowers() {
		t.Error("it is not lowered")
	}
	turn = 0 // it has none of them
	looks(1, func() {})
	if !s.lowers() {
		t.Error("it is raised while its worker waits")
	}
	turn = weighEvery * 4 / 5
	looks(1, func() { f.write("", "stat") })
	if s.lowers() {
		t.Error("it is low, and cannot be read")
	}
	looks(heavyLooks+1, func() {})
	if !s.lowers() {
		t.Error("it is not lowered again")
	}
	looks(1, schedstat)
	if s.lowers() {
		t.Error("it is low, and its threads cannot be read")
	}
}
