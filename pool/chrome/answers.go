package chrome

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/target"
)

// maxAnswer is MaxAnswer's default, and the longest message that is no answer to a holder's
// command. It is what Chrome itself sends over a WebSocket.
const maxAnswer = 256 << 20

// bound is how long messages may be. Of what a page says unasked only talkLongest is read. What the
// driver itself has asked for is bound by maxAnswer at least.
func (w *wire) bound() bound {
	return bound{most: min(w.maxAnswer, talkLongest), of: func(begin []byte) int64 {
		if id, ok := answerID(begin); ok {
			w.mu.Lock()
			waiter, waits := w.mu.waiting[id]
			w.mu.Unlock()
			if waiter.line != nil || !waits {
				return w.maxAnswer
			}
		} else if talks(begin) {
			return talkLongest
		}
		return max(w.maxAnswer, maxAnswer)
	}}
}

// answerID reads the number of the command that a message answers, out of its beginning.
func answerID(begin []byte) (int64, bool) {
	rest, ok := bytes.CutPrefix(begin, []byte(`{"id":`))
	if !ok {
		return 0, false
	}
	digits, _, _ := bytes.Cut(rest, []byte(","))
	id, err := strconv.ParseInt(string(digits), 10, 64)
	return id, err == nil
}

// tooLong fails the call whose answer is too long, or drops the event.
func (w *wire) tooLong(large *oversized) {
	msg := new(cdproto.Message)
	msg.SessionID = target.SessionID(sessionOf(large.last))
	if id, ok := answerID(large.begin); ok {
		msg.ID = id
		msg.Error = &cdproto.Error{Code: refusedCode, Message: fmt.Sprintf(
			"chrome: the answer has %d bytes, and %s.MaxAnswer is %d", large.size, w.owner, w.maxAnswer)}
		w.answered(msg)
		return
	}
	w.withinBudget(large.begin, large.last, int(large.size))
	method, _ := methodOf(large.begin)
	msg.Method = cdproto.MethodType(method)
	w.mu.Lock()
	l := w.mu.sessions[msg.SessionID]
	w.mu.Unlock()
	if l != nil {
		l.lose(msg)
	}
}
