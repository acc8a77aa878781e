package traffic

import "testing"

func BenchmarkStagingDay(b *testing.B) {
	for b.Loop() {
		r, err := Run(Options{Profile: &staging, Seed: 1, Hours: 24})
		if err != nil || r.Violation != nil {
			b.Fatal(err, r.Violation)
		}
		b.ReportMetric(float64(r.Events), "events")
	}
}
