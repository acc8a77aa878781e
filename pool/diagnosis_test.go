package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pagepool/pagepool/internal/shell"
)

// What the shell makes of a driver that can say what its pages do.

// clinic is a stub whose tabs are diagnosed.
type clinic struct {
	stub
	begun, suspect atomic.Int64
	find           func(ctx context.Context) Diagnosis
}

type clinicBrowser struct {
	Browser[*stubTab]
	clinic *clinic
}

type clinicContext struct {
	BrowserContext[*stubTab]
	clinic *clinic
}

type clinicTab struct {
	Tab[*stubTab]
	clinic *clinic
}

func (c *clinic) Launch(ctx context.Context) (Browser[*stubTab], error) {
	b, err := c.stub.Launch(ctx)
	return clinicBrowser{b, c}, err
}

func (b clinicBrowser) Lost() <-chan struct{} { return b.Browser.(*stubBrowser).lost }

func (b clinicBrowser) NewContext(ctx context.Context) (BrowserContext[*stubTab], error) {
	made, err := b.Browser.NewContext(ctx)
	return clinicContext{made, b.clinic}, err
}

func (c clinicContext) NewTab(ctx context.Context) (Tab[*stubTab], error) {
	t, err := c.BrowserContext.NewTab(ctx)
	return clinicTab{t, c.clinic}, err
}

func (t clinicTab) LeaseBegun(shell.Locked, string) { t.clinic.begun.Add(1) }

func (t clinicTab) LeaseSuspect(shell.Locked) func(context.Context) Diagnosis {
	t.clinic.suspect.Add(1)
	return t.clinic.find
}

// inClinic runs fn with a pool over c in a bubble, and has the pool end.
func inClinic(t *testing.T, c *clinic, cfg Config, fn func(t *testing.T, p *Pool[*stubTab])) {
	synctest.Test(t, func(t *testing.T) {
		cfg.More.Strict = true
		p, err := New(c, cfg)
		if err != nil {
			t.Fatal(err)
		}
		fn(t, p)
		if err := p.Close(t.Context()); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
}

func ill(context.Context) Diagnosis {
	return Diagnosis{URL: "http://a/b",
		Stack:    []string{"spin (http://a/b.js:3:5)", "main (http://a/b.js:9:1)"},
		Requests: []RequestInFlight{{"GET http://a/c", 3200 * time.Millisecond}},
		Problems: []string{"console: oh"}}
}

const illText = "the page http://a/b did not answer; it ran spin (http://a/b.js:3:5) < main " +
	"(http://a/b.js:9:1); in flight: GET http://a/c for 3.2s; it said: console: oh"

func TestShellTheErrorOfAnExpiredLeaseSaysWhatThePageWasDoing(t *testing.T) {
	c := &clinic{find: ill}
	var log strings.Builder
	cfg := Config{MaxLease: time.Second, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	inClinic(t, c, cfg, func(t *testing.T, p *Pool[*stubTab]) {
		err := p.Do(t.Context(), "a", func(ctx context.Context, _ *stubTab) error {
			<-ctx.Done()
			return ctx.Err()
		})
		var diagnosed *Error
		if !errors.Is(err, ErrLeaseExpired) || !errors.As(err, &diagnosed) ||
			diagnosed.Diagnosis == nil || !strings.HasSuffix(err.Error(), "; "+illText) {
			t.Errorf("Do: %v", err)
		}
		synctest.Wait()
		if n, m := c.begun.Load(), c.suspect.Load(); n != 1 || m != 1 {
			t.Errorf("%d leases begun, %d suspect; want 1 and 1", n, m)
		}
	})
	for _, want := range []string{`msg="lease left a suspect tab"`, "answered=false",
		"http://a/b.js:3:5", "tab=t", "affinity=a", "GET http://a/c for 3.2s"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %s:\n%s", want, &log)
		}
	}
}

// The tenant's other leases, and what all of them are for, stand beside what the page was doing.
func TestShellADiagnosisSaysWhatElseTheTenantHolds(t *testing.T) {
	inClinic(t, &clinic{find: ill}, Config{MaxPages: 4, MaxLease: 3 * time.Second},
		func(t *testing.T, p *Pool[*stubTab]) {
			for _, of := range []struct{ affinity, label string }{{"a", "invoice 7"}, {"a", ""},
				{"b", "another's"}} {
				l, err := p.GetPage(t.Context(), of.affinity, WithLabel(of.label), WithMaxLease(time.Hour))
				if err != nil {
					t.Fatal(err)
				}
				defer l.Release()
			}
			err := p.Do(t.Context(), "a", func(ctx context.Context, _ *stubTab) error {
				<-ctx.Done()
				return ctx.Err()
			}, WithLabel("invoice 8"))
			want := illText + `; it was for "invoice 8"; other leases of this affinity: "invoice 7" for 3s, r2 for 3s`
			if err == nil || !strings.Contains(err.Error(), want) ||
				strings.Contains(err.Error(), "another") {
				t.Errorf("Do: %v, want %s", err, want)
			}
		})
}

func TestShellTheErrorOfAWorkThatRanOutOfTimeSaysWhatThePageWasDoing(t *testing.T) {
	c := &clinic{find: ill}
	inClinic(t, c, Config{}, func(t *testing.T, p *Pool[*stubTab]) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := p.Do(ctx, "a", func(ctx context.Context, _ *stubTab) error {
			<-ctx.Done()
			return ctx.Err()
		})
		if !errors.Is(err, context.DeadlineExceeded) || !strings.HasSuffix(err.Error(), "; "+illText) {
			t.Errorf("Do: %v", err)
		}
		nothing := p.Do(ctx, "a", func(context.Context, *stubTab) error { return nil })
		if diagnosed := (*Error)(nil); !errors.As(nothing, &diagnosed) || diagnosed.Diagnosis != nil {
			t.Errorf("Do without a lease: %v", nothing)
		}
	})
}

// lateContext is one whose end is not told yet, though its deadline has come.
type lateContext struct {
	context.Context
	deadline time.Time
}

func (c lateContext) Deadline() (time.Time, bool) { return c.deadline, true }

func TestShellAWorkThatGaveUpAtItsDeadlineIsDiagnosedBeforeItsContextHasEnded(t *testing.T) {
	c := &clinic{find: ill}
	inClinic(t, c, Config{}, func(t *testing.T, p *Pool[*stubTab]) {
		err := p.Do(lateContext{t.Context(), time.Now().Add(time.Second)}, "a",
			func(ctx context.Context, _ *stubTab) error {
				<-time.After(time.Second)
				return context.DeadlineExceeded
			})
		if !errors.Is(err, context.DeadlineExceeded) || !strings.HasSuffix(err.Error(), "; "+illText) {
			t.Errorf("Do: %v", err)
		}
	})
}

func TestShellALeaseThatEndsWellIsNotDiagnosed(t *testing.T) {
	c := &clinic{find: ill}
	inClinic(t, c, Config{}, func(t *testing.T, p *Pool[*stubTab]) {
		failure := errors.New("of the work")
		if err := p.Do(t.Context(), "a", func(context.Context, *stubTab) error { return failure }); err !=
			failure {
			t.Errorf("Do: %v", err)
		}
		l, err := p.GetPage(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Diagnosis(t.Context()); !errors.Is(err, errNoDiagnosis) {
			t.Errorf("Diagnosis of a lease that is held: %v", err)
		}
		l.Discard(failure)
		if _, err := l.Diagnosis(t.Context()); !errors.Is(err, errNoDiagnosis) {
			t.Errorf("Diagnosis of a lease that was discarded: %v", err)
		}
		if n, m := c.begun.Load(), c.suspect.Load(); n != 2 || m != 0 {
			t.Errorf("%d leases begun, %d suspect; want 2 and 0", n, m)
		}
	})
}

// The holder has done, and his page goes on: what it does then, the log says.
func TestShellATabThatIsFoundInDoubtLaterIsDiagnosedToo(t *testing.T) {
	c := &clinic{find: ill}
	hung := 0
	c.stub.fate = func(ctx context.Context, now string) error {
		if now != "probe" || hung > 0 {
			return nil
		}
		hung++
		<-ctx.Done()
		return ctx.Err()
	}
	var log strings.Builder
	cfg := Config{
		Logger:   slog.New(slog.NewTextHandler(&log, nil)),
		Timeouts: Timeouts{ProbeMaxAge: time.Second},
	}
	inClinic(t, c, cfg, func(t *testing.T, p *Pool[*stubTab]) {
		for range 2 {
			l, err := p.GetPage(t.Context(), "a")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := l.Diagnosis(t.Context()); !errors.Is(err, errNoDiagnosis) {
				t.Errorf("Diagnosis: %v", err)
			}
			l.Release()
			<-time.After(time.Minute)
		}
		if n := c.suspect.Load(); n != 1 || p.Stats().Counters.Rescues > 1 {
			t.Errorf("%d diagnoses, %+v", n, p.Stats().Counters)
		}
	})
	_, line, _ := strings.Cut(log.String(), `msg="tab suspect" `)
	line, _, _ = strings.Cut(line, "\n")
	for _, want := range []string{"tab=t", "affinity=a", "took longer than ", "answered=false",
		"http://a/b.js:3:5", "GET http://a/c for 3.2s"} {
		if !strings.Contains(line, want) {
			t.Errorf("the log's line about the tab has no %s:\n%s", want, &log)
		}
	}
}

// Why such a lease ended is known, and who does not answer is a browser that dies.
func TestShellALeaseOfALostBrowserIsNotDiagnosed(t *testing.T) {
	c := &clinic{find: ill}
	inClinic(t, c, Config{MaxLease: time.Second}, func(t *testing.T, p *Pool[*stubTab]) {
		l, err := p.GetPage(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		close(l.Page().b.lost)
		synctest.Wait()
		<-time.After(2 * time.Second) // longer than MaxLease
		l.Suspect()
		if n := c.suspect.Load(); n != 0 || l.endCause() != ErrBrowserLost {
			t.Errorf("%d suspect leases, want none; the lease ended with %v", n, l.endCause())
		}
		l.Page().b.die()
	})
}

// The driver hangs in its diagnosis. Neither the lease's end, nor the probe, nor the next holder,
// nor Do waits for that longer than for twice the limit, and its ctx ends at the limit.
func TestShellADiagnosisThatHangsHoldsUpNobody(t *testing.T) {
	c := &clinic{}
	cfg := Config{
		MaxPages: 1, MaxLease: time.Second,
		Timeouts: Timeouts{RescueTimeout: 400 * time.Millisecond},
	}
	inClinic(t, c, cfg, func(t *testing.T, p *Pool[*stubTab]) {
		limit, release := make(chan time.Duration, 2), make(chan struct{})
		c.find = func(ctx context.Context) Diagnosis {
			began := time.Now()
			<-ctx.Done()
			limit <- time.Since(began)
			<-release
			return Diagnosis{}
		}
		l, err := p.GetPage(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		l.Suspect()
		next, err := p.GetPage(t.Context(), "a")
		if err != nil || next.TabID() != l.TabID() || time.Since(began) != 0 {
			t.Errorf("the next holder: %v, after %v", err, time.Since(began))
		}
		next.Release()
		short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := l.Diagnosis(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Diagnosis while there is none: %v", err)
		}
		if d := <-limit; d != 400*time.Millisecond {
			t.Errorf("a diagnosis had %v, want RescueTimeout", d)
		}
		began = time.Now()
		err = p.Do(t.Context(), "a", func(ctx context.Context, _ *stubTab) error {
			<-ctx.Done()
			return ctx.Err()
		})
		if d := time.Since(began); !errors.Is(err, ErrLeaseExpired) ||
			d != time.Second+800*time.Millisecond {
			t.Errorf("Do: %v after %v", err, d)
		}
		close(release)
		if _, err := l.Diagnosis(t.Context()); err != nil {
			t.Errorf("Diagnosis: %v", err)
		}
	})
}

// The page answers neither the probe nor the rescue. A diagnosis goes on beside both, to its own
// limit: what is given up of the page's other calls does not end it.
func TestShellADiagnosisOutlivesTheProbeThatIsGivenUp(t *testing.T) {
	c := &clinic{}
	c.stub.fate = func(ctx context.Context, now string) error {
		if now != "probe" && now != "rescue" {
			return nil
		}
		<-ctx.Done()
		return ctx.Err()
	}
	cfg := Config{Timeouts: Timeouts{RescueTimeout: 400 * time.Millisecond}}
	inClinic(t, c, cfg, func(t *testing.T, p *Pool[*stubTab]) {
		limit := make(chan time.Duration, 1)
		c.find = func(ctx context.Context) Diagnosis {
			began := time.Now()
			<-ctx.Done()
			limit <- time.Since(began)
			return Diagnosis{}
		}
		l, err := p.GetPage(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		l.Suspect()
		if d := <-limit; d != 400*time.Millisecond {
			t.Errorf("a diagnosis had %v, want RescueTimeout", d)
		}
	})
}

func TestDiagnosisShowsTheFirstOfManyThings(t *testing.T) {
	d := Diagnosis{Answered: true, After: 1234567}
	for i := range 9 {
		d.Stack = append(d.Stack, fmt.Sprint("f", i))
	}
	want := "the page answered after 1.23ms; it ran f0 < f1 < f2 < f3 < f4 < and 4 more"
	if d.String() != want {
		t.Errorf("%s, want %s", d, want)
	}
}
