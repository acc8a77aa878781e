package properties

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/remote"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
)

// How a bench sees from outside of the driver what browsers do and leave.

// address collects what a browser prints, until that holds its address.
type address struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (a *address) Write(text []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.text.Write(text)
}

// url waits for the address, which comes on another way than the browser's first answers do.
func (a *address) url() (string, error) {
	tick, limit := time.NewTicker(5*time.Millisecond), time.After(contractLimit)
	defer tick.Stop()
	for {
		a.mu.Lock()
		text := a.text.String()
		a.mu.Unlock()
		for line := range strings.Lines(text) {
			url, ok := strings.CutPrefix(line, "DevTools listening on ")
			if ok && strings.HasSuffix(url, "\n") {
				return strings.TrimSpace(url), nil
			}
		}
		select {
		case <-tick.C:
		case <-limit:
			return "", fmt.Errorf("the browser printed no address: %s", text)
		}
	}
}

func (b *chromeBench) census(ctx context.Context, browser pool.Browser[*chrome.Page]) (census,
	error) {
	b.mu.Lock()
	out := b.outputs[browser]
	b.mu.Unlock()
	url, err := out.url()
	if err != nil {
		return census{}, err
	}
	ctx, cancel := remote.NewAllocator(ctx, url, remote.NoModifyURL)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	listed, err := chromedp.CallBrowser(ctx, target.GetTargets, target.GetTargetsParams{})
	if err != nil {
		return census{}, err
	}
	profiles, err := chromedp.CallBrowser(ctx, target.GetBrowserContexts, cdp.Empty{})
	if err != nil {
		return census{}, err
	}
	alive := census{Contexts: len(profiles.BrowserContextIDs)}
	for _, info := range listed.TargetInfos {
		if info.Type == "page" {
			alive.Pages++
		}
	}
	return alive, nil
}

// remains lists folders, processes that know of one, and the driver's goroutines.
func (b *chromeBench) remains() []string {
	var left []string
	entries, err := os.ReadDir(b.folder)
	if err != nil {
		return []string{err.Error()}
	}
	for _, entry := range entries {
		left = append(left, entry.Name())
	}
	for pid, command := range b.processes() {
		left = append(left, fmt.Sprintf("process %d: %s", pid, command))
	}
	return append(left, goroutines()...)
}

// goroutines returns the stacks of those that run in the driver, and of chromedp's that work for
// tabs. The driver has ended chromedp's by then, but does not see when they are through, and its
// own last one says that it is about to return.
func goroutines() (left []string) {
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); {
		left = nil
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		for stack := range strings.SplitSeq(string(stacks), "\n\n") {
			if strings.Contains(stack, "/pool/chrome.") || strings.Contains(stack, "chromedp.(*Target)") {
				left = append(left, stack)
			}
		}
		if len(left) == 0 {
			return nil
		}
		runtime.Gosched()
	}
	return left
}

// processes are those that know of the folder, by their command or by their environment.
func (b *chromeBench) processes() map[int]string {
	found := make(map[int]string)
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		command, err := os.ReadFile(file)
		environment, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "environ"))
		knows := bytes.Contains(command, []byte(b.folder+"/")) ||
			bytes.Contains(environment, []byte(b.folder+"/"))
		if err == nil && len(command) > 0 && knows { // a zombie has no command
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			found[pid] = strings.ReplaceAll(string(command), "\x00", " ")
		}
	}
	return found
}

// killBrowser ends the main process alone, as the kernel does when memory is short. There is one
// browser at a time.
func (b *chromeBench) killBrowser(pool.Browser[*chrome.Page]) error {
	if pid, runs := b.mainProcess(); runs {
		return syscall.Kill(pid, syscall.SIGKILL)
	}
	return errors.New("no browser runs")
}

// mainProcess returns the process of the browser that began the others.
func (b *chromeBench) mainProcess() (pid int, runs bool) {
	for pid, command := range b.processes() {
		if strings.Contains(command, "--user-data-dir="+b.folder) &&
			!strings.Contains(command, "--type=") && !strings.Contains(command, "crashpad") {
			return pid, true
		}
	}
	return 0, false
}
