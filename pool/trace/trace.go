package trace

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pagepool/pagepool/pool/core"
)

// TraceVersion is the version of the trace format that this package reads and writes.
const Version = 1

const header = "pagepool-trace"

// Trace is a history as text: settings, and then one line a step with what happened and what was
// to be expected of it. The words of a line are kept as they are; ParseEvent reads those that are
// events, and the simulated world reads its own.
type Trace struct {
	Settings core.Settings // of the set lines; what they do not name is zero
	Auto     bool          // deadlines fire when due, operations answer by the default policy
	Untimed  bool          // a deadline may come at any time, as in a search
	Snapshot *Snapshot     // of the state block: where the history begins; nil: with a new pool
	Lines    []Line        // in order
}

// TraceLine is one line after the settings.
type Line struct {
	Number int       // in the file, from 1
	At     core.Time // since the start; of an expect line, that of the step before it
	Expect bool      // the words are an expectation
	Words  []Word    // without the time, without "expect"
}

// TraceError says which line of a trace cannot be read, and what was expected there.
type Error struct {
	Line int
	What string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return e.What
	}
	return fmt.Sprintf("line %d: %s", e.Line, e.What)
}

// ReadTrace reads a trace. A damaged or newer one is refused as a *TraceError; nothing is guessed.
func Read(r io.Reader) (*Trace, error) {
	data, err := io.ReadAll(r)
	switch {
	case err != nil:
		return nil, err
	case len(data) == 0:
		return nil, &Error{0, "the file is empty; want the line \"" + header + " 1\" first"}
	}
	t := new(Trace)
	reader := reader{trace: t}
	lines := bytes.Split(data, []byte("\n"))
	for i, line := range lines {
		if bytes.IndexByte(line, 0) >= 0 || !utf8.Valid(line) {
			return nil, &Error{i + 1, "the file is not text; want a trace, which begins with \"" + header +
				" 1\""}
		}
		if i == len(lines)-1 {
			if len(line) > 0 {
				return nil, &Error{i + 1, "the file is cut off: its last line has no end"}
			}
			break
		}
		if err := reader.read(i+1, strings.TrimSuffix(string(line), "\r")); err != nil {
			return nil, &Error{i + 1, err.Error()}
		}
	}
	if err := reader.finish(len(lines) - 1); err != nil {
		return nil, err
	}
	if !reader.header {
		return nil, &Error{0, "the file has no trace in it; want the line \"" + header + " 1\" first"}
	}
	return t, nil
}

type reader struct {
	trace  *Trace
	header bool
	sealed bool // every line carries the sum of all before it
	ended  bool
	sum    uint32
	state  int // the last line of the state block
	now    core.Time
	set    []setting
}

// finish checks what only the whole file shows.
func (r *reader) finish(lines int) error {
	if err := r.checkSettings(); err != nil {
		return err
	}
	if r.sealed && !r.ended {
		return &Error{lines, "the file is cut off: its last line is not \"end\""}
	}
	if n := r.trace.Snapshot; n != nil {
		n.Facts.Settings, _ = r.trace.Settings.Resolve()
		if _, err := core.Restore(&n.Facts); err != nil {
			return &Error{r.state, "the state block does not hold together: " + err.Error()}
		}
	}
	return nil
}

// sealMark comes before the sum at the end of a line. To a reader it is a comment.
const sealMark = " #="

// seal is the running sum of a file up to a line, by the hash of Fowler, Noll and Vo (1a).
func seal(sum uint32, line string) uint32 {
	h := fnv.New32a()
	_ = binary.Write(h, binary.LittleEndian, sum)
	_, _ = h.Write([]byte(line))
	return h.Sum32()
}

// unseal checks the sum of a line, where the file has sums.
func (r *reader) unseal(line string) error {
	at := strings.LastIndex(line, sealMark)
	if !r.header {
		r.sealed = at >= 0
	}
	if !r.sealed {
		return nil
	}
	if r.ended {
		return errors.New("nothing may come after the line \"end\"")
	}
	if at < 0 {
		return errors.New("this line was added or edited: it carries no sum, and the lines of this " +
			"file do")
	}
	r.sum = seal(r.sum, line[:at])
	if want := fmt.Sprintf("%08x", r.sum); line[at+len(sealMark):] != want {
		return fmt.Errorf("this line, or one before it, was edited or lost: its sum is %s, and has to "+
			"be %s", line[at+len(sealMark):], want)
	}
	return nil
}

// setting is where a set line gave a setting.
type setting struct {
	name string
	line int
}

// checkSettings looks whether the settings go together. The error is at the line that gave the one
// that it names, or at the last set line.
func (r *reader) checkSettings() error {
	_, err := r.trace.Settings.Resolve()
	if err == nil {
		return nil
	}
	line := r.set[len(r.set)-1].line
	var outside *core.SettingError
	if errors.As(err, &outside) {
		for _, s := range r.set {
			if s.name == outside.Name {
				line = s.line
			}
		}
	}
	return &Error{line, strings.ReplaceAll(err.Error(), "\n", "; ")}
}

func (r *reader) read(number int, line string) error {
	if err := r.unseal(line); err != nil {
		return err
	}
	words, err := Words(line)
	if err != nil || len(words) == 0 {
		return err
	}
	if !r.header {
		return r.readHeader(words)
	}
	first := words[0]
	switch {
	case first.Quoted:
		return fmt.Errorf("want +duration, @duration, expect, set, auto or untimed, got a quoted word")
	case first.Text[0] == '+' || first.Text[0] == '@':
		return r.readStep(number, words)
	case first.Text == "expect":
		if len(words) == 1 || len(r.trace.Lines) == 0 {
			return fmt.Errorf("expect: want what is to be expected, after the step that brings it")
		}
		r.trace.Lines = append(r.trace.Lines,
			Line{Number: number, At: r.now, Expect: true, Words: words[1:]})
		return nil
	case first.Text == "end" && len(words) == 1:
		r.ended = true
		return nil
	case len(r.trace.Lines) > 0:
		return fmt.Errorf("want +duration, @duration or expect, got %s", first.short())
	case first.Text == "set":
		return r.readSet(number, words[1:])
	case first.Text == "state" && len(words) > 1:
		return r.readState(number, words[1:])
	case first.Text == "auto" && len(words) == 1:
		r.trace.Auto = true
		return nil
	case first.Text == "untimed" && len(words) == 1:
		r.trace.Untimed = true
		return nil
	}
	return fmt.Errorf("want +duration, @duration, expect, set, auto or untimed, got %s", first.short())
}

func (r *reader) readHeader(words []Word) error {
	if words[0].Text != header || len(words) != 2 {
		return fmt.Errorf("want the line \"%s %d\" first, got %s", header, Version, words[0].short())
	}
	if words[1].Text != strconv.Itoa(Version) {
		return fmt.Errorf("the trace is of version %s, and this program reads version %d",
			words[1].short(), Version)
	}
	r.header = true
	return nil
}

// readState reads one line of the state block. The block is written by a program, and its lines
// carry sums.
func (r *reader) readState(number int, words []Word) error {
	if !r.sealed {
		return errors.New("state: a state block is read from a dump as it was written, where every " +
			"line carries a sum")
	}
	if r.trace.Snapshot == nil {
		r.trace.Snapshot = &Snapshot{Keys: make([]string, 1)}
	}
	r.state = number
	err := r.trace.Snapshot.readLine(words)
	r.now = r.trace.Snapshot.Facts.Now
	return err
}

func (r *reader) readSet(number int, words []Word) error {
	if len(words) == 0 {
		return fmt.Errorf("set: want Name=value")
	}
	for _, w := range words {
		name, value, ok := strings.Cut(w.Text, "=")
		if !ok {
			return fmt.Errorf("set: want Name=value, got %s", w.short())
		}
		if err := r.trace.Settings.Set(name, value); err != nil {
			return err
		}
		r.set = append(r.set, setting{name, number})
	}
	return nil
}

func (r *reader) readStep(number int, words []Word) error {
	text := words[0].Text
	d, err := time.ParseDuration(text[1:])
	if err != nil || d < 0 {
		return fmt.Errorf("want a duration such as %c250ms, got %s; the longest is 2562047h", text[0],
			words[0].short())
	}
	at := core.Time(d)
	if text[0] == '+' {
		at += r.now
	}
	if at < r.now {
		return fmt.Errorf("%s is before the step before it, which is at %v", text, time.Duration(r.now))
	}
	if len(words) == 1 {
		return fmt.Errorf("nothing after the time: want what happened, such as get r1 KEY")
	}
	r.now = at
	r.trace.Lines = append(r.trace.Lines, Line{Number: number, At: at, Words: words[1:]})
	return nil
}

// TraceWriter writes a trace line by line.
type Writer struct {
	w      *bufio.Writer
	now    core.Time
	sealed bool
	sum    uint32
}

// NewTraceWriter writes the head of a trace: comments, the settings that differ from the default,
// the mode lines and the state block that the trace has, with the keys that key gives. A trace with
// a state block is sealed: each line carries a sum, and Flush writes the line that ends it.
func NewWriter(w io.Writer, t *Trace, key func(core.Affinity) string, comments ...string) *Writer {
	tw := &Writer{w: bufio.NewWriter(w), sealed: t.Snapshot != nil}
	tw.line(fmt.Sprintf("%s %d", header, Version))
	for _, c := range comments {
		tw.line("# " + c)
	}
	if diff := t.Settings.Diff(); diff != "" {
		tw.line("set " + diff)
	}
	if t.Auto {
		tw.line("auto")
	}
	if t.Untimed {
		tw.line("untimed")
	}
	if n := t.Snapshot; n != nil {
		tw.now = n.Facts.Now
		n.Lines(key, func(line string) { tw.line("state " + line) })
	}
	return tw
}

func (tw *Writer) line(text string) {
	tw.w.WriteString(text)
	if tw.sealed {
		tw.sum = seal(tw.sum, text)
		fmt.Fprintf(tw.w, "%s%08x", sealMark, tw.sum)
	}
	tw.w.WriteByte('\n')
}

// Step writes one step.
func (tw *Writer) Step(at core.Time, text string) {
	tw.line(fmt.Sprintf("+%v %s", time.Duration(at-tw.now), text))
	tw.now = at
}

// Expect writes what is to be expected of the step before.
func (tw *Writer) Expect(text string) { tw.line("expect " + text) }

// Flush writes out what is buffered, and the end of a sealed trace, and returns the first error
// met.
func (tw *Writer) Flush() error {
	if tw.sealed {
		tw.line("end")
	}
	return tw.w.Flush()
}
