package chrome

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"

	chromebrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/target"

	"github.com/pagepool/pagepool/pool"
)

// Launch starts a browser and waits until it answers. ctx bounds the start, not the browser. After
// an error no process and no folder is left. All settings that are wrong are in one error.
func (l Launcher) Launch(ctx context.Context) (pool.Browser[*Page], error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("chrome: launch: %w", ended(ctx))
	}
	made, err := l.resolve()
	if err != nil {
		return nil, &cannotStart{err}
	}
	for _, path := range removeLeft(l.TempDir) {
		made.log.InfoContext(ctx, "folder of a dead program removed", "folder", path)
	}
	process, err := start(made.path, made.args, l.Env, l.TempDir, l.Output)
	if err != nil {
		return nil, err
	}
	b := newBrowser(made.settings, process, process.pipe)
	version, err := b.greet(ctx)
	if err != nil {
		b.abort()
		return nil, fmt.Errorf("chrome: launch %s: %w", made.path, b.startError(err))
	}
	b.log.InfoContext(
		ctx, "browser started", "product", version, "pid", process.cmd.Process.Pid, "path", made.path,
		"sandbox", !l.NoSandbox, "operation", pool.OperationID(ctx),
	)
	if l.NoSandbox {
		b.log.WarnContext(ctx, "sandbox off", "pid", process.cmd.Process.Pid)
	}
	b.warmTracing()
	return b, nil
}

// greet waits for the browser's first answers, and returns what it says it is.
func (b *browser) greet(ctx context.Context) (string, error) {
	version, err := call(ctx, b.wire, "", chromebrowser.GetVersion, cdp.Empty{})
	if err == nil {
		_, err = call(
			ctx, b.wire, "", target.SetDiscoverTargets, target.SetDiscoverTargetsParams{Discover: true},
		)
	}
	return version.Product, err
}

// abort ends a browser that nobody has been given, and returns when nothing of it is left.
func (b *browser) abort() {
	b.closing.Store(true)
	b.kill()
	<-b.cleaned
}

// startError says why a browser that has ended since did not start. err is what its first call
// brought.
func (b *browser) startError(err error) error {
	printed := b.process.output.String()
	switch {
	case b.wire.garbage != nil:
		return fmt.Errorf(
			"%w; set Launcher.ExecPath to Chrome or one of its relatives; %s", b.wire.garbage, printed,
		)
	case !errors.Is(err, errLost):
		return fmt.Errorf(
			"it runs, and does not answer: %w; set Launcher.ExecPath to Chrome or one of its relatives; %s",
			err, printed,
		)
	}
	ended := fmt.Errorf(
		"it ended before it answered %s",
		b.process.ending("set Launcher.ExecPath to Chrome or one of its relatives"),
	)
	if _, lasting := remedy(printed); lasting {
		return &cannotStart{ended}
	}
	return ended
}

// ErrCannotStart is in the error of a launch that fails for a reason which does not pass: no
// browser is there, a setting is wrong, the system or the user does not allow the sandbox. Another
// try brings the same, until somebody changes that. New finds what can be found without a launch.
var ErrCannotStart = errors.New("chrome: no browser can be started here as things are")

// cannotStart is an error that is also ErrCannotStart.
type cannotStart struct{ error }

func (c *cannotStart) Unwrap() []error { return []error{c.error, ErrCannotStart} }

// remedies are what to do about a browser that printed a text when it ended, and whether it would
// end so again each time.
var remedies = []struct {
	printed, advice string
	lasting         bool
}{
	{
		"without --no-sandbox",
		"run as another user, or set Launcher.NoSandbox where every page is trusted",
		true,
	},
	{
		"No usable sandbox",
		"the system denies the sandbox: allow user namespaces, or set Launcher.NoSandbox " +
			"where every page is trusted",
		true,
	},
	{"ocket path too long", "set Launcher.TempDir to a shorter path", true},
	{"error while loading shared libraries", "install the library that is missing", true},
	{"o space left on device", "set Launcher.TempDir to a disk with room", false},
	{"oo many open files", "let it open more files (ulimit -n)", false},
}

// remedy says what to do about a browser that has printed a text; empty: nothing is known.
func remedy(printed string) (advice string, lasting bool) {
	for _, r := range remedies {
		if strings.Contains(printed, r.printed) {
			return r.advice, r.lasting
		}
	}
	return "", false
}

// made is what a Launcher comes to.
type made struct {
	settings
	path string
	args []string
}

// resolve looks for everything that a launch needs. All that is wrong is in one error.
func (l Launcher) resolve() (made, error) {
	args, wrongArgs := l.args()
	settings, wrong := l.Options.checked("Launcher")
	path, missing := l.executable()
	err := errors.Join(wrongArgs, wrong, missing, l.checkTempDir())
	if err == nil && runtime.GOOS == "linux" && os.Geteuid() == 0 && !l.NoSandbox && !script(path) {
		// Of a script nobody knows as whom it starts the browser.
		advice, _ := remedy("without --no-sandbox")
		err = fmt.Errorf(
			"chrome: Launcher.NoSandbox is false: as root, %s does not start without --no-sandbox; %s", path,
			advice,
		)
	}
	return made{settings, path, args}, err
}

func (l Launcher) checkTempDir() error {
	if l.TempDir == "" {
		return nil
	}
	info, err := os.Stat(l.TempDir)
	if err == nil && !info.IsDir() {
		err = syscall.ENOTDIR
	}
	if err != nil {
		return fmt.Errorf("chrome: Launcher.TempDir is %q: %w; it must be a folder", l.TempDir, err)
	}
	return nil
}
