// Package fleet makes a process with a pool one of several behind HAProxy, 2.6 or later. It tells
// the balancer which affinities are warm here, so that their requests come here, and how much this
// server can take.
//
//	member, err := fleet.Join(fleet.Config{
//		Socket: "balancer:9999", Map: "/etc/haproxy/warm.map", Server: "s1", Agent: "10.0.0.7:9101",
//	}, p)
//	if err != nil {
//		return err
//	}
//	...
//	err = member.Leave(ctx) // before the server stops taking requests
//	err = member.Close()    // after the pool was closed
//
// It makes no decision about routing. HAProxy does: it hashes the affinity onto a ring of servers,
// and the map of warm affinities beats the ring. deploy/fleet has a configuration that does so, and
// says why each line is there.
//
// # The map
//
// An entry is Key(affinity) and the name of a server, as the configuration has it. It is a hint:
// without it a request goes to the server that the ring says, and is rendered there. So the map may
// lag behind for a moment. Of an affinity that is warm on two servers the entry names the one that
// said so last; a server takes back its own entries only.
//
// # The agent
//
// HAProxy asks the agent several times a second, and is answered with a weight, with drain or with
// maint: see Line.
//
// # Leaving
//
// A map entry sends requests to a server that drains too. So Leave first takes the entries back,
// and waits until the balancer has confirmed it; then the agent says drain.
package fleet
