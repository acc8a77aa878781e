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
)

// opening is a line that has begun with session "s". It returns the numbers of the two commands
// whose answers are awaited, of the frames and of the document.
func (s *stub) opening() (l *line, frames, document int64) {
	s.Helper()
	l = s.wire.newLine("p")
	l.expect()
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

func TestLineAnswersChromedpsFirstCommandsInTheOrderOfTheEvents(t *testing.T) {
	s := newStub(t)
	l, frames, document := s.opening()
	s.say(`{"method":"Runtime.executionContextCreated","sessionId":"s","params":{}}`)
	s.say(`{"id":%d,"sessionId":"s","result":{"frameTree":{"frame":{"id":"p","url":"http://a/b"}}}}`, frames)
	s.say(`{"method":"Page.loadEventFired","sessionId":"s","params":{}}`)
	s.say(`{"id":%d,"sessionId":"s","result":{}}`, document)
	s.settled()
	if msg, ok := l.next(); ok {
		t.Fatalf("before chromedp has asked for anything the line read %v", msg)
	}
	s.first(l, 1, target.CommandAttachToTarget)
	if msg, ok := l.next(); ok {
		t.Fatalf("before chromedp knows its session the line read %v", msg)
	}
	s.first(l, 2, runtime.CommandEnable)
	if msg := s.read(l); msg.Method != cdproto.EventRuntimeExecutionContextCreated {
		t.Fatalf("the line read %v", msg)
	}
	for id, method := range []string{"Runtime.evaluate", "Log.enable", "CSS.enable", "Target.setDiscoverTargets"} {
		s.first(l, int64(10+id), method)
	}
	s.first(l, 20, page.CommandGetFrameTree)
	if msg := s.read(l); msg.Method != cdproto.EventPageLoadEventFired {
		t.Fatalf("the line read %v", msg)
	}
	s.first(l, 21, dom.CommandGetDocument)
	if known, _ := l.diary.copy(); known.URL != "http://a/b" {
		t.Errorf("the page is known to show %q", known.URL)
	}
	// What it was answered once, it is not answered by the line again; and CSS is enabled when asked.
	for id, method := range []string{"Log.enable", "CSS.getComputedStyleForNode"} {
		msg := &cdproto.Message{ID: int64(30 + id), SessionID: "s", Method: cdproto.MethodType(method)}
		if err := l.Write(t.Context(), msg); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []cdproto.MethodType{"Log.enable", "CSS.enable", "CSS.getComputedStyleForNode"} {
		if msg := s.hear(); msg.Method != want {
			t.Errorf("the browser heard %s, want %s", msg.Method, want)
		}
	}
}

func TestLineHandsOutTheFirstDocumentThoughManyEventsCameBeforeIt(t *testing.T) {
	s := newStub(t)
	l, frames, document := s.opening()
	s.first(l, 1, target.CommandAttachToTarget)
	s.first(l, 2, runtime.CommandEnable)
	s.say(`{"id":%d,"sessionId":"s","result":{}}`, frames)
	s.first(l, 3, page.CommandGetFrameTree)
	for n := range 3 * eventsDuringDocument {
		s.say(`{"method":"Runtime.consoleAPICalled","params":{"timestamp":%d},"sessionId":"s"}`, n)
	}
	s.say(`{"id":%d,"sessionId":"s","result":{}}`, document)
	s.settled()
	s.first(l, 4, dom.CommandGetDocument)
	for range 3 * eventsDuringDocument {
		s.read(l)
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
