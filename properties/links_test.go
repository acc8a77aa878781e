package properties

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A program with a pool has no claim in it, and nothing of the simulated world.
func TestTidyAProgramWithAPoolLinksNoClaim(t *testing.T) {
	const program = `package main

import (
	"context"

	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
)

func main() {
	p, err := pool.New(chrome.Launcher{}, pool.Config{})
	if err == nil {
		err = p.Dump(nil)
	}
	if err == nil {
		err = p.Close(context.Background())
	}
	if err != nil {
		panic(err)
	}
}
`
	dir := t.TempDir()
	source, binary := filepath.Join(dir, "main.go"), filepath.Join(dir, "program.exe")
	if err := os.WriteFile(source, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-o", binary, source).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	symbols, err := exec.Command("go", "tool", "nm", binary).Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(symbols)) {
		if strings.Contains(line, module+"/sim") || strings.Contains(line, module+"/properties") {
			t.Errorf("a program with a pool has %s", strings.TrimSpace(line))
		}
	}
	if !strings.Contains(string(symbols), module+"/pool/core.(*State).Step") {
		t.Error("the program has no core: the test looks at nothing")
	}
}
