package planted

import (
	"fmt"
	"regexp"
	"strings"
)

// Edit is one place at which a bug changes a function, or another declaration of a package.
type Edit struct {
	Package string   // pool/core, from the root of the repository
	Decl    string   // (*State).place, newState, tab
	Lines   []string // each begins with a space (it stays), - (it goes) or + (it comes)
}

func (e *Edit) String() string {
	return fmt.Sprintf("@@ %s %s\n%s\n", e.Package, e.Decl, strings.Join(e.Lines, "\n"))
}

// side returns the text before the bug, for '-', or with it, for '+'.
func (e *Edit) side(mark byte) string {
	var text strings.Builder
	for _, line := range e.Lines {
		if line[0] == ' ' || line[0] == mark {
			text.WriteString(line[1:] + "\n")
		}
	}
	return text.String()
}

var (
	caughtBy = regexp.MustCompile(`^Caught by: ([a-z-]+|Test[A-Za-z]+)(?: in ([A-Za-z0-9/-]+))?$`)
	placed   = regexp.MustCompile(`^@@ (\S+) (\S+)$`)
)

// Parse reads the file of a bug. An error names the line, and the rule that it breaks.
func Parse(name, text string) (*Bug, error) {
	bug := &Bug{Name: name}
	for n, line := range strings.Split(text, "\n") {
		wrong := func(rule string) (*Bug, error) {
			return nil, fmt.Errorf("planted bug %s, line %d: %q: %s", name, n+1, line, rule)
		}
		says, isSentence := strings.CutPrefix(line, "Bug: ")
		caught, place := caughtBy.FindStringSubmatch(line), placed.FindStringSubmatch(line)
		switch {
		case strings.TrimSpace(line) == "":
		case isSentence:
			bug.Says = says
		case caught != nil:
			bug.Claim, bug.Scenario = caught[1], caught[2]
		case place != nil:
			bug.Edits = append(bug.Edits, Edit{Package: place[1], Decl: place[2]})
		case len(bug.Edits) == 0:
			return wrong(`want "Bug: SENTENCE", "Caught by: CLAIM [in SCENARIO]", "Caught by: TEST in PACKAGE" or "@@ PACKAGE FUNCTION"`)
		case strings.IndexByte(" \t+-", line[0]) < 0:
			return wrong("want a line that begins with a space, + or -")
		default:
			e := &bug.Edits[len(bug.Edits)-1]
			if line[0] == '\t' { // an editor took the space away
				line = " " + line
			}
			e.Lines = append(e.Lines, line)
		}
	}
	switch {
	case bug.Says == "":
		return nil, fmt.Errorf("planted bug %s: no line says \"Bug: SENTENCE\"", name)
	case bug.Claim == "":
		return nil, fmt.Errorf("planted bug %s: no line says \"Caught by: CLAIM\"", name)
	case len(bug.Edits) == 0:
		return nil, fmt.Errorf("planted bug %s: no line says \"@@ PACKAGE FUNCTION\"", name)
	}
	for i := range bug.Edits {
		if e := &bug.Edits[i]; e.side('-') == e.side('+') {
			return nil, fmt.Errorf("planted bug %s: nothing changes in %s %s", name, e.Package, e.Decl)
		}
	}
	return bug, nil
}

// Text returns the file of a bug.
func (b *Bug) Text() string {
	var text strings.Builder
	fmt.Fprintf(&text, "Bug: %s\nCaught by: %s", b.Says, b.Claim)
	if b.Scenario != "" {
		fmt.Fprintf(&text, " in %s", b.Scenario)
	}
	text.WriteString("\n")
	for i := range b.Edits {
		fmt.Fprintf(&text, "\n%s", &b.Edits[i])
	}
	return text.String()
}
