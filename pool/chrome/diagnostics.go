package chrome

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/chromedp/cdproto/cdp/jsonv2"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
)

// Diagnostics are what a page has said of its troubles since its lease began, and what it waits for
// now.
type Diagnostics struct {
	// URL is what the page shows, as far as it is known.
	URL string
	// Problems are the first 32 different ones, in the order in which they came.
	Problems []Problem
	// Unlisted is how many further ones came that are not listed.
	Unlisted int
	// Requests are in flight, the oldest first. At most 256 are known.
	Requests []Request
}

// ProblemKind says who found a problem.
type ProblemKind string

const (
	// Console is what a script wrote with console.error, or with console.assert.
	Console ProblemKind = "console"
	// Exception is what a script threw and nobody caught, rejected promises among them.
	Exception ProblemKind = "exception"
	// Network is a request that failed, or was answered with a status of 400 or more.
	Network ProblemKind = "network"
	// Browser is any other error that the browser has to report, such as a policy that was broken.
	Browser ProblemKind = "browser"
)

// Problem is one of a page's. Of a text only the first 512 bytes are kept, on one line.
type Problem struct {
	Kind ProblemKind
	Text string
	// URL is the script in which it happened, or for Network what was asked for.
	URL string
	// Line and Column are the place in URL, from 1. 0: unknown.
	Line, Column int
	// Count is how often it came.
	Count int
}

// String is the problem with its place, and how often it came where that was more than once.
func (p Problem) String() string {
	text := string(p.Kind) + ": " + p.Text
	if p.URL != "" {
		text += " (" + place(p.URL, p.Line, p.Column) + ")"
	}
	if p.Count > 1 {
		text += fmt.Sprintf(", %d times", p.Count)
	}
	return text
}

// Request is one that has not been answered to its end.
type Request struct {
	Method string
	URL    string
	Type   string // what it is for, such as Document, Script, XHR or Fetch
	Since  time.Time
}

// String is the request without its time.
func (r Request) String() string { return r.Method + " " + r.URL }

// Diagnostics returns what the page has said of its troubles since its lease began: errors on its
// console, exceptions that nobody caught, requests that failed; and the requests in flight. After
// the end of the lease they stay as they were then. It waits for nothing.
func (p *Page) Diagnostics() Diagnostics {
	if p.session == nil {
		return Diagnostics{}
	}
	d, flights := p.session.line.diary.copy()
	d.Requests = requests(flights)
	return d
}

// requests reads what is in flight, the oldest first.
func requests(flights []flight) []Request {
	var all []Request
	for i := range flights {
		flights[i].read()
		all = append(all, flights[i].Request)
	}
	slices.SortFunc(all, func(a, b Request) int { return a.Since.Compare(b.Since) })
	return all
}

// readConsole reads what a script wrote on the console.
func readConsole(text []byte) (Problem, bool) {
	var msg struct {
		Params struct {
			Args  []runtime.RemoteObject `json:"args"`
			Stack *runtime.StackTrace    `json:"stackTrace"`
		} `json:"params"`
	}
	if decode(text, &msg) != nil {
		return Problem{}, false
	}
	var words []string
	for _, arg := range msg.Params.Args {
		words = append(words, said(&arg))
	}
	p := Problem{Kind: Console, Text: shortened(strings.Join(words, " "))}
	p.at(msg.Params.Stack)
	return p, true
}

// readException reads what a script threw.
func readException(event jsonv2.Value) (Problem, bool) {
	var thrown runtime.EventExceptionThrown
	if decode(event, &thrown) != nil || thrown.ExceptionDetails == nil {
		return Problem{}, false
	}
	d := thrown.ExceptionDetails
	text := d.Text // "Uncaught", or with "(in promise)"
	if d.Exception != nil {
		first, _, _ := strings.Cut(said(d.Exception), "\n") // then comes the stack
		text += " " + first
	}
	p := Problem{
		Kind:   Exception,
		Text:   shortened(text),
		URL:    shortened(d.URL),
		Line:   int(d.LineNumber) + 1,
		Column: int(d.ColumnNumber) + 1,
	}
	p.at(d.StackTrace)
	return p, true
}

// readEntry reads what the browser reports.
func readEntry(event jsonv2.Value) (Problem, bool) {
	var added log.EventEntryAdded
	if decode(event, &added) != nil || added.Entry == nil {
		return Problem{}, false
	}
	e := added.Entry
	p := Problem{Kind: Browser, Text: shortened(e.Text), URL: shortened(e.URL)}
	if e.Source == log.EntrySourceNetwork {
		p.Kind = Network
	} else if e.URL != "" {
		p.Line = int(e.LineNumber) + 1
	}
	return p, true
}

// at makes the innermost call of a stack the problem's place.
func (p *Problem) at(stack *runtime.StackTrace) {
	if stack == nil || len(stack.CallFrames) == 0 {
		return
	}
	f := stack.CallFrames[0]
	p.URL, p.Line, p.Column = shortened(f.URL), int(f.LineNumber)+1, int(f.ColumnNumber)+1
}

// said is a value as a person would write it.
func said(o *runtime.RemoteObject) string {
	var text string
	switch {
	case o.Type == runtime.RemoteObjectTypeString && decode(o.Value, &text) == nil:
		return text
	case o.Description != "":
		return o.Description
	case o.UnserializableValue != "":
		return string(o.UnserializableValue)
	case len(o.Value) > 0:
		return string(o.Value)
	}
	return string(o.Type)
}

// place is an address with a line and a column, where they are known.
func place(url string, line, column int) string {
	switch {
	case line > 0 && column > 0:
		return fmt.Sprintf("%s:%d:%d", url, line, column)
	case line > 0:
		return fmt.Sprintf("%s:%d", url, line)
	}
	return url
}

// shortened keeps a page's megabytes out of the books, and what it says on one line: whatever is no
// letter, mark, number, sign or blank, such as an escape to a terminal or an end of a line, is a
// blank there. The text shares no memory with what it is from.
func shortened(text string) string {
	more := ""
	if len(text) > textBytes {
		text, more = strings.ToValidUTF8(text[:textBytes], ""), "..."
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) {
			return r
		}
		return ' '
	}, strings.Clone(text)) + more
}

// What may be secret in an address, wherever that stands in a text: the name and the password of a
// user, the query, the fragment. What has no place of its own for them (data, blob) is shown as it
// is.
var (
	users   = regexp.MustCompile(`://[^\s/?#@"']*@`)
	queries = regexp.MustCompile(`(://[^\s?#"']*[?#])[^\s"'<>)\]]+`)
)

// discreet is a text for errors and the log, which more people read than may have what is in a
// page's addresses.
func discreet(text string) string {
	return queries.ReplaceAllString(users.ReplaceAllLiteralString(text, "://...@"), "$1...")
}
