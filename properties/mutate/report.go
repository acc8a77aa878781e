package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
)

// readAccepted reads the list of the mutants that may survive. A line that is not indented is a
// reason, and the indented ones under it are the keys of the mutants that it is about; # begins a
// comment.
func readAccepted(path string) (map[string]string, error) {
	accepted := map[string]string{}
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return accepted, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	reason := ""
	lines := bufio.NewScanner(file)
	for number := 1; lines.Scan(); number++ {
		line := lines.Text()
		key := strings.TrimSpace(line)
		switch {
		case key == "" || strings.HasPrefix(line, "#"):
		case key == line:
			reason = line
		case reason == "":
			return nil, fmt.Errorf("%s:%d: a mutant comes before any reason", path, number)
		case accepted[key] != "":
			return nil, fmt.Errorf("%s:%d: listed twice: %s", path, number, key)
		default:
			accepted[key] = reason
		}
	}
	return accepted, lines.Err()
}

// report prints the table and the survivors, and returns how many of those no list explains.
func report(out io.Writer, results []Result) (unlisted int) {
	killed, claims := map[string]int{}, map[string]int{}
	for i := range results {
		r := &results[i]
		killed[r.word()]++
		for _, claim := range strings.Fields(r.Claim) {
			claims[claim]++
		}
		if r.Killed != "" && r.Accepted != "" {
			fmt.Fprintf(out, "killed, and listed as if it could not be: %s\n", r.Key)
		}
	}
	for i := range results {
		r := &results[i]
		if r.Killed != "" && r.Killed != "golden" || r.Accepted != "" {
			continue
		}
		if r.Killed == "" {
			unlisted++
		}
		note := "no history changes"
		switch {
		case r.Hits == 0:
			note = "never reached"
		case r.Killed == "golden":
			note = "golden history of " + r.Golden
		case r.Changed != "":
			note = "changes " + r.Changed
		}
		fmt.Fprintf(out, "%s:%d: %s in %s, %s (%s)\n\t- %s\n\t+ %s\n", r.File, r.Line, r.Operator,
			r.Function, r.word(), note, r.Before, r.After)
	}
	fmt.Fprintf(out, "%d mutants\n", len(results))
	for _, word := range []string{"claim", "expectation", "crash", "endless", "golden", "survived"} {
		fmt.Fprintf(out, "%6d %s\n", killed[word], map[string]string{
			"claim": "killed by a claim", "expectation": "killed by an expectation of a trace",
			"crash":   "killed by a crash",
			"endless": "killed, for they never ended", "golden": "killed by a golden history only",
			"survived": "survived",
		}[word])
	}
	fmt.Fprintf(out, "%6d of those without a reason in the list\n", unlisted)
	names := slices.SortedFunc(maps.Keys(claims), func(a, b string) int {
		return cmp.Or(cmp.Compare(claims[b], claims[a]), cmp.Compare(a, b))
	})
	fmt.Fprintln(out, "by claim (one mutant can break several):")
	for _, name := range names {
		fmt.Fprintf(out, "%6d %s\n", claims[name], name)
	}
	return unlisted
}
