package chrome

import (
	"os/exec"
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
		own := burner.Process.Pid
		t.Cleanup(func() {
			_ = burner.Process.Kill()
			_ = burner.Wait()
		})
		before, err := niceOf(own)
		if err != nil {
			t.Fatal(err)
		}
		s, now, last := newScale(&process{group: own}), time.Now(), time.Duration(0)
		for range heavyLooks + 2 {
			for used := last; used < last+3*clockTick; runtime.Gosched() {
				used, _, _, _ = timesOf(strconv.Itoa(own))
			}
			last, _, _, _ = timesOf(strconv.Itoa(own))
			now = now.Add(4 * clockTick)
			s.weigh(now)
		}
		want := before
		if lowers {
			want = min(before+lowerBy, lowestNice)
		}
		if nice, _ := niceOf(own); nice != want || s.low() != lowers {
			t.Errorf("%s has nice value %d and had %d", kind, nice, before)
		}
		if err := burner.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		for state := byte('R'); state == 'R'; runtime.Gosched() {
			_, state, _, _ = timesOf(strconv.Itoa(own))
		}
		for range heavyLooks + 1 {
			now = now.Add(time.Minute)
			s.weigh(now)
		}
		if nice, _ := niceOf(own); nice != before || s.low() {
			t.Errorf("%s pauses, has nice value %d and had %d", kind, nice, before)
		}
	}
}
