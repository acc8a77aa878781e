package traffic

import (
	"strings"
	"testing"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim"
	"github.com/pagepool/pagepool/sim/fakebrowser"
)

func TestLatenciesAreReadAsTheyWereWritten(t *testing.T) {
	var s Samples
	for _, took := range []core.Time{1, 1, 2, 3} {
		s.Add(fakebrowser.Open, took*sim.Seconds)
	}
	s.Add(fakebrowser.EndSession, sim.Seconds) // a kind that is not measured
	text := string(s.Text("Measured in a test."))
	if _, err := readLatencies(text); err != nil {
		t.Errorf("%v in %s", err, text)
	}
	if !strings.HasPrefix(text, "# Measured in a test.\n") ||
		!strings.Contains(text, "\nopen 4 1s 1s") {
		t.Errorf("got %s", text)
	}
	for _, bad := range []string{"fly 9 1s", "open many" + strings.Repeat(" 1s", 17),
		"open 9 2s" + strings.Repeat(" 1s", 16), "open 9 x" + strings.Repeat(" 1s", 16)} {
		if _, err := readLatencies(bad); err == nil || !strings.Contains(err.Error(), "line 1: want") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
