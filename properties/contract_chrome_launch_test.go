package properties

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pagepool/pagepool/pool/chrome"
)

// How real browsers start, and what is said where they do not.

// script writes a program to a folder of the test's own.
func script(t *testing.T, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "browser")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+strings.Join(lines, "\n")+"\n"), 0o700); err !=
		nil {
		t.Fatal(err)
	}
	return path
}

// installed returns the browser under test, as a path.
func installed(t *testing.T) string {
	t.Helper()
	for _, name := range []string{os.Getenv("PAGEPOOL_CHROME_PATH"), "chromium-headless-shell",
		"chromium"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("no browser is installed")
	return ""
}

// A launch of each kind of thing that is no browser, or none that works, says what it is and what
// to do.
func TestContractChromeALaunchThatCannotWorkSaysWhyAndLeavesNothing(t *testing.T) {
	needsChrome(t)
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no program\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		change func(*chrome.Launcher)
		wants  []string
	}{
		"no browser": {func(l *chrome.Launcher) { l.ExecPath = "" },
			[]string{"no browser found", "apt-get install", "ExecPath"}},
		"a path that is none": {func(l *chrome.Launcher) { l.ExecPath = "/no/such/browser" },
			[]string{"Launcher.ExecPath", "/no/such/browser", "no such file"}},
		"a folder": {func(l *chrome.Launcher) { l.ExecPath = "/usr" },
			[]string{"Launcher.ExecPath", `"/usr"`}},
		"a text": {func(l *chrome.Launcher) { l.ExecPath = text },
			[]string{"Launcher.ExecPath", "permission denied"}},
		"another program": {func(l *chrome.Launcher) { l.ExecPath = "/bin/cat" },
			[]string{"/bin/cat", "ended before it answered", "exit status 1"}},
		"one that exits at once": {func(l *chrome.Launcher) { l.ExecPath = script(t, "exit 0") },
			[]string{"ended before it answered", "exit status 0", "set Launcher.ExecPath"}},
		"one that never answers": {func(l *chrome.Launcher) {
			l.ExecPath = script(t, "echo warming up", "sleep 1000")
		},
			[]string{"does not answer", "deadline exceeded", "warming up"}},
		"a folder that is not there": {func(l *chrome.Launcher) { l.TempDir = "/no/such/folder" },
			[]string{"Launcher.TempDir", "/no/such/folder"}},
		"settings that are wrong": {func(l *chrome.Launcher) {
			l.StandbyURL, l.Viewport, l.InitScripts = "standby", chrome.Viewport{Width: -1}, []string{""}
		}, []string{`Launcher.StandbyURL is "standby": it must be`, "Launcher.Viewport is -1 x 0: both",
			"Launcher.InitScripts[0] is"}},
	}
	if os.Geteuid() == 0 {
		cases["root with the sandbox on"] = struct {
			change func(*chrome.Launcher)
			wants  []string
		}{func(l *chrome.Launcher) { l.NoSandbox = false },
			[]string{"without --no-sandbox", "another user", "Launcher.NoSandbox"}}
	}
	path := os.Getenv("PATH")
	for what, c := range cases {
		t.Run(what, func(t *testing.T) {
			b := newChromeBench(t)
			b.configure = func(l *chrome.Launcher) {
				l.ExecPath = installed(t)
				c.change(l)
				if l.ExecPath == "" {
					t.Setenv("PATH", t.TempDir())
				}
			}
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			defer cancel()
			_, err := b.Launch(ctx)
			t.Setenv("PATH", path)
			for _, want := range c.wants {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%v; want %q in it", err, want)
				}
			}
			for _, left := range b.remains() {
				t.Errorf("left behind: %s", left)
			}
		})
	}
}

func TestContractChromeARunWithoutTheSandboxIsLogged(t *testing.T) {
	log := new(address)
	configure := func(l *chrome.Launcher) {
		l.NoSandbox, l.Logger = true, slog.New(slog.NewTextHandler(log, nil))
	}
	onBrowser(t, configure, func(s *contractStage[*chrome.Page], b *chromeBench) {
		log.mu.Lock()
		defer log.mu.Unlock()
		for _, want := range []string{`level=INFO msg="browser started"`, "sandbox=false",
			`level=WARN msg="sandbox off`} {
			if !strings.Contains(log.text.String(), want) {
				t.Errorf("%q is missing in: %s", want, log.text.String())
			}
		}
	})
}

// On a full disk Chrome itself starts, and fails when a page needs its profile.
func TestContractChromeAFullDiskIsSaidAtTheStart(t *testing.T) {
	needsChrome(t)
	disk, err := os.MkdirTemp("", "full-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(disk)
	if said, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs",
		disk).CombinedOutput(); err != nil {
		// Only root may, and not in every container. The check itself has a test of its own in
		// pool/chrome.
		t.Skipf("a small disk cannot be mounted here: %v: %s", err, said)
	}
	defer func() {
		if said, err := exec.Command("umount", disk).CombinedOutput(); err != nil {
			t.Errorf("unmounting: %v: %s", err, said)
		}
	}()
	_, err = chrome.Launcher{ExecPath: installed(t), NoSandbox: os.Geteuid() == 0,
		TempDir: disk}.Launch(limited(t))
	for _, want := range []string{"profile needs 4 MiB", "no space left on device",
		"Launcher.TempDir"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q in it", err, want)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(disk, "*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// A distribution's script may stay between us and the browser, and another may leave our process
// group.
func TestContractChromeABrowserBehindAScriptEndsWithAllItsProcesses(t *testing.T) {
	needsChrome(t)
	browser := installed(t)
	for what, line := range map[string]string{
		"that stays":           browser + ` "$@"`,
		"that is left":         "exec " + browser + ` "$@"`,
		"in another session":   `setsid -w ` + browser + ` "$@"`,
		"that has gone before": browser + ` "$@" & wait`,
	} {
		for _, how := range []string{"closed", "killed", "the script is killed"} {
			t.Run(what+", "+how, func(t *testing.T) {
				path := script(t, "echo a warning >&2", line)
				onBrowser(t, func(l *chrome.Launcher) { l.ExecPath = path },
					func(s *contractStage[*chrome.Page], b *chromeBench) {
						s.ok("Work", b.work(s.limit(), s.tab(s.context()).Page()))
						switch how {
						case "killed":
							gone, cancel := context.WithCancel(context.Background())
							cancel()
							s.ok("Browser.Close", s.browser.Close(gone))
						case "the script is killed":
							for pid, command := range b.processes() {
								if strings.Contains(command, path) || !strings.Contains(command, "--type=") {
									_ = syscall.Kill(pid, syscall.SIGKILL)
								}
							}
							s.closed("Browser.Done", s.browser.Done())
						}
					})
			})
		}
	}
}

// Chrome leaves the folder of a socket in TMPDIR when it is killed, which is why it has one of its
// own.
func TestContractChromeNothingIsLeftInTheTemporaryFolder(t *testing.T) {
	needsChrome(t)
	folder, err := os.MkdirTemp("", "own-") // a short path: Chrome makes a socket in there
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(folder)
	t.Setenv("TMPDIR", folder)
	list := func() map[string]bool {
		found := make(map[string]bool)
		for _, pattern := range []string{"*hrom*", "pagepool-*", ".org.*"} {
			entries, _ := filepath.Glob(filepath.Join(os.TempDir(), pattern))
			for _, entry := range entries {
				found[entry] = true
			}
		}
		return found
	}
	before := list()
	for range 3 {
		onBrowser(t, func(l *chrome.Launcher) { l.TempDir = "" },
			func(s *contractStage[*chrome.Page], b *chromeBench) {
				s.ok("Work", b.work(s.limit(), s.tab(s.context()).Page()))
				for pid := range mine(t) {
					_ = syscall.Kill(pid, syscall.SIGKILL)
				}
				s.closed("Browser.Done", s.browser.Done())
			})
	}
	for entry := range list() {
		if !before[entry] {
			t.Errorf("left behind: %s", entry)
		}
	}
}

// mine returns the processes that this one has started, of which the browser is the only one.
func mine(t *testing.T) map[int]bool {
	t.Helper()
	found := make(map[int]bool)
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		var pid, parent int
		fmt.Sscanf(filepath.Base(filepath.Dir(file)), "%d", &pid)
		rest := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if len(rest) > 1 {
			fmt.Sscan(rest[1], &parent)
		}
		if parent == os.Getpid() {
			found[pid] = true
		}
	}
	return found
}

// The pipe is what a browser lives by: when our process dies, however that is, the browser reads
// its end.
func TestContractChromeTheBrowserEndsWithTheProcessThatStartedIt(t *testing.T) {
	needsChrome(t)
	if folder := os.Getenv("PAGEPOOL_CHROME_CHILD"); folder != "" {
		_, err := chrome.Launcher{ExecPath: installed(t), NoSandbox: os.Geteuid() == 0,
			TempDir: folder}.Launch(limited(t))
		fmt.Println("launched", err)
		select {}
	}
	b := newChromeBench(t)
	child := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
	child.Env = append(os.Environ(), "PAGEPOOL_CHROME_CHILD="+b.folder)
	out, err := child.StdoutPipe()
	if err == nil {
		err = child.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	said := make([]byte, 64)
	n, _ := io.ReadAtLeast(out, said, len("launched <nil>"))
	if got := string(said[:n]); !strings.HasPrefix(got, "launched <nil>") {
		t.Errorf("the child said %q", got)
	}
	if len(b.processes()) == 0 {
		t.Error("the child has started no browser")
	}
	_ = child.Process.Kill()
	_ = child.Wait()
	eventually(t, "the browser has ended", func() bool { return len(b.processes()) == 0 })
	left, _ := filepath.Glob(filepath.Join(b.folder, "*"))
	if len(left) != 1 {
		t.Errorf("left: %q; want one folder", left)
	}
	// Nobody is left who could remove it, but the next one to start a browser there.
	next, err := b.Launch(limited(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range left {
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("%s stays: %v", path, err)
		}
	}
	if err := next.Close(limited(t)); err != nil {
		t.Error(err)
	}
}
