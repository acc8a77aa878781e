package properties

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
)

// How real browsers start, and what is said where they do not.

// script writes a program to a folder of the test's own.
func script(t *testing.T, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "browser")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+strings.Join(lines, "\n")+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// installed returns the browser under test, as a path.
func installed(t *testing.T) string {
	t.Helper()
	for _, name := range []string{os.Getenv("PAGEPOOL_CHROME_PATH"), "chromium-headless-shell", "chromium"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("no browser is installed")
	return ""
}

// A launch of each kind of thing that is no browser, or none that works, says what it is and what to do.
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
		"no browser": {func(l *chrome.Launcher) { l.ExecPath = "" }, []string{"no browser found", "apt-get install", "ExecPath"}},
		"a path that is none": {func(l *chrome.Launcher) { l.ExecPath = "/no/such/browser" },
			[]string{"Launcher.ExecPath", "/no/such/browser", "no such file"}},
		"a folder":        {func(l *chrome.Launcher) { l.ExecPath = "/usr" }, []string{"Launcher.ExecPath", `"/usr"`}},
		"a text":          {func(l *chrome.Launcher) { l.ExecPath = text }, []string{"Launcher.ExecPath", "permission denied"}},
		"another program": {func(l *chrome.Launcher) { l.ExecPath = "/bin/cat" }, []string{"/bin/cat", "ended before it answered", "exit status 1"}},
		"one that exits at once": {func(l *chrome.Launcher) { l.ExecPath = script(t, "exit 0") },
			[]string{"ended before it answered", "exit status 0", "set Launcher.ExecPath"}},
		"one that never answers": {func(l *chrome.Launcher) { l.ExecPath = script(t, "echo warming up", "sleep 1000") },
			[]string{"does not answer", "deadline exceeded", "warming up"}},
		"a folder that is not there": {func(l *chrome.Launcher) { l.TempDir = "/no/such/folder" }, []string{"Launcher.TempDir", "/no/such/folder"}},
		"settings that are wrong": {func(l *chrome.Launcher) {
			l.StandbyURL, l.Viewport, l.InitScripts = "standby", chrome.Viewport{Width: -1}, []string{""}
		}, []string{`Launcher.StandbyURL is "standby": it must be`, "Launcher.Viewport is -1 x 0: both", "Launcher.InitScripts[0] is"}},
	}
	if os.Geteuid() == 0 {
		cases["root with the sandbox on"] = struct {
			change func(*chrome.Launcher)
			wants  []string
		}{func(l *chrome.Launcher) { l.NoSandbox = false }, []string{"without --no-sandbox", "another user", "Launcher.NoSandbox"}}
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
	configure := func(l *chrome.Launcher) { l.NoSandbox, l.Logger = true, slog.New(slog.NewTextHandler(log, nil)) }
	onBrowser(t, configure, func(s *contractStage[*chrome.Page], b *chromeBench) {
		log.mu.Lock()
		defer log.mu.Unlock()
		for _, want := range []string{`level=INFO msg="browser started"`, "sandbox=false", `level=WARN msg="sandbox off`} {
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
	if said, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk).CombinedOutput(); err != nil {
		// Only root may, and not in every container. The check itself has a test of its own in pool/chrome.
		t.Skipf("a small disk cannot be mounted here: %v: %s", err, said)
	}
	defer func() {
		if said, err := exec.Command("umount", disk).CombinedOutput(); err != nil {
			t.Errorf("unmounting: %v: %s", err, said)
		}
	}()
	_, err = chrome.Launcher{ExecPath: installed(t), NoSandbox: os.Geteuid() == 0, TempDir: disk}.Launch(limited(t))
	for _, want := range []string{"profile needs 4 MiB", "no space left on device", "Launcher.TempDir"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q in it", err, want)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(disk, "*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// A distribution's script may stay between us and the browser, and another may leave our process group.
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
				onBrowser(t, func(l *chrome.Launcher) { l.ExecPath = path }, func(s *contractStage[*chrome.Page], b *chromeBench) {
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

// Chrome leaves the folder of a socket in TMPDIR when it is killed, which is why it has one of its own.
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
		onBrowser(t, func(l *chrome.Launcher) { l.TempDir = "" }, func(s *contractStage[*chrome.Page], b *chromeBench) {
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

// The pipe is what a browser lives by: when our process dies, however that is, the browser reads its end.
func TestContractChromeTheBrowserEndsWithTheProcessThatStartedIt(t *testing.T) {
	needsChrome(t)
	if folder := os.Getenv("PAGEPOOL_CHROME_CHILD"); folder != "" {
		_, err := chrome.Launcher{ExecPath: installed(t), NoSandbox: os.Geteuid() == 0, TempDir: folder}.Launch(limited(t))
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

// remoteBench is a bench on connections to a browser that the test runs. Each launch gets a browser of its
// own, so that the suite can kill it; what is under test is the connection.
type remoteBench struct {
	*chromeBench
	mu    sync.Mutex
	hosts map[pool.Browser[*chrome.Page]]pool.Browser[*chrome.Page]
}

func (r *remoteBench) Launch(ctx context.Context) (pool.Browser[*chrome.Page], error) {
	host, err := r.chromeBench.Launch(ctx)
	if err != nil {
		return nil, err
	}
	r.chromeBench.mu.Lock()
	out := r.outputs[host]
	r.chromeBench.mu.Unlock()
	url, err := out.url()
	if err != nil {
		return nil, errors.Join(err, host.Close(ctx))
	}
	browser, err := chrome.Remote{URL: url}.Launch(ctx)
	if err != nil {
		return nil, errors.Join(err, host.Close(context.WithoutCancel(ctx)))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hosts[browser] = host
	return browser, nil
}

// closeHosts ends the browsers whose connections have ended.
func (r *remoteBench) closeHosts() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for browser, host := range r.hosts {
		select {
		case <-browser.Done():
			delete(r.hosts, browser)
			_ = host.Close(context.Background())
		default:
		}
	}
}

func TestContractChromeRemote(t *testing.T) {
	needsChrome(t)
	r := &remoteBench{chromeBench: newChromeBench(t), hosts: make(map[pool.Browser[*chrome.Page]]pool.Browser[*chrome.Page])}
	bench := r.contract()
	bench.Launcher = r
	bench.Census = func(ctx context.Context, browser pool.Browser[*chrome.Page]) (census, error) {
		r.mu.Lock()
		host := r.hosts[browser]
		r.mu.Unlock()
		return r.census(ctx, host)
	}
	bench.Remains = func() []string {
		r.closeHosts()
		return r.remains()
	}
	contractSuite(t, bench)
}

func TestContractChromeARemoteBrowserLosesWhatWasOpenedInItAndNothingElse(t *testing.T) {
	onBrowser(t, nil, func(s *contractStage[*chrome.Page], b *chromeBench) {
		own := s.tab(s.context()) // somebody else's, as the remote sees it
		b.mu.Lock()
		out := b.outputs[s.browser]
		b.mu.Unlock()
		url, err := out.url()
		s.ok("the address", err)
		address, _, _ := strings.Cut(strings.TrimPrefix(url, "ws://"), "/")
		for _, how := range []string{"closed", "killed"} {
			remote, err := chrome.Remote{URL: "http://" + address}.Launch(s.limit())
			s.ok("Launch", err)
			c, err := remote.NewContext(s.limit())
			s.ok("NewContext", err)
			tab := s.tab(c)
			s.ok("Work", b.work(s.limit(), tab.Page()))
			s.alive(census{Contexts: 2, Pages: 2})
			ctx := s.limit()
			if how == "killed" {
				gone, cancel := context.WithCancel(ctx)
				cancel()
				ctx = gone
			}
			s.ok("Browser.Close", remote.Close(ctx))
			s.closed("Browser.Done", remote.Done())
			s.ended(tab, nil)
			if how == "killed" { // nobody has waited for what the browser does at the end of a connection
				eventually(t, "the context is disposed of", func() bool {
					alive, err := b.census(s.limit(), s.browser)
					return err == nil && alive == census{Contexts: 1, Pages: 1}
				})
			}
			s.alive(census{Contexts: 1, Pages: 1})
			s.ok("Probe of the other's tab", own.Probe(s.limit()))
		}
	})
}

// proxy stands between a remote and its browser until it is cut.
func proxy(t *testing.T, to string) (address string, cut func()) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var open []net.Conn
	keep := func(c net.Conn) {
		mu.Lock()
		defer mu.Unlock()
		open = append(open, c)
	}
	go func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			keep(in)
			keep(out)
			go func() { _, _ = io.Copy(in, out); in.Close() }()
			go func() { _, _ = io.Copy(out, in); out.Close() }()
		}
	}()
	return listener.Addr().String(), func() {
		listener.Close()
		mu.Lock()
		defer mu.Unlock()
		for _, c := range open {
			c.Close()
		}
	}
}

func TestContractChromeARemoteEndpointThatVanishesIsALostBrowser(t *testing.T) {
	onBrowser(t, nil, func(s *contractStage[*chrome.Page], b *chromeBench) {
		b.mu.Lock()
		out := b.outputs[s.browser]
		b.mu.Unlock()
		url, err := out.url()
		s.ok("the address", err)
		host, path, _ := strings.Cut(strings.TrimPrefix(url, "ws://"), "/")
		address, cut := proxy(t, host)
		// Two rounds, since the loss of the browser ends what it was opening, which is one.
		p, err := pool.New(chrome.Remote{URL: "ws://" + address + "/" + path}, pool.Config{
			MaxPages: 2,
			More:     pool.More{OpenRetries: 2},
		})
		s.ok("New", err)
		lease, err := p.GetPage(s.limit(), "a")
		s.ok("GetPage", err)
		s.ok("Work", b.work(s.limit(), lease.Page()))
		cut()
		select {
		case <-lease.Context().Done():
		case <-s.limit().Done():
			s.Fatal("the lease goes on")
		}
		if cause := context.Cause(lease.Context()); !errors.Is(cause, pool.ErrBrowserLost) {
			t.Errorf("the lease ended with %v", cause)
		}
		lease.Release()
		next, err := p.GetPage(s.limit(), "b")
		for err == nil { // granted before the pool knows what its holders know
			select {
			case <-next.Context().Done():
			case <-s.limit().Done():
				s.Fatal("a lease on the lost browser goes on")
			}
			next.Release()
			next, err = p.GetPage(s.limit(), "b")
		}
		if !errors.Is(err, pool.ErrBrowserUnavailable) || !strings.Contains(err.Error(), address) || !strings.Contains(err.Error(), "refused") {
			t.Errorf("GetPage: %v", err)
		}
		s.ok("Close", p.Close(s.limit()))
		eventually(t, "the contexts of the connection are disposed of", func() bool {
			alive, err := b.census(s.limit(), s.browser)
			return err == nil && alive == census{}
		})
	})
}

func TestContractChromeARemoteThatCannotWorkSaysWhy(t *testing.T) {
	needsChrome(t)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello") }))
	defer other.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for url, want := range map[string]string{
		"":                     "Remote.URL",
		"127.0.0.1:9222":       "it must be an endpoint",
		"ftp://127.0.0.1":      "it must be an endpoint",
		"http://127.0.0.1:1":   "is a browser running there",
		"ws://127.0.0.1:1/dev": "is a browser running there",
		other.URL:              "so it is no browser's",
		"ws" + strings.TrimPrefix(other.URL, "http"): "is a browser running there",
		"http://" + silent.Addr().String():           "deadline exceeded",
		"http://user:secret@127.0.0.1:1":             "is a browser running there",
		"wss://127.0.0.1:1/?token=secret":            "wss://127.0.0.1:1/?...",
		other.URL + "/?token=secret":                 "so it is no browser's",
		"ftp://user:secret@host/?token=secret":       "ftp://user:xxxxx@host/?...",
	} {
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		_, err := chrome.Remote{URL: url}.Launch(ctx)
		cancel()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q in it", url, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%q tells a secret: %v", url, err)
		}
	}
	for _, left := range goroutines() {
		t.Errorf("left behind: %s", left)
	}
}
