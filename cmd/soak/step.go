package main

import (
	"fmt"
	"os"

	"golang.org/x/term"

	"github.com/pagepool/pagepool/internal/prose"
	"github.com/pagepool/pagepool/sim/steps"
)

// walkSteps is how many steps a walk keeps.
const walkSteps = 20_000

// walk steps through a file by commands: from a terminal, or from a script on standard input.
func (s *soak) walk(file string, data []byte) error {
	if s.json {
		return fmt.Errorf("-step and -json: want one of the two; soak trace %s -json has every step",
			quote(file))
	}
	run, err := s.watchTrace(file, data)
	if err != nil {
		return err
	}
	total, err := run.Count()
	if err != nil {
		return err
	}
	r, end, err := run.Steps(total, 0, walkSteps)
	if err != nil {
		return err
	}
	if end.Broken != nil || len(end.Failed) > 0 {
		s.broke()
	}
	fmt.Fprintf(s.stdout, "%s: %s; help lists the commands\n", run.Title,
		prose.Count(total, "step"))
	if len(r.Steps) < total {
		fmt.Fprintf(s.stdout, "only the last %d can be walked through\n", len(r.Steps))
	}
	if v := end.Broken; v != nil {
		say(s.stdout, "BROKEN  ", fmt.Sprintf("%s: %s\n%s, at step %d", v.Property, v.Says, v.What,
			v.Step))
	}
	walk := steps.Walk{Steps: r.Steps}
	in := s.stdin
	if in == nil {
		in = os.Stdin
	}
	person := onTerminal(in) && onTerminal(os.Stdout)
	if person {
		walk.Prompt = "> "
	}
	return walk.Run(in, s.stdout, !person)
}

func onTerminal(r any) bool {
	f, ok := r.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
