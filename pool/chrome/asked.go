package chrome

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp/jsonv2"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

const (
	// searchesBeforeCheck is how often chromedp searches for one text in vain before the page is asked
	// whether that text is a selector at all. chromedp searches every 5 ms.
	searchesBeforeCheck = 20
	// askedBytes is how much of a command's parameters is kept to name it in an error.
	askedBytes = 8 << 10
	// vainFor and metFor say how old a query may be and still be what an action waits for. A query
	// that matched is soon followed by the next one or by its action, so that time is shorter.
	vainFor, metFor = 5 * time.Second, 500 * time.Millisecond
)

// asked is what chromedp has asked of a page last. chromedp's actions end with the bare error of
// their context, so this is where Run finds out what an action was waiting for. Only the latest
// command and the latest query of elements are kept, and they are decoded when an error needs them.
type asked struct {
	mu sync.Mutex
	// runs is the number of Run calls so far, and running those under way.
	runs, running int
	// commands is the number of commands so far.
	commands int
	last     command
	query    query
}

// command is a command of chromedp's that is no part of a query.
type command struct {
	number  int // its place among all commands
	at      time.Time
	id      int64
	method  string
	params  jsonv2.Value // of the commands that are named by their parameters; otherwise nil
	done    bool
	refused *cdproto.Error
	// failed is of a navigation that was answered with an error text: the browser goes on to its
	// error page.
	failed bool
}

// query is one look at the elements that match a selector. chromedp repeats it until they are as it
// wants.
type query struct {
	number int // the place of its latest command among all commands
	at     time.Time
	id     int64
	method string // empty: the latest command was no query's
	params jsonv2.Value
	tries  int
	found  int    // elements, by the latest answer; -1: no answer yet
	kind   string // of a search that found nothing: css, xpath or text; empty: not known
}

// queryParts are the commands by which chromedp looks at what a query found. They do not end the
// query.
var queryParts = map[string]bool{
	dom.CommandGetSearchResults: true, dom.CommandDiscardSearchResults: true,
	dom.CommandGetBoxModel: true,
	dom.CommandResolveNode: true, dom.CommandGetDocument: true, dom.CommandRequestChildNodes: true,
	runtime.CommandReleaseObject: true,
}

// awaits is in the parameters of a call that is answered when a promise is.
var awaits = []byte(`"awaitPromise":true`)

// errorText is in the answer to a navigation that failed.
var errorText = []byte(`"errorText":"`)

// command notes a command. It returns a text that the page should be asked about, or "".
func (a *asked) command(id int64, method string, params jsonv2.Value) (check string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.commands++
	switch {
	case method == dom.CommandPerformSearch,
		method == dom.CommandQuerySelector,
		method == dom.CommandQuerySelectorAll:
		if a.query.method != method || !bytes.Equal(a.query.params, params) {
			a.query = query{method: method, found: -1}
			if len(params) <= askedBytes {
				a.query.params = bytes.Clone(params)
			}
		}
		a.query.number, a.query.id, a.query.at = a.commands, id, time.Now()
		a.query.tries++
		if a.query.tries == searchesBeforeCheck && method == dom.CommandPerformSearch &&
			a.query.found == 0 {
			return a.query.selector()
		}
	case queryParts[method],
		method == runtime.CommandCallFunctionOn && !bytes.Contains(params, awaits):
	default:
		a.query = query{}
		a.last = command{number: a.commands, at: time.Now(), id: id, method: method}
		if (method == page.CommandNavigate || method == runtime.CommandCallFunctionOn) &&
			len(params) <= askedBytes {
			a.last.params = bytes.Clone(params)
		}
	}
	return ""
}

// answer notes the answer to a command.
func (a *asked) answer(msg *cdproto.Message) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.query.method != "" && msg.ID == a.query.id:
		a.query.found = found(msg)
	case msg.ID == a.last.id:
		a.last.done, a.last.refused = true, msg.Error
		a.last.failed = a.last.method == page.CommandNavigate && bytes.Contains(msg.Result, errorText)
	}
}

// found is the number of elements that the answer to a query tells of.
func found(msg *cdproto.Message) int {
	var result struct {
		ResultCount int     `json:"resultCount"`
		NodeID      int64   `json:"nodeId"`
		NodeIDs     []int64 `json:"nodeIds"`
	}
	if msg.Error != nil || len(msg.Result) > askedBytes || decode(msg.Result, &result) != nil {
		return 1 // nothing is known that would be right to say
	}
	return result.ResultCount + len(result.NodeIDs) + min(int(result.NodeID), 1)
}

// selector is what the query looks for.
func (q *query) selector() string {
	var params struct {
		Query    string `json:"query"`
		Selector string `json:"selector"`
	}
	_ = decode(q.params, &params) // of one that is too long, nothing was kept
	return params.Query + params.Selector
}

// kindOf asks a page what a text is that chromedp searches for: a CSS selector, an XPath, or
// neither.
const kindOf = `(text => {
	try { document.createDocumentFragment().querySelector(text); return "css" } catch {}
	try { document.createExpression(text); return "xpath" } catch {}
	return "text"
})`

// checkSelector asks the page what a text is that was searched for in vain. It waits for nothing.
func (l *line) checkSelector(session target.SessionID, text string) {
	params := runtime.EvaluateParams{Expression: kindOf + "(" + quoteJS(text) + ")"}
	l.w.send(
		session,
		runtime.CommandEvaluate,
		encode(runtime.CommandEvaluate, params),
		waiter{then: func(msg *cdproto.Message) {
			var answer runtime.EvaluateResult
			var kind string
			if decode(msg.Result, &answer) == nil && answer.Result != nil &&
				decode(answer.Result.Value, &kind) == nil {
				l.asked.mu.Lock()
				defer l.asked.mu.Unlock()
				if l.asked.query.selector() == text {
					l.asked.query.kind = kind
				}
			}
		}},
	)
}

// sent is the number of commands so far.
func (a *asked) sent() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.commands
}

// open reports whether the latest command, of those after the first so many, has no answer.
func (a *asked) open(since int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.last.number > since && !a.last.done
}

// watch is what a Run keeps of the moment at which it began.
type watch struct {
	asked    *asked
	run      int // its number
	commands int // that were sent before it
	alone    bool
}

// begin notes that a Run begins.
func (a *asked) begin() watch {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.runs++
	a.running++
	return watch{a, a.runs, a.commands, a.running == 1}
}

// end notes that the Run has ended, and returns what it asked last. Both results are zero where
// another Run of the page overlapped, since nobody can tell whose commands these were.
func (w watch) end() (command, query) {
	a := w.asked
	a.mu.Lock()
	defer a.mu.Unlock()
	a.running--
	var last command
	var looked query
	if !w.alone || a.runs != w.run {
		return last, looked
	}
	if a.last.number > w.commands {
		last = a.last
	}
	if a.query.number > w.commands {
		looked = a.query
	}
	return last, looked
}

// waited says what an action was waiting for when its context ended, given what it asked last. It
// is "" where that is not known.
func waited(last command, q query) string {
	if q.method != "" {
		selector, age := quoted(q.selector()), time.Since(q.at)
		switch {
		case q.found < 0:
			return fmt.Sprintf("the page did not answer a query for %s", selector)
		case q.found == 0 && age > vainFor, q.found > 0 && age > metFor:
			return ""
		case q.found == 0 && q.kind == "text":
			return fmt.Sprintf(
				"nothing matches %s, which is no valid CSS selector and no XPath and was searched for as text",
				selector,
			)
		case q.found == 0:
			return fmt.Sprintf("nothing matches %s", selector)
		}
		return fmt.Sprintf(
			"what matches %s was not in the state that the action waits for, such as visible", selector,
		)
	}
	switch {
	case last.method == page.CommandNavigate:
		return fmt.Sprintf("%s did not load in time", last.address())
	case last.method == runtime.CommandCallFunctionOn && !last.done:
		if predicate := last.predicate(); predicate != "" {
			return fmt.Sprintf("%s did not become true", quoted(predicate))
		}
	}
	if last.method != "" && !last.done {
		return fmt.Sprintf("the page did not answer %s", last.method)
	}
	return ""
}

// address is where a Page.navigate leads, without what may be secret in it.
func (c *command) address() string {
	var params page.NavigateParams
	_ = decode(c.params, &params)
	return discreet(shortened(params.URL))
}

// predicate is the expression that chromedp.Poll waits for, or "" where the call is another one.
func (c *command) predicate() string {
	var params struct {
		Arguments []struct {
			Value string `json:"value"`
		} `json:"arguments"`
	}
	// Of chromedp's arguments only the first is a text. It is decoded all the same.
	_ = decode(c.params, &params)
	if len(params.Arguments) == 0 {
		return ""
	}
	expression, _ := strings.CutPrefix(params.Arguments[0].Value, "return (")
	return strings.TrimSuffix(strings.TrimSuffix(expression, ");"), ")(...args")
}

// quoted is a text of a caller's in an error: on one line, and not too long.
func quoted(text string) string { return fmt.Sprintf("%q", shortened(text)) }

// explain adds to the error of a Run what it is about: the selector, or the address. ended says
// that the Run was ended by its ctx. unreached returns the address of a document that failed to
// load since a moment.
func explain(err error, ended bool, last command, q query, unreached func(time.Time) string) error {
	var refused *cdproto.Error
	switch {
	case ended:
		if what := waited(last, q); what != "" {
			return &WaitError{What: what, Err: err}
		}
		return fmt.Errorf("chrome: %w", err)
	case errors.As(err, new(*chromedp.LoadError)) && last.method == page.CommandNavigate:
		address := last.address()
		return &LoadError{URL: address, Failed: cmp.Or(unreached(last.at), address), Err: err}
	case !errors.As(err, &refused):
	case q.method == dom.CommandQuerySelector || q.method == dom.CommandQuerySelectorAll:
		return &InputError{
			Name:  "selector",
			Value: quoted(q.selector()),
			Rule:  "it must be a valid CSS selector",
			Err:   err,
		}
	case last.method == page.CommandNavigate && last.refused != nil:
		return fmt.Errorf("chrome: go to %s: %w", quoted(last.address()), err)
	}
	return err
}
