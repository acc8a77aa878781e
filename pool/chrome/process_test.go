//go:build linux

package chrome

import (
	"errors"
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

// A program that waits for all children of its process, as one that is its container's first process has to, may be
// there before os/exec.
func TestAStartThatFailedIsExplainedWithoutItsExit(t *testing.T) {
	b := &browser{wire: &wire{}, process: &process{cmd: exec.Command("chrome"), output: &tail{}}}
	if err := b.startError(errLost); err == nil || !strings.Contains(err.Error(), "it printed nothing") {
		t.Errorf("said: %v", err)
	}
}
