package otel

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/pagepool/pagepool/pool"
)

// instant is a driver that does everything at once, and is all of its parts: one browser, and as
// many pages as are asked for.
type instant struct{ done chan struct{} }

type (
	browser struct{ instant }
	profile struct{ instant }
	page    struct{ instant }
)

func (i instant) Launch(context.Context) (pool.Browser[int], error) { return browser{i}, nil }

func (b browser) NewContext(context.Context) (pool.BrowserContext[int], error) {
	return profile(b), nil
}
func (b browser) Done() <-chan struct{}       { return b.done }
func (b browser) Ping(context.Context) error  { return nil }
func (b browser) Close(context.Context) error { close(b.done); return nil }

func (c profile) NewTab(context.Context) (pool.Tab[int], error) { return page(c), nil }
func (c profile) Close(context.Context) error                   { return nil }

func (p page) Page() int                    { return 0 }
func (p page) Context() context.Context     { return context.Background() }
func (p page) Done() <-chan struct{}        { return p.done }
func (p page) Reset(context.Context) error  { return nil }
func (p page) Probe(context.Context) error  { return nil }
func (p page) Rescue(context.Context) error { return nil }
func (p page) Close(context.Context) error  { return nil }
func (p page) Kill(context.Context) error   { return nil }

func TestSpansOfARequestAreNestedAndSayHowTheyEnded(t *testing.T) {
	kept := tracetest.NewInMemoryExporter()
	provider := sdk.NewTracerProvider(sdk.WithSyncer(kept))
	tracer := provider.Tracer("test")
	p, err := pool.New(instant{make(chan struct{})},
		pool.Config{Tracer: Tracer{Tracer: tracer, Affinities: true}, MaxLease: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	request, root := tracer.Start(t.Context(), "request")
	err = p.Do(request, "a", func(ctx context.Context, _ int) error {
		_, work := tracer.Start(ctx, "work")
		work.End()
		<-ctx.Done()
		return ctx.Err()
	})
	if !errors.Is(err, pool.ErrLeaseExpired) {
		t.Errorf("Do: %v", err)
	}
	root.End()
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	spans := map[string]tracetest.SpanStub{}
	for _, s := range kept.GetSpans() {
		spans[s.Name] = s
	}
	for child, parent := range map[string]string{"pagepool.wait": "request",
		"pagepool.lease": "request", "work": "pagepool.lease"} {
		if got, want := spans[child].Parent.SpanID(), spans[parent].SpanContext.SpanID(); got != want ||
			!want.IsValid() {
			t.Errorf("%s is a child of %v, and %s is %v", child, got, parent, want)
		}
	}
	for name, want := range map[string]map[string]string{
		"pagepool.wait": {"pagepool.outcome": "granted", "pagepool.affinity": "a",
			"pagepool.nested": "false"},
		"pagepool.lease": {"pagepool.outcome": "expired", "pagepool.browser": "b1",
			"pagepool.reused": "false"},
		"pagepool.launch":        {"pagepool.outcome": "done", "pagepool.browser": "b1"},
		"pagepool.open":          {"pagepool.outcome": "done"},
		"pagepool.close-browser": {"pagepool.outcome": "done"},
	} {
		has := map[string]string{}
		for _, a := range spans[name].Attributes {
			has[string(a.Key)] = a.Value.Emit()
		}
		for key, value := range want {
			if has[key] != value {
				t.Errorf("%s: %s is %q, want %q", name, key, has[key], value)
			}
		}
	}
	if s := spans["pagepool.lease"]; s.Status.Code != codes.Error || len(s.Events) != 1 {
		t.Errorf("the lease that expired: %v, %d events", s.Status, len(s.Events))
	}
	if s := spans["pagepool.wait"]; s.Status.Code != codes.Unset {
		t.Errorf("the wait that was granted: %v", s.Status)
	}
}
