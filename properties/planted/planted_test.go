package planted

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const counter = `package core

// Counter counts.
type Counter struct{ n, most int }

// Add counts up to most.
func (c *Counter) Add(by int) bool {
	if c.n+by > c.most {
		return false
	}
	c.n += by
	return true
}

func (c *Counter) drop() {
	c.n = 0
	c.most = 0
}
`

const (
	file  = "pool/core/counter.go" // where counter is
	full  = "\tif c.n+by > c.most {\n\t\treturn false\n\t}\n"
	inAdd = "@@ pool/core (*Counter).Add\n"
)

const overfull = `Bug: It counts one too many.
Caught by: capacity in small

@@ pool/core (*Counter).Add
-	if c.n+by > c.most {
+	if c.n+by > c.most+1 {
`

// tree writes files below a folder of its own.
func tree(t *testing.T, files map[string]string) *Tree {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return NewTree(root)
}

func mustParse(t *testing.T, text string) *Bug {
	t.Helper()
	b, err := Parse("overfull", text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func says(err error, text string) bool { return err != nil && strings.Contains(err.Error(), text) }

// edited replaces a part of a text that has to be there.
func edited(t *testing.T, text, old, by string) string {
	t.Helper()
	if !strings.Contains(text, old) {
		t.Fatalf("%q is not in\n%s", old, text)
	}
	return strings.Replace(text, old, by, 1)
}

// A bug is bound to a function and to the tokens that it replaces, and to nothing else.
func TestABugFitsWhereverItsFunctionAndItsTokensAre(t *testing.T) {
	const moved, around = "pool/core/add.go", "c.n+by > c.most {"
	add := counter[strings.Index(counter, "// Add"):strings.Index(counter, "func (c *Counter) drop")]
	for name, files := range map[string]map[string]string{
		"as it was written": {file: counter},
		"under a comment":   {file: "// A license.\n\n" + counter},
		"in another file":   {file: edited(t, counter, add, ""), moved: "package core\n\n" + add},
		"indented":          {file: edited(t, counter, around, "\t\tc.n +\n by > c.most {")},
		"with comments":     {file: edited(t, counter, around, "c.n+by /* new */ > c.most { // full")},
		"beside other code": {file: edited(t, counter, "c.n += by", "c.n += by\n\tc.most--")},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := tree(t, files).Files(mustParse(t, overfull))
			if err != nil {
				t.Fatal(err)
			}
			for file, text := range got {
				is := lex(text)
				s := diff(lex(files[file]), is, same)
				if len(got) != 1 || len(s) != 1 || s[0].aEnd != s[0].a ||
					text[is[s[0].b].start:is[s[0].bEnd-1].end] != "+1" {
					t.Errorf("%s is not the code with \"+1\" in it:\n%s", file, text)
				}
			}
		})
	}
}

func TestAnErrorSaysWhyABugDoesNotFit(t *testing.T) {
	for _, test := range []struct{ name, code, plant, want string }{
		{"its function is gone", edited(t, counter, "Add(by", "Grow(by"), overfull,
			"pool/core declares no (*Counter).Add"},
		{"its text is gone", edited(t, counter, "c.n+by > c.most", "c.n+by > c.limit"), overfull,
			"does not contain\n    | \tif c.n+by > c.most {\n" +
				"The nearest, 91 % alike, is at pool/core/counter.go:8\n    | if c.n+by > c.limit {"},
		{"its text is there twice", edited(t, counter, "\tc.n += by", full+"\tc.n += by"), overfull,
			"contains it 2 times, at lines 8 and 11: keep a line more"},
		{"a type has no body", counter, "Bug: x\nCaught by: y\n@@ pool/core Counter\n+\tm int\n",
			"has no body"},
		{"two edits meet", counter, overfull + inAdd + "-" + strings.ReplaceAll(full, "\n", "\n-") + "\n",
			"change the same text"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := tree(t, map[string]string{file: test.code}).Files(mustParse(t, test.plant))
			if !says(err, "planted bug overfull: ") || !says(err, test.want) {
				t.Errorf("got %v\nwant %s", err, test.want)
			}
		})
	}
}

func TestTheFileOfABugIsReadWithTheRuleThatItBreaks(t *testing.T) {
	if text := mustParse(t, overfull).Text(); text != overfull {
		t.Errorf("written, it reads\n%s", text)
	}
	for _, test := range []struct{ was, is, want string }{
		{"Bug: It counts one too many.\n", "", `no line says "Bug: SENTENCE"`},
		{"Caught by: capacity in small\n", "", `no line says "Caught by: CLAIM"`},
		{"Caught by: capacity in small", "Caught by capacity", "line 2: \"Caught by capacity\": want"},
		{"-\tif", "*\tif", "line 5: \"*\\tif c.n+by > c.most {\": want a line that begins with a space"},
		{"> c.most+1", "> c.most", "nothing changes in pool/core (*Counter).Add"},
		{overfull[strings.Index(overfull, "@@"):], "", `no line says "@@ PACKAGE FUNCTION"`},
	} {
		if _, err := Parse("overfull", edited(t, overfull, test.was, test.is)); !says(err, test.want) {
			t.Errorf("got %v, want %s", err, test.want)
		}
	}
}

// Code that was renamed, moved or changed around a bug is found again, and the bug makes the same
// mistake there.
func TestABugIsPlantedAnewWhereItsTextHasGone(t *testing.T) {
	for _, test := range []struct{ name, code, want, note string }{
		{"a field has another name", strings.ReplaceAll(counter, "c.most", "c.limit"),
			inAdd + "-\tif c.n+by > c.limit {\n+\tif c.n+by > c.limit+1 {\n", "91 % alike"},
		{"a field is deeper", strings.ReplaceAll(counter, "c.n", "c.facts.n"),
			inAdd + "-\tif c.facts.n+by > c.most {\n+\tif c.facts.n+by > c.most+1 {\n", "alike"},
		{"a condition has grown", edited(t, counter, "> c.most {", "> c.most || by < 0 {"),
			inAdd + "-\tif c.n+by > c.most || by < 0 {\n+\tif c.n+by > c.most+1 || by < 0 {\n", "alike"},
		{"the function has another name", edited(t, counter, "Add(by", "Grow(by"),
			"@@ pool/core (*Counter).Grow\n-\tif c.n+by > c.most {\n+\tif c.n+by > c.most+1 {\n",
			"is in pool/core (*Counter).Grow now"},
	} {
		t.Run(test.name, func(t *testing.T) {
			code := tree(t, map[string]string{file: test.code})
			again, notes, err := code.Reanchor(mustParse(t, overfull), 60)
			if err != nil {
				t.Fatal(err)
			}
			got, note := again.Edits[0].String(), strings.Join(notes, "; ")
			if len(again.Edits) != 1 || got != test.want || !strings.Contains(note, test.note) {
				t.Errorf("%q\n%s\nwant %q\n%s", note, got, test.note, test.want)
			}
		})
	}
	code := tree(t, map[string]string{file: strings.ReplaceAll(counter, "c.n", "c.count")})
	doubles := "Bug: It doubles.\nCaught by: x\n" + inAdd + "-\tc.n += by\n+\tc.n += by + c.n\n"
	again, _, err := code.Reanchor(mustParse(t, doubles), 60)
	if err != nil || !strings.Contains(again.Text(), "+\tc.count += by + c.count\n") {
		t.Errorf("what comes has the old names: %v\n%v", err, again)
	}
	code = tree(t, map[string]string{file: edited(t, counter, "c.n += by", "c.n += f(by, g())")})
	again, _, err = code.Reanchor(
		mustParse(t, strings.ReplaceAll(doubles, "by + c.n", "by\n+\tc.n++")), 60)
	if err != nil || !strings.Contains(again.Text(), " \tc.n += f(by, g())\n+\tc.n++\n") {
		t.Errorf("what comes is in the middle of a statement: %v\n%v", err, again)
	}
	code = tree(t, map[string]string{file: edited(t, counter, full, "")})
	if again, _, err := code.Reanchor(mustParse(t, overfull), 60); err == nil {
		t.Errorf("it is planted where nothing is like it:\n%s", again.Text())
	}
}

// The lines that tell a place are as few as tell it, and the edits make what was edited.
func TestEditsAreWrittenFromTwoTexts(t *testing.T) {
	for _, test := range []struct{ name, was, is, want string }{
		{"a line goes", "\tc.most = 0\n", "", "@@ pool/core (*Counter).drop\n-\tc.most = 0\n"},
		{"the body begins with it", "drop() {\n", "drop() {\n\tprintln()\n",
			"@@ pool/core (*Counter).drop\n+\tprintln()\n"},
		{"a line comes", "\tc.most = 0\n", "\tprintln()\n\tc.most = 0\n",
			"@@ pool/core (*Counter).drop\n \tc.n = 0\n+\tprintln()\n"},
		{"a field comes", "n, most int", "n, most, more int",
			"@@ pool/core Counter\n-Counter struct{ n, most int }\n+Counter struct{ n, most, more int }\n"},
		{"comments say nothing", "\treturn true", "\t// why\n\treturn false // this",
			inAdd + " \tc.n += by\n-\treturn true\n+\treturn false\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			is := edited(t, counter, test.was, test.is)
			edits, err := Edits(map[string]string{file: counter}, map[string]string{file: is})
			if err != nil || len(edits) != 1 || edits[0].String() != test.want {
				t.Fatalf("%v\n%v\nwant\n%s", err, edits, test.want)
			}
			b := &Bug{Name: "overfull", Edits: edits}
			got, err := tree(t, map[string]string{file: counter}).Files(b)
			if err != nil || !slices.EqualFunc(lex(got[file]), lex(is), same) {
				t.Errorf("%v\n%s", err, got[file])
			}
		})
	}
	was, more := map[string]string{file: counter}, map[string]string{file: counter + "\nfunc f() {}\n"}
	if _, err := Edits(was, more); !says(err, "adds, moves or removes none") {
		t.Errorf("a function that came: %v", err)
	}
}

// A bug that fits is no bug if the compiler refuses it.
func TestABugThatDoesNotCompileIsSeen(t *testing.T) {
	code := map[string]string{file: counter}
	if err := tree(t, code).Compiles(mustParse(t, overfull)); err != nil {
		t.Error(err)
	}
	err := tree(t, code).Compiles(mustParse(t, edited(t, overfull, "c.most+1", "c.mist")))
	if !says(err, "c.mist undefined") {
		t.Errorf("got %v", err)
	}
}

// Tokens that go are those of a whole operand, and a name counts as changed only where it is
// changed throughout.
func TestChangesAndNamesAreReadAsAPersonWouldReadThem(t *testing.T) {
	if s := changes(lex("a - b.c - b.d"), lex("a - b.d")); len(s) != 1 || s[0] != (step{2, 6, 2, 2}) {
		t.Errorf("b.c - goes, and not %v", s)
	}
	if n := nearest(lex("f(y, z)"), lex("f(x, z)")); n.renamed["x"] != "y" || n.alike != 84 {
		t.Errorf("x is called y there: %+v", n)
	}
	if n := nearest(lex("f(y, x)"), lex("f(x, x)")); len(n.renamed) != 0 {
		t.Errorf("x is called x in one place: %+v", n)
	}
	if n := nearest(lex("a(b) + f(x, g, z)"), lex("f(x, z)")); n.lo != 5 || n.hi != 13 {
		t.Errorf("f(x, g, z) is what is near: %+v", n)
	}
}
