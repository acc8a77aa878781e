package main

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// seedRange is the value of -seed: one seed, or two with a dash between.
type seedRange struct{ first, last uint64 }

func (r *seedRange) String() string {
	if r.first == r.last {
		return strconv.FormatUint(r.first, 10)
	}
	return fmt.Sprintf("%d-%d", r.first, r.last)
}

func (r *seedRange) Type() string { return "N|A-B" }

func (r *seedRange) Set(text string) error {
	first, last, ranged := strings.Cut(text, "-")
	if !ranged {
		last = first
	}
	a, err := strconv.ParseUint(first, 10, 64)
	b, err2 := strconv.ParseUint(last, 10, 64)
	switch {
	case err != nil || err2 != nil:
		return fmt.Errorf("want a seed such as 7, or a range such as 1-1000")
	case b < a:
		return fmt.Errorf("the range ends before it begins; want the smaller seed first")
	case b-a >= 1<<32:
		return fmt.Errorf("want at most %d seeds", uint64(1)<<32)
	}
	r.first, r.last = a, b
	return nil
}

// shard is the value of -shard: the part i of n of the seeds.
type shard struct{ part, parts uint64 }

func (s *shard) String() string { return fmt.Sprintf("%d/%d", s.part, s.parts) }

func (s *shard) Type() string { return "i/n" }

func (s *shard) Set(text string) error {
	part, of, ok := strings.Cut(text, "/")
	i, err := strconv.ParseUint(part, 10, 32)
	n, err2 := strconv.ParseUint(of, 10, 32)
	if !ok || err != nil || err2 != nil || i < 1 || i > n {
		return fmt.Errorf("want i/n with 1 <= i <= n, such as 1/4")
	}
	s.part, s.parts = i, n
	return nil
}

// of is the first seed of a range that belongs to the shard, and how many do: each parts-th.
func (s *shard) of(r seedRange) (first, n uint64) {
	skip := (s.part - 1 + s.parts - r.first%s.parts) % s.parts
	if skip > r.last-r.first {
		return 0, 0
	}
	return r.first + skip, (r.last-r.first-skip)/s.parts + 1
}

// hours is the value of -hours: virtual time.
type hours struct{ time.Duration }

const maxHours = 24 * 366

func (h *hours) String() string { return strconv.FormatFloat(h.Hours(), 'g', -1, 64) }

func (h *hours) Type() string { return "hours" }

func (h *hours) Set(text string) error {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(n) || n <= 0 || n > maxHours {
		return fmt.Errorf("want a number of hours above 0 and at most %d", maxHours)
	}
	h.Duration = time.Duration(n * float64(time.Hour))
	return nil
}

// memory is the value of -max-memory, in bytes.
type memory uint64

var memoryUnits = []struct {
	name  string
	bytes memory
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}}

func (m *memory) String() string {
	for _, unit := range memoryUnits {
		if *m%unit.bytes == 0 {
			return fmt.Sprint(uint64(*m/unit.bytes), unit.name)
		}
	}
	return strconv.FormatUint(uint64(*m), 10)
}

func (m *memory) Type() string { return "size" }

func (m *memory) Set(text string) error {
	for _, unit := range memoryUnits {
		digits, ok := strings.CutSuffix(text, unit.name)
		if n, err := strconv.ParseUint(digits, 10, 20); ok && err == nil && n > 0 {
			*m = memory(n) * unit.bytes
			return nil
		}
	}
	return fmt.Errorf("want a whole number of MiB or GiB from 1MiB on, such as 512MiB or 2GiB")
}

// count is a number that is not negative.
type count int

func (c *count) String() string { return strconv.Itoa(int(*c)) }

func (c *count) Type() string { return "N" }

func (c *count) Set(text string) error { return within{c, 0, math.MaxInt32}.Set(text) }

// within is a count with bounds.
type within struct {
	*count
	least, most int
}

func (w within) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < w.least || n > w.most {
		return fmt.Errorf("want a whole number from %d to %d", w.least, w.most)
	}
	*w.count = count(n)
	return nil
}

// lasting is the value of -for: real time.
type lasting struct{ time.Duration }

func (l *lasting) Type() string { return "duration" }

func (l *lasting) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil || d < time.Second || d > maxHours*time.Hour {
		return fmt.Errorf("want a duration from 1s to %dh, such as 30s", maxHours)
	}
	l.Duration = d
	return nil
}

// yesNo is a flag that may stand alone.
type yesNo bool

func (y *yesNo) String() string { return strconv.FormatBool(bool(*y)) }

func (y *yesNo) Type() string { return "bool" }

func (y *yesNo) IsBoolFlag() bool { return true }

func (y *yesNo) Set(text string) error {
	if text != "true" && text != "false" {
		return fmt.Errorf("want true or false, or nothing")
	}
	*y = text == "true"
	return nil
}

// progress is a bar on standard error, where that is a terminal.
type progress struct{ bar *progressbar.ProgressBar }

func (s *soak) progress(total int64, what string) progress {
	f, ok := s.stderr.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return progress{}
	}
	return progress{progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(f),
		progressbar.OptionSetDescription(what),
		progressbar.OptionShowCount(),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
	)}
}

func (p progress) add(n int) {
	if p.bar != nil {
		_ = p.bar.Add(n) // a bar that cannot be drawn is no reason to stop
	}
}

func (p progress) say(what string) {
	if p.bar != nil {
		p.bar.Describe(what)
	}
}

func (p progress) done() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
