package fleet

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// blanks are servers that render nothing.
func blanks(t *testing.T, n int, handler http.HandlerFunc) (addresses []string) {
	t.Helper()
	for range n {
		s := httptest.NewServer(handler)
		t.Cleanup(s.Close)
		addresses = append(addresses, strings.TrimPrefix(s.URL, "http://"))
	}
	return addresses
}

func blank(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "nothing") }

const keys = 400

// placed says which server has each key.
func placed(t *testing.T, servers []string) map[string]string {
	t.Helper()
	b := newBalancer(t, servers, nil)
	at := map[string]string{}
	for i := range keys {
		key := fmt.Sprint("tenant-", i)
		server, status, body, err := b.get("/", key)
		if err != nil || status != http.StatusOK || server == "" {
			t.Fatalf("%s: %q, %d %s, %v", key, server, status, body, err)
		}
		at[key] = server
	}
	return at
}

// A fourth server takes its share of affinities, from all others, and no affinity moves between
// those.
func TestFleetANewServerTakesItsShareAndNoMore(t *testing.T) {
	servers := blanks(t, 4, blank)
	before, again, after := placed(t, servers[:3]), placed(t, servers[:3]), placed(t, servers)
	moved, elsewhere, share := 0, 0, map[string]int{}
	for key, server := range after {
		share[server]++
		if before[key] != again[key] {
			t.Errorf(
				"%s was on %s, and after a restart of the balancer on %s",
				key,
				before[key],
				again[key],
			)
		}
		if before[key] != server {
			moved++
			if server != "s4" {
				elsewhere++
			}
		}
	}
	most := keys/4 + keys/10
	t.Logf(
		"%d of %d keys moved, at most %d may; %d of them not to the new server; shares %v",
		moved,
		keys,
		most,
		elsewhere,
		share,
	)
	if moved > most || elsewhere > 0 || share["s4"] < keys/4-keys/10 {
		t.Errorf(
			"%d of %d keys moved, %d of them not to the new server; shares %v",
			moved,
			keys,
			elsewhere,
			share,
		)
	}
}

// Commas and spaces are part of an affinity, and one that comes later is not taken for all of it.
func TestFleetTheWholeHeaderIsTheAffinity(t *testing.T) {
	b := newBalancer(t, blanks(t, 3, blank), nil)
	tails := map[string]bool{}
	for i := range 30 {
		server, _, _, err := b.get("/", fmt.Sprintf("tenant %d, the same end", i))
		if err != nil {
			t.Fatal(err)
		}
		tails[server] = true
	}
	if len(tails) != 3 {
		t.Errorf("30 affinities with one end are on %v", tails)
	}
}

// What the server asks of its client is passed on.
func TestFleetRetryAfterIsPassedOn(t *testing.T) {
	b := newBalancer(t, blanks(t, 2, func(w http.ResponseWriter, asked *http.Request) {
		if asked.URL.Path != "/ready" {
			w.Header().Set("Retry-After", "7")
			http.Error(w, "the queue is full", http.StatusServiceUnavailable)
		}
	}), nil)
	answer, err := http.Get("http://" + b.address + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusServiceUnavailable ||
		answer.Header.Get("Retry-After") != "7" {
		t.Errorf("%d with Retry-After %q", answer.StatusCode, answer.Header.Get("Retry-After"))
	}
}

// A GET that broke before the first byte of its answer is done again, on another server.
func TestFleetAGetThatFailedIsDoneAgain(t *testing.T) {
	servers := blanks(t, 2, blank)
	servers = append(servers, blanks(t, 1, func(_ http.ResponseWriter, asked *http.Request) {
		if asked.URL.Path != "/ready" {
			panic(http.ErrAbortHandler)
		}
	})...)
	b := newBalancer(t, servers, nil)
	for i := range 20 {
		if server, status, body, err := b.get("/", fmt.Sprint("tenant-", i)); err != nil ||
			status != http.StatusOK {
			t.Errorf("tenant-%d: %s answers %d %q, %v", i, server, status, body, err)
		}
	}
}

// What is not safe to repeat is not done twice.
func TestFleetAPostThatFailedIsNotDoneAgain(t *testing.T) {
	seen := make(chan string, 16)
	b := newBalancer(t, blanks(t, 3, func(w http.ResponseWriter, asked *http.Request) {
		if asked.Method == http.MethodPost {
			seen <- asked.Method
			panic(http.ErrAbortHandler) // the connection breaks without an answer
		}
	}), nil)
	answer, err := http.Post("http://"+b.address+"/", "text/plain", strings.NewReader("once"))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusBadGateway || len(seen) != 1 {
		t.Errorf("%d, after %d tries", answer.StatusCode, len(seen))
	}
}

// saying is an agent that says a line, which a test may change.
func saying(t *testing.T, line string) (address string, say func(string)) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	var says atomic.Value
	says.Store(line)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = fmt.Fprintln(conn, says.Load())
			_ = conn.Close()
		}
	}()
	return listener.Addr().String(), func(line string) { says.Store(line) }
}

// Where every server drains, requests are served all the same.
func TestFleetWhereEveryServerDrainsRequestsAreServed(t *testing.T) {
	agent, _ := saying(t, "drain")
	b := newBalancer(t, blanks(t, 2, blank), []string{agent, agent})
	for _, server := range []string{"s1", "s2"} {
		eventually(t, server+" drains", b.is(server, "DRAIN"))
	}
	server, status, body, err := b.get("/", "tenant-1")
	if err != nil || status != http.StatusOK || server == "" {
		t.Errorf("%q answers %d %q, %v", server, status, body, err)
	}
}

// HAProxy takes every line of the agent for what pool/fleet means by it, in any order. It ends what
// an operator has set, unless the agent is disabled first.
func TestFleetTheAgentIsUnderstood(t *testing.T) {
	agent, say := saying(t, "drain")
	b := newBalancer(t, blanks(t, 1, blank), []string{agent})
	for _, c := range []struct{ says, is, weight string }{
		{"drain", "DRAIN", "100"},
		{"up ready 50%", "UP", "50"},
		{"maint", "MAINT", "50"},
		{"up ready 100%", "UP", "100"},
	} {
		say(c.says)
		eventually(t, c.says, func() error {
			row, err := b.stat("s1")
			if err == nil && (!strings.HasPrefix(row["status"], c.is) || row["weight"] != c.weight) {
				err = fmt.Errorf("it is %s, with weight %s", row["status"], row["weight"])
			}
			return err
		})
	}
	for _, command := range []string{"disable agent servers/s1", "set server servers/s1 state drain"} {
		if said, err := b.ask(command); err != nil || strings.TrimSpace(said) != "" {
			t.Fatalf("%s: %q, %v", command, said, err)
		}
	}
	eventually(t, "an operator drains it", b.is("s1", "DRAIN"))
	if _, err := b.ask("enable agent servers/s1"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the agent ends that", b.is("s1", "UP"))
}

// A request that no server has room for waits for a while, and is then asked to come again.
func TestFleetTheQueueHasATimeLimit(t *testing.T) {
	held := make(chan struct{})
	servers := blanks(t, 1, func(w http.ResponseWriter, asked *http.Request) {
		if asked.URL.Path != "/ready" {
			<-held
		}
		blank(w, asked)
	})
	b := newBalancer(t, servers, nil, "timeout queue 10s", "timeout queue 300ms")
	const room = 8 // maxconn
	answers := make(chan *http.Response, room+1)
	for range room + 1 {
		go func() {
			answer, err := http.Get("http://" + b.address + "/")
			if err != nil {
				t.Error(err)
			}
			answers <- answer
		}()
	}
	refused := <-answers
	close(held)
	if refused == nil || refused.StatusCode != http.StatusServiceUnavailable ||
		refused.Header.Get("Retry-After") != "1" {
		t.Errorf("the one that waited: %+v", refused)
	}
	for range room {
		if answer := <-answers; answer == nil || answer.StatusCode != http.StatusOK {
			t.Errorf("one of the others: %+v", answer)
		}
	}
}
