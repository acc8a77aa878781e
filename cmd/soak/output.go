package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pagepool/pagepool/internal/prose"
)

// columns is how wide prose and help are. A command to be copied, a line of a trace and the name of
// a file are never broken.
const columns = 80

// wrap breaks a text into lines so that each has room behind an indent. Words stay whole.
func wrap(text string, indent int) []string {
	var lines []string
	for paragraph := range strings.SplitSeq(text, "\n") {
		line := ""
		for _, word := range strings.Fields(paragraph) {
			if n := utf8.RuneCountInString(line) + 1 + utf8.RuneCountInString(word); line != "" &&
				indent+n > columns {
				lines, line = append(lines, line), ""
			}
			if line != "" {
				line += " "
			}
			line += word
		}
		lines = append(lines, line)
	}
	return lines
}

// say writes a text with its first line behind a head, and the others below it.
func say(w io.Writer, head, text string) {
	indent := utf8.RuneCountInString(head)
	fmt.Fprintln(w, strings.TrimRight(head+
		strings.Join(wrap(text, indent), "\n"+strings.Repeat(" ", indent)), " "))
}

// nameWidth is how much room a list has for names.
const nameWidth = 22

// entry writes one entry of a list: its name, and what it is. A long name has a line of its own.
func entry(w io.Writer, name, says string) {
	head := fmt.Sprintf("  %-*s ", nameWidth, name)
	if utf8.RuneCountInString(name) > nameWidth {
		fmt.Fprintf(w, "  %s\n", name)
		head = fmt.Sprintf("  %-*s ", nameWidth, "")
	}
	say(w, head, says)
}

// listed is a list of entries as text, for help.
func listed(each func(add func(name, says string))) string {
	var b strings.Builder
	each(func(name, says string) { entry(&b, name, says) })
	return b.String()
}

// writeViolations writes broken claims, each once, with all the seeds that broke it.
func writeViolations(w io.Writer, all []violation) {
	var met []string
	for i := range all {
		if property := all[i].Property; !slices.Contains(met, property) {
			met = append(met, property)
			writeClaim(w, slices.DeleteFunc(slices.Clone(all), func(v violation) bool {
				return v.Property != property
			}))
		}
	}
}

// writeClaim writes the violations of one claim: the first of them, and whose seeds the others are.
func writeClaim(w io.Writer, same []violation) {
	first := &same[0]
	say(w, "BROKEN  ", first.Property+": "+first.Says)
	if len(same) > 1 {
		var seeds []uint64
		for _, v := range same {
			seeds = append(seeds, v.Seed)
		}
		say(w, "        ", fmt.Sprintf("%s, of seeds %s; the first:", prose.Count(len(same), "time"),
			ranges(seeds)))
	}
	say(w, "        ", fmt.Sprintf("%s, at step %d", first.What, first.Step))
	fmt.Fprintf(w, "        repeat: %s\n", first.Repeat)
	if first.Page != "" {
		fmt.Fprintf(w, "        look at it: %s\n", first.Page)
	}
}

// ranges writes numbers in short, such as 1-4, 7.
func ranges(numbers []uint64) string {
	slices.Sort(numbers)
	numbers = slices.Compact(numbers)
	var parts []string
	for from := 0; from < len(numbers); {
		to := from
		for to+1 < len(numbers) && numbers[to+1] == numbers[to]+1 {
			to++
		}
		part := strconv.FormatUint(numbers[from], 10)
		if to > from {
			part += "-" + strconv.FormatUint(numbers[to], 10)
		}
		parts, from = append(parts, part), to+1
	}
	return strings.Join(parts, ", ")
}
