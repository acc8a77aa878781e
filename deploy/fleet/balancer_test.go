// Package fleet holds a configuration of HAProxy for several servers, and tests that run them.
package fleet

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// output keeps what a program has said, while it goes on.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// program is one that a test has started.
type program struct {
	*exec.Cmd
	said  *output
	ended chan struct{} // closed when it has
}

func start(t *testing.T, name string, args ...string) *program {
	t.Helper()
	p := &program{exec.Command(name, args...), &output{}, make(chan struct{})}
	p.Stdout, p.Stderr = p.said, p.said
	p.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := p.Start(); err != nil {
		t.Fatalf("%v; apt-get install haproxy chromium-headless-shell", err)
	}
	go func() {
		_ = p.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() { p.end(syscall.SIGKILL) })
	return p
}

// end sends a signal and waits until the program has ended.
func (p *program) end(signal syscall.Signal) {
	select {
	case <-p.ended:
	default:
		_ = p.Process.Signal(signal)
		<-p.ended
	}
}

// eventually asks until something holds. The limit is far beyond what it takes.
func eventually(t *testing.T, what string, holds func() error) time.Duration {
	t.Helper()
	began := time.Now()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(40 * time.Second); ; {
		err := holds()
		if err == nil {
			return time.Since(began)
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("%s: not within 40 s: %v", what, err)
		}
	}
}

// freeAddresses are addresses of this machine that nobody listens on.
func freeAddresses(t *testing.T, n int) (addresses []string) {
	t.Helper()
	for range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		addresses = append(addresses, listener.Addr().String())
	}
	return addresses
}

// balancer is HAProxy with the configuration of this folder, on other addresses.
type balancer struct {
	t                    *testing.T
	folder, config       string
	address, socket, set string // set: the map
	running              *program
}

// serverLines are the servers of a backend.
var serverLines = regexp.MustCompile(`(?m)(^    server .*\n)+`)

// lines are those of other servers.
func lines(servers, agents []string) string {
	var text strings.Builder
	for i, server := range servers {
		fmt.Fprintf(&text, "    server s%d %s id %d", i+1, server, i+1)
		if agents != nil {
			host, port, _ := net.SplitHostPort(agents[i])
			fmt.Fprintf(&text, " agent-addr %s agent-port %s", host, port)
		}
		text.WriteString("\n")
	}
	return text.String()
}

// newBalancer has HAProxy serve for servers, which are called s1, s2 and so on. agents are theirs;
// nil: there are none. changes are lines of the configuration and what stands in their place.
func newBalancer(t *testing.T, servers, agents []string, changes ...string) *balancer {
	t.Helper()
	b := &balancer{t: t, folder: t.TempDir(), address: freeAddresses(t, 1)[0]}
	b.config, b.socket, b.set = filepath.Join(
		b.folder,
		"haproxy.cfg",
	), filepath.Join(
		b.folder,
		"sock",
	), filepath.Join(
		b.folder,
		"warm.map",
	)
	text, err := os.ReadFile("haproxy.cfg")
	if err != nil {
		t.Fatal(err)
	}
	replace := func(from, to string) {
		if !bytes.Contains(text, []byte(from)) {
			t.Fatalf("haproxy.cfg has no %q", from)
		}
		text = bytes.ReplaceAll(text, []byte(from), []byte(to))
	}
	for i := 0; i < len(changes); i += 2 {
		replace(changes[i], changes[i+1])
	}
	replace("bind 127.0.0.1:8080", "bind "+b.address)
	replace("/tmp/pagepool-haproxy.sock", b.socket)
	replace("deploy/fleet/warm.map", b.set)
	if agents == nil {
		replace(" agent-check agent-inter 250ms", "")
	}
	for i, line := range serverLines.FindAllString(string(text), -1) {
		if agents == nil || !strings.Contains(line, "agent-port") {
			replace(line, lines(servers, nil))
		} else {
			replace(line, lines(servers, agents))
		}
		if i > 1 {
			t.Fatalf("haproxy.cfg has servers in more than two places")
		}
	}
	for file, content := range map[string][]byte{b.config: text, b.set: nil} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b.start()
	return b
}

func (b *balancer) start() {
	b.t.Helper()
	b.running = start(b.t, "haproxy", "-db", "-f", b.config)
	eventually(b.t, "HAProxy listens", func() error {
		select {
		case <-b.running.ended:
			b.t.Fatalf("HAProxy has ended: %s", b.running.said)
		default:
		}
		_, err := b.ask("show info")
		return err
	})
}

// ask sends a command to the runtime API.
func (b *balancer) ask(command string) (string, error) {
	conn, err := net.Dial("unix", b.socket)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if _, err := fmt.Fprintln(conn, command); err != nil {
		return "", err
	}
	said, err := io.ReadAll(conn)
	return string(said), err
}

// stat is what HAProxy counts of a server, or of the BACKEND, by the name of the column.
func (b *balancer) stat(name string) (map[string]string, error) {
	said, err := b.ask("show stat")
	if err != nil {
		return nil, err
	}
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(strings.TrimSpace(said), "# "))).
		ReadAll()
	if err != nil {
		return nil, err
	}
	for _, row := range rows[1:] {
		if row[0] != "servers" || row[1] != name {
			continue
		}
		stat := map[string]string{}
		for i, column := range rows[0] {
			stat[column] = row[i]
		}
		return stat, nil
	}
	return nil, fmt.Errorf("no server %s in %q", name, said)
}

// is says whether a server is UP, DOWN, DRAIN and so on.
func (b *balancer) is(server, want string) func() error {
	return func() error {
		row, err := b.stat(server)
		if err == nil && !strings.HasPrefix(row["status"], want) {
			err = fmt.Errorf("%s is %s, want %s", server, row["status"], want)
		}
		return err
	}
}

// get asks the balancer for a path, for a tenant. server is the one that has answered.
func (b *balancer) get(path, tenant string) (server string, status int, body string, err error) {
	request, err := http.NewRequest(http.MethodGet, "http://"+b.address+path, nil)
	if err != nil {
		return "", 0, "", err
	}
	request.Header.Set("X-Tenant", tenant)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", 0, "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return answer.Header.Get("X-Served-By"), answer.StatusCode, string(text), err
}
