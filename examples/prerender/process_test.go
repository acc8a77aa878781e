package main

import (
	"bufio"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// process is the server in a process of its own.
type process struct {
	*exec.Cmd
	address string
	lines   *bufio.Scanner
}

// startServer starts one that may visit 127.0.0.1, and waits until it serves.
func startServer(t *testing.T, args ...string) *process {
	t.Helper()
	needsBrowser(t)
	args = append(args, "-listen", "127.0.0.1:0", "-internal", "127.0.0.1:0", "-allow", "127.0.0.1/32",
		"-browser", os.Getenv("PAGEPOOL_CHROME_PATH"))
	if os.Geteuid() == 0 {
		args = append(args, "-no-sandbox")
	}
	p := &process{Cmd: exec.Command(os.Args[0], args...)}
	p.Env = append(os.Environ(), "PRERENDER_SERVE=1")
	printed, err := p.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill() })
	p.lines = bufio.NewScanner(printed)
	_, rest, _ := strings.Cut(p.until(t, `"msg":"serving"`), `"address":"`)
	p.address, _, _ = strings.Cut(rest, `"`)
	return p
}

// until reads what the server logs, up to a message.
func (p *process) until(t *testing.T, message string) string {
	t.Helper()
	for p.lines.Scan() {
		if strings.Contains(p.lines.Text(), message) {
			return p.lines.Text()
		}
	}
	t.Fatalf("the server ended before it said %q", message)
	return ""
}

// readOn reads the rest in the background: otherwise the server waits for its reader.
func (p *process) readOn() {
	go func() {
		for p.lines.Scan() {
		}
	}()
}

func TestContractTermFinishesWhatWasBegunAndEnds(t *testing.T) {
	server := startServer(t, "-notice", "1s", "-internal", "")
	pages := newSite(t, "127.0.0.1")
	begun := make(chan answer)
	go func() { begun <- get(t, "http://"+server.address+"/html?url="+pages.URL+"/slow", "a") }()
	<-pages.arrived
	if err := server.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	server.until(t, `"msg":"draining"`)
	server.readOn()
	get(t, "http://"+server.address+"/ready", "").want(t, http.StatusServiceUnavailable, "draining")
	close(pages.goOn)
	(<-begun).want(t, http.StatusOK, "slow")
	if err := server.Wait(); err != nil {
		t.Errorf("the server ended with %v", err)
	}
}

// Each page that loops has its own request fail, and is to be found in the metrics; all others come
// back whole.
func TestContractLoopingPagesHarmNoGoodRequestOfAnotherProcess(t *testing.T) {
	server := startServer(t, "-render", "4s")
	server.readOn()
	program := filepath.Join(t.TempDir(), "load")
	if said, err := exec.Command("go", "build", "-o", program, "./load").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	said, err := exec.Command(program, "-server", "http://"+server.address, "-for", "5s", "-wedge",
		"10").CombinedOutput()
	t.Logf("%s", said)
	if err != nil {
		t.Errorf("the load ended with %v", err)
	}
	for _, line := range []string{
		`good requests  [1-9]`, `good requests that failed  0\n`, `looping requests  [1-9]`,
		`  504 Gateway Timeout  [1-9]`, `at rest afterwards  yes`,
		`pagepool_expired_leases_total  [1-9]`, `pagepool_lease_seconds{outcome="expired"}  [1-9]`,
		`pagepool_rescues_total  [1-9]`,
		`not counted up: .*pagepool_browser_starts_total`,
	} {
		if !regexp.MustCompile("(?m)^" + strings.ReplaceAll(line, "  ", " {2,}")).Match(said) {
			t.Errorf("the report lacks %s", line)
		}
	}
}
