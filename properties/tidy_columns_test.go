package properties

import (
	"go/scanner"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// columns is how long a line of Go or of a document may be. A tab counts as one.
const columns = 100

// A line of Go is as narrow as one of a document, but where a string of several lines, or one in
// backquotes that cannot be divided, makes it longer.
func TestTidyLinesOfGoAreNarrow(t *testing.T) {
	for _, f := range goFiles(t) {
		source, err := os.ReadFile(filepath.Join("..", f.path))
		if err != nil {
			t.Fatal(err)
		}
		raw := rawLines(source)
		for i, line := range strings.Split(string(source), "\n") {
			if n := utf8.RuneCountInString(line); n > columns && !raw[i+1] {
				t.Errorf("%s:%d has %d columns; the most are %d", f.path, i+1, n, columns)
			}
		}
	}
}

// rawLines are the lines that a string in backquotes begins in, ends in, or goes through.
func rawLines(source []byte) map[int]bool {
	files, lines := token.NewFileSet(), map[int]bool{}
	file := files.AddFile("", files.Base(), len(source))
	var s scanner.Scanner
	s.Init(file, source, nil, 0)
	for {
		at, kind, text := s.Scan()
		if kind == token.EOF {
			return lines
		}
		if kind == token.STRING && text[0] == '`' {
			first := file.Line(at)
			for n := range strings.Count(text, "\n") + 1 {
				lines[first+n] = true
			}
		}
	}
}
