package metrics

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/pagepool/pagepool/pool"
)

type still pool.Stats

func (s still) Stats() pool.Stats { return pool.Stats(s) }

// observed is a collector that has something to tell of everything.
func observed(t *testing.T, o Options) *Collector {
	t.Helper()
	c := New(o)
	c.Watch(still{Capacity: 4, Closes: map[string]uint64{"eviction": 2, "crash": 1, "wedge": 0},
		Affinities: []pool.AffinityStats{{Key: "a", Tabs: 2, Waiting: 1}, {Key: "b"}}})
	for _, kind := range []pool.SpanKind{pool.SpanWait, pool.SpanLease, pool.SpanOpen} {
		_, end := c.Start(t.Context(), pool.Span{Kind: kind})
		end(pool.SpanEnd{Took: 300 * time.Millisecond, Outcome: pool.Outcomes(kind)[0],
			Waits: pool.Waits{Admission: 1, Tab: 200 * time.Millisecond, Startup: 1, Probe: 1}})
	}
	return c
}

func TestMetricsKeepToTheConventions(t *testing.T) {
	for _, o := range []Options{{},
		{Namespace: "render", Affinities: true, Labels: prometheus.Labels{"pool": "main"}}} {
		problems, err := testutil.CollectAndLint(observed(t, o))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range problems {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

func TestMetricsTellWhatAPoolHasAndHowLongThingsTook(t *testing.T) {
	want := `
# HELP pagepool_capacity Present size of the pool, in tabs; one spare tab comes on top.
# TYPE pagepool_capacity gauge
pagepool_capacity 4
# HELP pagepool_warm_affinities Affinities that own a tab which is not on its way out.
# TYPE pagepool_warm_affinities gauge
pagepool_warm_affinities 1
# HELP pagepool_wait_seconds Time from GetPage to its answer.
# TYPE pagepool_wait_seconds histogram
pagepool_wait_seconds_bucket{outcome="abandoned",le="0.25"} 0
pagepool_wait_seconds_bucket{outcome="abandoned",le="1"} 0
pagepool_wait_seconds_bucket{outcome="abandoned",le="+Inf"} 0
pagepool_wait_seconds_sum{outcome="abandoned"} 0
pagepool_wait_seconds_count{outcome="abandoned"} 0
pagepool_wait_seconds_bucket{outcome="granted",le="0.25"} 0
pagepool_wait_seconds_bucket{outcome="granted",le="1"} 1
pagepool_wait_seconds_bucket{outcome="granted",le="+Inf"} 1
pagepool_wait_seconds_sum{outcome="granted"} 0.3
pagepool_wait_seconds_count{outcome="granted"} 1
pagepool_wait_seconds_bucket{outcome="refused",le="0.25"} 0
pagepool_wait_seconds_bucket{outcome="refused",le="1"} 0
pagepool_wait_seconds_bucket{outcome="refused",le="+Inf"} 0
pagepool_wait_seconds_sum{outcome="refused"} 0
pagepool_wait_seconds_count{outcome="refused"} 0
`
	c := observed(t, Options{Buckets: []float64{.25, 1}})
	err := testutil.CollectAndCompare(c, strings.NewReader(want), "pagepool_capacity",
		"pagepool_warm_affinities", "pagepool_wait_seconds")
	if err != nil {
		t.Error(err)
	}
	for name, n := range map[string]int{"pagepool_tabs": 9, "pagepool_wait_part_seconds": 4,
		"pagepool_operation_seconds": 1, "pagepool_closes_total": 3, "pagepool_affinity_tabs": 0} {
		if got := testutil.CollectAndCount(c, name); got != n {
			t.Errorf("%s has %d series, want %d", name, got, n)
		}
	}
	if got := testutil.CollectAndCount(observed(t, Options{Affinities: true}),
		"pagepool_affinity_tabs"); got != 2 {
		t.Errorf("pagepool_affinity_tabs has %d series, want 2", got)
	}
}

func TestMetricsBearEveryKeyAndTellThemApart(t *testing.T) {
	c := New(Options{Affinities: true})
	keys := []string{"a\xff", "a\xfe", `"a\xff"`, `"`, "\x00", "ä b"}
	var s still
	for _, key := range keys {
		s.Affinities = append(s.Affinities, pool.AffinityStats{Key: key})
	}
	c.Watch(s)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	if n, err := testutil.GatherAndCount(registry, "pagepool_affinity_tabs"); err != nil ||
		n != len(keys) {
		t.Errorf("%d series for %d keys: %v", n, len(keys), err)
	}
}

// figures calls fn with every number in a value, one after the other, each set to 1 000 000 alone.
func figures(t *testing.T, v reflect.Value, path string, fn func(path string)) {
	t.Helper()
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			figures(t, v.Field(i), path+"."+v.Type().Field(i).Name, fn)
		}
	case reflect.Int:
		v.SetInt(1e6)
		fn(path)
		v.SetInt(0)
	case reflect.Float64:
		v.SetFloat(1e6)
		fn(path)
		v.SetFloat(0)
	case reflect.Uint64:
		v.SetUint(1e6)
		fn(path)
		v.SetUint(0)
	}
}

func TestMetricsLeaveOutNoFigureOfStats(t *testing.T) {
	var s pool.Stats
	s.Affinities = make([]pool.AffinityStats, 1)
	tells := func(path string) {
		told := false
		for _, m := range stats {
			m.read(&s, func(value float64, _ ...string) { told = told || value == 1e6 })
		}
		for _, m := range affinityStats {
			told = told || m.read(&s.Affinities[0]) == 1e6
		}
		// The sums of grants_total and of closes_total: tests of the pool hold them to that.
		if !told && path != "Stats.Counters.Grants" && path != "Stats.Counters.Closes" {
			t.Errorf("no metric tells of %s", path)
		}
	}
	figures(t, reflect.ValueOf(&s).Elem(), "Stats", tells)
	s.Closes = map[string]uint64{"eviction": 1e6}
	tells("Stats.Closes")
	s.Closes = nil
	figures(t, reflect.ValueOf(&s.Affinities[0]).Elem(), "AffinityStats", tells)
}

// The page for operators has a row for each metric, and no other.
func TestMetricsAreAllDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `pagepool_([a-z_]+)[`{]").FindAllStringSubmatch(
		string(text), -1) {
		documented[m[1]] = true
	}
	names := []string{"wait_seconds", "wait_part_seconds", "lease_seconds", "operation_seconds"}
	for _, s := range stats {
		names = append(names, s.name)
	}
	for _, s := range affinityStats {
		names = append(names, s.name)
	}
	for _, name := range names {
		if !documented[name] {
			t.Errorf("pagepool_%s is not documented", name)
		}
		delete(documented, name)
	}
	for name := range documented {
		t.Errorf("pagepool_%s is documented, and there is no such metric", name)
	}
}
