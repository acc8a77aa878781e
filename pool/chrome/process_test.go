//go:build linux

package chrome

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestRoomForAProfileIsLookedForBeforeTheStart(t *testing.T) {
	full := filepath.Join(t.TempDir(), "room") // a link, since what is looked into is removed
	if err := os.Symlink("/dev/full", full); err != nil {
		t.Fatal(err)
	}
	if err := reserve(full); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("on a full disk: %v", err)
	}
	path := filepath.Join(t.TempDir(), "room")
	if err := reserve(path); err != nil {
		t.Errorf("on one with room: %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("left behind: %v", err)
	}
}

// A program that waits for all children of its process, as one that is its container's first
// process has to, may be there before os/exec.
func TestAStartThatFailedIsExplainedWithoutItsExit(t *testing.T) {
	b := &browser{wire: &wire{}, process: &process{cmd: exec.Command("chrome"), output: &tail{}}}
	if err := b.startError(errLost); err == nil ||
		!strings.Contains(err.Error(), "it printed nothing") {
		t.Errorf("said: %v", err)
	}
}

func TestAProcessIsDyingWhenItsStateSaysSo(t *testing.T) {
	for stat, want := range map[string]bool{
		"12 (chromium) Z 1 12": true, "12 (chromium) X 1 12": true, "12 (chromium) S 1 12": false,
		"12 () Z) S 1 12": false, "12 (Z": false, "12 (a)": false, "12 (a) ": false, "": false,
	} {
		if dead([]byte(stat)) != want {
			t.Errorf("%q: %v", stat, !want)
		}
	}
}

func TestAKilledProcessIsDyingBeforeItIsWaitedFor(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waited := make(chan struct{})
	found := dying(cmd.Process.Pid, waited)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-found
	_ = cmd.Wait()
	close(waited)
	runs := exec.Command("sleep", "60")
	if err := runs.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	found = dying(runs.Process.Pid, ended)
	close(ended)
	<-found // with ended, although it runs
	_ = runs.Process.Kill()
	_ = runs.Wait()
}

// Of what a browser prints, the last is kept, which says why it ended.
func TestTheLastThatABrowserPrintsIsKept(t *testing.T) {
	var printed tail
	for i := range 3 * tailBytes {
		fmt.Fprintf(&printed, "line %d\n", i)
	}
	last := fmt.Sprintf("line %d", 3*tailBytes-1)
	if text := printed.String(); !strings.HasSuffix(text, last) || len(text) > tailBytes+64 {
		t.Errorf("%d bytes are kept, and end with %q", len(text), text[max(0, len(text)-64):])
	}
}
