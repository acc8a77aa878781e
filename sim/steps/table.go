package steps

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// WriteTable writes steps as a table: when, what happened, and a column for each slot and for each
// caller. A cell that has changed in the step is marked with a star.
func WriteTable(w io.Writer, steps []Step) error {
	var slots, callers int
	for i := range steps {
		for _, c := range steps[i].Slots {
			slots = max(slots, c.Lane+1)
		}
		for _, c := range steps[i].Callers {
			callers = max(callers, c.Lane+1)
		}
	}
	head := []string{"step", "time", "what happened"}
	for i := range slots {
		head = append(head, fmt.Sprintf("slot %d", i+1))
	}
	for i := range callers {
		head = append(head, fmt.Sprintf("caller %d", i+1))
	}
	rows := [][]string{head}
	for i := range steps {
		rows = append(rows, steps[i].row(slots, callers))
	}
	widths := make([]int, len(head))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			b.WriteString(cell + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
		}
		if _, err := fmt.Fprintln(w, strings.TrimRight(b.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}

// mostEvent is how much of an event a table shows.
const mostEvent = 44

func (s *Step) row(slots, callers int) []string {
	event := s.Event
	if len(s.Acts) > 0 {
		event = strings.Join(s.Acts, "; ") + "; " + event
	}
	if utf8.RuneCountInString(event) > mostEvent {
		event = string([]rune(event)[:mostEvent-3]) + "..."
	}
	if s.Strays != "" {
		event = "! " + event
	}
	row := make([]string, 3+slots+callers)
	row[0], row[1], row[2] = fmt.Sprint(s.Number), Time(s.At), event
	put := func(at int, c Cell) {
		row[at] = c.Short
		if c.Changed {
			row[at] = "*" + c.Short
		}
	}
	for _, c := range s.Slots {
		put(3+c.Lane, c)
	}
	for _, c := range s.Callers {
		put(3+slots+c.Lane, c)
	}
	return row
}

// Print writes one step with all that is known of it.
func (s *Step) Print(w io.Writer) {
	fmt.Fprintf(w, "step %d, %s: %s\n", s.Number, Time(s.At), s.Event)
	for _, act := range s.Acts {
		fmt.Fprintf(w, "  before it: %s\n", act)
	}
	if s.Strays != "" {
		fmt.Fprintf(w, "  deviates from the default policy: %s\n", s.Strays)
	}
	for _, e := range s.Effects {
		fmt.Fprintf(w, "  -> %s\n", e)
	}
	fmt.Fprintf(w, "  capacity %d, alive %d, waiting %d, orphans %d\n", s.Capacity, s.Alive, s.Waiting,
		s.Orphans)
	for _, c := range s.Slots {
		fmt.Fprintf(w, "  slot %d: %s%s\n", c.Lane+1, c.Long, changed(c))
	}
	for _, c := range s.Callers {
		fmt.Fprintf(w, "  caller %d: %s (%s)%s\n", c.Lane+1, c.Short, c.Key, changed(c))
	}
	for _, b := range s.Browsers {
		fmt.Fprintf(w, "  browser %s\n", b)
	}
	for _, a := range s.Affinities {
		fmt.Fprintf(w, "  affinity %s\n", a)
	}
	for _, g := range s.Gone {
		fmt.Fprintf(w, "  gone: %s\n", g)
	}
	for _, wait := range s.Waits {
		printWait(w, "  ", wait.Text)
	}
}

// printWait writes why a request waits: what it waits for stands below it, each on a line.
func printWait(w io.Writer, indent, wait string) {
	for i, line := range strings.Split(strings.Replace(wait, ": ", ":; ", 1), "; ") {
		fmt.Fprintf(w, "%s%s%s\n", indent, strings.Repeat("    ", min(i, 1)), line)
	}
}

func changed(c Cell) string {
	if c.Changed {
		return "  *"
	}
	return ""
}

// PrintChoices writes what could have happened in place of a step.
func (s *Step) PrintChoices(w io.Writer) {
	for _, c := range s.Choices {
		mark := "  "
		switch {
		case c.Taken:
			mark = "* "
		case c.Fault:
			mark = "! "
		}
		fmt.Fprintf(w, "  %s%s\n", mark, c.Label)
	}
	if len(s.Choices) == 0 {
		fmt.Fprintln(w, "  nothing else")
	}
	fmt.Fprintln(w, "  (* is what happened, ! is a fault; due: "+strings.Join(s.Due, ", ")+")")
}
