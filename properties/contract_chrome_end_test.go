package properties

import (
	"errors"
	"log/slog"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
)

// A browser that starts and dies at once, for want of file descriptors: whoever waits for it, and
// the log, have its exit and its last words.
func TestContractChromeABrowserThatDiesYoungSaysHow(t *testing.T) {
	needsChrome(t)
	path, log := script(t, "ulimit -n 64", "exec "+installed(t)+` "$@"`), new(address)
	b := newChromeBench(t)
	b.configure = func(l *chrome.Launcher) {
		l.ExecPath, l.Logger = path, slog.New(slog.NewTextHandler(log, nil))
	}
	p, err := pool.New(b, pool.Config{More: pool.More{OpenRetries: 2},
		Timeouts: pool.Timeouts{OpenBackoff: 10 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.Close(limited(t)); err != nil {
			t.Error(err)
		}
		for _, left := range b.remains() {
			t.Errorf("left behind: %s", left)
		}
	}()
	_, err = p.GetPage(limited(t), "a")
	for _, want := range []string{"ended", "exit status|signal: ", "it printed: "} {
		found := false
		for _, text := range strings.Split(want, "|") {
			found = found || err != nil && strings.Contains(err.Error(), text)
		}
		if !found {
			t.Errorf("%v; want %q in it", err, want)
		}
	}
	if !errors.Is(err, pool.ErrBrowserUnavailable) || errors.Is(err, chrome.ErrCannotStart) {
		t.Errorf("%v", err)
	}
	log.mu.Lock()
	defer log.mu.Unlock()
	if text := log.text.String(); !strings.Contains(text, `msg="browser process ended"`) {
		// It may not come so far as to answer once; the pool's log has that.
		t.Logf("no browser started: %s", text)
	}
}

// killed is how a killed browser ended: by the signal, or, where Debian's script stays around it,
// with the status that a shell gives for that.
var killed = regexp.MustCompile(`signal: killed|exit status 137`)

// What is under way when a browser is killed says how it ended, and so does the log.
func TestContractChromeAnOpeningSaysHowItsBrowserEnded(t *testing.T) {
	log := new(address)
	configure := func(l *chrome.Launcher) {
		l.Logger = slog.New(slog.NewTextHandler(log, nil))
		l.Args = append(l.Args, "--enable-logging=stderr") // it prints something
	}
	onBrowser(t, configure, func(s *contractStage[*chrome.Page], b *chromeBench) {
		c := s.context()
		main, _ := b.mainProcess()
		s.ok("stop the browser", syscall.Kill(main, syscall.SIGSTOP))
		failed := make(chan error, 1)
		go func() {
			_, err := c.NewTab(s.limit())
			failed <- err
		}()
		s.ok("kill the browser", syscall.Kill(main, syscall.SIGKILL))
		err := <-failed
		for _, want := range []string{"it printed: "} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v; want %q in it", err, want)
			}
		}
		s.closed("Done", s.browser.Done())
		select {
		case cause := <-s.browser.(pool.EndTeller).Ended():
			if !killed.MatchString(cause.Error()) || err == nil || !killed.MatchString(err.Error()) {
				t.Errorf("Ended: %v; the opening: %v; want %v in both", cause, err, killed)
			}
		default:
			t.Error("Ended holds nothing")
		}
		log.mu.Lock()
		defer log.mu.Unlock()
		if text := log.text.String(); !strings.Contains(text, `msg="browser process ended"`) ||
			!killed.MatchString(text) {
			t.Errorf("the log: %s", text)
		}
	})
}
