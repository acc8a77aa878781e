package shrink

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
)

const twoPages = "pagepool-trace 1\nset MaxPages=2\n@0s browser ready b1\n+100ms opened t1\n+0s " +
	"opened t2\n"

// busy is a trace whose expectation holds with two pages, and fails with one. Most of it does not
// matter.
func busy(t *testing.T) (tr *trace.Trace, own core.Settings) {
	t.Helper()
	var b strings.Builder
	b.WriteString("pagepool-trace 1\nset MaxPages=2 MaxUses=7 CloseTimeout=3s\nauto\n")
	for i := range 40 {
		fmt.Fprintf(&b, "+1s get r%d noise\n+100ms release r%d\n", i+10, i+10)
	}
	b.WriteString("+1s get r1 a\n+1s get r2 b\n+10ms evict-idle 1h\nexpect leases 2\n+1s release r1\n")
	tr, err := trace.Read(strings.NewReader(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	own = tr.Settings
	tr.Settings.MaxPages = 1
	return tr, own
}

func TestTraceShrinksToTheFewLinesThatMatter(t *testing.T) {
	tr, own := busy(t)
	out, err := Run(tr, "a test", Options{Own: &own})
	if err != nil {
		t.Fatal(err)
	}
	const want = "set MaxPages=1\nauto\n"
	text := string(out.Text)
	if !strings.Contains(text, want) || strings.Contains(text, "noise") ||
		strings.Contains(text, "evict-idle") ||
		strings.Count(text, " get ") != 2 || !strings.Contains(text, "get r2") ||
		!strings.HasSuffix(text, "expect leases 2\n") {
		t.Errorf("of two requests, one waits with one page, and nothing else matters:\n%s", text)
	}
	if out.After.Steps >= out.Before.Steps || len(out.After.Failed) != 1 || out.Cut {
		t.Errorf("%d steps became %d, failed %v, cut %v", out.Before.Steps, out.After.Steps,
			out.After.Failed, out.Cut)
	}
}

func TestTraceShrinksToTheSameBytesEachTime(t *testing.T) {
	tr, own := busy(t)
	first, err := Run(tr, "a test", Options{Own: &own})
	if err != nil {
		t.Fatal(err)
	}
	second, err := Run(tr, "a test", Options{Own: &own})
	if err != nil || !bytes.Equal(first.Text, second.Text) {
		t.Errorf("%v\n%s\nand then\n%s", err, first.Text, second.Text)
	}
}

func TestTraceThatIsCutShortIsTheSmallestSoFarAndFails(t *testing.T) {
	tr, own := busy(t)
	asked := 0
	out, err := Run(tr, "a test", Options{Own: &own, Progress: func(string, int) bool {
		asked++
		return asked < 6
	}})
	if err != nil {
		t.Fatal(err)
	}
	whole, err := Run(tr, "a test", Options{Own: &own, Steps: 1})
	if err != nil {
		t.Fatal(err)
	}
	if !out.Cut || !whole.Cut || len(out.After.Failed) != 1 || len(whole.After.Failed) != 1 ||
		len(out.Text) >= len(whole.Text) {
		t.Errorf("cut %v and %v:\n%s\n%s", out.Cut, whole.Cut, out.Text, whole.Text)
	}
}

func TestTraceThatHoldsIsNotShrunk(t *testing.T) {
	tr, err := trace.Read(strings.NewReader(twoPages + "expect standbys 2\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Run(tr, "a test", Options{}); !errors.Is(err, ErrNothingFails) {
		t.Errorf("got %v", err)
	}
}

// What is removed is found among many by halves: of a hundred lines that do nothing, each alone or
// all together, a few tries are enough.
func TestTraceShrinksByHalves(t *testing.T) {
	tr, own := busy(t)
	tries := 0
	_, err := Run(tr, "a test", Options{Own: &own, Progress: func(doing string, _ int) bool {
		if doing == "calls" {
			tries++
		}
		return true
	}})
	if err != nil || tries == 0 || tries > 60 {
		t.Errorf("%v, %d tries for 43 calls", err, tries)
	}
}
