package main

import (
	"context"
	"flag"
	"time"

	"github.com/pagepool/pagepool/pool/fleet"
)

// leaveTimeout is how long a balancer has to confirm that it has forgotten what is warm here.
const leaveTimeout = 5 * time.Second

// fleetFlags are those of a server that is one of several behind HAProxy: see deploy/fleet.
func fleetFlags(c *fleet.Config) {
	flag.StringVar(
		&c.Socket,
		"haproxy",
		"",
		"the runtime API of HAProxy, which is told what is warm here: host:port or unix@PATH; empty: "+
			"nobody is told",
	)
	flag.StringVar(&c.Map, "haproxy-map", "/etc/haproxy/warm.map", "its map of warm affinities")
	flag.StringVar(&c.Server, "haproxy-server", "", "the name of this server in its configuration")
	flag.StringVar(
		&c.Agent,
		"agent",
		"",
		"the address to answer its agent checks on; empty: none are answered",
	)
}

// join makes the server a member of the fleet that the flags name; none: it stays alone.
func (r *renderer) join(c fleet.Config) (err error) {
	if c.Socket == "" && c.Agent == "" {
		return nil
	}
	c.Logger = r.log
	r.member, err = fleet.Join(c, r.pool)
	return err
}

// leave has the balancer send new requests elsewhere. What is under way here goes on.
func (r *renderer) leave() {
	if r.member != nil {
		ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
		defer cancel()
		if err := r.member.Leave(ctx); err != nil {
			r.log.Warn("left without a confirmation", "error", err)
		}
	}
	r.draining.Store(true)
}
