package chrome

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestArgsReplaceTheLaunchersOwnByName(t *testing.T) {
	for _, c := range []struct {
		says         string
		launcher     Launcher
		have, haveNo []string
	}{
		{
			"the default is headless, with the sandbox", Launcher{},
			[]string{"--headless", "--no-startup-window"}, []string{"--no-sandbox"},
		},
		{
			"both can be switched off", Launcher{Headful: true, NoSandbox: true}, []string{"--no-sandbox"},
			[]string{"--headless"},
		},
		{"its GPU process may end any number of times", Launcher{},
			[]string{"--disable-gpu-process-crash-limit"}, nil},
		{"3D is off", Launcher{}, []string{"--disable-3d-apis"}, nil},
		{"3D can be switched on", Launcher{WebGL: true}, nil, []string{"--disable-3d-apis"}},
		{"a flag is added", Launcher{Args: []string{"--lang=de"}}, []string{"--lang=de"}, nil},
		{
			"a flag is replaced", Launcher{Args: []string{"--password-store=detect"}},
			[]string{"--password-store=detect"}, []string{"--password-store=basic"},
		},
		{
			"the last one wins", Launcher{Args: []string{"--lang=de", "--lang=fr"}}, []string{"--lang=fr"},
			[]string{"--lang=de"},
		},
		{
			"lists are joined", Launcher{Args: []string{"--disable-features=A", "--disable-features=B,C"}},
			[]string{"--disable-features=SpareRendererForSitePerProcess,RenderDocument," +
				"WebUIOmniboxPopup,WebUIOmniboxAimPopup,A,B,C"}, nil,
		},
		{
			"flags of V8 are joined, with the limit of MaxTabMemory, too",
			Launcher{Options: Options{MaxTabMemory: 256 << 20},
				Args: []string{"--js-flags=--expose-gc", "--js-flags=--no-opt --stack-size=99"}},
			[]string{"--js-flags=--max-old-space-size=256 --expose-gc --no-opt --stack-size=99"}, nil,
		},
		{
			"a name that begins alike is another",
			Launcher{Args: []string{"--disable=1", "--disable-gpu-vsync"}},
			[]string{"--disable-gpu", "--disable=1", "--disable-gpu-vsync"}, nil,
		},
	} {
		args, err := c.launcher.args()
		if err != nil {
			t.Errorf("%s: %v", c.says, err)
		}
		for _, arg := range c.have {
			if !slices.Contains(args, arg) {
				t.Errorf("%s: %q is missing in %q", c.says, arg, args)
			}
		}
		for _, arg := range c.haveNo {
			if slices.Contains(args, arg) {
				t.Errorf("%s: %q is in %q", c.says, arg, args)
			}
		}
	}
}

func TestArgsOfTheLauncherAreRefusedAllAtOnce(t *testing.T) {
	_, err := Launcher{Args: []string{
		"--user-data-dir=/home/me", "--no-sandbox", "lang=de", "--", "--headless=old",
		"--remote-debugging-pipe",
	}}.Launch(context.Background())
	if err == nil {
		t.Fatal("launched")
	}
	for _, want := range []string{"TempDir", "set NoSandbox", `"lang=de"`, `"--" is not`, "Headful",
		"its own pipe"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in: %v", want, err)
		}
	}
}

func TestExecutableIsNamedWhereItIsMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Launcher{}.Launch(context.Background())
	if err == nil || !strings.Contains(err.Error(), "chromium") ||
		!strings.Contains(err.Error(), "ExecPath") {
		t.Errorf("without a browser: %v", err)
	}
	_, err = Launcher{ExecPath: "no-such-browser"}.Launch(context.Background())
	if err == nil || !strings.Contains(err.Error(), "no-such-browser") {
		t.Errorf("with a wrong path: %v", err)
	}
}

func TestExecutableIsTheProgramBehindADistributionsScript(t *testing.T) {
	folder := t.TempDir()
	write := func(path, content string) string {
		t.Helper()
		path = filepath.Join(folder, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
	wrapped, program := write("bin/chromium", "#!/bin/sh\n"), write("lib/chromium/chromium", "\x7fELF")
	shell, shellProgram := write(
		"bin/headless-shell", "#!/bin/sh\n",
	), write(
		"lib/chromium/headless-shell", "\x7fELF",
	)
	alone, binary := write("bin/google-chrome", "#!/bin/sh\n"), write("bin/chrome", "\x7fELF")
	for path, want := range map[string]string{wrapped: program, shell: shellProgram, alone: alone,
		binary: binary} {
		if got := unwrapped(path, filepath.Join(folder, "lib")); got != want {
			t.Errorf("unwrapped(%s) = %s; want %s", path, got, want)
		}
	}
}

// Programs that are no browser show what a failed start says.
func TestLaunchSaysWhyTheBrowserDidNotStart(t *testing.T) {
	for says, want := range map[string]string{
		"Running as root without --no-sandbox is not supported.": "set Launcher.NoSandbox",
		"No usable sandbox! See docs.":                           "user namespaces",
		"cannot open shared object file":                         "exit status 3",
	} {
		folder := t.TempDir()
		path := filepath.Join(folder, "browser")
		if err := os.WriteFile(path, []byte("#!/bin/sh\necho '"+says+"' >&2\nexit 3\n"), 0o700); err !=
			nil {
			t.Fatal(err)
		}
		_, err := Launcher{ExecPath: path, TempDir: folder}.Launch(context.Background())
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), says) {
			t.Errorf("a browser that prints %q: %v; want %q in it", says, err, want)
		}
		if left, _ := filepath.Glob(filepath.Join(folder, "pagepool-*")); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
	}
}

func TestLaunchSaysWhatSpeaksSomethingElse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "browser")
	if err := os.WriteFile(path, []byte("#!/bin/sh\nprintf 'hello\\0' >&4\nsleep 100\n"),
		0o700); err != nil {
		t.Fatal(err)
	}
	_, err := Launcher{ExecPath: path}.Launch(context.Background())
	for _, want := range []string{"DevTools protocol", `"hello"`, "set Launcher.ExecPath",
		"printed nothing"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("a program that says hello: %v; want %q in it", err, want)
		}
	}
}

type blocked chan struct{}

func (b blocked) Write(text []byte) (int, error) { <-b; return len(text), nil }

func TestLaunchDoesNotWaitForAnOutputThatBlocks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "browser")
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho hello\nexit 3\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	output := make(blocked)
	defer close(output)
	failed := make(chan error, 1)
	go func() {
		_, err := Launcher{ExecPath: path, Output: output}.Launch(context.Background())
		failed <- err
	}()
	select {
	case err := <-failed:
		if err == nil || !strings.Contains(err.Error(), "it printed: hello") {
			t.Errorf("Launch: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Launch waits for Output")
	}
}

func TestLaunchThatIsNeverAnsweredEndsWithItsContextAndLeavesNothing(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "browser")
	// The child keeps the pipes open, and would outlive its parent.
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho wait for it\nsleep 100 &\nsleep 100\n"),
		0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	_, err := Launcher{ExecPath: path, TempDir: folder}.Launch(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "wait for it") {
		t.Errorf("Launch: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(folder, "pagepool-*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestBrowsersAreLookedForInOrder(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("PATH", folder)
	install := func(name string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, name), []byte("\x7fELF"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	// each is looked for before the last
	for _, name := range []string{"google-chrome", "chromium", "headless-shell"} {
		install(name)
		path, err := Launcher{}.executable()
		if err != nil || filepath.Base(path) != name {
			t.Errorf("with %s: %s, %v", name, path, err)
		}
	}
	if path, err := (Launcher{Headful: true}).executable(); err != nil ||
		filepath.Base(path) != "chromium" {
		t.Errorf("with windows: %s, %v", path, err)
	}
}
