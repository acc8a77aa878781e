// Package fromlog makes a trace of a pool's own log, as far as a log can tell.
//
// The log is that of slog's JSON handler, with the pool's messages and keys at the top of each
// line, of one pool from its start or later. A log tells what went wrong, and of whom; it does not
// tell of requests that went well. docs/traces.md says what follows from that.
package fromlog

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
)

// entry is one line of the pool's.
type entry struct {
	number   int // of the line in the file
	at       time.Time
	message  string
	tab      core.TabID
	browser  core.BrowserID
	affinity string
	label    string
	reason   string
	kind     string
	err      string
	answered bool
}

// The messages that tell what happened to the pool. The others, and those of other programs, are
// counted.
const (
	leaseEnded   = "lease ended without its holder"
	leaseSuspect = "lease left a suspect tab"
	tabKilled    = "renderer killed"
	browserLost  = "browser lost"
	browserEnded = "browser ended"
	launchFailed = "browser launch failed"
	failed       = "operation failed"
	givenUp      = "operation given up"
	leaseSpoiled = "lease spoiled its tab"
	tabSuspect   = "tab suspect"
	poolBug      = "pool: BUG"
)

var messages = []string{leaseEnded, leaseSuspect, tabKilled, browserLost, browserEnded,
	launchFailed, failed,
	givenUp, leaseSpoiled, tabSuspect, poolBug}

// longest is how long a line may be: pool: BUG has a trace in it.
const longest = 1 << 20

// read reads the pool's lines, in the order of their times. An error is a *trace.Error with the
// line.
func read(r io.Reader) (all []entry, others int, err error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, longest)
	number := 0
	for lines.Scan() {
		number++
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		e, ours, err := parse(lines.Bytes())
		if err != nil {
			return nil, 0, &trace.Error{Line: number, What: err.Error()}
		}
		if e.number = number; ours {
			all = append(all, e)
		} else {
			others++
		}
	}
	if err := lines.Err(); err != nil {
		return nil, 0, &trace.Error{Line: number + 1,
			What: fmt.Sprintf("%v; a line has at most %d bytes", err, longest)}
	}
	slices.SortStableFunc(all, func(a, b entry) int { return a.at.Compare(b.at) })
	return all, others, onePool(all)
}

// onePool refuses what two pools wrote: the second counts from 1 again.
func onePool(all []entry) error {
	ended := map[core.BrowserID]int{}
	for i := range all {
		e := &all[i]
		if !slices.Contains([]string{browserLost, browserEnded, launchFailed}, e.message) {
			continue
		}
		if line := ended[e.browser]; line != 0 {
			return &trace.Error{Line: e.number, What: fmt.Sprintf(
				"b%d has ended at line %d already, so this is another pool's log: cut it between the two",
				e.browser, line)}
		}
		ended[e.browser] = e.number
	}
	return nil
}

func parse(line []byte) (e entry, ours bool, err error) {
	var fields struct {
		Time                                        string
		Msg                                         *string
		Tab, Browser, Affinity, Label, Reason, Kind string
		Error                                       any
		Answered                                    bool
	}
	if err := json.Unmarshal(line, &fields); err != nil {
		return e, false, fmt.Errorf("want a line of slog's JSON handler, such as {\"time\":..., "+
			"\"msg\":...}, got %.40q: %w", line, err)
	}
	if fields.Msg == nil {
		return e, false, fmt.Errorf("want a line with \"msg\", as slog's JSON handler writes it, got "+
			"%.40q", line)
	}
	if !slices.Contains(messages, *fields.Msg) {
		return e, false, nil
	}
	e = entry{message: *fields.Msg, affinity: fields.Affinity, label: fields.Label,
		reason: fields.Reason,
		kind:   fields.Kind, answered: fields.Answered, err: text(fields.Error)}
	if e.at, err = time.Parse(time.RFC3339Nano, fields.Time); err != nil {
		return e, false, fmt.Errorf("%q: time %.40q: want one such as 2026-01-02T15:04:05.123Z",
			e.message, fields.Time)
	}
	tab, err := id(fields.Tab, "tab", "t")
	if err != nil {
		return e, false, fmt.Errorf("%q: %w", e.message, err)
	}
	browser, err := id(fields.Browser, "browser", "b")
	if err != nil {
		return e, false, fmt.Errorf("%q: %w", e.message, err)
	}
	e.tab, e.browser = core.TabID(tab), core.BrowserID(browser)
	return e, true, e.complete()
}

// text is what an error says; it may be missing.
func text(value any) string {
	if value == nil {
		return ""
	}
	return fmt.Sprint(value)
}

func id(text, key, prefix string) (uint64, error) {
	n, ok := trace.ParseID(trace.Word{Text: text}, prefix)
	if text != "" && !ok {
		return 0, fmt.Errorf("%s %.40q: want the pool's number, such as %s12", key, text, prefix)
	}
	return n, nil
}

// complete says whether a line has what lines of its message have.
func (e *entry) complete() error {
	missing := func(key string) error {
		return fmt.Errorf("%q has no %s; want the pool's keys at the top of the line, as Config.Logger "+
			"writes them", e.message, key)
	}
	switch e.message {
	case leaseEnded, leaseSuspect, tabKilled, leaseSpoiled, tabSuspect:
		if e.tab == 0 {
			return missing("tab")
		}
	case browserLost, browserEnded, launchFailed:
		if e.browser == 0 {
			return missing("browser")
		}
	}
	if e.message == leaseEnded && e.reason == "" {
		return missing("reason")
	}
	return nil
}
