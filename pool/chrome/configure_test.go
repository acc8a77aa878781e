package chrome

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/pagepool/pagepool/pool"
)

// What no launch can work with is found by New, all at once, and a launch says the same.
func TestNewFindsWhatNoLaunchCanWorkWith(t *testing.T) {
	program := filepath.Join(t.TempDir(), "browser")
	if err := os.WriteFile(program, []byte("\x7fELF"), 0o700); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		launcher pool.Launcher[*Page]
		wants    []string
	}{
		"no browser": {
			Launcher{ExecPath: "no-such-browser"},
			[]string{`Launcher.ExecPath is "no-such-browser"`},
		},
		"none on the PATH": {Launcher{}, []string{"no browser found", "apt-get install"}},
		"no folder": {
			Launcher{ExecPath: program, TempDir: "/no/such"},
			[]string{`Launcher.TempDir is "/no/such"`},
		},
		"a file for a folder": {
			Launcher{ExecPath: program, TempDir: program},
			[]string{"Launcher.TempDir", "not a directory"},
		},
		"settings": {
			Launcher{
				ExecPath: program,
				Options:  Options{StandbyURL: "x", MaxPopups: -2},
				Args:     []string{"--headless"},
			},
			[]string{"Launcher.StandbyURL", "Launcher.MaxPopups is -2", "--headless cannot be given"},
		},
		"no endpoint": {
			Remote{Options: Options{StandbyURL: "x"}},
			[]string{`Remote.URL is ""`, "Remote.StandbyURL"},
		},
		"ClearStorage": {
			Launcher{ExecPath: program, NoSandbox: true, Options: Options{ClearStorage: true}},
			[]string{"Launcher.ClearStorage is true", "pool.Config.Reset"},
		},
		"ClearStorage beside a lease": {
			Launcher{ExecPath: program, NoSandbox: true, Options: Options{ClearStorage: true}},
			[]string{"Launcher.ClearStorage is true", "TabsPerContext is 2"},
		},
	}
	if runtime.GOOS == "linux" && os.Geteuid() == 0 {
		cases["the sandbox as root"] = struct {
			launcher pool.Launcher[*Page]
			wants    []string
		}{Launcher{ExecPath: program}, []string{"Launcher.NoSandbox is false", "another user"}}
	}
	t.Setenv("PATH", t.TempDir())
	for what, c := range cases {
		cfg := pool.Config{}
		if what == "ClearStorage beside a lease" {
			cfg = pool.Config{Reset: true, More: pool.More{TabsPerContext: 2}}
		}
		_, err := pool.New(c.launcher, cfg)
		for _, want := range c.wants {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: New: %v; want %q in it", what, err, want)
			}
		}
		if _, ok := c.launcher.(Remote); ok || strings.HasPrefix(what, "ClearStorage") {
			continue
		}
		if !errors.Is(err, ErrCannotStart) {
			t.Errorf("%s: New: %v is no ErrCannotStart", what, err)
		}
		if _, err := c.launcher.Launch(context.Background()); !errors.Is(err, ErrCannotStart) {
			t.Errorf("%s: Launch: %v is no ErrCannotStart", what, err)
		}
	}
}

func TestALaunchKnowsWhichCausesPass(t *testing.T) {
	for printed, lasting := range map[string]bool{
		"Running as root without --no-sandbox is not supported.": true,
		"No usable sandbox! See docs.":                           true,
		"libnss3.so: error while loading shared libraries":       true, "No space left on device": false,
		"":                    false,
		"Too many open files": false,
	} {
		path := filepath.Join(t.TempDir(), "browser")
		if err := os.WriteFile(path, []byte("#!/bin/sh\necho '"+printed+"' >&2\nexit 3\n"), 0o700); err !=
			nil {
			t.Fatal(err)
		}
		_, err := Launcher{ExecPath: path}.Launch(context.Background())
		if err == nil || errors.Is(err, ErrCannotStart) != lasting ||
			!strings.Contains(err.Error(), "exit status 3") {
			t.Errorf("%q: %v", printed, err)
		}
	}
}
