package loopback

import (
	"strings"
	"testing"

	"github.com/pagepool/pagepool/pool/chrome/attacks"
)

func TestATrialSaysWhichPromisesItBroke(t *testing.T) {
	good := Trial{Begun: true, Asked: 50, P50: 20, Back: 4}
	for name, c := range map[string]struct {
		change func(*Trial)
		shared string
		says   string // empty: nothing is broken
	}{
		"good":           {func(*Trial) {}, "", ""},
		"one failed":     {func(t *Trial) { t.Failed = 1 }, "", "1 of 50 good requests failed"},
		"seven, shared":  {func(t *Trial) { t.Failed = 7 }, "gpu", ""},
		"eight, shared":  {func(t *Trial) { t.Failed = 8 }, "gpu", "and 7 may"},
		"later, shared":  {func(t *Trial) { t.FailedLater = 1 }, "gpu", "after the recovery"},
		"slow":           {func(t *Trial) { t.P50 = 20.5 }, "", "20 ms, and 10 ms beside loop"},
		"late":           {func(t *Trial) { t.Back = 4.1 }, "", "4.1 s, and 4.0 s are the most"},
		"no attack":      {func(t *Trial) { t.Begun = false }, "", "not carried out"},
		"a wrong script": {func(t *Trial) { t.Error = "TypeError" }, "", "not carried out"},
	} {
		trial := good
		c.change(&trial)
		broken := trial.Broken(attacks.Page{Shared: c.shared}, 10, TrialLease)
		text := strings.Join(broken, "; ")
		if (text != "") != (c.says != "") || !strings.Contains(text, c.says) {
			t.Errorf("%s: got %q, want %q", name, broken, c.says)
		}
	}
}

func TestWorkDrawsEachPageOfTheCorpusInTurn(t *testing.T) {
	drawn, all := map[int]bool{}, len(attacks.All())
	for i := range all {
		drawn[i*drawnStep%all] = true
	}
	if len(drawn) != all {
		t.Errorf("%d of %d pages are drawn", len(drawn), all)
	}
}
