package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/pagepool/pagepool/pool"
)

// Source is a pool, whatever its pages are.
type Source interface {
	Stats() pool.Stats
	Subscribe(fn func(pool.Announcement)) (cancel func())
}

// Config says who this server is, and where the balancer is. One that serves behind several
// balancers joins each.
type Config struct {
	// Socket is the balancer's runtime API, with the level admin: host:port, or unix@PATH. Empty:
	// nothing is announced.
	Socket string
	// Map is the map of warm affinities as the balancer calls it: its file.
	Map string
	// Server is the name that the balancer's configuration gives to this server.
	Server string
	// Agent is the address on which agent checks are answered. Empty: none are.
	Agent string
	// Beat is how often the balancer is asked whether it still has the map. Default: 250 ms.
	Beat time.Duration
	// Resync is how often the whole map is compared. Default: 30 s.
	Resync time.Duration
	// Limit is how long a conversation with the balancer may take. Default: 5 s.
	Limit time.Duration
	// Patience is how long requests may wait without progress, be it a grant or another browser,
	// until the agent says drain. It says so until there is some, or eight times as long. A pool
	// that has no tab of use may also take so long to open the next one. Default: 2 s.
	Patience time.Duration
	// Logger is told when the balancer cannot be reached, and when it can again. Default: nobody.
	Logger *slog.Logger
}

// word is a name that a command of HAProxy can hold.
var word = regexp.MustCompile(`^[A-Za-z0-9_.:/#@-]+$`)

// check fills in what was left out, and names every field that breaks its rule.
func (c *Config) check() error {
	c.Beat = cmp.Or(c.Beat, 250*time.Millisecond)
	c.Resync = cmp.Or(c.Resync, 30*time.Second)
	c.Limit = cmp.Or(c.Limit, 5*time.Second)
	c.Patience = cmp.Or(c.Patience, 2*time.Second)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	var broken []error
	rule := func(kept bool, name string, value any, says string) {
		if !kept {
			broken = append(broken, fmt.Errorf("fleet: %s=%v: the rule is %s", name, value, says))
		}
	}
	rule(c.Socket != "" || c.Agent != "", "Socket", `""`, "a socket or an agent, or both")
	if c.Socket != "" {
		path, unix := strings.CutPrefix(c.Socket, "unix@")
		_, _, err := net.SplitHostPort(c.Socket)
		rule(
			unix && path != "" || !unix && err == nil,
			"Socket",
			c.Socket,
			"host:port or unix@PATH",
		)
		const letters = "letters, digits and _ . : / # @ -"
		rule(word.MatchString(c.Map), "Map", fmt.Sprintf("%q", c.Map), letters)
		rule(word.MatchString(c.Server), "Server", fmt.Sprintf("%q", c.Server), letters)
	}
	rule(c.Beat > 0, "Beat", c.Beat, "> 0")
	rule(c.Resync > 0, "Resync", c.Resync, "> 0")
	rule(c.Limit > 0, "Limit", c.Limit, "> 0")
	rule(c.Patience > 0, "Patience", c.Patience, "> 0")
	return errors.Join(broken...)
}

// Member is this server's place in a fleet. Its methods may be called at any time, by several
// goroutines.
type Member struct {
	announcer   *announcer // nil: nothing is announced
	agent       *agent     // nil: nobody asks
	unsubscribe func()
	stop        context.CancelFunc
	ended       sync.WaitGroup
	closing     sync.Once
	closed      error
}

// Join begins to tell the balancer of a pool. It does not wait for the balancer: as long as that
// cannot be reached it tries again, at each Beat. An error is a field of config that breaks its
// rule, or an address that cannot be listened on.
func Join(config Config, source Source) (*Member, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	m := &Member{stop: stop, unsubscribe: func() {}}
	if config.Agent != "" {
		listener, err := net.Listen("tcp", config.Agent)
		if err != nil {
			stop()
			return nil, fmt.Errorf("fleet: Agent=%s: %w", config.Agent, err)
		}
		m.agent = newAgent(listener, source, config.Patience)
	}
	if config.Socket != "" {
		m.announcer = newAnnouncer(&config)
		m.unsubscribe = source.Subscribe(m.announcer.tell)
		m.ended.Go(func() { m.announcer.run(ctx) })
	}
	return m, nil
}

// Leave takes back everything that was announced as warm, waits until the balancer has confirmed
// that, and then has the agent say drain. What is under way goes on. From then on the balancer is
// told nothing more: another process may take the name of this server. The error is that of a
// balancer that cannot be told before ctx ends or Close is called; the agent says drain all the
// same.
func (m *Member) Leave(ctx context.Context) (err error) {
	if m.announcer != nil {
		err = m.announcer.withdraw(ctx)
	}
	if m.agent != nil {
		m.agent.want(draining)
	}
	return err
}

// Maintain has the agent say maint, after Leave: the balancer then sends nothing at all, health
// checks included. Only an agent that says otherwise ends that, such as that of this server's next
// life.
func (m *Member) Maintain() {
	if m.agent != nil {
		m.agent.want(maintenance)
	}
}

// Close ends the agent and the announcements. It leaves the map as it is: Leave comes first, where
// there is time.
func (m *Member) Close() error {
	m.closing.Do(func() {
		m.unsubscribe()
		m.stop()
		m.ended.Wait()
		if m.agent != nil {
			m.closed = m.agent.close()
		}
	})
	return m.closed
}
