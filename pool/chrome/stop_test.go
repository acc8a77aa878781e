package chrome

import (
	"fmt"
	"slices"
	"testing"

	"github.com/chromedp/cdproto/cdp/jsonv2"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/target"
)

// A page that was stopped runs scripts again with the first navigation of a holder who wants any.
// Until then the driver's session keeps them off: Chrome takes what was set last as that of all
// sessions.
func TestAStopLastsAsLongAsItsHolderWantsNoScripts(t *testing.T) {
	type step struct {
		on   target.SessionID
		does string
		runs bool // the driver lets scripts run
	}
	off := step{"own", `{"value":true}`, false}
	for what, steps := range map[string][]step{
		"he goes elsewhere":                {{"own", "", true}, {"own", "", false}},
		"he wants none":                    {off, {"own", "", false}, {"own", "", false}},
		"he wants none, and then some":     {off, {"own", "", false}, {"own", `{"value":false}`, true}},
		"he wants none, goes, wants again": {off, {"own", `{"value":false}`, true}, {"own", "", false}},
		"he wants none in another session": {{"other", `{"value":true}`, false}, {"own", "", true}},
	} {
		s := newStub(t)
		lease := &session{t: s.doubted()}
		lease.mu.id = "own"
		lease.stops.scripts = true // as stopScripts does
		var got, want []bool
		for _, step := range steps {
			if step.does == "" {
				lease.watch(step.on, page.CommandNavigate, none)
			} else {
				lease.watch(step.on, emulation.CommandSetScriptExecutionDisabled, jsonv2.Value(step.does))
			}
			s.wire.send("s", barrierMethod, none, waiter{})
			lets := false
			for msg := s.hear(); msg.Method != barrierMethod; msg = s.hear() {
				if text := fmt.Sprint(msg.Method, " ", string(msg.Params)); text !=
					emulation.CommandSetScriptExecutionDisabled+` {"value":false}` {
					t.Errorf("%s: the browser is told %s", what, text)
				}
				lets = true
			}
			got, want = append(got, lets), append(want, step.runs)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: scripts may run again %t, want %t", what, got, want)
		}
	}
}
