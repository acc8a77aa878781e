//go:build !linux && !darwin

package chrome

import (
	"errors"
	"io"
	"os/exec"
)

// process stands in where there are no process groups.
type process struct {
	cmd    *exec.Cmd
	folder *folder
	pipe   *pipe
	output *tail
	dying  <-chan struct{}
	exited chan struct{}
}

func start(string, []string, []string, string, io.Writer) (*process, error) {
	return nil, errors.New("chrome: browsers are started on Linux and macOS only")
}

func (p *process) kill() {}

func (p *process) killOne(int) error { return errors.ErrUnsupported }

func (p *process) gone() {}

func (p *process) ending(string) string { return "" }

type folder struct{ path string }

func (f *folder) remove() error { return nil }

func removeLeft(string) []string { return nil }

type tail struct{}

func (*tail) String() string { return "" }
