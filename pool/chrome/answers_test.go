package chrome

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/target"
	"github.com/coder/websocket"
)

// answerOf is an answer of so many bytes, on session "s".
func answerOf(id int64, size int) string {
	begin, end := fmt.Sprintf(`{"id":%d,"result":{"data":"`, id), `"},"sessionId":"s"}`
	return begin + strings.Repeat("x", size-len(begin)-len(end)) + end
}

func TestAnAnswerThatIsTooLongFailsItsCallOnly(t *testing.T) {
	for _, most := range []int{200, 300_000, 600_000} { // the pipe's buffer has 262,144 bytes
		s := newStubWith(t, int64(most))
		l := s.attach()
		for n, size := range []int{most, most + 1, 2*most + 1, most} {
			s.write(l, int64(n+2), "Page.captureScreenshot")
			s.say("%s", answerOf(s.hear().ID, size))
			msg := s.read(l)
			if msg.ID != int64(n+2) || msg.SessionID != "s" {
				t.Fatalf("%d of %d bytes: the answer is %d of session %q", size, most, msg.ID, msg.SessionID)
			}
			want := fmt.Sprintf("the answer has %d bytes, and Launcher.MaxAnswer is %d", size, most)
			switch {
			case size <= most && (msg.Error != nil || len(msg.Result) < size-100):
				t.Errorf("%d of %d bytes: %v, %d bytes", size, most, msg.Error, len(msg.Result))
			case size > most && (msg.Error == nil || !strings.Contains(msg.Error.Message, want)):
				t.Errorf("%d of %d bytes: %v; want %q", size, most, msg.Error, want)
			}
		}
		if dropped, damaged := l.losses(); dropped > 0 || damaged {
			t.Errorf("dropped %d, damaged %v", dropped, damaged)
		}
	}
}

// What the driver itself asks for, and events, are not the holder's, and have Chrome's own bound.
func TestOnlyAnswersToHoldersAreBoundByMaxAnswer(t *testing.T) {
	s := newStubWith(t, 200)
	l := s.attach()
	go func() {
		s.say(`{"id":%d,"result":{"targetInfos":[],"x":%q}}`, s.hear().ID, strings.Repeat("x", 1000))
	}()
	if _, err := call(context.Background(), s.wire, "", target.GetTargets,
		target.GetTargetsParams{}); err != nil {
		t.Errorf("the driver's own: %v", err)
	}
	told := make(chan *cdproto.Message, 1)
	s.wire.send("s", "Page.getFrameTree", none,
		waiter{then: func(msg *cdproto.Message) { told <- msg }})
	s.say(`{"id":%d,"result":{"x":%q},"sessionId":"s"}`, s.hear().ID, strings.Repeat("x", 1000))
	if msg := <-told; msg.Error != nil {
		t.Errorf("the driver's own, for which nothing waits: %v", msg.Error)
	}
	s.say(`{"method":"Page.frameNavigated","params":{"x":%q},"sessionId":"s"}`,
		strings.Repeat("x", 1000))
	if msg := s.read(l); msg.Method != "Page.frameNavigated" || len(msg.Params) < 1000 {
		t.Errorf("an event: %v", msg)
	}
	// One that is too long all the same is a loss, which the end of the lease logs.
	large := newOversized([]byte(`{"method":"Page.frameNavigated","params":{}`),
		[]byte(`,"sessionId":"s"}`))
	s.wire.tooLong(large)
	if _, damaged := l.losses(); !damaged {
		t.Error("an event that was dropped is no loss")
	}
}

func TestAMessageOverAWebSocketHasABound(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		for _, size := range []int{100, 5000, 4 << 20, 101, 100} {
			if err := conn.Write(r.Context(), websocket.MessageText, []byte(answerOf(1, size))); err != nil {
				t.Error(err)
			}
		}
		conn.CloseRead(r.Context())
		<-r.Context().Done()
	}))
	defer server.Close()
	conn, _, err := websocket.Dial(t.Context(), server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := newSocket(conn)
	defer s.Close()
	most := bound{most: 100, of: func(begin []byte) int64 {
		if id, ok := answerID(begin); !ok || id != 1 {
			t.Errorf("it begins with %.40q", begin)
		}
		return 100
	}}
	for _, size := range []int{100, 5000, 4 << 20, 101, 100} {
		text, err := s.read(most)
		var large *oversized
		switch {
		case size <= 100 && (err != nil || len(text) != size):
			t.Errorf("%d bytes: %d, %v", size, len(text), err)
		case size > 100 && (!errors.As(err, &large) || large.size != int64(size)):
			t.Errorf("%d bytes: %v", size, err)
		case size > 100 && !strings.HasSuffix(string(large.last), `"sessionId":"s"}`):
			t.Errorf("%d bytes end with %q", size, large.last)
		}
	}
}
