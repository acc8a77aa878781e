package fleet

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// build builds the server and its load once for all tests of this package.
func build(t *testing.T) (server, load string) {
	t.Helper()
	folder := t.TempDir()
	c := exec.Command("go", "build", "-o", folder, ".", "./load")
	c.Dir = "../../examples/prerender"
	if said, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	return filepath.Join(folder, "prerender"), filepath.Join(folder, "load")
}

// browser is the one that the servers start.
func browser() string {
	if path := os.Getenv("PAGEPOOL_CHROME_PATH"); path != "" {
		return path
	}
	return "chromium-headless-shell"
}

// member is a server of the fleet, which may be started again and again.
type member struct {
	*program
	t             *testing.T
	path, name    string
	listen, agent string
	b             *balancer
}

func (m *member) start() {
	m.t.Helper()
	m.program = start(
		m.t,
		m.path,
		"-listen",
		m.listen,
		"-internal",
		"",
		"-browser",
		browser(),
		"-no-sandbox",
		"-pages",
		"2",
		"-render",
		"15s",
		"-timeout",
		"40s",
		"-notice",
		"1s",
		"-allow",
		"127.0.0.0/8",
		"-agent",
		m.agent,
		"-haproxy",
		"unix@"+m.b.socket,
		"-haproxy-map",
		m.b.set,
		"-haproxy-server",
		m.name,
	)
}

// up waits until the server is ready and the balancer knows.
func (m *member) up() {
	m.t.Helper()
	eventually(m.t, m.name+" is ready", func() error {
		select {
		case <-m.ended:
			m.t.Fatalf("%s has ended: %s", m.name, m.said)
		default:
		}
		answer, err := http.Get("http://" + m.listen + "/ready")
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("/ready is answered %s", answer.Status)
		}
		return nil
	})
	eventually(m.t, m.name+" is up", m.b.is(m.name, "UP"))
}

// kill ends the server and what it has started, as a machine that fails does.
func (m *member) kill() {
	browsers := descendants(m.t, m.Process.Pid)
	m.end(syscall.SIGKILL)
	for _, pid := range browsers {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// hang stops the browser of the server, so that nothing in it goes on, and nothing ends.
func (m *member) hang() {
	m.t.Helper()
	browsers := descendants(m.t, m.Process.Pid)
	if len(browsers) == 0 {
		m.t.Fatalf("%s has no browser", m.name)
	}
	for _, pid := range browsers {
		_ = syscall.Kill(pid, syscall.SIGSTOP)
	}
	m.t.Cleanup(func() {
		for _, pid := range browsers { // those that are still stopped and still the same
			if cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil &&
				strings.Contains(string(cmdline), "chrom") {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	})
}

// descendants are the processes that a process has started, and those that these have.
func descendants(t *testing.T, of int) (found []int) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	children := map[int][]int{}
	for _, file := range stats {
		data, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(data), ") ")
		fields := strings.Fields(rest)
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil || len(fields) < 2 {
			continue
		}
		if parent, err := strconv.Atoi(fields[1]); err == nil {
			children[parent] = append(children[parent], pid)
		}
	}
	next := []int{of}
	for len(next) > 0 {
		own := children[next[0]]
		next = append(next[1:], own...)
		found = append(found, own...)
	}
	return found
}
