package properties

import (
	"os"
	"testing"
	"time"

	"github.com/pagepool/pagepool/pool/chrome"
	"github.com/pagepool/pagepool/pool/chrome/attacks"
	"github.com/pagepool/pagepool/pool/chrome/loopback"
	"github.com/pagepool/pagepool/pool/core"
)

// sampleLease is what a page of the sample has to attack, so that all of them take half a minute.
const sampleLease = time.Second

// goodLease is the limit of a good tenant's lease beside a page that costs nobody anything: a busy
// machine was seen to hold a healthy page up for 2 s.
const goodLease = 20 * time.Second

// A sample of the attack corpus: no tenant beside an attack loses a request, and the attacker's tab
// comes back. What that costs is measured by soak chrome attacks, on a machine that is quiet.
func TestContractChromeAttack(t *testing.T) {
	needsChrome(t)
	settings, err := core.Settings{MaxPages: 4, MaxLease: loopback.TrialLease}.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	folder, err := os.MkdirTemp("", "attacks-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(folder)
	stage, err := loopback.New(chrome.Launcher{
		ExecPath: os.Getenv("PAGEPOOL_CHROME_PATH"), NoSandbox: os.Geteuid() == 0,
	}, folder)
	if err != nil {
		t.Fatal(err)
	}
	defer stage.Close()
	for _, page := range attacks.Sample() {
		t.Run(page.Name, func(t *testing.T) { attacked(t, stage, page, settings) })
	}
	eventually(t, "no browser is left", func() bool { return len(stage.Browsers()) == 0 })
}

func attacked(
	t *testing.T, stage *loopback.Stage, page attacks.Page, settings core.Settings,
) {
	bound := sampleLease + settings.RescueTimeout + settings.CloseTimeout + settings.KillTimeout
	most, maxLease := 0, goodLease
	if page.Shared != "" { // a lease that ends soon tells of it
		most, maxLease = settings.BrowserDoubt+settings.MaxPages, settings.MaxLease
	}
	trial, err := stage.Attack(t.Context(), page, sampleLease, maxLease)
	if err != nil {
		t.Fatal(err)
	}
	if !trial.Begun || trial.Error != "" {
		t.Errorf("the attack began: %t, and ended with %q", trial.Begun, trial.Error)
	}
	if trial.Failed > most || trial.FailedLater > 0 {
		t.Errorf("%d of %d good requests failed, %d after the recovery; the first: %s",
			trial.Failed, trial.Asked, trial.FailedLater, trial.FirstError)
	}
	if page.Shared == "" && trial.Back > bound.Seconds() {
		t.Errorf("the tab was back after %.1f s, want it within %v", trial.Back, bound)
	}
	t.Logf("p50 %.0f ms of %d, back after %.1f s", trial.P50, trial.Asked, trial.Back)
}
