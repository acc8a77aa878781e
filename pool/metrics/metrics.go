// Package metrics tells Prometheus about a pool.
//
//	m := metrics.New(metrics.Options{})
//	p, err := pool.New(chrome.Launcher{}, pool.Config{Tracer: m})
//	if err != nil {
//		return err
//	}
//	m.Watch(p)
//	prometheus.MustRegister(m)
//
// What the pool has and has counted is asked for when Prometheus asks, from one consistent moment.
// How long waits, leases and operations take comes through the pool's Tracer; without it those
// histograms stay empty. A pool that has been closed is still watched: its counters stay, and it
// has nothing.
//
// Names and units follow Prometheus's conventions: counters end in _total, times are in seconds.
// They are part of this package's API.
package metrics

import (
	"context"
	"strconv"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pagepool/pagepool/pool"
)

// Source is a pool, whatever its pages are.
type Source interface{ Stats() pool.Stats }

// Options are what an operator chooses. The zero Options are valid.
type Options struct {
	// Namespace is what every name begins with. Empty: pagepool.
	Namespace string
	// Labels are on every metric, such as the name of the pool where a process has several.
	Labels prometheus.Labels
	// Affinities adds a series for each affinity and metric of it. Of tenants there may be many, and
	// each is in the labels with its key (quoted as in Go where that is not UTF-8): leave it off,
	// unless you know both to be harmless.
	Affinities bool
	// Buckets are the upper bounds of all histograms, in seconds. Empty: 1 ms to 120 s.
	Buckets []float64
}

// defaultBuckets reach from a probe to MaxLease.
var defaultBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30,
	60, 90, 120}

// Collector is a prometheus.Collector of one pool, and its pool.Tracer.
type Collector struct {
	source  atomic.Pointer[Source]
	options Options
	metrics []metric
	keyed   []keyedMetric

	waits      *prometheus.HistogramVec
	parts      *prometheus.HistogramVec
	leases     *prometheus.HistogramVec
	operations *prometheus.HistogramVec
}

// New makes a collector. It has nothing to tell until Watch gives it a pool.
func New(options Options) *Collector {
	if options.Namespace == "" {
		options.Namespace = "pagepool"
	}
	if len(options.Buckets) == 0 {
		options.Buckets = defaultBuckets
	}
	c := &Collector{options: options}
	for _, s := range stats {
		c.metrics = append(c.metrics, metric{s, c.desc(s.name, s.help, s.label)})
	}
	if options.Affinities {
		for _, s := range affinityStats {
			c.keyed = append(c.keyed, keyedMetric{s, c.desc(s.name, s.help, "affinity")})
		}
	}
	c.waits = c.histogram("wait_seconds", "Time from GetPage to its answer.", "outcome")
	c.parts = c.histogram("wait_part_seconds", "Time that a wait was spent on admission, on a tab, "+
		"on a startup, or on a probe; those of zero are left out.", "part")
	c.leases = c.histogram("lease_seconds", "Time from the grant of a lease to its end.", "outcome")
	c.operations = c.histogram("operation_seconds",
		"Time that the driver took for an operation, or until it was given up.", "operation", "outcome")
	for kind, vec := range map[pool.SpanKind]*prometheus.HistogramVec{pool.SpanWait: c.waits,
		pool.SpanLease: c.leases} {
		for _, outcome := range pool.Outcomes(kind) {
			vec.WithLabelValues(outcome) // from the start, so that a rate of the first is not lost
		}
	}
	return c
}

// Watch has the collector ask this pool from now on.
func (c *Collector) Watch(source Source) { c.source.Store(&source) }

func (c *Collector) desc(name, help, label string) *prometheus.Desc {
	var labels []string
	if label != "" {
		labels = []string{label}
	}
	return prometheus.NewDesc(prometheus.BuildFQName(c.options.Namespace, "", name), help, labels,
		c.options.Labels)
}

func (c *Collector) histogram(name, help string, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: c.options.Namespace, Name: name, Help: help, Buckets: c.options.Buckets,
		ConstLabels: c.options.Labels,
	}, labels)
}

func (c *Collector) histograms() []*prometheus.HistogramVec {
	return []*prometheus.HistogramVec{c.waits, c.parts, c.leases, c.operations}
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(to chan<- *prometheus.Desc) {
	for _, m := range c.metrics {
		to <- m.desc
	}
	for _, m := range c.keyed {
		to <- m.desc
	}
	for _, h := range c.histograms() {
		h.Describe(to)
	}
}

// Collect implements prometheus.Collector. It asks the pool once.
func (c *Collector) Collect(to chan<- prometheus.Metric) {
	for _, h := range c.histograms() {
		h.Collect(to)
	}
	source := c.source.Load()
	if source == nil {
		return
	}
	s := (*source).Stats()
	for _, m := range c.metrics {
		m.read(&s, func(value float64, labels ...string) {
			to <- prometheus.MustNewConstMetric(m.desc, m.kind, value, labels...)
		})
	}
	for i := range s.Affinities {
		for _, m := range c.keyed {
			to <- prometheus.MustNewConstMetric(m.desc, prometheus.GaugeValue, m.read(&s.Affinities[i]),
				label(s.Affinities[i].Key))
		}
	}
}

// label is a key as a label's value, which has to be UTF-8: any other key is quoted as in Go, and
// so is one that looks like that, so that no two keys have the same label.
func label(key string) string {
	if utf8.ValidString(key) && !strings.HasPrefix(key, `"`) {
		return key
	}
	return strconv.Quote(key)
}

// Start implements pool.Tracer: what a span took is observed at its end.
func (c *Collector) Start(ctx context.Context, span pool.Span) (context.Context,
	func(pool.SpanEnd)) {
	switch span.Kind {
	case pool.SpanWait:
		return ctx, c.waited
	case pool.SpanLease:
		return ctx, func(e pool.SpanEnd) { c.leases.WithLabelValues(e.Outcome).Observe(e.Took.Seconds()) }
	}
	return ctx, func(e pool.SpanEnd) {
		c.operations.WithLabelValues(string(span.Kind), e.Outcome).Observe(e.Took.Seconds())
	}
}

func (c *Collector) waited(e pool.SpanEnd) {
	c.waits.WithLabelValues(e.Outcome).Observe(e.Took.Seconds())
	for _, part := range waitParts {
		if d := part.of(e.Waits); d > 0 {
			c.parts.WithLabelValues(part.name).Observe(d.Seconds())
		}
	}
}
