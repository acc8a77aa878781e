package chrome

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp/jsonv2"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// opening is a line that has begun with session "s". It returns the numbers of the two commands
// whose answers are awaited, of the frames and of the document.
func (s *stub) opening() (l *line, frames, document int64) {
	s.Helper()
	l = s.wire.newLine("p")
	l.attach()
	s.wire.adopt("s", l)
	attached := &cdproto.Message{Result: jsonv2.Value(`{"sessionId":"s"}`)}
	l.begin(attached, "s")
	for {
		switch msg := s.hear(); msg.Method {
		case page.CommandGetFrameTree:
			frames = msg.ID
		case dom.CommandGetDocument:
			return l, frames, msg.ID
		}
	}
}

// first asks as chromedp does, and compares the number of what is read next.
func (s *stub) first(l *line, id int64, method string) {
	s.Helper()
	s.write(l, id, method)
	if msg := s.read(l); msg.ID != id || msg.Error != nil {
		s.Errorf("%s is answered with %v", method, msg)
	}
}

func TestLineAnswersChromedpsFirstCommandsAndHandsOutNoEventMeanwhile(t *testing.T) {
	s := newStub(t)
	l, frames, document := s.opening()
	s.say(`{"method":"Runtime.executionContextCreated","sessionId":"s","params":{}}`)
	s.say(
		`{"id":%d,"sessionId":"s","result":{"frameTree":{"frame":{"id":"p","url":"http://a/b"}}}}`,
		frames,
	)
	s.say(`{"method":"Page.loadEventFired","sessionId":"s","params":{}}`)
	s.settled()
	if msg, ok := l.next(); ok {
		t.Fatalf("before chromedp has asked for anything the line read %v", msg)
	}
	for id, method := range []string{
		target.CommandAttachToTarget, runtime.CommandEnable, "Runtime.evaluate", "Log.enable",
		"CSS.enable",
		"Target.setDiscoverTargets", page.CommandGetFrameTree,
	} {
		s.first(l, int64(1+id), method)
	}
	s.write(l, 20, dom.CommandGetDocument)
	s.settled()
	if msg, ok := l.next(); ok {
		t.Fatalf("before the document came the line read %v", msg)
	}
	s.say(`{"id":%d,"sessionId":"s","result":{}}`, document)
	if msg := s.read(l); msg.ID != 20 {
		t.Fatalf("the document is answered with %v", msg)
	}
	s.settled()
	if msg, ok := l.next(); ok {
		t.Fatalf("before chromedp is attached the line read %v", msg)
	}
	l.attached()
	for _, want := range []cdproto.MethodType{
		cdproto.EventRuntimeExecutionContextCreated, cdproto.EventPageLoadEventFired,
	} {
		if msg := s.read(l); msg.Method != want {
			t.Errorf("the line read %v, want %s", msg, want)
		}
	}
	if known, _ := l.diary.copy(); known.URL != "http://a/b" {
		t.Errorf("the page is known to show %q", known.URL)
	}
	// A later command goes to the browser; and CSS is enabled when a command needs it.
	for id, method := range []string{"Log.enable", "CSS.getComputedStyleForNode"} {
		msg := &cdproto.Message{ID: int64(30 + id), SessionID: "s", Method: cdproto.MethodType(method)}
		if err := l.Write(t.Context(), msg); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []cdproto.MethodType{"Log.enable", "CSS.enable",
		"CSS.getComputedStyleForNode"} {
		if msg := s.hear(); msg.Method != want {
			t.Errorf("the browser heard %s, want %s", msg.Method, want)
		}
	}
}

// The map of a document's nodes is read and written at once, by two goroutines of chromedp's, where
// a change of the document reaches chromedp while it attaches: the race detector sees it.
func TestContractChromedpAttachesToAPageThatChanges(t *testing.T) {
	const changes = 200
	s := newStub(t)
	l, frames, document := s.opening()
	root, _ := chromedp.NewAllocatorContext(t.Context(), l)
	loop, cancel := chromedp.NewContext(root,
		chromedp.WithTargetID("p"), chromedp.WithDetachOnCancel())
	defer cancel()
	defer l.Close()
	s.say(
		`{"id":%d,"sessionId":"s","result":{"frameTree":{"frame":{"id":"p","url":"http://a/b"}}}}`,
		frames,
	)
	s.say(
		`{"id":%d,"sessionId":"s","result":{"root":{"nodeId":1,"nodeType":9,"nodeName":"#document"}}}`,
		document,
	)
	for n := range changes {
		s.say(
			`{"method":"DOM.childNodeCountUpdated","sessionId":"s","params":{"nodeId":1,"childNodeCount":%d}}`,
			n+1,
		)
	}
	if err := chromedp.Do(loop); err != nil {
		t.Fatal(err)
	}
	heard := make(chan int64, changes)
	if err := chromedp.Listen(loop, func(ev any) {
		if ev, ok := ev.(*dom.EventChildNodeCountUpdated); ok {
			heard <- ev.ChildNodeCount
		}
	}); err != nil {
		t.Fatal(err)
	}
	l.attached()
	for n := range changes {
		if count := <-heard; count != int64(n+1) {
			t.Fatalf("change %d of the document has the count %d", n+1, count)
		}
	}
}

func TestLifeSaysWhyItEndedToAllThatDerivesFromIt(t *testing.T) {
	type key struct{}
	l := newLife(context.WithValue(t.Context(), key{}, "value"))
	derived, cancel := context.WithCancel(l)
	defer cancel()
	if l.Err() != nil || derived.Err() != nil || derived.Value(key{}) != "value" {
		t.Errorf("before its end: %v, %v, %v", l.Err(), derived.Err(), derived.Value(key{}))
	}
	why := errors.New("why")
	l.end(why)
	l.end(errors.New("another"))
	<-derived.Done()
	for what, err := range map[string]error{
		"its error": l.Err(), "its cause": context.Cause(l),
		"a derived one's error": derived.Err(), "a derived one's cause": context.Cause(derived),
	} {
		if !errors.Is(err, why) {
			t.Errorf("%s is %v", what, err)
		}
	}
	if err := derived.Err(); !errors.Is(err, context.Canceled) {
		t.Errorf("it is no context.Canceled: %v", err)
	}
	late, cancelLate := context.WithCancel(l)
	defer cancelLate()
	if err := fmt.Errorf("late: %w", late.Err()); !errors.Is(err, why) {
		t.Error(err)
	}
}
