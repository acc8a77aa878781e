//go:build linux || darwin

package chrome

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// outputGrace is how long the output of an ended browser is waited for, which a process outside of
	// its group may keep open, and Launcher.Output may not take.
	outputGrace = 500 * time.Millisecond
	// profileBytes is more than a fresh profile's 2.2 MB.
	profileBytes = 4 << 20
)

// process is one browser process with its group, its folder and its pipes. It is this package's own
// and not chromedp's allocator, which kills the main process alone and finds the others by a flag
// that headless-shell does not hand down.
type process struct {
	cmd    *exec.Cmd
	group  int // the id of its process group, and of its main process
	folder *folder
	pipe   *pipe
	output *tail
	died   chan struct{}   // closed when the main process was waited for
	dying  <-chan struct{} // closed when it is known to end, at the latest with died
	exited chan struct{}   // closed after both, when no output is to come
}

// start starts a browser in a process group and a folder of its own. The folder is made in parent.
func start(path string, args, env []string, parent string, output io.Writer) (*process, error) {
	folder, err := newFolder(parent)
	if err != nil {
		return nil, fmt.Errorf("chrome: make a folder for the browser: %w", err)
	}
	p := &process{
		folder: folder,
		output: &tail{to: output},
		died:   make(chan struct{}),
		exited: make(chan struct{}),
	}
	// Chrome leaves its socket's folder in TMPDIR when it is killed, so TMPDIR goes with the rest.
	profile, temporary := filepath.Join(folder.path, "profile"), filepath.Join(folder.path, "tmp")
	if err := errors.Join(os.Mkdir(profile, 0o700), os.Mkdir(temporary, 0o700)); err != nil {
		return nil, errors.Join(
			fmt.Errorf("chrome: make a folder for the browser: %w", err), folder.remove(),
		)
	}
	if err := reserve(filepath.Join(temporary, "room")); err != nil {
		return nil, errors.Join(
			fmt.Errorf(
				"chrome: a browser's profile needs %d MiB in %s: %w; set Launcher.TempDir to a disk with room",
				profileBytes>>20, folder.path, err,
			),
			folder.remove(),
		)
	}
	ends, err := pipes(3)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("chrome: open a pipe: %w", err), folder.remove())
	}
	commandsOut, commandsIn := ends[0], ends[1]
	answersOut, answersIn := ends[2], ends[3]
	printedOut, printedIn := ends[4], ends[5]
	args = append(args[:len(args):len(args)], "--user-data-dir="+profile, "--remote-debugging-pipe")
	p.cmd = exec.Command(path, args...)
	p.cmd.Env = append(append(os.Environ(), env...), "TMPDIR="+temporary)
	p.cmd.ExtraFiles = []*os.File{commandsOut, answersIn} // its descriptors 3 and 4
	p.cmd.Stdout, p.cmd.Stderr = printedIn, printedIn
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.pipe = newPipe(answersOut, commandsIn)
	err = p.cmd.Start()
	commandsOut.Close()
	answersIn.Close()
	printedIn.Close()
	if err != nil {
		return nil, errors.Join(
			fmt.Errorf("chrome: start %s: %w", path, err), p.pipe.Close(), printedOut.Close(),
			folder.remove(),
		)
	}
	p.group = p.cmd.Process.Pid
	p.dying = dying(p.group, p.died)
	go p.wait(printedOut)
	return p, nil
}

// reserve finds out whether the disk has room for a profile: on a full one Chrome starts, and fails
// later, for reasons that name no disk. It writes a file of that size, and removes it.
func reserve(path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	block := make([]byte, 1<<20)
	for range profileBytes / len(block) {
		if _, err = file.Write(block); err != nil {
			break
		}
	}
	return errors.Join(err, file.Close(), os.Remove(path))
}

// pipes opens n pipes, and returns the end to read from and the end to write to of each.
func pipes(n int) (ends []*os.File, err error) {
	for range n {
		out, in, err := os.Pipe()
		if err != nil {
			for _, end := range ends {
				end.Close()
			}
			return nil, err
		}
		ends = append(ends, out, in)
	}
	return ends, nil
}

// wait waits for the main process, and then for what was printed. os/exec could copy that too, but
// it waits for the copy without a bound: an Output that blocks would keep the end of the browser a
// secret.
func (p *process) wait(printed *os.File) {
	defer close(p.exited)
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		_, _ = io.Copy(p.output, printed)
	}()
	_ = p.cmd.Wait() // cmd.ProcessState says how it ended
	close(p.died)
	<-p.dying
	grace := time.NewTimer(outputGrace)
	defer grace.Stop()
	select {
	case <-copied:
	case <-grace.C:
	}
	printed.Close()
}

// kill ends every process of the group by force. It must not be called once gone has returned.
func (p *process) kill() { _ = syscall.Kill(-p.group, syscall.SIGKILL) }

// killOne kills one process of the browser, and not the main one. One that has ended meanwhile is
// no error.
func (p *process) killOne(pid int) error {
	group, err := syscall.Getpgid(pid)
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	if pid <= 1 || pid == p.group || group != p.group && !p.knows(strconv.Itoa(pid)) {
		return errors.New("it is none of the browser's helper processes")
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}

// gone kills what is left of the browser, and returns when nothing of it runs any more. A process
// that does not even react to being killed keeps it waiting.
func (p *process) gone() {
	<-p.exited
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		group, strays := p.remaining()
		if !group && len(strays) == 0 {
			return
		}
		if group {
			p.kill()
		}
		if pause > 50*time.Millisecond {
			// Chrome's crash handlers leave the group, and end by themselves a moment after it.
			for _, pid := range strays {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		time.Sleep(pause)
	}
}

// remaining looks for live processes of the group, and for others that work in the folder. A zombie
// is dead: who waits for it is not us, unless it is the main process.
func (p *process) remaining() (group bool, strays []int) {
	entries, err := os.ReadDir("/proc")
	if err != nil || len(entries) == 0 {
		return syscall.Kill(-p.group, 0) == nil, nil // no such file system: zombies count too
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "stat"))
		if err != nil {
			continue
		}
		// The command's name, in parentheses, may hold anything; then come state, parent and group.
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if len(fields) < 3 || fields[0] == "Z" || fields[0] == "X" {
			continue
		}
		if fields[2] == strconv.Itoa(p.group) {
			group = true
			continue
		}
		if pid != os.Getpid() && p.knows(entry.Name()) {
			strays = append(strays, pid)
		}
	}
	return group, strays
}

// knows reports whether a process was given the folder, by a flag or by its environment (TMPDIR): a
// script that starts the browser in a session of its own leaves the group, and some children of
// headless-shell have nothing of the folder in their commands. Who only looks into the folder was
// not given it so.
func (p *process) knows(pid string) bool {
	for _, what := range []string{"cmdline", "environ"} {
		text, err := os.ReadFile(filepath.Join("/proc", pid, what))
		if err == nil && strings.Contains(string(text), "="+p.folder.path+"/") {
			return true
		}
	}
	return false
}

// ending says how the browser's main process ended, what to do about it, and its last words.
// peaceful is what to do where it printed nothing that is known and did not fail. It must not be
// called before exited is closed.
func (p *process) ending(peaceful string) string {
	state := p.cmd.ProcessState // nil where somebody else waits for all children of this process
	printed := p.output.String()
	advice, _ := remedy(printed)
	if advice == "" && state != nil && state.Success() {
		advice = peaceful
	}
	if advice != "" {
		advice = "; " + advice
	}
	return fmt.Sprintf("(%v)%s; %s", state, advice, printed)
}

// tail keeps the last of what a browser prints, for the error of a start that failed, as String
// says it.
type tail struct {
	to io.Writer // nil: nobody. Only Write uses it, which is called from one goroutine.

	mu struct {
		sync.Mutex
		text []byte
	}
}

const tailBytes = 4 << 10

func (t *tail) Write(text []byte) (int, error) {
	t.keep(text)
	if t.to != nil {
		if _, err := t.to.Write(text); err != nil {
			t.to = nil // the browser must not come to a stop because nobody takes its output
		}
	}
	return len(text), nil
}

func (t *tail) keep(text []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.text = append(t.mu.text, text...)
	if extra := len(t.mu.text) - tailBytes; extra > 0 {
		t.mu.text = append(t.mu.text[:0], t.mu.text[extra:]...)
	}
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if printed := strings.TrimSpace(string(t.mu.text)); printed != "" {
		return "it printed: " + printed
	}
	return "it printed nothing"
}
