package planted

import (
	"go/scanner"
	gotoken "go/token"
	"slices"
	"strings"
)

// lexeme is one token of Go source, with the bytes that it covers. A semicolon that a line's end
// stands for covers what is between the last token and the next line.
type lexeme struct {
	text       string
	start, end int
	name       bool // it is an identifier
}

// lex returns the tokens of source text without its comments and its layout: a comma or a semicolon
// before a closing bracket is left out, and so is a semicolon at the end.
func lex(text string) []lexeme {
	var list []lexeme
	files := gotoken.NewFileSet()
	file := files.AddFile("", files.Base(), len(text))
	var s scanner.Scanner
	s.Init(file, []byte(text), func(gotoken.Position, string) {}, 0)
	for {
		pos, tok, literal := s.Scan()
		if tok == gotoken.EOF {
			break
		}
		l := lexeme{text: literal, start: file.Offset(pos), name: tok == gotoken.IDENT}
		if tok.IsOperator() && tok != gotoken.SEMICOLON || literal == "" {
			l.text = tok.String()
		}
		l.end = l.start + len(l.text)
		switch {
		case tok == gotoken.SEMICOLON && literal == "\n":
			l.text, l.end = ";", len(text)
			if newline := strings.IndexByte(text[l.start:], '\n'); newline >= 0 {
				l.end = l.start + newline + 1
			}
			if len(list) > 0 {
				l.start = list[len(list)-1].end
			}
		case tok == gotoken.RBRACE || tok == gotoken.RPAREN || tok == gotoken.RBRACK:
			if n := len(list); n > 0 && (list[n-1].text == ";" || list[n-1].text == ",") {
				list = list[:n-1]
			}
		}
		list = append(list, l)
	}
	for len(list) > 0 && list[len(list)-1].text == ";" {
		list = list[:len(list)-1]
	}
	return list
}

func same(a, b lexeme) bool { return a.text == b.text }

// occurrences returns where a run of tokens begins in another.
func occurrences(in, run []lexeme) (at []int) {
	for i := 0; i+len(run) <= len(in); i++ {
		if slices.EqualFunc(in[i:i+len(run)], run, same) {
			at = append(at, i)
		}
	}
	return at
}

// span returns the bytes that the tokens from lo to hi cover; without tokens, the place after the
// one before.
func span(list []lexeme, lo, hi int) (start, end int) {
	switch {
	case lo < hi:
		return list[lo].start, list[hi-1].end
	case lo > 0:
		return list[lo-1].end, list[lo-1].end
	}
	return list[0].start, list[0].start
}

// step is a stretch in which two sequences differ: what is at [a, aEnd) in one is at [b, bEnd) in
// the other.
type step struct{ a, aEnd, b, bEnd int }

// diff returns the stretches in which two sequences differ, by their longest common subsequence.
func diff[T any](a, b []T, equal func(T, T) bool) (steps []step) {
	longest := make([][]int, len(a)+1) // of what follows
	for i := range longest {
		longest[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			longest[i][j] = max(longest[i+1][j], longest[i][j+1])
			if equal(a[i], b[j]) {
				longest[i][j] = longest[i+1][j+1] + 1
			}
		}
	}
	for i, j := 0, 0; i < len(a) || j < len(b); {
		if i < len(a) && j < len(b) && equal(a[i], b[j]) {
			i, j = i+1, j+1
			continue
		}
		s := step{i, i, j, j}
		for i < len(a) || j < len(b) {
			if i < len(a) && j < len(b) && equal(a[i], b[j]) {
				break
			}
			if j == len(b) || i < len(a) && longest[i+1][j] >= longest[i][j+1] {
				i++
			} else {
				j++
			}
		}
		s.aEnd, s.bEnd = i, j
		steps = append(steps, s)
	}
	return steps
}

// slide moves a stretch that comes or goes to the left, where the same tokens permit that, until it
// does not begin or end within a selector: of a - b.c - b.d without c it is "- b.c" that goes, and
// not "c - b.".
func slide(list []lexeme, lo, hi int) (left int) {
	for n := 0; n <= lo && n < hi-lo; n++ {
		if n > 0 && !same(list[lo-n], list[hi-n]) {
			break
		}
		if list[lo-n].text != "." && (lo == n || list[lo-n-1].text != ".") {
			return n
		}
	}
	return 0
}

// changes returns the stretches in which two runs of tokens differ.
func changes(was, is []lexeme) []step {
	steps := diff(was, is, same)
	for i := range steps {
		s := &steps[i]
		left := 0
		switch {
		case s.a == s.aEnd && s.b < s.bEnd:
			left = slide(is, s.b, s.bEnd)
		case s.b == s.bEnd:
			left = slide(was, s.a, s.aEnd)
		}
		if i > 0 && s.a-left < steps[i-1].aEnd {
			left = 0
		}
		*s = step{s.a - left, s.aEnd - left, s.b - left, s.bEnd - left}
	}
	return steps
}

// alignment says where a run of tokens is in another as nearly as possible.
type alignment struct {
	lo, hi  int
	after   []int             // by token of the run: where the other continues after it
	renamed map[string]string // identifiers that have another name there throughout
	alike   int               // per cent
}

// The costs of an alignment: a token that came, one that went, an identifier that has another name.
const (
	came      = 1
	went      = 2
	otherName = 2
)

// nearest aligns a run with the stretch of another that takes the cheapest changes.
func nearest(in, run []lexeme) alignment {
	cost := make([][]int, len(run)+1)
	for j := range cost {
		cost[j] = make([]int, len(in)+1)
		for i := range cost[j] {
			if j > 0 {
				cost[j][i] = cost[j-1][i] + went
			}
			if j > 0 && i > 0 {
				cost[j][i] = min(cost[j][i], cost[j][i-1]+came, cost[j-1][i-1]+exchange(in[i-1], run[j-1]))
			}
		}
	}
	last := cost[len(run)]
	found := alignment{after: make([]int, len(run)), renamed: map[string]string{}}
	for i := range last {
		if last[i] <= last[found.hi] {
			found.hi = i
		}
	}
	found.alike = 100 - 100*last[found.hi]/(went*max(1, len(run)))
	kept := map[string]bool{}
	i := found.hi
	for j := len(run); j > 0; {
		found.after[j-1] = i
		switch {
		case i > 0 && cost[j][i] == cost[j-1][i-1]+exchange(in[i-1], run[j-1]):
			i, j = i-1, j-1
			if to := found.renamed[run[j].text]; to != "" && to != in[i].text || same(in[i], run[j]) {
				kept[run[j].text] = true
			} else {
				found.renamed[run[j].text] = in[i].text
			}
		case cost[j][i] == cost[j-1][i]+went:
			j--
		default:
			i--
		}
	}
	found.lo = i
	for name := range kept {
		delete(found.renamed, name)
	}
	return found
}

func exchange(a, b lexeme) int {
	switch {
	case same(a, b):
		return 0
	case a.name && b.name:
		return otherName
	}
	return came + went
}
