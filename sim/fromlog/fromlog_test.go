package fromlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/pooltest"
	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim/replay"
)

// happened are the ends of leases and the kills of a log, or of a trace: who, why and when, to the
// 10 ms.
type happened map[string]time.Duration

// replayed is what a trace comes to. It holds.
func replayed(t *testing.T, text []byte) happened {
	t.Helper()
	tr, err := trace.Read(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	all, keys := happened{}, map[core.RequestID]string{}
	report, err := replay.Run(tr, func(s replay.Step) {
		if s.Event.Kind == core.Requested {
			keys[s.Event.Request] = s.Names.Key(s.Event.Affinity)
		}
		for _, e := range s.Effects {
			switch e.Kind {
			case core.EndLease:
				all[fmt.Sprintf("%v %s", e.Reason, keys[e.Request])] = s.At.Duration().Round(
					10 * time.Millisecond)
			case core.KillTab:
				all["kill"] = s.At.Duration().Round(10 * time.Millisecond)
			}
		}
	})
	if err != nil || report.Violation != nil || len(report.Failed) > 0 {
		t.Fatalf("%v %+v\n%s", err, report, text)
	}
	return all
}

// A pool on a fake browser writes its log, and the trace of that log ends the same leases for the
// same reasons at the same instants.
func TestALogBecomesATraceOfTheSameEnds(t *testing.T) {
	settings := core.Settings{MaxPages: 3, MaxLease: 30 * time.Second}
	var log bytes.Buffer
	truth := happened{}
	var began time.Time
	synctest.Test(t, func(t *testing.T) {
		began = time.Now()
		b := new(pooltest.Browser)
		b.Serve("/wedged", pooltest.Wedges)
		b.Serve("/crashes", pooltest.After(time.Second, pooltest.Crashes))
		b.Serve("/dies", pooltest.After(2*time.Second, pooltest.Dies))
		b.Serve("/shown", pooltest.Shows("well"))
		p, err := pool.New(b, pool.Config{MaxPages: settings.MaxPages, MaxLease: settings.MaxLease,
			Logger: slog.New(slog.NewJSONHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		do := func(tenant, address string, want error) {
			err := p.Do(t.Context(), tenant, func(ctx context.Context, page *pooltest.Page) error {
				_, err := b.Visit(ctx, page, address)
				return err
			}, pool.WithLabel(address))
			if !errors.Is(err, want) {
				t.Errorf("%s at %s: %v, want %v", tenant, address, err, want)
			}
			truth[tenant] = time.Since(began).Round(10 * time.Millisecond)
		}
		<-time.After(time.Minute)
		do("tenant-1", "/wedged", pool.ErrLeaseExpired)
		do("tenant-2", "/shown", nil)
		do(`tenant "3"`, "/crashes", pool.ErrPageCrashed)
		<-time.After(time.Minute)
		do("tenant-4", "/dies", pool.ErrBrowserLost)
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	imported, err := Read(&log, settings)
	if err != nil {
		t.Fatal(err)
	}
	if len(imported.Unsaid) != 1 || !strings.Contains(imported.Unsaid[0], "browser launch failed") {
		t.Errorf("not in the trace: %q; want the launch that Close ended", imported.Unsaid)
	}
	for _, want := range []string{"wedge t1", "expect lease-expired r1", "expect lease-crashed r2",
		"expect lease-lost r3", "expect kill t1"} {
		if !strings.Contains(strings.Join(strings.Fields(string(imported.Text)), " "), want) {
			t.Errorf("no %q in\n%s", want, imported.Text)
		}
	}
	got := replayed(t, imported.Text)
	first := got["expired tenant-1"]
	for _, c := range []struct{ end, tenant string }{
		{"expired tenant-1", "tenant-1"}, {`crashed tenant "3"`, `tenant "3"`},
		{"lost tenant-4", "tenant-4"},
	} {
		if at, ok := got[c.end]; !ok || at-first != truth[c.tenant]-truth["tenant-1"] {
			t.Errorf("%s: %v after the first end, %v; want %v", c.end, at-first, ok,
				truth[c.tenant]-truth["tenant-1"])
		}
	}
	if len(got) != 4 || got["kill"] == 0 || imported.Leases != 3 {
		t.Errorf("%v and %d leases; want three ends and a kill", got, imported.Leases)
	}
}

func line(at, message, fields string) string {
	return fmt.Sprintf("{\"time\":\"2026-01-02T03:%sZ\",\"level\":\"WARN\",\"msg\":%q%s}\n", at,
		message, fields)
}

const ended = `,"tab":"t7","reason":"expired","affinity":"a","label":""`

// Whether a page looped, waited, or had to be killed is in the lines after the end of its lease.
func TestALogTellsALoopFromAWait(t *testing.T) {
	expired := line("10:00", leaseEnded, ended)
	for _, c := range []struct{ log, has, not string }{
		{expired, "expect lease-expired r1", "t1\n"},
		{expired + line("10:00.2", leaseSuspect, `,"tab":"t7","answered":true`),
			"expect lease-expired r1", "loop t1"},
		{expired + line("10:00.2", leaseSuspect, `,"tab":"t7","answered":false`), "loop t1", "wedge t1"},
		{expired + line("10:05.5", tabKilled, `,"tab":"t7","affinity":"a"`), "wedge t1", "loop t1"},
		{line("10:00", leaseSuspect, `,"tab":"t7","affinity":"a","answered":false,"error":"why"`),
			"discard r1 wedged", "lease-expired"},
		{"{\"msg\":\"mine\"}\n\n" + expired, "From a log with 1 line", "mine"},
		{expired + line("10:01", leaseEnded, strings.Replace(ended, "t7", "t8", 1)),
			"expect lease-expired r2", "not replayed"},
		{expired + line("10:01", failed, `,"kind":"open","tab":"t9","affinity":"x\ny","error":"no"`),
			`line 2 (operation failed, kind "open", tab "t9", affinity "x\ny", error "no"): how it came to that is not told`, "\ny"},
	} {
		got, err := Read(strings.NewReader(c.log), core.Settings{})
		if err != nil {
			t.Errorf("%s: %v", c.log, err)
			continue
		}
		text := strings.ReplaceAll(string(got.Text), "expect   ", "expect ")
		if replayed(t, got.Text); !strings.Contains(text, c.has) || strings.Contains(text, c.not) {
			t.Errorf("%s\nbecame\n%swant %q and no %q", c.log, text, c.has, c.not)
		}
	}
}

// What the simulated pool has otherwise is left out of the trace, and said.
func TestALogOfOtherSettingsSaysWhereItDiffers(t *testing.T) {
	log := line("10:00", leaseEnded, ended) + line("10:09", tabKilled, `,"tab":"t7","affinity":"a"`)
	got, err := Read(strings.NewReader(log), core.Settings{CloseTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if replayed(t, got.Text); len(got.Unsaid) != 1 ||
		!strings.Contains(got.Unsaid[0],
			`line 2: the log says "kill t1", and here it comes at another time: `) {
		t.Errorf("%q\n%s", got.Unsaid, got.Text)
	}
}

func TestADamagedLogIsRefusedWithItsLine(t *testing.T) {
	good := line("10:00", leaseEnded, ended)
	for _, c := range []struct{ log, says string }{
		{"", "none of its 0 lines is one of the pool's"},
		{"{\"msg\":\"mine\"}\n", "none of its 1 lines is one of the pool's"},
		{
			good + good[:40], `line 2: want a line of slog's JSON handler, such as {"time":..., "msg":...}, got "{\"time\"`},
		{good + "panic: oh\n", `line 2: want a line of slog's JSON handler`},
		{good + "[1]\n", `line 2: want a line of slog's JSON handler`},
		{good + "{\"level\":\"WARN\"}\n", `line 2: want a line with "msg"`},
		{strings.Replace(good, "2026-01-02T", "yesterday ", 1),
			`line 1: "lease ended without its holder": time "yesterday`},
		{strings.Replace(good, `"t7"`, `"7"`, 1),
			`line 1: "lease ended without its holder": tab "7": want the pool's number, such as t12`},
		{strings.Replace(good, `"tab":"t7",`, "", 1),
			`line 1: "lease ended without its holder" has no tab; want the pool's keys at the top`},
		{strings.Replace(good, `"reason":"expired",`, "", 1), `has no reason`},
		{line("10:00", browserLost, ""), `"browser lost" has no browser`},
		{line("10:00", browserLost, `,"browser":"b1"`) + line("10:05", browserLost, `,"browser":"b1"`),
			"line 2: b1 has ended at line 1 already, so this is another pool's log"},
		{good + strings.Repeat("x", longest+1),
			"line 2: bufio.Scanner: token too long; a line has at most 1048576 bytes"},
		{good + line("10:00", leaseEnded, strings.Replace(ended, "t7", "t8", 1)) +
			line("10:00", leaseEnded, strings.Replace(ended, "t7", "t9", 1)),
			"the log has 3 leases at once, and MaxPages is 1: say which settings the pool had, with -set"},
	} {
		_, err := Read(strings.NewReader(c.log), core.Settings{MaxPages: 1})
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%.200q: %v\nwant %s", c.log, err, c.says)
		}
	}
}
