package properties

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim/replay"
)

// rewrite writes a trace that was read.
func rewrite(tr *trace.Trace) []byte {
	var b bytes.Buffer
	w := trace.NewWriter(&b, tr, nil, "written again")
	for _, line := range tr.Lines {
		if line.Expect {
			w.Expect(trace.JoinWords(line.Words))
		} else {
			w.Step(line.At, trace.JoinWords(line.Words))
		}
	}
	if err := w.Flush(); err != nil {
		panic(err) // a bytes.Buffer takes everything
	}
	return b.Bytes()
}

// sameTrace compares what two traces say, but for the numbers of their lines. Of settings it
// compares what they come to: those that follow from others may be written out.
func sameTrace(a, b *trace.Trace) error {
	x, errX := a.Settings.Resolve()
	y, errY := b.Settings.Resolve()
	if errX == nil && (errY != nil || x != y) || a.Auto != b.Auto || a.Untimed != b.Untimed ||
		len(a.Lines) != len(b.Lines) {
		return fmt.Errorf("%+v (auto %v, untimed %v, %d lines) became %+v (%v, %v, %d)",
			a.Settings, a.Auto, a.Untimed, len(a.Lines), b.Settings, b.Auto, b.Untimed, len(b.Lines))
	}
	for i := range a.Lines {
		x, y := &a.Lines[i], &b.Lines[i]
		if x.At != y.At || x.Expect != y.Expect || !slices.Equal(x.Words, y.Words) {
			return fmt.Errorf("line %d: %v %v %v became %v %v %v", x.Number, x.At, x.Expect, x.Words, y.At,
				y.Expect, y.Words)
		}
	}
	return nil
}

func TestTraceWritingIsTheInverseOfReading(t *testing.T) {
	texts := map[string][]byte{
		"quoted": []byte("pagepool-trace 1\nset MaxPages=2 MaxLease=-1 RetainOnEvict=true " +
			"OpenGrace=1500us\nset OpenRetries=5\nuntimed\n" +
			"@0s get r1 \"a key \\\"with\\\" \\x00 \\u00e9 # and more\" nested priority=-3 # a comment\n" +
			"expect refuse r1 affinity=\"a key\" wait-tab=1.5s\n+1ns get r2 \"nested\"\nexpect warm-list " +
			"\"x y\" z\n"),
	}
	for _, name := range tracePaths(t) {
		texts[name] = traceFile(t, name)
	}
	for name, text := range texts {
		first := readTrace(t, text)
		second := readTrace(t, rewrite(first))
		if err := sameTrace(first, second); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if third := rewrite(second); !bytes.Equal(third, rewrite(first)) {
			t.Errorf("%s: written twice, it is not the same", name)
		}
	}
}

// tooLong ends a replay that would go on for ever: "set MaxLease=1ns" and "@24h" ask for that.
type tooLong struct{}

func FuzzTrace(f *testing.F) {
	for _, name := range tracePaths(f) {
		f.Add(traceFile(f, name))
	}
	f.Add([]byte(""))
	f.Add([]byte("pagepool-trace 2\n"))
	f.Add([]byte(start + "+90s expire r1\n+5s close-silent t1\n+2s kill-silent t1\n+1s browser gone " +
		"b1\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		tr, err := trace.Read(bytes.NewReader(data))
		if err != nil {
			wantTraceError(t, err)
			return
		}
		again, err := trace.Read(bytes.NewReader(rewrite(tr)))
		if err != nil {
			t.Fatalf("what was read and written cannot be read: %v", err)
		}
		if err := sameTrace(tr, again); err != nil {
			t.Fatal(err)
		}
		replayBounded(t, tr)
	})
}

func wantTraceError(t *testing.T, err error) {
	t.Helper()
	if refused := new(trace.Error); !errors.As(err, &refused) || refused.What == "" {
		t.Fatalf("refused with %#v, want a *trace.Error that says something", err)
	}
}

// replayBounded replays a trace for a number of steps. It may be refused, its expectations may
// fail; it may not panic or stand still.
func replayBounded(t *testing.T, tr *trace.Trace) {
	t.Helper()
	if settings, err := tr.Settings.Resolve(); err == nil && settings.MaxPages > 50 {
		return // right, and slow
	}
	const most = 2000
	steps, began := 0, time.Now()
	defer func() {
		if r := recover(); r != nil && r != any(tooLong{}) {
			panic(r)
		}
		if spent := time.Since(began); spent > 20*time.Second {
			t.Fatalf("%d steps took %v", steps, spent)
		}
	}()
	_, err := replay.Run(tr, func(replay.Step) {
		if steps++; steps > most {
			panic(tooLong{})
		}
	})
	if err != nil {
		wantTraceError(t, err)
	}
}
