//go:build linux || darwin

package chrome

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestOnlyFoldersWhoseOwnersAreDeadAreRemoved(t *testing.T) {
	parent := t.TempDir()
	dead, err := newFolder(parent)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dead.path, "profile", "Default"), 0o700); err != nil {
		t.Fatal(err)
	}
	alive, err := newFolder(parent)
	if err != nil {
		t.Fatal(err)
	}
	defer alive.lock.Close()
	others := []string{filepath.Join(parent, "pagepool-mine"), filepath.Join(parent, "somebody-elses")}
	for _, other := range others {
		if err := os.Mkdir(other, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(others[1], lockName), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	elsewhere := t.TempDir()
	if err := os.WriteFile(filepath.Join(elsewhere, lockName), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(parent, "pagepool-link")
	if err := os.Symlink(elsewhere, link); err != nil {
		t.Fatal(err)
	}
	if removed := removeLeft(parent); len(removed) > 0 {
		t.Errorf("with both owners alive: removed %q", removed)
	}
	dead.lock.Close() // as the end of its process does
	if removed := removeLeft(parent); !slices.Equal(removed, []string{dead.path}) {
		t.Errorf("removed %q; want %q", removed, dead.path)
	}
	for _, stays := range append(others, alive.path, link, filepath.Join(elsewhere, lockName)) {
		if _, err := os.Lstat(stays); err != nil {
			t.Errorf("it is gone: %v", err)
		}
	}
	if err := alive.remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(alive.path); !os.IsNotExist(err) {
		t.Errorf("left after remove: %v", err)
	}
}
