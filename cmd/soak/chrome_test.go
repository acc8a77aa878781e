package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pagepool/pagepool/pool/core"
)

// onChrome runs `soak chrome` on a real browser, in a folder of its own, and reads what it prints.
func onChrome(t *testing.T, args ...string) (exit int, report chromeReport, stderr string) {
	t.Helper()
	if os.Getenv("PAGEPOOL_CHROME") == "" {
		t.Skip("needs a real browser: PAGEPOOL_CHROME=1 go test -run TestContract ./cmd/soak")
	}
	t.Chdir(t.TempDir())
	args = append([]string{"chrome", "-json", "-path", os.Getenv("PAGEPOOL_CHROME_PATH")}, args...)
	exit, stdout, stderr := soaked(t, args...)
	if exit == exitUsage {
		t.Fatalf("soak %q: %s", args, stderr)
	}
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatalf("%v: %.300s", err, stdout)
	}
	return exit, report, stderr
}

// The limits are longer than in production: other tests load the machine.
func TestContractChromeTheIncidentHarmsNobodyElse(t *testing.T) {
	exit, r, stderr := onChrome(t, "incident", "-for", "15s", "-set", "RescueTimeout=6s")
	if exit != exitHeld {
		t.Errorf("exit %d: %+v\n%s", exit, r.Violations, stderr)
	}
	if len(r.Loops) == 0 {
		t.Fatal("no page looped until its lease expired")
	}
	settings, err := core.Settings{MaxPages: 4, MaxLease: 2 * time.Second,
		RescueTimeout: 6 * time.Second}.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	bound := (settings.MaxLease + settings.RescueTimeout + settings.CloseTimeout +
		settings.KillTimeout).Seconds()
	for _, l := range r.Loops {
		if l.Held+l.Back > bound || l.Saved != l.Warm {
			t.Errorf("%+v, want the slot back within %v s, and the affinity warm where the page was rescued",
				l, bound)
		}
	}
	if r.Visits.WorkFailed > 0 || r.Visits.Worked < 10 {
		t.Errorf("%d visits of others were served, %d lost", r.Visits.Worked, r.Visits.WorkFailed)
	}
	if len(r.Left) > 0 {
		t.Errorf("left: %v", r.Left)
	}
}

func TestContractChromeHostileTrafficHoldsEveryClaim(t *testing.T) {
	exit, r, stderr := onChrome(t, "hostile", "-for", "15s", "-mishaps", "60", "-record", "all.trace")
	if exit != exitHeld {
		t.Errorf("exit %d: %+v\n%s", exit, r.Violations, stderr)
	}
	if r.Grants == 0 || r.Reached["browser_died"]+r.Reached["lease_browser_lost"]+
		r.Reached["lease_expired"] == 0 {
		t.Errorf("%d grants, reached %v", r.Grants, r.Reached)
	}
	if len(r.Figures) != 4 {
		t.Errorf("figures: %+v", r.Figures)
	}
	if data, err := os.ReadFile("all.trace"); err != nil ||
		!strings.HasPrefix(string(data), "pagepool-trace 1\n") {
		t.Errorf("the recorded trace: %v, %.100q", err, data)
	}
}

// What a real browser did to a pool is dumped, replayed to the state that the pool was in, and
// seen.
func TestContractChromeAWedgeIsDumpedReplayedAndSeen(t *testing.T) {
	exit, r, stderr := onChrome(t, "incident", "-for", "15s", "-set", "RescueTimeout=-1", "-dump",
		"dump.trace")
	if exit != exitHeld || len(r.Loops) == 0 {
		t.Fatalf("exit %d, %d loops: %+v\n%s", exit, len(r.Loops), r.Violations, stderr)
	}
	exit, stdout, stderr := soaked(t, "replay", "dump.trace", "-json")
	var again replayReport
	if err := json.Unmarshal([]byte(stdout), &again); err != nil || exit != exitHeld ||
		again.StateHash != r.State {
		t.Errorf("exit %d, %v: the replay ends at %s, and the pool was at %s\n%s", exit, err,
			again.StateHash, r.State, stderr)
	}
	exit, stdout, stderr = soaked(t, "view", "dump.trace", "-o", "dump.html")
	page, err := os.ReadFile("dump.html")
	if err != nil || exit != exitHeld || !strings.Contains(string(page), stuckAffinity) {
		t.Errorf("exit %d, %v: a page of %d bytes\n%s%s", exit, err, len(page), stdout, stderr)
	}
	exit, stdout, stderr = soaked(t, "trace", "dump.trace", "-perfetto", "dump.json")
	events, err := os.ReadFile("dump.json")
	if err != nil || exit != exitHeld || !json.Valid(events) ||
		!strings.Contains(string(events), "expire r") {
		t.Errorf("exit %d, %v: a timeline of %d bytes\n%s%s", exit, err, len(events), stdout, stderr)
	}
}

func TestWhatABrowserLeavesBehindIsNamed(t *testing.T) {
	folder := t.TempDir()
	before := newBaseline(folder)
	if left := before.now(); len(left) > 0 {
		t.Fatalf("left before anything was there: %q", left)
	}
	if err := os.Mkdir(filepath.Join(folder, "b1"), 0o700); err != nil {
		t.Fatal(err)
	}
	stays := exec.Command("sh", "-c", "read line; : "+folder+"/b1/profile")
	input, err := stays.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := stays.Start(); err != nil {
		t.Fatal(err)
	}
	end := make(chan struct{})
	for range 10 { // some of an earlier test may end meanwhile
		go func() { <-end }()
	}
	left := strings.Join(before.now(), "; ")
	for _, want := range []string{"process ", "folder " + folder + "/b1", "goroutines",
		"descriptors"} {
		if !strings.Contains(left, want) {
			t.Errorf("left: %q, want %q in it", left, want)
		}
	}
	close(end)
	input.Close()
	if err := stays.Wait(); err != nil {
		t.Error(err)
	}
}

// A run has a folder of its own for temporary files, so that it counts what it leaves there, and
// nothing that other browsers of this machine leave.
func TestTemporaryFilesOfARunAreItsOwn(t *testing.T) {
	system := t.TempDir()
	t.Setenv("TMPDIR", system)
	folder, done, err := temporaryFolder()
	if err != nil {
		t.Fatal(err)
	}
	before := newBaseline(folder)
	for _, in := range []string{system, ""} {
		f, err := os.CreateTemp(in, ".org.chromium.Chromium.")
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	left := before.now()
	if len(left) != 1 || !strings.HasPrefix(left[0], "file "+folder+"/.org.chromium.Chromium.") {
		t.Errorf("left: %q, want the file in %s alone", left, folder)
	}
	if done(); os.TempDir() != system {
		t.Errorf("temporary files go to %s after the run", os.TempDir())
	}
}

func TestChromePrintsTheFixedShapeOfARunAndMore(t *testing.T) {
	var fixed any
	if err := json.Unmarshal([]byte(runShape), &fixed); err != nil {
		t.Fatal(err)
	}
	printed, err := json.Marshal(chromeReport{
		runReport: runReport{Violations: []violation{}, Reached: map[string]uint64{}}})
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]any
	if err := json.Unmarshal(printed, &object); err != nil {
		t.Fatal(err)
	}
	delete(fixed.(map[string]any), "unseen") // the states of a real browser are not counted
	for name, want := range fixed.(map[string]any) {
		got, ok := object[name]
		if !ok || reflect.TypeOf(got) != reflect.TypeOf(want) {
			t.Errorf("%s is %T, want %T", name, got, want)
		}
	}
}
