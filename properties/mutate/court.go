package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// court has the binaries that judge mutants.
type court struct {
	options
	out         io.Writer
	judge, walk string
	flags       []string
}

// hear judges mutants, each in its own processes, and begins with what everything comes to without
// any.
func (c *court) hear(mutants []*Mutant, dir string) ([]Result, error) {
	c.flags = []string{"-seeds", strconv.Itoa(c.seeds), "-states", strconv.Itoa(c.states)}
	var complaint strings.Builder
	sound := exec.Command(c.judge, c.flags...)
	sound.Stderr = &complaint
	text, err := sound.Output()
	if err == nil {
		err = exec.Command(c.walk, walkTest).Run()
	}
	if err != nil {
		return nil, fmt.Errorf("without a mutant: %w %s", err, complaint.String())
	}
	known := filepath.Join(dir, "known.json")
	if err := os.WriteFile(known, text, 0o600); err != nil {
		return nil, err
	}
	c.flags = append(c.flags, "-known", known)
	results := make([]Result, len(mutants))
	errs := make([]error, len(mutants))
	var wait sync.WaitGroup
	turns := make(chan struct{}, c.parallel)
	for i, m := range mutants {
		turns <- struct{}{}
		wait.Go(func() {
			defer func() { <-turns }()
			r := &results[i]
			*r = Result{Mutant: *m, Key: m.Key()}
			errs[i] = c.try(r)
			if c.verbose {
				fmt.Fprintf(c.out, "%-11s %-24s %-28s %s\n", r.word(), r.Claim, r.Unit, r.Key)
			}
		})
	}
	wait.Wait()
	return results, errors.Join(errs...)
}

// longest is how long one process may run; the judge's units have limits of their own.
const (
	longest     = 20 * time.Minute
	longestWalk = 30 * time.Second
)

// try has one mutant judged, the cheapest part first, until it is killed.
func (c *court) try(r *Result) error {
	for _, part := range []func(*Result) error{c.cheap, c.walks, c.rest} {
		if err := part(r); err != nil || r.Killed != "" && r.Killed != "golden" {
			return err
		}
	}
	if r.Golden != "" {
		r.Killed, r.Unit = "golden", r.Golden
	}
	return nil
}

func (c *court) cheap(r *Result) error { return c.part(r, "cheap") }

func (c *court) rest(r *Result) error { return c.part(r, "rest") }

// part lets the judge hear one part of its units.
func (c *court) part(r *Result, part string) error {
	ctx, cancel := context.WithTimeout(context.Background(), longest)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.judge,
		append(c.flags, "-mutant", strconv.Itoa(r.Number), "-part", part)...)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	text, err := cmd.Output()
	if err == nil {
		before := *r
		err = json.Unmarshal(text, r)
		r.Hits = max(r.Hits, before.Hits)
		if before.Golden != "" {
			r.Golden = before.Golden
		}
		if before.Changed != "" {
			r.Changed = before.Changed
		}
		return err
	}
	if exit := new(exec.ExitError); !errors.As(err, &exit) {
		return err
	}
	// What the judge itself cannot survive: a stack without an end.
	r.Killed = "crash"
	r.What, _, _ = strings.Cut(strings.TrimSpace(complaint.String()), "\n")
	return nil
}

const walkTest = "-test.run=TestNothingThatHappensBreaksAnInvariant"

var brokenClaim = regexp.MustCompile(`[\[ ]([a-z]+(?:-[a-z]+)*): `)

// walks lets the core's own walk run: whatever can happen, in any order, sense or none.
func (c *court) walks(r *Result) error {
	ctx, cancel := context.WithTimeout(context.Background(), longestWalk)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.walk, walkTest)
	cmd.Env = append(os.Environ(), mutantVariable+"="+strconv.Itoa(r.Number))
	var printed bytes.Buffer
	cmd.Stdout, cmd.Stderr = &printed, &printed
	err := cmd.Run()
	if err == nil {
		return nil
	}
	if exit := new(exec.ExitError); !errors.As(err, &exit) && ctx.Err() == nil {
		return err
	}
	r.Unit = "walk"
	switch text := printed.String(); {
	case ctx.Err() != nil || strings.Contains(text, "mutant: an endless loop"):
		r.Killed = "endless"
	case strings.Contains(text, "panic:") || strings.Contains(text, "fatal error:"):
		r.Killed = "crash"
	default:
		r.Killed = "claim"
		i := strings.LastIndex(text, "walk_test.go:")
		r.What = strings.TrimSpace(text[max(0, i):])
		if m := brokenClaim.FindStringSubmatch(r.What); m != nil {
			r.Claim = m[1]
		}
	}
	return nil
}
