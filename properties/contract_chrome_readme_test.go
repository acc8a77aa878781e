package properties

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// readmeProgram builds the program of README.md, word for word, and returns its path.
func readmeProgram(t *testing.T) string {
	t.Helper()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, program, found := strings.Cut(string(readme), "```go\npackage main\n")
	program, _, ended := strings.Cut(program, "```")
	if !found || !ended {
		t.Fatal("README.md has no program")
	}
	folder := t.TempDir()
	source, overlay, built := filepath.Join(folder, "main.go"), filepath.Join(folder, "overlay.json"),
		filepath.Join(folder, "render")
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	// The folder is there for the build only, so that the program has this module's packages.
	files, err := json.Marshal(map[string]map[string]string{
		"Replace": {filepath.Join(root, "render", "main.go"): source}})
	if err == nil {
		err = errors.Join(os.WriteFile(source, []byte("package main\n"+program), 0o600),
			os.WriteFile(overlay, files, 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-overlay", overlay, "-o", built, "./render")
	build.Dir = root
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("the program does not build: %v\n%s", err, said)
	}
	return built
}

func TestContractReadmeProgramSaysWhatToInstallWhereThereIsNoBrowser(t *testing.T) {
	program := exec.Command(readmeProgram(t), "http://127.0.0.1:1")
	program.Env = append(os.Environ(), "PATH="+t.TempDir())
	began := time.Now()
	said, err := program.CombinedOutput()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("without a browser: %v", err)
	}
	for _, want := range []string{"no browser found", "apt-get install chromium-headless-shell",
		"Launcher.ExecPath"} {
		if !strings.Contains(string(said), want) {
			t.Errorf("%q is missing in: %s", want, said)
		}
	}
	t.Logf("after %v: %s", time.Since(began), said)
}

func TestContractChromeReadmeProgramPrintsAPage(t *testing.T) {
	needsChrome(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<title>page</title><body><script>document.body.append('ren' + 'dered')</script>`)
	}))
	defer server.Close()
	// The program looks for a browser itself. This build is to be the one that it finds.
	folder := t.TempDir()
	browser := installed(t)
	if err := os.WriteFile(filepath.Join(folder, "chromium-headless-shell"),
		[]byte("#!/bin/sh\nexec "+browser+` "$@"`+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	program := exec.Command(readmeProgram(t), server.URL)
	program.Env = append(os.Environ(), "PATH="+folder+":"+os.Getenv("PATH"))
	program.Dir = t.TempDir()
	if said, err := program.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	pdf, err := os.ReadFile(filepath.Join(program.Dir, "page.pdf"))
	if err != nil || !bytes.HasPrefix(pdf, []byte("%PDF-")) || len(pdf) < 2000 {
		t.Errorf("page.pdf has %d bytes: %.20q, %v", len(pdf), pdf, err)
	}
}
