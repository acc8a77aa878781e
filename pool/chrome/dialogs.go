package chrome

import (
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/page"
)

const (
	// largeDialog is how many bytes of news of a dialog are many. Only an attack has so much text.
	largeDialog = 64 << 10
	// dialogPause is how long the answer to a large dialog waits. A page that asks in a loop waits
	// for it, and the reader of the connection, which all tabs share, has time for them meanwhile.
	dialogPause = 100 * time.Millisecond
)

// dialogOpened answers a dialog, which holds its page's main thread until then. It runs on the
// pump.
func (b *browser) dialogOpened(msg *cdproto.Message) {
	if b.wire.primary(msg.SessionID) {
		return // the driver's own session on the page tells of it as well
	}
	var dialog struct {
		Type          page.DialogType `json:"type"`
		DefaultPrompt string          `json:"defaultPrompt"`
	}
	if decode(msg.Params, &dialog) != nil {
		return
	}
	leave := dialog.Type == page.DialogTypeBeforeunload // dismissing that would be to stay
	params := page.HandleJavaScriptDialogParams{Accept: leave || b.AcceptDialogs}
	if params.Accept {
		params.PromptText = dialog.DefaultPrompt
	}
	answer := func() { post(b.wire, msg.SessionID, page.HandleJavaScriptDialog, params) }
	if len(msg.Params) < largeDialog {
		answer()
		return
	}
	time.AfterFunc(dialogPause, answer)
}
