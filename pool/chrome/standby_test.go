package chrome

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/pagepool/pagepool/pool"
)

func TestStandbyIsAskedForAgainOnlyAfterAFailureThatPasses(t *testing.T) {
	for _, c := range []struct {
		err    error
		passes bool
	}{
		{statusError(502), true}, {statusError(503), true}, {statusError(504), true},
		{statusError(404), false}, {statusError(500), false},
		{&chromedp.LoadError{ErrorText: "net::ERR_CONNECTION_REFUSED"}, true},
		{&chromedp.LoadError{ErrorText: "net::ERR_CERT_VERIFIER_CHANGED"}, true},
		{&chromedp.LoadError{ErrorText: "net::ERR_NAME_NOT_RESOLVED"}, false},
		{errors.New("net::ERR_CONNECTION_REFUSED"), false},
	} {
		if got := passes(fmt.Errorf("go to it: %w", c.err)); got != c.passes {
			t.Errorf("%v passes: %v", c.err, got)
		}
	}
}

func TestSettingsThatAreWrongAreRefusedAllAtOnce(t *testing.T) {
	good := []Options{
		{}, {StandbyURL: "https://example.com/standby"}, {StandbyURL: "data:text/html,standby"},
		{StandbyURL: "about:blank"},
		{
			Viewport: Viewport{Width: 1, Height: 10_000_000, Scale: 2.5, Mobile: true},
		}, {InitScripts: []string{"1"}, AuditEvery: -1},
		{FreezeAfter: pool.Off}, {FreezeAfter: time.Nanosecond},
	}
	for _, s := range good {
		checked, err := s.checked("Launcher")
		if err != nil {
			t.Errorf("%+v: %v", s, err)
		}
		if checked.StandbyURL == "" || checked.AuditEvery == 0 || checked.log == nil {
			t.Errorf("%+v has no defaults", checked)
		}
	}
	_, err := Options{
		StandbyURL: "http:///standby", InitScripts: []string{"1", ""},
		Viewport: Viewport{Width: 10, Scale: -1}, FreezeAfter: -time.Second,
	}.checked("Remote")
	for _, want := range []string{
		`chrome: Remote.StandbyURL is "http:///standby": it must be a whole address`,
		`chrome: Remote.InitScripts[1] is "": `,
		"chrome: Remote.FreezeAfter is -1s: it must be more than 0, or pool.Off",
		"chrome: Remote.Viewport is 10 x 0: both sides", "Scale must be 0 to 1,000",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in: %v", want, err)
		}
	}
}

func TestIdleFreezeIsFreezeAfterWithItsDefaultOrZero(t *testing.T) {
	for _, c := range []struct{ set, want time.Duration }{
		{0, time.Second}, {time.Minute, time.Minute}, {pool.Off, 0},
	} {
		o := Options{FreezeAfter: c.set}
		for _, launcher := range []pool.FreezeTeller{Launcher{Options: o}, Remote{Options: o}} {
			if got := launcher.IdleFreeze(); got != c.want {
				t.Errorf("%T with FreezeAfter %v: IdleFreeze is %v, want %v", launcher, c.set, got, c.want)
			}
		}
	}
}
