package chrome

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/target"

	"github.com/pagepool/pagepool/internal/shell"
	"github.com/pagepool/pagepool/pool"
)

// What is asked of a browser about a page in doubt, and what is left of that.

// doubted is a tab of a browser without a process, in session "s".
func (s *stub) doubted() *tab {
	return &tab{b: &browser{wire: s.wire}, id: "p", nav: newNavigations("p"), session: "s",
		life: s.Context()}
}

// asked checks that the next command is this one, and returns its number.
func (s *stub) asked(method string) int64 {
	s.Helper()
	msg := s.hear()
	if string(msg.Method) != method {
		s.Fatalf("the browser is asked for %s, want %s", msg.Method, method)
	}
	return msg.ID
}

func TestDoubtLooksUntilThePageAnswersIsRescuedOrClosed(t *testing.T) {
	s := newStub(t)
	for what, want := range map[string]bool{"answers": true, "is rescued": false, "is closed": false} {
		doubted := s.doubted()
		found := make(chan pool.Diagnosis, 1)
		find := doubted.LeaseSuspect(shell.Locked{})
		go func() { found <- find(t.Context()) }()
		answer := s.asked("Runtime.evaluate")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		switch what {
		case "is rescued":
			_ = doubted.Rescue(ctx)
			s.hear() // what a rescue begins with
		case "is closed":
			doubted.lookAway() // as Close does first
		}
		if want {
			s.say(`{"id":%d,"result":{}}`, answer)
		}
		d := <-found
		s.say(`{"id":%d,"result":{}}`, answer)
		if d.Answered != want || d.After == 0 || d.After >= lookMost {
			t.Errorf("a page that %s: %+v", what, d)
		}
	}
}

func TestDoubtWaitsForAnAnswerWhereNothingCanBeRecorded(t *testing.T) {
	s := newStub(t)
	find := s.doubted().LeaseSuspect(shell.Locked{})
	if d := find(t.Context()); d.Answered || d.After < lookMost {
		t.Errorf("a page that does not answer: %+v", d)
	}
	short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	find = s.doubted().LeaseSuspect(shell.Locked{})
	if d := find(short); d.Answered || d.After >= lookMost {
		t.Errorf("a diagnosis whose ctx ends: %+v", d)
	}
}

func TestDoubtEndsASessionThatOpensTooLate(t *testing.T) {
	s := newStub(t)
	b := s.doubted().b
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		_, err := b.attach(ctx, "p")
		failed <- err
	}()
	attach := s.asked("Target.attachToTarget")
	cancel()
	if err := <-failed; err == nil {
		t.Error("attach: no error, though ctx has ended")
	}
	s.say(`{"id":%d,"result":{"sessionId":"late"}}`, attach)
	s.asked("Target.detachFromTarget")
}

func TestDoubtAsksAgainWhereTheBrowserRecordsATraceAlready(t *testing.T) {
	s := newStub(t)
	b := s.doubted().b
	begun := make(chan error)
	go func() { begun <- b.record(t.Context(), target.SessionID("s")) }()
	s.say(`{"id":%d,"error":{"code":-32000,"message":"Tracing has already been started (possibly in another tab)."}}`, s.asked("Tracing.start"))
	again := s.hear()
	if !strings.Contains(string(again.Params),
		`"includedCategories":["disabled-by-default-v8.cpu_profiler","-*"]`) {
		t.Errorf("the second command is %s with %s", again.Method, again.Params)
	}
	s.say(`{"id":%d,"result":{}}`, again.ID)
	if err := <-begun; err != nil {
		t.Errorf("record: %v", err)
	}
}
