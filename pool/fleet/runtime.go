package fleet

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"
	"time"
)

// Key is an affinity as the map has it: the hex digits of its SHA-256, in upper case. An affinity
// may be any bytes, and a command of HAProxy may not. In the configuration it is
// `req.fhdr(X-Tenant),sha2(256),hex`.
func Key(affinity string) string { return fmt.Sprintf("%X", sha256.Sum256([]byte(affinity))) }

// commandBytes is how long a command with all its lines may be: HAProxy reads it into one buffer,
// of 16 KiB.
const commandBytes = 8 << 10

// session is a connection to the runtime API in its interactive mode. Each lasts for a few commands
// only: a connection that was made before a reload would go on talking to the process that is on
// its way out.
type session struct {
	net.Conn
	from   *bufio.Reader
	detach func() bool // from the context that would end it
}

func (s *session) Close() error {
	s.detach()
	return s.Conn.Close()
}

// connector returns a function that connects to a socket: host:port or unix@PATH.
func connector(socket string, limit time.Duration) func(context.Context) (net.Conn, error) {
	network, address := "tcp", socket
	if path, ok := strings.CutPrefix(socket, "unix@"); ok {
		network, address = "unix", path
	}
	dialer := net.Dialer{Timeout: limit}
	return func(ctx context.Context) (net.Conn, error) {
		return dialer.DialContext(ctx, network, address)
	}
}

// dial begins a session, which ends at the latest when ctx does or after limit.
func dial(
	ctx context.Context, connect func(context.Context) (net.Conn, error), limit time.Duration,
) (*session, error) {
	conn, err := connect(ctx)
	if err != nil {
		return nil, err
	}
	s := &session{conn, bufio.NewReader(conn), context.AfterFunc(ctx, func() { _ = conn.Close() })}
	err = conn.SetDeadline(time.Now().Add(limit))
	if err == nil {
		_, err = s.ask("prompt")
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// ask sends a command and returns the answer, without the prompt behind it.
func (s *session) ask(command string) (string, error) {
	if _, err := s.Write([]byte(command + "\n")); err != nil {
		return "", err
	}
	var said strings.Builder
	for {
		line, err := s.from.ReadString('>')
		said.WriteString(line)
		if err != nil {
			return "", err
		}
		text := said.String()
		if !strings.HasSuffix(text, "\n>") {
			continue
		}
		if next, err := s.from.ReadByte(); err != nil || next != ' ' {
			return "", fmt.Errorf("fleet: %.40q is not answered with a prompt", command)
		}
		for strings.HasPrefix(text, "+ ") { // a prompt for each further line of the command
			text = text[2:]
		}
		return strings.TrimSpace(strings.TrimSuffix(text, ">")), nil
	}
}

// Answers of HAProxy.
const (
	noEntry = "entry not found."
	noKey   = "Key not found."
)

var found = regexp.MustCompile(`found=(yes|no)(?:.*value="([^"]*)")?`)

// get returns the value of a key; none: "".
func (s *session) get(in, key string) (string, error) {
	said, err := s.ask("get map " + in + " " + key)
	if err != nil {
		return "", err
	}
	m := found.FindStringSubmatch(said)
	if m == nil {
		return "", fmt.Errorf("fleet: get map %s: %s", in, said)
	}
	return m[2], nil
}

// set gives a key a value. `add map` alone would add a second entry to one that is there.
func (s *session) set(in, key, value string) error {
	said, err := s.ask("set map " + in + " " + key + " " + value)
	if err == nil && said == noEntry {
		said, err = s.ask("add map " + in + " " + key + " " + value)
	}
	return refused("set map "+in, said, err)
}

// del removes a key. That it is not there is no error.
func (s *session) del(in, key string) error {
	said, err := s.ask("del map " + in + " " + key)
	if said == noKey {
		said = ""
	}
	return refused("del map "+in, said, err)
}

// add adds keys that are not there, many with one command.
func (s *session) add(in string, keys []string, value string) error {
	for len(keys) > 0 {
		var lines strings.Builder
		n := 0
		for n < len(keys) && lines.Len() < commandBytes {
			fmt.Fprintf(&lines, "%s %s\n", keys[n], value)
			n++
		}
		said, err := s.ask("add map " + in + " <<\n" + lines.String())
		if err := refused("add map "+in, said, err); err != nil {
			return err
		}
		keys = keys[n:]
	}
	return nil
}

// show returns all entries.
func (s *session) show(in string) (map[string]string, error) {
	said, err := s.ask("show map " + in)
	if err != nil {
		return nil, err
	}
	entries := map[string]string{}
	for line := range strings.Lines(said) {
		// An address in memory, the key, the value. Values of others may hold anything.
		address, entry, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || !strings.HasPrefix(address, "0x") {
			return nil, fmt.Errorf("fleet: show map %s: %.80q", in, line)
		}
		key, value, _ := strings.Cut(entry, " ")
		if _, twice := entries[key]; !twice { // HAProxy finds the first
			entries[key] = value
		}
	}
	return entries, nil
}

func refused(command, said string, err error) error {
	if err == nil && said != "" {
		err = errors.New(said)
	}
	if err != nil {
		return fmt.Errorf("fleet: %s: %w", command, err)
	}
	return nil
}
