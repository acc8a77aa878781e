package chrome

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// stub is the browser's end of a wire.
type stub struct {
	*testing.T
	wire     *wire
	says     *io.PipeWriter
	hears    *chromedp.PipeConn
	observed chan cdproto.MethodType
	// time is what the budgets go by. Each message that has one takes a tick.
	time, tick atomic.Int64
}

func newStub(t *testing.T) *stub { return newStubWith(t, maxAnswer) }

// newStubWith is newStub with a bound of answers.
func newStubWith(t *testing.T, most int64) *stub {
	answersOut, answersIn := io.Pipe()
	commandsOut, commandsIn := io.Pipe()
	s := &stub{
		T:        t,
		says:     answersIn,
		hears:    chromedp.NewPipeConn(commandsOut, answersIn),
		observed: make(chan cdproto.MethodType, 1<<16),
	}
	s.wire = newWire(
		newPipe(answersOut, commandsIn), func(msg *cdproto.Message) { s.observed <- msg.Method },
	)
	s.wire.maxAnswer, s.wire.owner = most, "Launcher"
	s.tick.Store(int64(10 * time.Millisecond))
	s.wire.budgets.now = func() time.Time {
		return epoch.Add(time.Duration(s.time.Add(s.tick.Load())))
	}
	s.wire.start()
	t.Cleanup(func() {
		s.hears.Close()
		s.wire.close()
	})
	return s
}

func (s *stub) say(format string, values ...any) {
	s.Helper()
	if _, err := fmt.Fprintf(s.says, format+"\x00", values...); err != nil {
		s.Fatal(err)
	}
}

func (s *stub) hear() *cdproto.Message {
	s.Helper()
	defer time.AfterFunc(10*time.Second, func() { s.hears.Close() }).Stop()
	msg := new(cdproto.Message)
	if err := s.hears.Read(context.Background(), msg); err != nil {
		s.Fatal(err)
	}
	return msg
}

// attach opens session "s" on a new line.
func (s *stub) attach() *line {
	s.Helper()
	l := s.wire.newLine("p")
	s.write(l, 1, "Target.attachToTarget")
	s.say(`{"id":%d,"result":{"sessionId":"s"}}`, s.hear().ID)
	if msg := s.read(l); msg.ID != 1 {
		s.Fatalf("chromedp's call 1 was answered with number %d", msg.ID)
	}
	return l
}

func (s *stub) write(l *line, id int64, method string) {
	s.Helper()
	if err := l.Write(context.Background(),
		&cdproto.Message{ID: id, Method: cdproto.MethodType(method)}); err != nil {
		s.Fatal(err)
	}
}

func (s *stub) read(l *line) *cdproto.Message {
	s.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	msg := new(cdproto.Message)
	if err := l.Read(ctx, msg); err != nil {
		s.Fatal(err)
	}
	return msg
}

// settled waits until the pump has handed out everything said so far.
func (s *stub) settled() {
	s.Helper()
	s.say(`{"method":"Test.settled"}`)
	for method := range s.observed {
		if method == "Test.settled" {
			return
		}
	}
}

func TestLineGetsItsOwnAnswersAndEvents(t *testing.T) {
	s := newStub(t)
	first, second := s.attach(), s.wire.newLine("p")
	s.write(first, 7, "DOM.enable")
	s.write(second, 7, "DOM.enable")
	one, two := s.hear().ID, s.hear().ID
	s.say(`{"id":%d,"result":{"of":"second"}}`, two)
	s.say(`{"id":%d,"result":{"of":"first"}}`, one)
	s.say(`{"method":"Page.loadEventFired","sessionId":"s","params":{}}`)
	s.say(`{"method":"Page.loadEventFired","sessionId":"unknown","params":{}}`)
	if msg := s.read(second); msg.ID != 7 || !bytes.Contains(msg.Result, []byte("second")) {
		t.Errorf("the second line read %v", msg)
	}
	if msg := s.read(first); msg.ID != 7 || !bytes.Contains(msg.Result, []byte("first")) {
		t.Errorf("the first line read %v", msg)
	}
	if msg := s.read(first); msg.Method != cdproto.EventPageLoadEventFired {
		t.Errorf("the first line read %v", msg)
	}
	s.say(`{"method":"Target.detachedFromTarget","params":{"sessionId":"s"}}`)
	if msg := s.read(first); msg.Method != cdproto.EventTargetDetachedFromTarget {
		t.Errorf("the first line read %v", msg)
	}
}

func TestLineAnswersABarrierBehindWhatCameBeforeItAndDropsNone(t *testing.T) {
	s := newStub(t)
	l := s.attach()
	long := strings.Repeat("x", backlogBytes)
	s.say(`{"method":"Page.windowOpen","sessionId":"s","params":{"url":%q}}`, long)
	s.settled()
	s.write(l, 5, barrierMethod)
	if msg := s.read(l); msg.Method != "Page.windowOpen" {
		t.Errorf("the line read %s", msg.Method)
	}
	if msg := s.read(l); msg.ID != 5 || msg.Error != nil {
		t.Errorf("the barrier is answered with %v", msg)
	}
	if _, damaged := l.losses(); damaged {
		t.Error("a barrier is counted as lost")
	}
}

func TestCallIsAnsweredWhileALineIsNotRead(t *testing.T) {
	s := newStub(t)
	l := s.attach()
	long := strings.Repeat("x", 64<<10)
	for range 2 * backlogBytes / len(long) {
		s.say(`{"method":"Runtime.consoleAPICalled","params":{"type":%q},"sessionId":"s"}`, long)
	}
	s.say(`{"method":"Page.loadEventFired","sessionId":"s","params":{}}`)
	answered := make(chan error, 1)
	go func() {
		_, err := call(context.Background(), s.wire, "", page.Enable, page.EnableParams{})
		answered <- err
	}()
	s.say(`{"id":%d,"result":{}}`, s.hear().ID)
	if err := <-answered; err != nil {
		t.Fatal(err)
	}
	dropped, damaged := l.losses()
	if dropped == 0 || damaged {
		t.Errorf(
			"dropped %d, damaged %t; want some of the talk dropped and nothing else", dropped, damaged,
		)
	}
	talks := 0
	for s.read(l).Method == cdproto.EventRuntimeConsoleAPICalled {
		talks++
	}
	if most := talkBytes/len(long) + 1; talks == 0 || talks > most {
		t.Errorf(
			"%d of the talk's messages were kept; want 1 to %d, and then the load event", talks, most,
		)
	}
}

func TestLineIsDamagedWhenMoreThanTalkIsDropped(t *testing.T) {
	s := newStub(t)
	l := s.attach()
	long := strings.Repeat("x", 64<<10)
	for range backlogBytes/len(long) + 2 {
		s.say(`{"method":"Page.frameNavigated","sessionId":"s","params":{"type":%q}}`, long)
	}
	s.settled()
	if _, damaged := l.losses(); !damaged {
		t.Error("nothing was dropped, or nobody was told")
	}
}

// A page that starts and ends workers in a loop sends these for as long as it lives.
func TestLineDropsTheEndsOfAPagesOwnSessionsButNotOfItsOwn(t *testing.T) {
	s := newStub(t)
	l := s.attach()
	long := strings.Repeat("x", 64<<10)
	for range backlogBytes/len(long) + 2 {
		s.say(`{"method":"Target.detachedFromTarget","sessionId":"s","params":{"sessionId":%q}}`, long)
	}
	s.say(`{"method":"Target.detachedFromTarget","params":{"sessionId":"s"}}`)
	s.settled()
	if _, damaged := l.losses(); !damaged {
		t.Error("nothing was dropped, or nobody was told")
	}
	for s.read(l).SessionID != "" {
	}
}

func TestResultThatOnlyItsCallerCannotReadEndsNothing(t *testing.T) {
	s := newStub(t)
	l := s.attach()
	s.write(l, 2, runtime.CommandEvaluate)
	s.say(`{"id":%d,"result":{"\ud800":1,"\ud801":2}}`, s.hear().ID)
	if msg := s.read(l); msg.ID != 2 || decode(msg.Result, new(runtime.EvaluateResult)) == nil {
		t.Errorf("the line read %v", msg)
	}
	go func() { s.say(`{"id":%d,"result":{}}`, s.hear().ID) }()
	if _, err := call(context.Background(), s.wire, "", page.Enable, page.EnableParams{}); err != nil {
		t.Errorf("the next call: %v", err)
	}
}

func TestLineHandsOutADocumentBeforeTheEventsThatChromedpCannotTake(t *testing.T) {
	s := newStub(t)
	l := s.attach()
	s.write(l, 5, dom.CommandGetDocument)
	id := s.hear().ID
	const events = 3 * eventsDuringDocument
	for n := range events {
		s.say(`{"method":"Runtime.consoleAPICalled","params":{"timestamp":%d},"sessionId":"s"}`, n)
	}
	for range eventsDuringDocument {
		s.read(l)
	}
	s.settled()
	if msg, ok := l.next(); ok {
		t.Fatalf("one more than chromedp can take: %v", msg)
	}
	s.say(`{"id":%d,"result":{}}`, id)
	if msg := s.read(l); msg.ID != 5 {
		t.Fatalf("the document comes behind %v", msg)
	}
	for n := eventsDuringDocument; n < events; n++ {
		var event runtime.EventConsoleAPICalled
		if msg := s.read(l); decode(msg.Params, &event) != nil ||
			!strings.Contains(string(msg.Params), fmt.Sprint(n)) {
			t.Fatalf("event %d is %s", n, msg.Params)
		}
	}
}

func TestCallEndsWithItsContextAndWithTheBrowser(t *testing.T) {
	s := newStub(t)
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(context.Background())
	go func() {
		s.hear()
		cancel(why)
	}()
	_, err := call(ctx, s.wire, "", page.Enable, page.EnableParams{})
	if !errors.Is(err, why) || !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled call: %v", err)
	}
	go func() {
		s.hear()
		s.hears.Close()
	}()
	_, err = call(context.Background(), s.wire, "", page.Crash, cdp.Empty{})
	if !errors.Is(err, errLost) {
		t.Errorf("a call on a browser that died: %v", err)
	}
	s.wire.mu.Lock()
	defer s.wire.mu.Unlock()
	if len(s.wire.mu.waiting) > 0 {
		t.Errorf("%d calls still wait", len(s.wire.mu.waiting))
	}
}

// chromedp keeps a listener for each command whose caller has gone, until a message comes.
func TestLineSendsChromedpAMessageThatIsNobodysWhereNoOtherComes(t *testing.T) {
	s := newStub(t)
	l := s.attach()
	for id := range int64(sweepAfter) {
		if msg, ok := l.next(); ok {
			t.Fatalf("after %d commands: %v", id, msg)
		}
		s.write(l, id+2, "DOM.enable")
		s.hear()
	}
	if msg, ok := l.next(); !ok || msg.ID != sweepID {
		t.Errorf("after %d commands without a message the line read %v, %v", sweepAfter, msg, ok)
	}
	if msg, ok := l.next(); ok {
		t.Errorf("and then %v", msg)
	}
}

// A session that nobody ends goes on, with all that its holder has set through it. chromedp closes
// its line by itself, often before the driver does.
func TestALineThatChromedpHasClosedHasItsSessionsStill(t *testing.T) {
	s := newStub(t)
	l := s.wire.newLine("p")
	s.wire.adopt("own", l)
	s.wire.adopt("holder's", l)
	l.Close()
	if left := s.wire.forget(l); len(left) != 2 {
		t.Errorf("of two sessions that are to be ended it has %q", left)
	}
}
