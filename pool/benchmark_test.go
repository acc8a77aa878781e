package pool

import (
	"context"
	"fmt"
	"testing"
)

// A warm GetPage and Release, as it is done for every request that meets its own tab again.
func BenchmarkGetPageWarm(b *testing.B) {
	for _, goroutines := range []int{1, 64} {
		b.Run(fmt.Sprintf("goroutines=%d", goroutines), func(b *testing.B) {
			p, err := New(new(stub), Config{})
			if err != nil {
				b.Fatal(err)
			}
			ctx := context.Background()
			b.ReportAllocs()
			if goroutines == 1 {
				for b.Loop() {
					leaseOnce(b, p, ctx, "a")
				}
			} else {
				b.SetParallelism(goroutines)
				b.RunParallel(func(loop *testing.PB) {
					for loop.Next() {
						leaseOnce(b, p, ctx, "a")
					}
				})
			}
			if err := p.Close(ctx); err != nil {
				b.Fatal(err)
			}
		})
	}
}

func leaseOnce(b *testing.B, p *Pool[*stubTab], ctx context.Context, key string) {
	l, err := p.GetPage(ctx, key)
	if err != nil {
		b.Error(err)
		return
	}
	l.Release()
}
