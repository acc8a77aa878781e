package fleet

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
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

// Where every server drains, requests are served all the same.
func TestFleetWhereEveryServerDrainsRequestsAreServed(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = fmt.Fprintln(conn, "drain")
			_ = conn.Close()
		}
	}()
	agent := listener.Addr().String()
	b := newBalancer(t, blanks(t, 2, blank), []string{agent, agent})
	for _, server := range []string{"s1", "s2"} {
		eventually(t, server+" drains", b.is(server, "DRAIN"))
	}
	server, status, body, err := b.get("/", "tenant-1")
	if err != nil || status != http.StatusOK || server == "" {
		t.Errorf("%q answers %d %q, %v", server, status, body, err)
	}
}
