package fleet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pagepool/pagepool/pool"
)

// inBubble has an announcer with the default beat tell a balancer, in virtual time.
func inBubble(t *testing.T, test func(*balancer, *announcer)) {
	synctest.Test(t, func(t *testing.T) {
		b := &balancer{t: t, entries: map[string]string{}}
		b.changed = sync.NewCond(&b.mu)
		config := Config{Socket: "nowhere:1", Map: theMap, Server: "s1"}
		if err := config.check(); err != nil {
			t.Fatal(err)
		}
		a := newAnnouncer(&config)
		a.connect = func(context.Context) (net.Conn, error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			if b.down {
				return nil, errors.New("connection refused")
			}
			ours, theirs := net.Pipe()
			b.served.Go(func() { b.converse(theirs) })
			return ours, nil
		}
		ctx, stop := context.WithCancel(t.Context())
		var ended sync.WaitGroup
		ended.Go(func() { a.run(ctx) })
		test(b, a)
		stop()
		ended.Wait()
		b.served.Wait()
	})
}

// tellHundreds says that some hundred affinities are warm here, and returns what the map is to be.
func (a *announcer) tellHundreds() map[string]string {
	want := map[string]string{}
	for i := range 400 {
		affinity := fmt.Sprint("tenant-", i)
		a.tell(pool.Announcement{Affinity: affinity, Generation: uint64(i + 1), Warm: true})
		want[affinity] = "s1"
	}
	return want
}

// A second after a balancer has begun, its map is whole.
func TestShellFleetAMapIsWholeWithinASecond(t *testing.T) {
	inBubble(t, func(b *balancer, a *announcer) {
		want := a.tellHundreds()
		b.until("all are warm", b.has(want))
		for away := range 20 { // it dies at any time between two beats
			<-time.After(time.Duration(away) * 17 * time.Millisecond)
			b.change(func() { b.down = true })
			<-time.After(time.Duration(away) * 31 * time.Millisecond)
			b.change(func() { b.down, b.entries = false, map[string]string{} })
			<-time.After(time.Second)
			b.change(func() {
				if !b.has(want)() {
					t.Errorf("after %d: %d of %d entries", away, len(b.entries), len(want)+1)
				}
			})
		}
	})
}

// A balancer that hangs in the middle is asked again, once the limit of the conversation is over.
func TestShellFleetABalancerThatHungIsToldTheRest(t *testing.T) {
	inBubble(t, func(b *balancer, a *announcer) {
		b.until("it has told its list", func() bool { return b.entries["beat.s1"] != "" })
		b.change(func() { b.mute = true })
		want := a.tellHundreds()
		b.until("it was asked", func() bool { return b.asked > 1 })
		b.change(func() { b.mute = false })
		began := time.Now()
		b.until("all are warm", b.has(want))
		if took := time.Since(began); took > 6*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}
