package chrome

import (
	"context"
	"testing"
)

// Otherwise Chrome gives a page that loops 500 ms for its end. One that answers ends as it likes.
func TestAPageThatDoesNotAnswerIsCrashedBeforeItIsClosed(t *testing.T) {
	asks := map[string]func(*tab, context.Context) error{
		"probe": (*tab).Probe, "halt": (*tab).Halt, "rescue": (*tab).Rescue,
	}
	for what, ask := range asks {
		s := newStub(t)
		doubted := s.doubted()
		doubted.done, doubted.end = make(chan struct{}), func(error) {}
		ctx, cancel := context.WithCancel(t.Context())
		asked := make(chan error, 1)
		go func() { asked <- ask(doubted, ctx) }()
		s.hear()
		cancel()
		if err := <-asked; err == nil {
			t.Fatalf("a %s that is given up succeeds", what)
		}
		closed := make(chan error, 1)
		go func() { closed <- doubted.Close(t.Context()) }()
		heard := s.hear()
		for heard.Method != "Page.crash" && heard.Method != "Target.getTargets" {
			heard = s.hear() // what was asked for before
		}
		if heard.Method != "Page.crash" {
			t.Fatalf("after a %s without an answer the page is not crashed", what)
		}
		s.say(`{"id":%d,"result":{"targetInfos":[]}}`, s.asked("Target.getTargets"))
		if err := <-closed; err != nil {
			t.Errorf("Close after a %s: %v", what, err)
		}
	}
}

func TestAPageThatAnswersIsNotCrashed(t *testing.T) {
	s := newStub(t)
	doubted := s.doubted()
	doubted.done, doubted.end = make(chan struct{}), func(error) {}
	asked := make(chan error, 1)
	go func() { asked <- doubted.Probe(t.Context()) }()
	s.say(`{"id":%d,"result":{}}`, s.asked("Runtime.evaluate"))
	if err := <-asked; err != nil {
		t.Fatal(err)
	}
	closed := make(chan error, 1)
	go func() { closed <- doubted.Close(t.Context()) }()
	s.say(`{"id":%d,"result":{"targetInfos":[]}}`, s.asked("Target.getTargets"))
	if err := <-closed; err != nil {
		t.Error(err)
	}
}
