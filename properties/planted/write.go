package planted

import (
	"cmp"
	"fmt"
	"go/format"
	"maps"
	"slices"
	"strings"
)

// editLine is a line of a declaration: ' ' (it stays), '-' (it goes) or '+' (it comes).
type editLine struct {
	mark byte
	text string
}

// between returns the edits that make one text of a file out of another. Both are compared
// declaration by declaration; what differs anywhere else, or in a declaration that only one of them
// has, is an error.
func between(file, was, is string) (edits []Edit, err error) {
	before, err := declarations(file, was)
	if err != nil {
		return nil, err
	}
	after, err := declarations(file, is)
	if err != nil {
		return nil, err
	}
	sameName := func(a, b *decl) bool { return a.name == b.name }
	if !slices.EqualFunc(before, after, sameName) {
		return nil, fmt.Errorf("%s declares something else than before: "+
			"a bug changes declarations, and adds, moves or removes none", file)
	}
	for n, d := range before {
		if slices.EqualFunc(d.lexemes, after[n].lexemes, same) {
			continue
		}
		found, err := within(d, was, is[after[n].start:after[n].end])
		if err != nil {
			return nil, err
		}
		edits = append(edits, found...)
	}
	return edits, nil
}

// Edits returns the edits that make of some files, by their path from the root, what they are after
// them.
func Edits(was, is map[string]string) (edits []Edit, err error) {
	for _, file := range slices.Sorted(maps.Keys(is)) {
		found, err := between(file, was[file], is[file])
		if err != nil {
			return nil, err
		}
		edits = append(edits, found...)
	}
	return edits, nil
}

// within returns the edits that change one declaration, each with as few lines around it as tell
// its place.
func within(d *decl, file, is string) (edits []Edit, err error) {
	script := lineScript(file[d.start:d.end], is)
	var hunks [][2]int
	for i := range script {
		if script[i].mark == ' ' {
			continue
		}
		if n := len(hunks); n > 0 && i-hunks[n-1][1] <= 1 { // one line between two changes joins them
			hunks[n-1][1] = i + 1
		} else {
			hunks = append(hunks, [2]int{i, i + 1})
		}
	}
	for n := 0; n < len(hunks); n++ {
		least, most := 0, len(script)
		if n > 0 {
			least = hunks[n-1][1]
		}
		if n+1 < len(hunks) {
			most = hunks[n+1][0]
		}
		e, ok := surround(d, script, hunks[n], least, most)
		switch {
		case ok:
			edits = append(edits, e)
		case n+1 < len(hunks):
			hunks[n+1][0] = hunks[n][0]
		default:
			return nil, fmt.Errorf("%s %s: no lines around this tell its place\n%s",
				d.pkg, d.name, indent(e.String()))
		}
	}
	return edits, nil
}

// leastTokens is how many tokens an edit quotes at least, so that it does not match by chance when
// the code grows.
const leastTokens = 5

// surround adds as few lines to a hunk as make it occur once in its declaration.
func surround(d *decl, script []editLine, hunk [2]int, least, most int) (e Edit, ok bool) {
	build := func(from, to int) Edit {
		e := Edit{Package: d.pkg, Decl: d.name}
		for _, l := range script[from:to] {
			e.Lines = append(e.Lines, string(l.mark)+l.text)
		}
		return e
	}
	e = build(hunk[0], hunk[1])
	if hunk[0] == 1 && strings.HasSuffix(script[0].text, "{") && lex(e.side('-')) == nil {
		return e, true // the body begins with it
	}
	for around := 0; around <= most-least; around++ {
		for before := around; before >= 0; before-- {
			from, to := hunk[0]-before, hunk[1]+around-before
			if from < least || to > most || from == 0 && around > 0 && to < most {
				continue // the signature says nothing of the place unless nothing else does
			}
			e = build(from, to)
			was := lex(e.side('-'))
			if len(was) >= min(leastTokens, len(d.lexemes)) && len(occurrences(d.lexemes, was)) == 1 {
				return e, true
			}
		}
	}
	return e, false
}

// lineScript compares two texts by line, without blank lines and comments.
func lineScript(was, is string) (script []editLine) {
	a, b := codeLines(was), codeLines(is)
	at := 0
	put := func(mark byte, lines []string) {
		for _, l := range lines {
			script = append(script, editLine{mark, l})
		}
	}
	equal := func(a, b string) bool { return a == b } // the indentation tells closing braces apart
	for _, s := range diff(a, b, equal) {
		put(' ', a[at:s.a])
		put('-', a[s.a:s.aEnd])
		put('+', b[s.b:s.bEnd])
		at = s.aEnd
	}
	put(' ', a[at:])
	return script
}

// codeLines returns the lines of a text that have code in them, up to the last token of each.
func codeLines(text string) (lines []string) {
	for line := range strings.Lines(text) {
		if l := lex(line); len(l) > 0 {
			lines = append(lines, strings.TrimRight(line[:l[len(l)-1].end], " \t\n"))
		}
	}
	return lines
}

// Reanchor returns a bug whose edits fit the code again: in the function where their text is now,
// or at the nearest text of the function that they name, where at least alike per cent of the
// tokens are the same. Notes say what it did.
func (t *Tree) Reanchor(b *Bug, alike int) (fresh *Bug, notes []string, err error) {
	var changes []change
	for i := range b.Edits {
		found, note, err := t.propose(&b.Edits[i], alike)
		if err != nil {
			return nil, nil, err
		}
		if note != "" {
			notes = append(notes, note)
		}
		changes = append(changes, found...)
	}
	texts, err := t.apply(changes)
	if err != nil {
		return nil, nil, err
	}
	for file, text := range texts {
		laidOut, err := format.Source([]byte(text))
		if err != nil {
			return nil, nil, fmt.Errorf("what would fit makes %s no Go: %w", file, err)
		}
		texts[file] = string(laidOut)
	}
	again := *b
	if again.Edits, err = Edits(t.texts, texts); err != nil {
		return nil, nil, err
	}
	return &again, notes, t.verify(&again, texts)
}

// verify compares what a bug makes of the code with what it has to be.
func (t *Tree) verify(b *Bug, want map[string]string) error {
	got, err := t.Files(b)
	if err != nil {
		return err
	}
	for file, text := range want {
		if !slices.EqualFunc(lex(text), lex(got[file]), same) {
			return fmt.Errorf("planted bug %s: its edits do not make %s what it was", b.Name, file)
		}
	}
	return nil
}

// propose finds what an edit is to change now.
func (t *Tree) propose(e *Edit, alike int) (changes []change, note string, err error) {
	c, err := t.place(e)
	if err == nil {
		return []change{c}, "", nil
	}
	was := lex(e.side('-'))
	d, gone := t.named(e)
	if len(was) == 0 || gone == nil && len(occurrences(d.lexemes, was)) > 1 {
		return nil, "", err
	}
	decls, walkErr := t.all("pool")
	if walkErr != nil {
		return nil, "", walkErr
	}
	if gone != nil || len(was) >= 2*leastTokens { // a short text is elsewhere by chance
		held := func(d *decl) bool { return len(occurrences(d.lexemes, was)) == 1 }
		if n := slices.IndexFunc(decls, held); n >= 0 && !slices.ContainsFunc(decls[n+1:], held) {
			moved := Edit{decls[n].pkg, decls[n].name, e.Lines}
			c, err = t.place(&moved)
			note = fmt.Sprintf("the text of %s %s is in %s %s now",
				e.Package, e.Decl, moved.Package, moved.Decl)
			return []change{c}, note, err
		}
	}
	if gone == nil {
		decls = []*decl{d}
	}
	var near alignment
	for _, other := range decls {
		if a := nearest(other.lexemes, was); a.alike > near.alike {
			near, d = a, other
		}
	}
	if near.alike < max(1, alike) {
		return nil, "", err
	}
	note = fmt.Sprintf("the nearest text to that of %s %s, in %s %s, is %d %% alike",
		e.Package, e.Decl, d.pkg, d.name, near.alike)
	return merge(d, was, e.side('+'), near), note, nil
}

// ends says whether a statement is over before a token.
func ends(l lexeme) bool { return l.text == ";" || l.text == "}" }

// merge makes the changes of an edit at the nearest text. Identifiers that have another name there
// get it in what comes.
func merge(d *decl, was []lexeme, text string, near alignment) (made []change) {
	continues := func(n int) int {
		if n == 0 {
			return near.lo
		}
		return near.after[n-1]
	}
	is := lex(text)
	for _, s := range changes(was, is) {
		c := change{decl: d}
		lo, hi := continues(s.a), continues(s.aEnd)
		for s.a == len(was) && is[s.b].text == ";" && hi < len(d.lexemes)-1 && !ends(d.lexemes[hi]) {
			lo, hi = hi+1, hi+1 // a statement comes after the whole of the last one
		}
		c.start, c.end = span(d.lexemes, lo, hi)
		for i, end := s.b, 0; i < s.bEnd; i++ {
			if i > s.b {
				c.text += text[end:is[i].start]
			}
			c.text += cmp.Or(near.renamed[is[i].text], text[is[i].start:is[i].end])
			end = is[i].end
		}
		made = append(made, c)
	}
	return made
}
