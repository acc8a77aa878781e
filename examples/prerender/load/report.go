package main

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// metrics are what the servers say of their pools, by series, added up. Buckets are left out.
func (r *round) metrics() (map[string]float64, error) {
	values := map[string]float64{}
	for _, server := range r.members() {
		if err := r.count(server, values); err != nil {
			return nil, fmt.Errorf("%s/metrics: %w", server, err)
		}
	}
	return values, nil
}

// count adds what one server says.
func (r *round) count(server string, values map[string]float64) error {
	status, _, body, err := r.get(server, "/metrics", "")
	if err == nil && status != answered {
		err = fmt.Errorf("the answer is %q", status)
	}
	if err != nil {
		return err
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(body))
	if err != nil {
		return err
	}
	samples, err := expfmt.ExtractSamples(&expfmt.DecodeOptions{},
		slices.Collect(maps.Values(families))...)
	if err != nil {
		return err
	}
	for _, sample := range samples {
		name := string(sample.Metric[model.MetricNameLabel])
		if strings.HasPrefix(name, "pagepool_") && !strings.HasSuffix(name, "_bucket") {
			values[sample.Metric.String()] += float64(sample.Value)
		}
	}
	return nil
}

// rested says what the pool is still at, now that nobody asks for anything.
func (r *round) rested() error {
	values, err := r.metrics()
	if err != nil {
		return err
	}
	var busy []string
	for _, state := range []string{"opening", "probing", "rescuing", "resetting", "leased", "closing",
		"lost"} {
		if n := values[fmt.Sprintf("pagepool_tabs{state=%q}", state)]; n > 0 {
			busy = append(busy, fmt.Sprintf("%v tabs are %s", n, state))
		}
	}
	if busy != nil {
		return fmt.Errorf("%s", strings.Join(busy, ", "))
	}
	return nil
}

// report prints a column for each round.
func report(to io.Writer, o orders, rounds []*round) {
	if len(rounds) == 0 {
		return
	}
	fmt.Fprintf(to, "%s: %d tenants, %d callers, -seed %d\n\n", o.server, o.tenants, o.callers, o.seed)
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	row := func(name string, cell func(*round) string) {
		fmt.Fprint(table, name)
		for _, r := range rounds {
			fmt.Fprint(table, "\t", cell(r))
		}
		fmt.Fprintln(table)
	}
	row("looping pages", func(r *round) string {
		if r.wedge == 0 {
			return "none"
		}
		return fmt.Sprintf("one in %d", r.wedge)
	})
	row("asked for", func(r *round) string { return short(r.took) })
	row("good requests", func(r *round) string { return fmt.Sprint(len(r.good)) })
	row("  a second", func(r *round) string {
		return fmt.Sprintf("%.1f", float64(len(r.good))/r.took.Seconds())
	})
	row("  p50", func(r *round) string { return percentile(r.good, 50) })
	row("  p99", func(r *round) string { return percentile(r.good, 99) })
	row("  slowest", func(r *round) string { return percentile(r.good, 100) })
	row("good requests that failed", func(r *round) string { return fmt.Sprint(sum(r.failed)) })
	for _, said := range words(rounds, func(r *round) map[string]int { return r.failed }) {
		row("  "+said, func(r *round) string { return fmt.Sprint(r.failed[said]) })
	}
	for _, server := range words(rounds, func(r *round) map[string]int {
		return r.served.requests()
	}) {
		row("affinities, requests of "+server, func(r *round) string {
			return fmt.Sprintf("%d, %d", len(r.served[server]), r.served.requests()[server])
		})
	}
	if slices.ContainsFunc(rounds, func(r *round) bool { return len(r.served) > 0 }) {
		row("affinities of more than one server", func(r *round) string {
			return fmt.Sprint(r.served.shared())
		})
	}
	row("looping requests", func(r *round) string { return fmt.Sprint(sum(r.wedging)) })
	for _, said := range words(rounds, func(r *round) map[string]int { return r.wedging }) {
		row("  "+said, func(r *round) string { return fmt.Sprint(r.wedging[said]) })
	}
	row("at rest afterwards", func(r *round) string {
		if r.restless != nil {
			return r.restless.Error()
		}
		return "yes"
	})
	_ = table.Flush() // standard output is all there is to tell
	for _, r := range rounds {
		if r.first != "" {
			fmt.Fprintf(to, "\nthe first that failed: %s\n", r.first)
		}
	}
	fmt.Fprintln(to)
	still := story(row, rounds)
	_ = table.Flush()
	fmt.Fprintf(to, "\nnot counted up: %s\n", strings.Join(still, ", "))
}

// story prints what the counters and histograms have counted, and returns the counters that have
// counted nothing.
func story(row func(string, func(*round) string), rounds []*round) (still []string) {
	for _, series := range slices.Sorted(maps.Keys(rounds[len(rounds)-1].after)) {
		name, labels, _ := strings.Cut(series, "{")
		grown := func(r *round, series string) float64 { return r.after[series] - r.before[series] }
		moved := slices.ContainsFunc(rounds, func(r *round) bool { return grown(r, series) != 0 })
		switch histogram, isCount := strings.CutSuffix(name, "_count"); {
		case strings.HasSuffix(name, "_total") && moved:
			row(series, func(r *round) string { return fmt.Sprint(grown(r, series)) })
		case strings.HasSuffix(name, "_total"):
			still = append(still, series)
		case isCount && moved:
			total := strings.Replace(series, name, histogram+"_sum", 1)
			row(strings.TrimSuffix(histogram+"{"+labels, "{"), func(r *round) string {
				n := grown(r, series)
				if n == 0 {
					return "0"
				}
				return fmt.Sprintf("%v, mean %s", n,
					short(time.Duration(grown(r, total)/n*float64(time.Second))))
			})
		}
	}
	return still
}

func sum(counts map[string]int) (n int) {
	for _, count := range counts {
		n += count
	}
	return n
}

// words are the keys of all rounds.
func words(rounds []*round, of func(*round) map[string]int) []string {
	all := map[string]bool{}
	for _, r := range rounds {
		for word := range of(r) {
			all[word] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// percentile is the least of them that so many percent do not exceed.
func percentile(all []time.Duration, percent int) string {
	if len(all) == 0 {
		return "-"
	}
	sorted := slices.Sorted(slices.Values(all))
	return short(sorted[int(math.Ceil(float64(len(sorted)*percent)/100))-1])
}

// short is a duration as one reads it.
func short(d time.Duration) string {
	if d < 10*time.Millisecond {
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Millisecond).String()
}
