package fleet

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	prerender "github.com/pagepool/pagepool/pool/fleet"
)

// fleet is three servers with browsers behind HAProxy.
type fleet struct {
	t       *testing.T
	b       *balancer
	members []*member
	load    string
	site    string // a page that is rendered
	at      map[string]string
	drained time.Time
	rows    [][2]string // figures for the documents
}

func (f *fleet) figure(what, format string, args ...any) {
	f.rows = append(f.rows, [2]string{what, fmt.Sprintf(format, args...)})
	f.t.Logf("%s: %s", what, fmt.Sprintf(format, args...))
}

// render asks for the page through the balancer.
func (f *fleet) render(tenant string) (server string, err error) {
	server, status, body, err := f.b.get("/html?url="+url.QueryEscape(f.site), tenant)
	if err == nil && (status != http.StatusOK || !strings.Contains(body, "made by script")) {
		err = fmt.Errorf("%s: %d %.200s", server, status, body)
	}
	return server, err
}

// The real servers, in one test, since each step goes on from what the one before has left.
func TestContractFleet(t *testing.T) {
	if os.Getenv("PAGEPOOL_CHROME") == "" {
		t.Skip("needs real browsers: PAGEPOOL_CHROME=1 go -C deploy test ./fleet")
	}
	f := newFleet(t)
	for _, step := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"AnAffinityIsKept", f.anAffinityIsKept},
		{"AnAffinityIsKeptUnderLoad", f.anAffinityIsKeptUnderLoad},
		{"AWarmEntryBeatsTheRing", f.aWarmEntryBeatsTheRing},
		{"ABoundedLoadGoesToTheNext", f.aBoundedLoadGoesToTheNext},
		{"ARestartOfTheBalancerLosesNothing", f.aRestartOfTheBalancerLosesNothing},
		{"AServerWhoseBrowserHangsIsDrained", f.aServerWhoseBrowserHangsIsDrained},
		{"AServerWhoseBrowserHungComesBack", f.aServerWhoseBrowserHungComesBack},
		{"AServerThatIsKilledCostsNobodyAnything", f.aServerThatIsKilledCostsNobodyAnything},
		{"ARollingRestartFailsNoRequest", f.aRollingRestartFailsNoRequest},
	} {
		if !t.Run(step.name, func(t *testing.T) { step.run(t) }) {
			for _, m := range f.members {
				t.Logf("%s said:\n%s", m.name, last(m.said.String(), 3000))
			}
			t.Fatal("the steps behind it have nothing to go on from")
		}
	}
	f.update()
}

func last(text string, n int) string { return text[max(0, len(text)-n):] }

func newFleet(t *testing.T) *fleet {
	t.Helper()
	server, load := build(t)
	addresses := freeAddresses(t, 6)
	f := &fleet{
		t:    t,
		load: load,
		b:    newBalancer(t, addresses[:3], addresses[3:]),
		at:   map[string]string{},
	}
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(
			w,
			`<!DOCTYPE html><body><script>document.body.append("made by " + "script")</script>`,
		)
	}))
	t.Cleanup(site.Close)
	f.site = site.URL
	for i := range 3 {
		m := &member{
			t:      t,
			path:   server,
			name:   fmt.Sprint("s", i+1),
			listen: addresses[i],
			agent:  addresses[i+3],
			b:      f.b,
		}
		f.members = append(f.members, m)
		m.start()
	}
	for _, m := range f.members {
		m.up()
	}
	return f
}

// Fixed keys in a fixed order: while nothing changes, each key stays on its server.
func (f *fleet) anAffinityIsKept(t *testing.T) {
	const tenants, rounds = 6, 3
	for round := range rounds {
		for i := range tenants {
			tenant := fmt.Sprint("tenant-", i)
			server, err := f.render(tenant)
			if err != nil {
				t.Fatal(err)
			}
			if at := f.at[tenant]; round > 0 && at != server {
				t.Errorf("%s was on %s, and is on %s", tenant, at, server)
			}
			f.at[tenant] = server
		}
	}
	f.figure(
		"requests of one affinity at a time that changed their server",
		"0 of %d",
		tenants*rounds,
	)
}

// The load counts the affinities of each server. With one caller at a time nothing changes.
func (f *fleet) anAffinityIsKeptUnderLoad(t *testing.T) {
	args := []string{
		"-server", "http://" + f.b.address, "-callers", "1", "-tenants", "6", "-wedge", "0", "-for", "2s",
	}
	for _, m := range f.members {
		args = append(args, "-behind", "http://"+m.listen)
	}
	p := start(t, f.load, args...)
	<-p.ended
	said := p.said.String()
	kept := regexp.MustCompile(`(?m)^affinities of more than one server +0$`).MatchString(said)
	if code := p.ProcessState.ExitCode(); code != 0 || !kept {
		t.Errorf("load exits %d\n%s", code, said)
	}
}

// warm says which server the map names for a tenant.
func (f *fleet) warm(tenant string) string {
	said, _ := f.b.ask("get map " + f.b.set + " " + prerender.Key(tenant))
	if m := regexp.MustCompile(`value="([^"]*)"`).FindStringSubmatch(said); m != nil {
		return m[1]
	}
	return ""
}

// entries are those of the map, by key. Each server has one of its own besides its affinities.
func (f *fleet) entries() map[string]string {
	entries := map[string]string{}
	said, _ := f.b.ask("show map " + f.b.set)
	for line := range strings.Lines(said) {
		if fields := strings.Fields(line); len(fields) == 3 &&
			!strings.HasPrefix(fields[1], "beat.") {
			entries[fields[1]] = fields[2]
		}
	}
	return entries
}

func (f *fleet) aWarmEntryBeatsTheRing(t *testing.T) {
	for i := range 20 {
		tenant := fmt.Sprint("elsewhere-", i)
		ring, err := f.render(tenant)
		if err != nil {
			t.Fatal(err)
		}
		other := f.members[i%3]
		if other.name == ring {
			continue
		}
		// Somebody renders it on another server, past the balancer.
		request, _ := http.NewRequest(
			http.MethodGet,
			"http://"+other.listen+"/html?url="+url.QueryEscape(f.site),
			nil,
		)
		request.Header.Set("X-Tenant", tenant)
		answer, err := http.DefaultClient.Do(request)
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Fatalf("%s: %v, %v", other.name, answer, err)
		}
		_ = answer.Body.Close()
		took := eventually(t, "the map names "+other.name, func() error {
			if at := f.warm(tenant); at != other.name {
				return fmt.Errorf("it names %q", at)
			}
			return nil
		})
		if server, err := f.render(tenant); err != nil || server != other.name {
			t.Fatalf(
				"%s is warm on %s, the ring says %s, and it went to %s, %v",
				tenant,
				other.name,
				ring,
				server,
				err,
			)
		}
		f.figure("from the answer of a page to its entry in the map", "%d ms", took.Milliseconds())
		return
	}
	t.Fatal("every tenant is on the server that it was to be moved from")
}

func (f *fleet) aBoundedLoadGoesToTheNext(t *testing.T) {
	var mu sync.Mutex
	by := map[string]int{}
	var asking sync.WaitGroup
	for range 12 {
		asking.Go(func() {
			server, err := f.render("tenant-0")
			mu.Lock()
			defer mu.Unlock()
			by[server]++
			if err != nil {
				t.Error(err)
			}
		})
	}
	asking.Wait()
	if len(by) < 2 {
		t.Errorf("12 requests at once went to %v", by)
	}
	f.figure(
		"of 12 requests at once for one affinity that went to another server than most",
		"%d",
		12-max(by["s1"], by["s2"], by["s3"]),
	)
}

func (f *fleet) aRestartOfTheBalancerLosesNothing(t *testing.T) {
	for tenant := range f.at {
		if _, err := f.render(tenant); err != nil {
			t.Fatal(err)
		}
	}
	mine := map[string]string{}
	eventually(t, "some affinities are warm", func() error {
		if mine = f.entries(); len(mine) < 3 {
			return fmt.Errorf("only %v are", mine)
		}
		return nil
	})
	f.b.running.end(syscall.SIGKILL)
	f.b.start()
	took := eventually(t, "the map is whole again", func() error {
		now := f.entries()
		for key, at := range mine {
			if now[key] == "" {
				return fmt.Errorf("%s was on %s", key, at)
			}
		}
		return nil
	})
	for _, m := range f.members {
		m.up()
	}
	f.figure(
		"from the start of a new balancer to a whole map of warm affinities",
		"%d ms",
		took.Milliseconds(),
	)
}

// underLoad asks through the balancer for as long as a function takes, and returns how many
// requests were answered. That one fails is an error.
func (f *fleet) underLoad(t *testing.T, during func(goingOn func())) string {
	t.Helper()
	args := []string{
		"-server",
		"http://" + f.b.address,
		"-callers",
		"2",
		"-tenants",
		"6",
		"-wedge",
		"0",
		"-for",
		"2m",
	}
	p := start(t, f.load, args...)
	during(func() {
		// Until the load has had some more answers.
		before := f.answers()
		eventually(t, "the load goes on", func() error {
			if now := f.answers(); now < before+4 {
				return fmt.Errorf("%d answers, %d before", now, before)
			}
			return nil
		})
	})
	p.end(syscall.SIGINT)
	said := p.said.String()
	if code := p.ProcessState.ExitCode(); code != 0 {
		t.Errorf("load exits %d\n%s", code, said)
	}
	good := regexp.MustCompile(`good requests +(\d+)\n`).FindStringSubmatch(said)
	if good == nil || good[1] == "0" {
		t.Fatalf("no good requests:\n%s", said)
	}
	return good[1]
}

// answers is how many good ones the balancer has passed on.
func (f *fleet) answers() (n int) {
	row, _ := f.b.stat("BACKEND")
	n, _ = strconv.Atoi(row["hrsp_2xx"])
	return n
}

func (f *fleet) aServerThatIsKilledCostsNobodyAnything(t *testing.T) {
	good := f.underLoad(t, func(goingOn func()) {
		goingOn()
		var m *member
		eventually(t, "a server is at work", func() error {
			for _, m = range []*member{f.members[0], f.members[2]} {
				if row, _ := f.b.stat(m.name); row["scur"] != "0" {
					return nil
				}
			}
			return fmt.Errorf("neither s1 nor s3 is")
		})
		m.kill()
		goingOn()
		goingOn()
		m.start()
		m.up()
		goingOn()
	})
	f.figure(
		"requests that failed while a server at work was killed, and started again",
		"0 of %s",
		good,
	)
}

func (f *fleet) aRollingRestartFailsNoRequest(t *testing.T) {
	good := f.underLoad(t, func(goingOn func()) {
		goingOn()
		for _, m := range f.members {
			m.end(syscall.SIGTERM)
			if code := m.ProcessState.ExitCode(); code != 0 {
				t.Errorf("%s exits %d\n%s", m.name, code, last(m.said.String(), 2000))
			}
			m.start()
			m.up()
		}
		goingOn()
	})
	f.figure(
		"requests that failed while all three servers were restarted, one by one",
		"0 of %s",
		good,
	)
}

func (f *fleet) aServerWhoseBrowserHangsIsDrained(t *testing.T) {
	m := f.members[1]
	m.hang()
	ctx, stop := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	defer asking.Wait()
	defer stop()
	for i := range 6 { // more than it has tabs
		asking.Go(func() {
			for ctx.Err() == nil {
				request, _ := http.NewRequestWithContext(
					ctx,
					http.MethodGet,
					"http://"+m.listen+"/html?url="+url.QueryEscape(f.site),
					nil,
				)
				request.Header.Set("X-Tenant", fmt.Sprint("stuck-", i))
				if answer, err := http.DefaultClient.Do(request); err == nil {
					_ = answer.Body.Close()
				}
			}
		})
	}
	drained := eventually(t, m.name+" takes no more", func() error {
		row, err := f.b.stat(m.name)
		if err == nil && strings.HasPrefix(row["status"], "UP") {
			err = fmt.Errorf("it is %s", row["status"])
		} else if err == nil {
			t.Logf("%s is %s: health %s, agent %s", m.name, row["status"], row["last_chk"], row["last_agt"])
		}
		return err
	})
	stop()
	for i := range 6 {
		if server, err := f.render(fmt.Sprint("meanwhile-", i)); err != nil || server == m.name {
			t.Errorf("meanwhile-%d: %s, %v", i, server, err)
		}
	}
	f.figure("from the hang of a browser to the drain of its server", "%.1f s", drained.Seconds())
	f.drained = time.Now()
}

// The pool has noticed that the browser is silent, and has started another one.
func (f *fleet) aServerWhoseBrowserHungComesBack(t *testing.T) {
	m := f.members[1]
	eventually(t, m.name+" is back", f.b.is(m.name, "UP"))
	back := time.Since(f.drained)
	eventually(t, m.name+" renders", func() error {
		answer, err := http.Get("http://" + m.listen + "/html?url=" + url.QueryEscape(f.site))
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("%s", answer.Status)
		}
		return nil
	})
	f.figure("from there until it serves again", "%.0f s", back.Seconds())
}
