package steps

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/pagepool/pagepool/pool/core"
)

// Walk goes through recorded steps as a person, or a script, says: one command a line.
type Walk struct {
	Steps  []Step
	Prompt string // written before each command is read; empty: none
	at     int
}

// Commands is the help of a walk.
const Commands = `next [N]      the next step, or N on (n; an empty line is next too)
back [N]      the step before (b)
first, last   the first step, the last
until TEXT    on to the next step in which TEXT is said, or to an instant such as 1m30s (u)
why [rN]      why requests wait, or that one (w)
enabled       what could have happened in place of this step (e)
print         this step again (p)
table [N]     the last N steps as a table, 12 where N is not said (t)
quit          (q)
`

// Run reads commands until quit or the end, and answers each on out. With stop, the first command
// that cannot be followed ends it with an error, as a script wants; a person is told, and asked
// again.
func (w *Walk) Run(in io.Reader, out io.Writer, stop bool) error {
	if len(w.Steps) == 0 {
		return fmt.Errorf("there is no step to walk through")
	}
	w.Steps[0].Print(out)
	lines := bufio.NewScanner(in)
	for number := 1; ; number++ {
		fmt.Fprint(out, w.Prompt)
		if !lines.Scan() {
			return lines.Err()
		}
		quit, err := w.do(strings.Fields(lines.Text()), out)
		switch {
		case quit:
			return nil
		case err != nil && stop:
			return fmt.Errorf("command %d, %.60q: %w", number, lines.Text(), err)
		case err != nil:
			fmt.Fprintln(out, err)
		}
	}
}

func (w *Walk) do(words []string, out io.Writer) (quit bool, err error) {
	if len(words) == 0 {
		words = []string{"next"}
	}
	step := &w.Steps[w.at]
	switch verb, rest := words[0], words[1:]; verb {
	case "next", "n", "back", "b":
		n, err := number(rest, 1)
		if err != nil {
			return false, err
		}
		if verb[0] == 'b' {
			n = -n
		}
		return false, w.to(w.at+n, out)
	case "first":
		return false, w.to(0, out)
	case "last":
		return false, w.to(len(w.Steps)-1, out)
	case "until", "u":
		return false, w.until(strings.Join(rest, " "), out)
	case "why", "w":
		return false, step.why(rest, out)
	case "enabled", "e":
		step.PrintChoices(out)
	case "print", "p":
		step.Print(out)
	case "table", "t":
		n, err := number(rest, 12)
		if err != nil {
			return false, err
		}
		return false, WriteTable(out, w.Steps[max(0, w.at-n+1):w.at+1])
	case "help", "h", "?":
		fmt.Fprint(out, Commands)
	case "quit", "q":
		return true, nil
	default:
		return false, fmt.Errorf("unknown command %q; the commands are\n%s", verb,
			strings.TrimSpace(Commands))
	}
	return false, nil
}

func number(words []string, otherwise int) (int, error) {
	if len(words) == 0 {
		return otherwise, nil
	}
	n, err := strconv.Atoi(words[0])
	if err != nil || n < 1 || len(words) > 1 {
		return 0, fmt.Errorf("want a number of steps from 1, got %q", strings.Join(words, " "))
	}
	return n, nil
}

// to goes to a step, or to the end that lies on the way.
func (w *Walk) to(at int, out io.Writer) error {
	last := len(w.Steps) - 1
	if at > last && w.at == last {
		fmt.Fprintf(out, "step %d is the last\n", w.Steps[last].Number)
		return nil
	}
	if at < 0 && w.at == 0 {
		fmt.Fprintf(out, "step %d is the first\n", w.Steps[0].Number)
		return nil
	}
	w.at = max(0, min(at, last))
	w.Steps[w.at].Print(out)
	return nil
}

// until goes on to the first step that says a text, or that is not before an instant.
func (w *Walk) until(text string, out io.Writer) error {
	if text == "" {
		return fmt.Errorf("until: want a text such as \"close t1\", or an instant such as 1m30s")
	}
	instant, notTime := time.ParseDuration(text)
	for i := w.at + 1; i < len(w.Steps); i++ {
		s := &w.Steps[i]
		if notTime == nil && s.At >= core.Time(instant) || notTime != nil && s.says(text) {
			return w.to(i, out)
		}
	}
	return fmt.Errorf("until: no later step says %q", text)
}

// says whether a text stands in a step, as whole words: r1 is not in r12.
func (s *Step) says(text string) bool {
	for _, lines := range [][]string{s.Acts, {s.Event}, s.Effects} {
		for _, line := range lines {
			if strings.Contains(" "+line+" ", " "+text+" ") {
				return true
			}
		}
	}
	return false
}

// why says why requests wait.
func (s *Step) why(words []string, out io.Writer) error {
	if len(words) == 0 {
		for _, wait := range s.Waits {
			printWait(out, "", wait.Text)
		}
		if len(s.Waits) == 0 {
			fmt.Fprintln(out, "nobody waits")
		}
		return nil
	}
	for _, wait := range s.Waits {
		if strings.HasPrefix(wait.Text, words[0]+" ") {
			printWait(out, "", wait.Text)
			return nil
		}
	}
	for _, c := range s.Callers {
		if strings.HasPrefix(c.Short, words[0]+" ") {
			fmt.Fprintf(out, "it does not wait: %s\n", c.Short)
			return nil
		}
	}
	return fmt.Errorf("why: %q neither waits nor holds a tab at step %d", words[0], s.Number)
}
