package chrome

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/page"
)

// A page that asks in a loop, with much text, would otherwise fill the connection that all tabs
// share.
func TestALargeDialogIsAnsweredAfterAPause(t *testing.T) {
	for _, c := range []struct {
		size   int
		accept bool
		pause  time.Duration
		text   int // how much of it the answer has
	}{
		{10, false, 0, 0}, {10, true, 0, 10},
		{1 << 20, false, dialogPause, 0}, {1 << 20, true, dialogPause, 1 << 20},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newStub(t)
			b := &browser{wire: s.wire}
			b.AcceptDialogs = c.accept
			text := strings.Repeat("x", c.size)
			began := time.Now()
			b.observe(&cdproto.Message{
				Method: cdproto.EventPageJavascriptDialogOpening, SessionID: "s",
				Params: fmt.Appendf(nil, `{"type":"prompt","message":%q,"defaultPrompt":%q}`, text, text),
			})
			msg := s.hear()
			var answer page.HandleJavaScriptDialogParams
			if err := decode(msg.Params, &answer); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took != c.pause || answer.Accept != c.accept ||
				len(answer.PromptText) != c.text {
				t.Errorf("%+v: answered after %v, accepted %t, with %d bytes of text",
					c, took, answer.Accept, len(answer.PromptText))
			}
		})
	}
}
