package chrome

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// baseArgs is what every browser is started with; Launcher.Args overrides by name.
var baseArgs = []string{
	"--disable-gpu",
	"--disable-quic",
	"--no-first-run",
	"--no-default-browser-check",
	"--disable-background-networking",
	"--disable-component-update",
	"--disable-sync",
	"--password-store=basic",
	"--hide-scrollbars",
	"--mute-audio",
	// Otherwise the sixth end of the process that draws for all pages ends the browser. A check kills
	// one that hangs.
	"--disable-gpu-process-crash-limit",
	// Otherwise Chromium keeps pages that were left, with their memory, and shows them again
	// without an event of loading, for which chromedp waits.
	"--disable-back-forward-cache",
	// Otherwise Chrome opens a page that is nobody's: 45 MB, and half of the time that starting takes.
	"--no-startup-window",
	// Otherwise Chrome keeps a renderer ready for the browser context that navigates, and starts
	// another as soon as one of another context does. Where each tab has a context of its own that is
	// a process for each page, a fifth of all processor time, and no new context ever gets one of
	// them.
	//
	// The omnibox popups are two documents of Chromium's own, in a renderer of theirs for each window.
	// Every tab has a window: that was half of the processor time of a new tab.
	//
	// RenderDocument gives each document a frame host of its own, also where a page navigates
	// within its site. Every DevTools session of the tab is then set up anew: a quarter of the
	// processor time of a small page on headless-shell, an eighth on Chromium. Without it, some
	// settings of a page outlive their session: left.go has the list.
	"--disable-features=SpareRendererForSitePerProcess,RenderDocument," +
		"WebUIOmniboxPopup,WebUIOmniboxAimPopup",
}

// ownArgs is what the launcher sets itself.
var ownArgs = map[string]string{
	"--user-data-dir":         "every browser gets a fresh profile; TempDir says where",
	"--remote-debugging-pipe": "the launcher talks to the browser over its own pipe",
	"--no-sandbox":            "set NoSandbox",
	"--headless":              "it is the default; set Headful for the opposite",
}

// listArgs hold lists, with what separates their elements. Chrome keeps the last of several lists,
// so they are joined. Of a V8 flag that comes twice, V8 keeps the last.
var listArgs = map[string]string{
	"--disable-features":       ",",
	"--enable-features":        ",",
	"--disable-blink-features": ",",
	"--enable-blink-features":  ",",
	"--js-flags":               " ",
}

// args returns the command line, without what start adds.
func (l Launcher) args() ([]string, error) {
	args := slices.Clone(baseArgs)
	if !l.Headful {
		args = append(args, "--headless")
	}
	if !l.WebGL {
		args = append(args, "--disable-3d-apis")
	}
	if l.MaxTabMemory > 0 {
		args = append(args, l.heapFlag())
	}
	if l.NoSandbox {
		args = append(args, "--no-sandbox")
	}
	var wrong []error
	for _, arg := range l.Args {
		name, value, _ := strings.Cut(arg, "=")
		if !strings.HasPrefix(name, "--") || len(name) < 3 {
			wrong = append(
				wrong, fmt.Errorf("chrome: Launcher.Args: %q is not of the form --name or --name=value", arg),
			)
			continue
		}
		if why, own := ownArgs[name]; own {
			wrong = append(wrong, fmt.Errorf("chrome: Launcher.Args: %s cannot be given: %s", name, why))
			continue
		}
		i := slices.IndexFunc(args, func(given string) bool {
			return given == name || strings.HasPrefix(given, name+"=")
		})
		separator, list := listArgs[name]
		switch {
		case i < 0:
			args = append(args, arg)
		case list:
			args[i] += separator + value
		default:
			args[i] = arg
		}
	}
	return args, errors.Join(wrong...)
}

// names are the browsers that are looked for, in this order: the fastest first.
var names = []string{
	"chromium-headless-shell", "chrome-headless-shell", "headless-shell", "headless_shell",
	"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome",
}

// headfulNames are the same for a browser with windows, which headless-shell has not.
var headfulNames = names[4:]

// applications are looked for where PATH has none of names.
var applications = []string{
	"/Applications/Chromium.app/Contents/MacOS/Chromium",
	"/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
}

// executable returns the path of the browser to start.
func (l Launcher) executable() (string, error) {
	if l.ExecPath != "" {
		path, err := exec.LookPath(l.ExecPath)
		if err != nil {
			return "", fmt.Errorf(
				"chrome: Launcher.ExecPath is %q: %w; it must be a program, such as chromium-headless-shell",
				l.ExecPath, err,
			)
		}
		return path, nil
	}
	wanted := names
	if l.Headful {
		wanted = headfulNames
	}
	for _, name := range slices.Concat(wanted, applications) {
		if path, err := exec.LookPath(name); err == nil {
			return unwrapped(path, "/usr/lib"), nil
		}
	}
	return "", fmt.Errorf(
		"chrome: no browser found: PATH has none of %s; install one, such as Debian's package %s "+
			"(apt-get install %s), or set Launcher.ExecPath",
		strings.Join(wanted, ", "),
		wanted[0],
		wanted[0],
	)
}

// unwrapped returns the program that a distribution's script would start, or path itself where that
// is a program or leads to none. The scripts cost 20 ms and more, and some of them stay between us
// and the browser.
func unwrapped(path, lib string) string {
	if !script(path) {
		return path
	}
	base := filepath.Base(path)
	for _, folder := range []string{base, "chromium", "chromium-browser"} {
		program := filepath.Join(lib, folder, base)
		if _, err := exec.LookPath(program); err == nil && !script(program) {
			return program
		}
	}
	return path
}

// script reports whether a file begins with "#!".
func script(path string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	begin := make([]byte, 2)
	n, _ := file.Read(begin)
	return string(begin[:n]) == "#!"
}
