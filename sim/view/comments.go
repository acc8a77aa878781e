package view

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
)

// How many comments of a trace, and how much of each, a page has.
const (
	mostComments = 30
	mostComment  = 400
)

// labelled is how a dump says what a request is for.
var labelled = regexp.MustCompile(`^(r\d+) is (".*")$`)

// sealed is the sum of a line.
var sealed = regexp.MustCompile(` #=[0-9a-f]{8}$`)

// commentsOf are the comments on top of a trace, before its first line: the labels of requests,
// which dumps have there, and the others.
func commentsOf(data []byte) (comments []string, labels map[string]string) {
	for line := range bytes.Lines(data) {
		text := strings.TrimSpace(string(line))
		text = sealed.ReplaceAllString(text, "")
		said, isComment := strings.CutPrefix(text, "#")
		if said = strings.TrimSpace(said); !isComment && text != "" &&
			!strings.HasPrefix(text, "pagepool-trace ") {
			break
		}
		if m := labelled.FindStringSubmatch(said); m != nil {
			if label, err := strconv.Unquote(m[2]); err == nil {
				if labels == nil {
					labels = map[string]string{}
				}
				labels[m[1]] = label
				continue
			}
		}
		if isComment && said != "" && len(comments) < mostComments {
			comments = append(comments, strings.ToValidUTF8(said[:min(len(said), mostComment)], ""))
		}
	}
	return comments, labels
}

// Read takes in the lead of the file that a trace was read from.
func (s *Source) Read(data []byte) { s.Comments, s.Labels = commentsOf(data) }
