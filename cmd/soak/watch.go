package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/pagepool/pagepool/sim/traffic"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
	"github.com/pagepool/pagepool/sim/view"
)

// watchOptions say what run of a profile to look at.
type watchOptions struct {
	seed    seedRange
	hours   hours
	changed func(flag string) bool // whether it was given
}

// check refuses what says something of the run of a profile where each run is a file's.
func (o *watchOptions) check(runs ...string) error {
	for _, run := range runs {
		if _, err := os.Stat(run); err != nil && traffic.ProfileNamed(run) != nil {
			return nil
		}
	}
	for _, flag := range []string{"seed", "hours"} {
		if o.changed(flag) {
			return fmt.Errorf("-%s: want it with one of the profiles %s; %s is a file, with its own run",
				flag, strings.Join(profileNames(), ", "), runs[0])
		}
	}
	return nil
}

// watch finds the run that an argument names: a file, or else a profile.
func (s *soak) watch(argument string, o watchOptions) (*view.Source, error) {
	data, err := os.ReadFile(argument)
	if err == nil {
		return s.watchTrace(argument, data)
	}
	if profile := traffic.ProfileNamed(argument); profile != nil {
		return s.watchProfile(profile, o)
	}
	return nil, fmt.Errorf("%w; want a trace or a dump, or one of the profiles %s", err,
		strings.Join(profileNames(), ", "))
}

func (s *soak) watchTrace(file string, data []byte) (*view.Source, error) {
	tr, err := trace.Read(bytes.NewReader(data))
	if err != nil {
		return nil, inFile(file, err)
	}
	if err := s.change(tr); err != nil {
		return nil, err
	}
	source, err := view.OfTrace(filepath.Base(file)+s.setFlags(), tr, s.goesOn)
	if err != nil {
		return nil, inFile(file, err)
	}
	source.NoReturn = noReturnOf(data)
	source.Read(data)
	return source, nil
}

func (s *soak) watchProfile(profile *traffic.Profile, o watchOptions) (*view.Source, error) {
	if o.seed.first != o.seed.last {
		return nil, fmt.Errorf("-seed %s: want one seed", &o.seed)
	}
	base, err := s.fitted(profile.Settings, core.Settings{}, profile.Check)
	if err != nil {
		return nil, err
	}
	title := fmt.Sprintf("%s, seed %s, %s hours%s", profile.Name, &o.seed, &o.hours, s.setFlags())
	return view.OfRun(title, s.simOptions(runOptions{profile: profile, hours: o.hours}, base,
		o.seed.first)), nil
}

// change gives a trace the settings of -set: to a dump, from its first moment on.
func (s *soak) change(tr *trace.Trace) (err error) {
	if tr.Settings, err = s.settings(tr.Settings); err != nil || tr.Snapshot == nil ||
		len(s.sets) == 0 {
		return err
	}
	tr.Snapshot.Facts.Settings, err = tr.Settings.Resolve()
	return err
}

// besides are the figures of a trace as it is, and with the settings of -set.
func (s *soak) besides(file string, data []byte) (before, after []view.Figure, err error) {
	changed, err := s.watchTrace(file, data)
	if err != nil {
		return nil, nil, err
	}
	was, err := s.asItIs().watchTrace(file, data)
	if err != nil {
		return nil, nil, err
	}
	if before, err = was.Figures(); err == nil {
		after, err = changed.Figures()
	}
	return before, after, err
}

// writeBesides writes the figures of two runs as a table; where they differ there is a mark.
func writeBesides(w io.Writer, name string, before, after []view.Figure) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "  \tas it was\twith%s\n", name)
	for i := range before {
		mark := " "
		if before[i].Value != after[i].Value {
			mark = "*"
		}
		fmt.Fprintf(table, "%s %s\t%s\t%s\n", mark, before[i].Name, before[i].Value, after[i].Value)
	}
	table.Flush()
}
