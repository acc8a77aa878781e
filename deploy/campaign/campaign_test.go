// Package campaign holds what runs a campaign on many machines; its tests run the lines that the
// files show.
package campaign

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A campaign in the files, and a shorter one for tests.
const (
	campaign = "run hostile -seed 1-2000 -hours 1"
	shorter  = "run hostile -seed 1-48 -hours 0.02"
)

// soak builds the command once, and returns the folder that it is in.
var soak = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "soak-")
	if err != nil {
		return "", err
	}
	build := exec.Command("go", "build", "-o", filepath.Join(folder, "soak"), "./cmd/soak")
	build.Dir = "../.."
	if said, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, said)
	}
	return folder, nil
})

func TestMain(m *testing.M) {
	exit := m.Run()
	if folder, err := soak(); err == nil {
		_ = os.RemoveAll(folder)
	}
	os.Exit(exit)
}

// sh runs a line in a folder, with soak on its PATH, and returns its exit and what it has printed.
func sh(t *testing.T, folder, line string, env ...string) (int, string, string) {
	t.Helper()
	path, err := soak()
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	c := exec.Command("sh", "-c", line)
	c.Dir, c.Stdout, c.Stderr = folder, &out, &errs
	c.Env = append(append(os.Environ(), "PATH="+path+":"+os.Getenv("PATH"), "HOME="+folder), env...)
	err = c.Run()
	if c.ProcessState == nil {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), out.String(), errs.String()
}

func text(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// short makes the campaign of a line the shorter one.
func short(t *testing.T, line string) string {
	t.Helper()
	if !strings.Contains(line, campaign) {
		t.Fatalf("%q holds no %q", line, campaign)
	}
	return strings.ReplaceAll(line, campaign, shorter)
}

var wall = regexp.MustCompile(`"wall_seconds":[^,]*|(?m) in [0-9.]+ s$`)

// whole is what one machine says.
func whole(t *testing.T, flags string) string {
	t.Helper()
	exit, out, errs := sh(t, t.TempDir(), "soak "+shorter+flags)
	if exit != 0 {
		t.Fatalf("exit %d\n%s%s", exit, out, errs)
	}
	return wall.ReplaceAllString(out, "")
}

func TestCampaignLineForParallelIsTheOneRun(t *testing.T) {
	if _, err := exec.LookPath("parallel"); err != nil {
		t.Fatalf("%v; apt-get install parallel", err)
	}
	line := regexp.MustCompile("(?m)^seq .*parallel.*$").FindString(text(t, "README.md"))
	exit, out, errs := sh(t, t.TempDir(), short(t, line))
	if exit != 0 || wall.ReplaceAllString(out, "") != whole(t, "") {
		t.Errorf("exit %d\n%s%s\nand in one\n%s", exit, out, errs, whole(t, ""))
	}
}

// script is the shell script in a manifest, as the container would run it.
func script(t *testing.T, file string) string {
	t.Helper()
	var lines []string
	indent := 0
	for _, line := range strings.Split(text(t, file), "\n") {
		deep := len(line) - len(strings.TrimLeft(line, " "))
		switch {
		case strings.TrimSpace(line) == "- |":
			indent = deep + 2
		case indent > 0 && deep < indent:
			return strings.Join(lines, "\n")
		case indent > 0:
			lines = append(lines, line[indent:])
		case strings.HasPrefix(strings.TrimSpace(line), "- soak merge"):
			return strings.TrimPrefix(strings.TrimSpace(line), "- ")
		}
	}
	t.Fatalf("%s: no script", file)
	return ""
}

func TestCampaignScriptsOfTheJobsAreTheOneRun(t *testing.T) {
	folder := t.TempDir()
	index, merge := short(t, script(t, "job.yaml")), script(t, "merge.yaml")
	for _, i := range []int{3, 1, 2, 0} {
		if exit, out, errs := sh(t, folder, merge); exit != 2 {
			t.Errorf("with shards missing: exit %d\n%s%s", exit, out, errs)
		}
		exit, out, errs := sh(t, folder, index, fmt.Sprint("JOB_COMPLETION_INDEX=", i), "SHARDS=4")
		if exit != 0 {
			t.Fatalf("index %d: exit %d\n%s%s", i, exit, out, errs)
		}
	}
	exit, out, errs := sh(t, folder, merge)
	if exit != 0 || wall.ReplaceAllString(out, "") != whole(t, "") {
		t.Errorf("exit %d\n%s%s", exit, out, errs)
	}
	if merged := wall.ReplaceAllString(text(t, filepath.Join(folder, "whole.json")), ""); merged !=
		whole(
			t,
			" -json",
		) {
		t.Errorf("merged\n%s\nin one\n%s", merged, whole(t, " -json"))
	}
	// What failPolicy reads of an index: 2 for bad usage.
	if exit, _, errs := sh(t, folder, strings.Replace(index, "hostile", "hostle", 1),
		"JOB_COMPLETION_INDEX=0", "SHARDS=4"); exit != 2 {
		t.Errorf("bad usage: exit %d\n%s", exit, errs)
	}
}

func TestCampaignShardsAreAsManyAsTheMatrixAndTheJobHave(t *testing.T) {
	actions, job := text(t, "campaign.yml"), text(t, "job.yaml")
	matrix := regexp.MustCompile(`part: \[(.*)\]`).FindStringSubmatch(actions)
	if matrix == nil ||
		!strings.Contains(
			actions,
			"-shard ${{ matrix.part }}/"+fmt.Sprint(len(strings.Split(matrix[1], ",")))+" ",
		) {
		t.Errorf("campaign.yml: the matrix %q is not what -shard divides by", matrix)
	}
	completions := regexp.MustCompile(`completions: (\d+)`).FindStringSubmatch(job)
	shards := regexp.MustCompile(`(?s)name: SHARDS\s+value: "(\d+)"`).FindStringSubmatch(job)
	if completions == nil || shards == nil || completions[1] != shards[1] {
		t.Errorf("job.yaml: completions %q, SHARDS %q", completions, shards)
	}
}

// Every fuzz target of the repository is built for ClusterFuzzLite, and those alone.
func TestCampaignFuzzTargetsAreLaidOutForClusterFuzzLite(t *testing.T) {
	files, err := filepath.Glob("../../*/*_test.go")
	deeper, err2 := filepath.Glob("../../*/*/*_test.go")
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	target := regexp.MustCompile(`(?m)^func (Fuzz\w+)\(f \*testing\.F\)`)
	var want, got []string
	for _, file := range append(files, deeper...) {
		for _, m := range target.FindAllStringSubmatch(text(t, file), -1) {
			if filepath.Base(filepath.Dir(file)) != "properties" {
				t.Errorf("%s is not in properties, where build.sh looks for it", m[1])
			}
			want = append(want, m[1]+" "+m[1])
		}
	}
	for _, m := range regexp.MustCompile(
		`(?m)^compile_native_go_fuzzer_v2 \$package (\w+ \w+)$`).FindAllStringSubmatch(
		text(t, "../../.clusterfuzzlite/build.sh"), -1) {
		got = append(got, m[1])
	}
	slices.Sort(want)
	slices.Sort(got)
	if len(want) < 3 || !slices.Equal(want, got) {
		t.Errorf("build.sh builds %q; the repository has %q", got, want)
	}
}
