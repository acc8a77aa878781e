package properties

import (
	"go/ast"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// operatingPage is the page for operators.
func operatingPage(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// logLine is what a call of the log says.
type logLine struct {
	level string
	keys  []string
}

// logLevels are the methods that write a line, by their level. noteLocked has it as its argument.
var logLevels = map[string]string{
	"Debug": "DEBUG", "Info": "INFO", "Warn": "WARN", "Error": "ERROR",
	"DebugContext": "DEBUG", "InfoContext": "INFO", "WarnContext": "WARN", "ErrorContext": "ERROR",
	"LevelDebug": "DEBUG", "LevelInfo": "INFO", "LevelWarn": "WARN", "LevelError": "ERROR",
}

// The log of the product is an interface: its messages and keys are constant, and the page for
// operators has a row for each.
func TestTidyLogLinesAreConstantAndDocumented(t *testing.T) {
	lines := map[string]logLine{}
	attrs := diagnosisKeys(t)
	for _, f := range goFiles(t) {
		if !strings.HasPrefix(f.path, "pool/") || strings.HasPrefix(f.path, "pool/core/") || f.test {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			level, message, rest := logCall(n)
			if message == nil {
				return true
			}
			at := f.files.Position(n.Pos())
			text, ok := constant(message)
			if !ok {
				t.Errorf("%s: the message of a log line is not constant", at)
				return true
			}
			line := lines[text]
			if line.level != "" && line.level != level {
				t.Errorf("%s: %q has two levels", at, text)
			}
			line.level = level
			line.keys = append(line.keys, keysOf(t, at.String(), rest, attrs)...)
			lines[text] = line
			return true
		})
	}
	if len(lines) < 15 {
		t.Fatalf("found %d log lines; the search is broken", len(lines))
	}
	page := operatingPage(t)
	documented := map[string]logLine{}
	for _, m := range regexp.MustCompile(
		"(?m)^\\| `([^`]+)` \\| (DEBUG|INFO|WARN|ERROR) \\| ([a-z_ ]*) \\|").FindAllStringSubmatch(page,
		-1) {
		documented[m[1]] = logLine{m[2], strings.Fields(m[3])}
	}
	keys := map[string]bool{}
	for message, line := range lines {
		row, ok := documented[message]
		slices.Sort(line.keys)
		slices.Sort(row.keys)
		line.keys = slices.Compact(line.keys)
		if !ok || row.level != line.level || !slices.Equal(row.keys, line.keys) {
			t.Errorf("%q: the code says %s %v, the page for operators %s %v", message, line.level, line.keys,
				row.level, row.keys)
		}
		for _, key := range line.keys {
			keys[key] = true
		}
		delete(documented, message)
	}
	for message := range documented {
		t.Errorf("the page for operators has a row for %q, which nobody writes", message)
	}
	for key := range maps.Keys(keys) {
		if !regexp.MustCompile("(?m)^\\| `" + key + "` \\| [^|]+ \\|$").MatchString(page) {
			t.Errorf("the page for operators does not say what key %s is", key)
		}
	}
}

// logCall takes a call of the log apart; a nil message: it is none.
func logCall(n ast.Node) (level string, message ast.Expr, rest []ast.Expr) {
	if lit, ok := n.(*ast.CompositeLit); ok { // note{level, text, args, ...}
		if name, ok := lit.Type.(*ast.Ident); ok && name.Name == "note" && len(lit.Elts) == 4 {
			if of, ok := lit.Elts[0].(*ast.SelectorExpr); ok {
				return logLevels[of.Sel.Name], lit.Elts[1], lit.Elts[2].(*ast.CompositeLit).Elts
			}
		}
		return "", nil, nil
	}
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return "", nil, nil
	}
	fn, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return "", nil, nil
	}
	args := call.Args
	switch of, isField := fn.X.(*ast.SelectorExpr); {
	case fn.Sel.Name == "noteLocked":
		return logLevels[args[0].(*ast.SelectorExpr).Sel.Name], args[1], args[2:]
	case isField && of.Sel.Name == "log" && strings.HasSuffix(fn.Sel.Name, "Context"):
		return logLevels[fn.Sel.Name], args[1], args[2:]
	case isField && of.Sel.Name == "log" && logLevels[fn.Sel.Name] != "":
		return logLevels[fn.Sel.Name], args[0], args[1:]
	}
	return "", nil, nil
}

func constant(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}

// keysOf returns the keys of a line. attrs are those that a diagnosis adds, which a line appends.
func keysOf(t *testing.T, at string, args []ast.Expr, attrs []string) (keys []string) {
	t.Helper()
	if len(args) == 1 { // append([]any{...}, d.result.attrs()...)...
		if call, ok := args[0].(*ast.CallExpr); ok {
			return append(keysOf(t, at, call.Args[0].(*ast.CompositeLit).Elts, nil), attrs...)
		}
	}
	for i := 0; i < len(args); i += 2 {
		key, ok := constant(args[i])
		if !ok || !regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`).MatchString(key) {
			t.Errorf("%s: key %d of a log line is no constant of small letters", at, i/2+1)
		}
		keys = append(keys, key)
	}
	return keys
}

// diagnosisKeys are the keys that Diagnosis.attrs returns.
func diagnosisKeys(t *testing.T) (keys []string) {
	t.Helper()
	for _, f := range goFiles(t) {
		for _, d := range f.syntax.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && f.path == "pool/diagnosis.go" && fn.Name.Name == "attrs" {
				list := fn.Body.List[0].(*ast.ReturnStmt).Results[0].(*ast.CompositeLit).Elts
				keys = keysOf(t, f.path, list, nil)
			}
		}
	}
	if len(keys) == 0 {
		t.Fatal("Diagnosis.attrs is not where it was")
	}
	return keys
}
