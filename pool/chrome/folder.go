//go:build linux || darwin

package chrome

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	// folderPrefix begins the name of each browser's folder.
	folderPrefix = "pagepool-"
	// lockName is the file in a browser's folder on which its owner holds a lock as long as it lives.
	// A process id would mislead: containers that share a folder count their own.
	lockName = "owner.lock"
	// removeTimeout is how long the folder of an ended browser is tried to be removed: what is left of
	// its processes may still write there.
	removeTimeout = 5 * time.Second
)

// folder is a browser's folder: its profile and its temporary files.
type folder struct {
	path string
	lock *os.File
}

// newFolder makes a folder in parent. The lock has another name until it is held, so that a folder
// whose lock can be had is nobody's.
func newFolder(parent string) (*folder, error) {
	path, err := os.MkdirTemp(parent, folderPrefix)
	if err != nil {
		return nil, err
	}
	f := &folder{path: path}
	unlocked := filepath.Join(path, "owner")
	f.lock, err = os.OpenFile(unlocked, os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		err = syscall.Flock(int(f.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	}
	if err == nil {
		err = os.Rename(unlocked, filepath.Join(path, lockName))
	}
	if err != nil {
		return nil, errors.Join(err, f.remove())
	}
	return f, nil
}

// remove deletes the folder. It is tried for removeTimeout.
func (f *folder) remove() error {
	defer f.lock.Close()
	deadline := time.Now().Add(removeTimeout)
	for {
		err := os.RemoveAll(f.path)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// removeLeft removes the folders in parent whose owners were killed, and returns them. Those of
// other users stay, and what cannot be removed stays for the next time.
func removeLeft(parent string) (removed []string) {
	if parent == "" {
		parent = os.TempDir()
	}
	entries, err := os.ReadDir(parent)
	if err != nil {
		return nil
	}
	for _, entry := range entries {
		path := filepath.Join(parent, entry.Name())
		if entry.IsDir() && strings.HasPrefix(entry.Name(), folderPrefix) && owned(path) &&
			removeUnlocked(path) {
			removed = append(removed, path)
		}
	}
	return removed
}

// owned reports whether a file is this process's user's.
func owned(path string) bool {
	info, err := os.Lstat(path)
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}

// removeUnlocked removes a folder whose lock nobody holds.
func removeUnlocked(path string) bool {
	lock, err := os.OpenFile(
		filepath.Join(path, lockName), os.O_RDWR|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0,
	)
	if err != nil {
		return false // it is not one of ours, or not yet
	}
	defer lock.Close()
	if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		return false
	}
	return os.RemoveAll(path) == nil
}
