package chrome

import (
	"fmt"
	"testing"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp/jsonv2"
)

// news are the events of a page that the main frame F begins to navigate, as Chrome tells of them.
var news = map[string]struct {
	method cdproto.MethodType
	params string
}{
	"requested": {cdproto.EventPageFrameRequestedNavigation,
		`{"frameId":"F","reason":"anchorClick","url":"http://a/b","disposition":"currentTab"}`},
	"requested c": {cdproto.EventPageFrameRequestedNavigation,
		`{"frameId":"F","reason":"anchorClick","url":"http://a/c","disposition":"currentTab"}`},
	"requested elsewhere": {cdproto.EventPageFrameRequestedNavigation,
		`{"frameId":"F","reason":"anchorClick","url":"http://a/b","disposition":"newTab"}`},
	"requested in a frame": {cdproto.EventPageFrameRequestedNavigation,
		`{"frameId":"G","reason":"anchorClick","url":"http://a/b","disposition":"currentTab"}`},
	"scheduled": {eventFrameScheduledNavigation,
		`{"frameId":"F","delay":0,"reason":"anchorClick","url":"http://a/b"}`},
	"scheduled late": {eventFrameScheduledNavigation,
		`{"frameId":"F","delay":5,"reason":"metaTagRefresh","url":"http://a/b"}`},
	"cleared": {eventFrameClearedScheduledNavigation, `{"frameId":"F"}`},
	"started": {cdproto.EventPageFrameStartedNavigating,
		`{"frameId":"F","url":"http://a/b","loaderId":"L","navigationType":"differentDocument"}`},
	"started securely": {cdproto.EventPageFrameStartedNavigating,
		`{"frameId":"F","url":"https://a/b","loaderId":"L","navigationType":"differentDocument"}`},
	"loads":   {cdproto.EventPageFrameStartedLoading, `{"frameId":"F"}`},
	"stopped": {cdproto.EventPageFrameStoppedLoading, `{"frameId":"F"}`},
	"committed": {cdproto.EventPageFrameNavigated,
		`{"frame":{"id":"F","loaderId":"L","url":"http://a/b"},"type":"Navigation"}`},
}

func TestWhatAPageAnnouncesIsInFlightUntilItHasEndedOrIsCalledOff(t *testing.T) {
	for _, c := range []struct {
		events []string
		want   string // a letter for each event: F where something is in flight then
	}{
		// a form
		{[]string{"requested", "scheduled", "started", "loads", "cleared", "stopped"}, "FFFFF-"},
		// a link
		{[]string{"scheduled", "requested", "cleared", "started", "loads", "stopped"}, "FFFFF-"},
		{[]string{"scheduled", "requested", "started", "loads", "cleared", "committed", "stopped"},
			"FFFFFF-"},
		{[]string{"scheduled", "loads", "stopped", "cleared"}, "FFF-"}, // a place in it
		// a script's address
		{[]string{"scheduled", "cleared"}, "F-"},
		// a refresh that was ended
		{[]string{"scheduled late", "cleared"}, "--"},
		{[]string{"requested elsewhere", "requested in a frame"}, "--"},                //
		{[]string{"requested", "requested", "started", "loads", "stopped"}, "FFFF-"},   // two forms
		{[]string{"requested", "requested c", "started", "loads", "stopped"}, "FFFFF"}, // c is to begin
		// c went with its document
		{[]string{"requested c", "started", "loads", "committed", "stopped"}, "FFFF-"},
		{[]string{"requested", "started securely", "loads", "stopped"}, "FFF-"}, //
	} {
		n, got := newNavigations("F"), ""
		for _, name := range c.events {
			event, ok := news[name]
			if !ok || !navigates(event.method) {
				t.Fatalf("no event %q", name)
			}
			n.event(event.method, jsonv2.Value(event.params))
			state, _ := n.look()
			got += map[bool]string{true: "F", false: "-"}[state.inFlight()]
		}
		if got != c.want {
			t.Errorf("%v: %s, want %s", c.events, got, c.want)
		}
	}
}

// What the driver stops has not finished, even where it began after the stop.
func TestANavigationThatTheDriverStopsHasNotFinished(t *testing.T) {
	for _, stops := range []int{0, 1} {
		n := newNavigations("F")
		n.change(func(v *navigation) { v.stops = stops })
		for _, name := range []string{"requested", "started", "loads", "stopped"} {
			n.event(news[name].method, jsonv2.Value(news[name].params))
		}
		state, _ := n.look()
		if got, want := fmt.Sprint(state.began, state.finished),
			fmt.Sprint(true, stops == 0); got != want {
			t.Errorf("with %d stops, a navigation began and finished: %s, want %s", stops, got, want)
		}
	}
}
