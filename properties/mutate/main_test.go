package main

import (
	"go/format"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func loaded(t *testing.T) *source {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	s, err := load(root)
	if err != nil {
		t.Fatal(err)
	}
	s.find()
	return s
}

// Whatever the list of accepted survivors names is a change that can still be made.
func TestTidyAcceptedMutantsAreInTheSource(t *testing.T) {
	accepted, err := readAccepted("../../testdata/mutants.txt")
	if err != nil {
		t.Fatal(err)
	}
	if len(accepted) == 0 {
		t.Fatal("testdata/mutants.txt names no mutant")
	}
	keys := map[string]bool{}
	for _, m := range loaded(t).list {
		if keys[m.Key()] {
			t.Errorf("two mutants are called %s", m.Key())
		}
		keys[m.Key()] = true
	}
	for key, reason := range accepted {
		if !keys[key] {
			t.Errorf("the source has changed under an accepted mutant; judge it anew: %s\n\tlike it are: %s",
				key, strings.Join(like(key, keys), "; "))
		}
		if len(strings.Fields(reason)) < 5 {
			t.Errorf("%q is no reason for %s", reason, key)
		}
	}
}

// like returns the keys of the mutants of the same function by the same operator.
func like(key string, keys map[string]bool) (others []string) {
	beginning, _, _ := strings.Cut(key, ": ")
	for other := range keys {
		if strings.HasPrefix(other, beginning+": ") {
			others = append(others, other)
		}
	}
	slices.Sort(others)
	return others
}

// Neither the layout nor the comments, the file or the other lines of a function change what a
// mutant is called.
func TestAMutantIsCalledByItsFunctionAndItsSyntax(t *testing.T) {
	const text = `package core
func add(most, n, by int) int {
	if n+by > most && by > 0 { return n }
	for i := 0; i < by; i++ { n += f(func() int { return 1 }) }
	return n
}
func f(g func() int) int { return g() }`
	other := strings.NewReplacer(
		"n+by > most && by > 0 {", "n +\n by > most && // why\n by > 0 {\nn++\n",
		"return 1", "return 1-2", "{ n +=", "{\n\tn +=",
	).Replace(text)
	keys := [2]map[string]bool{{}, {}}
	for i, files := range []map[string]string{{"a.go": text}, {"b.go": other}} {
		root := t.TempDir()
		if err := os.MkdirAll(filepath.Join(root, core), 0o700); err != nil {
			t.Fatal(err)
		}
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(root, core, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s, err := load(root)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range s.find() {
			keys[i][m.Key()] = true
		}
	}
	for _, want := range []string{
		"add return-early: at once", "add negate: n+by > most && by > 0", "add swap: n + by",
		"add off-by-one: n+by > most", "add plus-one: 0 in by > 0", "add plus-one: 0 in i := 0",
		"add drop-statement: n += f(func() int { })",
	} {
		if !keys[0][want] || !keys[1][want] {
			t.Errorf("no mutant is called %q: %v", want, keys)
		}
	}
}

func TestTheListOfAcceptedMutantsIsReadWithItsReasons(t *testing.T) {
	tests := []struct{ name, text, key, reason, wrong string }{
		{"a reason and its mutants", "# of the core\n\nnobody sees it\n  a => b\n  c => d\n", "c => d",
			"nobody sees it", ""},
		{"two reasons", "one\n  a => b\nother\n  c => d\n", "c => d", "other", ""},
		{"a mutant without a reason", "  a => b\n", "", "", ":1: a mutant comes before any reason"},
		{"a mutant twice", "one\n  a => b\nother\n  a => b\n", "", "", ":4: listed twice: a => b"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "mutants.txt")
			if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			accepted, err := readAccepted(path)
			if err == nil && test.wrong != "" ||
				err != nil && (test.wrong == "" || !strings.HasSuffix(err.Error(), test.wrong)) {
				t.Fatalf("got %v, want %q", err, test.wrong)
			}
			if accepted[test.key] != test.reason {
				t.Errorf("got %q, want %q", accepted[test.key], test.reason)
			}
		})
	}
}

// Every mutant is asked for in the rewritten source, by its number.
func TestEveryMutantCanBeSwitchedOn(t *testing.T) {
	s := loaded(t)
	changed, err := s.rewrite()
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for name, text := range changed {
		if _, err := format.Source(text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		all.Write(text)
	}
	asked := switchesIn(all.String())
	for _, m := range s.list {
		if asked[m.Number] == 0 {
			t.Errorf("mutant %d can be switched on nowhere: %s", m.Number, m.Key())
		}
	}
}

// switchesIn counts the places that ask for each mutant.
func switchesIn(text string) map[int]int {
	asked := map[int]int{}
	for _, m := range regexp.MustCompile(
		`\b(?:mutated|mutant(?:Not|Add|Case|Plus|Minus|Less|AtMost))\((\d+)`).FindAllStringSubmatch(text,
		-1) {
		if n, err := strconv.Atoi(m[1]); err == nil {
			asked[n]++
		}
	}
	return asked
}

// A survivor that no list explains is counted, and only such a one.
func TestSurvivorsWithoutAReasonAreCounted(t *testing.T) {
	results := []Result{
		{Key: "a", Killed: "claim", Claim: "capacity contexts"},
		{Key: "b"},
		{Key: "c", Accepted: "it changes nothing"},
		{Key: "d", Killed: "golden", Golden: "traces/x.trace"},
	}
	var printed strings.Builder
	if unlisted := report(&printed, results); unlisted != 1 {
		t.Errorf("got %d, want 1", unlisted)
	}
	for _, want := range []string{"4 mutants\n", "1 killed by a claim\n",
		"1 killed by a golden history only\n", "2 survived\n", "1 capacity\n"} {
		if !strings.Contains(printed.String(), want) {
			t.Errorf("the report does not say %q:\n%s", want, printed.String())
		}
	}
}
