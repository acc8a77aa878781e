package fleet

import (
	"bufio"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pagepool/pagepool/pool"
)

// theMap is what the balancer calls its map.
const theMap = "/etc/haproxy/warm.map"

// balancer answers as HAProxy's runtime API does, in its interactive mode.
type balancer struct {
	t        *testing.T
	path     string
	listener net.Listener
	served   sync.WaitGroup

	mu      sync.Mutex
	changed *sync.Cond
	entries map[string]string
	foreign []string // lines of entries that are nobody's, such as a file has them
	mute    bool     // answers nothing
	down    bool     // refuses connections
	breaks  string   // ends the conversation in which this command comes, once
	said    []string // commands that change something
	asked   int      // conversations
}

func newBalancer(t *testing.T) *balancer {
	b := &balancer{t: t, path: filepath.Join(t.TempDir(), "sock"), entries: map[string]string{}}
	b.changed = sync.NewCond(&b.mu)
	b.start()
	t.Cleanup(b.stop)
	return b
}

func (b *balancer) start() {
	listener, err := net.Listen("unix", b.path)
	if err != nil {
		b.t.Fatal(err)
	}
	b.listener = listener
	b.served.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			b.served.Go(func() { b.converse(conn) })
		}
	})
}

func (b *balancer) stop() {
	_ = b.listener.Close()
	b.served.Wait()
}

func (b *balancer) converse(conn net.Conn) {
	defer conn.Close()
	from := bufio.NewReader(conn)
	for {
		line, err := from.ReadString('\n')
		if err != nil {
			return
		}
		prompts, command := "", strings.TrimSuffix(line, "\n")
		var payload []string
		if head, ok := strings.CutSuffix(command, " <<"); ok {
			command = head
			for prompts = "+ "; ; prompts += "+ " {
				line, err := from.ReadString('\n')
				if err != nil {
					return
				}
				if line == "\n" {
					break
				}
				payload = append(payload, strings.TrimSpace(line))
			}
		}
		b.mu.Lock()
		if b.breaks != "" && strings.HasPrefix(command, b.breaks) {
			b.breaks = ""
			b.changed.Broadcast()
			b.mu.Unlock()
			return
		}
		answer := b.answer(strings.Fields(command), payload)
		mute := b.mute
		b.changed.Broadcast()
		b.mu.Unlock()
		if mute {
			continue
		}
		if answer != "" {
			answer += "\n"
		}
		if _, err := fmt.Fprint(conn, prompts+answer+"\n> "); err != nil {
			return
		}
	}
}

// answer does a command. Its own lines end with a newline, and nothing follows the last one.
func (b *balancer) answer(words, payload []string) string {
	if words[0] == "prompt" {
		b.asked++
		return ""
	}
	if len(words) < 3 || words[1] != "map" || words[2] != theMap {
		return "Unknown map identifier. Please use #<id> or <file>."
	}
	if words[0] != "get" && words[0] != "show" {
		b.said = append(b.said, strings.Join(slices.Concat(words, payload), " "))
	}
	for _, line := range payload {
		key, value, _ := strings.Cut(line, " ")
		if _, twice := b.entries[key]; twice {
			b.t.Errorf("%s is added though it is there", key)
		}
		b.entries[key] = value
	}
	if len(words) == 3 {
		if words[0] == "add" {
			return ""
		}
		var lines []string
		for key, value := range b.entries {
			lines = append(lines, fmt.Sprintf("0x55d0c0ffee %s %s", key, value))
		}
		for _, line := range b.foreign {
			lines = append(lines, "0x55d0c0ffee "+line)
		}
		return strings.Join(lines, "\n")
	}
	key := words[3]
	value, ok := b.entries[key]
	switch {
	case words[0] == "get" && ok:
		return fmt.Sprintf(
			`type=str, case=sensitive, found=yes, idx=tree, key="%s", value="%s", type="str"`,
			key,
			value,
		)
	case words[0] == "get":
		return "type=str, case=sensitive, found=no"
	case words[0] == "set" && !ok:
		return noEntry
	case words[0] == "del" && !ok:
		return noKey
	case words[0] == "del":
		delete(b.entries, key)
	default:
		b.entries[key] = words[4]
	}
	return ""
}

// until waits for something to be true of the balancer.
func (b *balancer) until(what string, holds func() bool) {
	b.t.Helper()
	late := false
	timer := time.AfterFunc(20*time.Second, func() {
		b.mu.Lock()
		late = true
		b.changed.Broadcast()
		b.mu.Unlock()
	})
	defer timer.Stop()
	b.mu.Lock()
	defer b.mu.Unlock()
	for !holds() {
		if late {
			b.t.Fatalf("never: %s; the map is %v, after %q", what, b.entries, b.said)
		}
		b.changed.Wait()
	}
}

// has says whether the map is what it is to be: affinities with their servers, marks aside.
func (b *balancer) has(want map[string]string) func() bool {
	return func() bool {
		n := 0
		for key := range b.entries {
			if !strings.HasPrefix(key, "beat.") {
				n++
			}
		}
		for affinity, server := range want {
			if b.entries[Key(affinity)] != server {
				return false
			}
		}
		return n == len(want)
	}
}

// change does something to the balancer.
func (b *balancer) change(do func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	do()
	b.changed.Broadcast()
}

// source is a pool of which a test says what it is like.
type source struct {
	mu    sync.Mutex
	stats pool.Stats
	fn    func(pool.Announcement)
}

func (s *source) Stats() pool.Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

func (s *source) set(stats pool.Stats) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats = stats
}

func (s *source) Subscribe(fn func(pool.Announcement)) (cancel func()) {
	s.fn = fn
	return func() {}
}

func (s *source) say(affinity string, generation uint64, warm bool) {
	s.fn(pool.Announcement{Affinity: affinity, Generation: generation, Warm: warm})
}
