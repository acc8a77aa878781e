//go:build linux

package chrome

import (
	"errors"
	"os"
	"path/filepath"
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
