// Package otel tells OpenTelemetry about a pool: a span for every wait, every lease and every operation of the
// driver. It is an example: copy it, and change what you like.
//
//	tracer := otel.Tracer{Tracer: provider.Tracer("pagepool")}
//	p, err := pool.New(chrome.Launcher{}, pool.Config{Tracer: tracer})
//
// Waits and leases are children of the span in the ctx that GetPage or Do was given, and what is done in Do is
// a child of the lease. Operations of the driver are roots of their own: they are done for whoever comes next.
package otel

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/pagepool/pagepool/pool"
)

// Tracer is a pool.Tracer.
type Tracer struct {
	trace.Tracer
	// Affinities has spans carry the affinity, which may be the name of a tenant.
	Affinities bool
}

// Start begins a span.
func (t Tracer) Start(ctx context.Context, s pool.Span) (context.Context, func(pool.SpanEnd)) {
	ctx, span := t.Tracer.Start(ctx, "pagepool."+string(s.Kind), trace.WithAttributes(t.attributes(s)...))
	return ctx, func(e pool.SpanEnd) {
		span.SetAttributes(attribute.String("pagepool.outcome", e.Outcome))
		if s.Kind == pool.SpanWait {
			span.SetAttributes(
				attribute.Float64("pagepool.wait.admission", e.Waits.Admission.Seconds()),
				attribute.Float64("pagepool.wait.tab", e.Waits.Tab.Seconds()),
				attribute.Float64("pagepool.wait.startup", e.Waits.Startup.Seconds()),
				attribute.Float64("pagepool.wait.probe", e.Waits.Probe.Seconds()))
		}
		if !e.Good() {
			span.RecordError(e.Err)
			span.SetStatus(codes.Error, e.Outcome)
		}
		span.End()
	}
}

func (t Tracer) attributes(s pool.Span) []attribute.KeyValue {
	var all []attribute.KeyValue
	add := func(key, value string) {
		if value != "" {
			all = append(all, attribute.String("pagepool."+key, strings.ToValidUTF8(value, "\uFFFD"))) // exporters refuse any other text
		}
	}
	if t.Affinities {
		add("affinity", s.Affinity)
	}
	add("tab", s.Tab)
	add("context", s.Context)
	add("browser", s.Browser)
	switch s.Kind {
	case pool.SpanWait:
		all = append(all, attribute.Bool("pagepool.nested", s.Nested), attribute.Int("pagepool.priority", s.Priority))
	case pool.SpanLease:
		all = append(all, attribute.Int64("pagepool.request", int64(s.Request)), attribute.Bool("pagepool.reused", s.Reused))
	default:
		all = append(all, attribute.Int64("pagepool.operation", int64(s.Operation)))
	}
	return all
}
