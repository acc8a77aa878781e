package main

import (
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pagepool/pagepool/sim"
	"github.com/pagepool/pagepool/sim/spec"
	"github.com/pagepool/pagepool/sim/traffic"
	"github.com/pagepool/pagepool/testdata"
)

// listReport is what `soak list` prints.
type listReport struct {
	Command    string     `json:"command"`
	Scenarios  []string   `json:"scenarios"`
	Profiles   []string   `json:"profiles"`
	Properties []property `json:"properties"`
	Planted    []string   `json:"planted"`
}

type property struct {
	Name string `json:"name"`
	Says string `json:"says"`
}

func (s *soak) listCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List scenarios, profiles, properties and planted bugs",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("list takes no arguments, got %q", args[0])
			}
			return nil
		},
		RunE: func(*cobra.Command, []string) error {
			report := &listReport{Command: "list", Profiles: profileNames(), Scenarios: scenarioNames()}
			for _, v := range spec.Invariants {
				report.Properties = append(report.Properties, property{v.Name, v.Says})
			}
			for _, c := range slices.Concat(sim.Claims, sim.LiveClaims) {
				report.Properties = append(report.Properties, property{c.Name, c.Says})
			}
			bugs, err := planted()
			if err != nil {
				return err
			}
			for _, bug := range bugs {
				report.Planted = append(report.Planted, bug.Name)
			}
			return s.print(report, func(w io.Writer) { report.write(w, bugs) })
		},
	}
}

// planted are the bugs that tests plant, with the sentence that each file begins with.
func planted() ([]property, error) {
	files, err := fs.Glob(testdata.Files, "planted/*.plant")
	if err != nil {
		return nil, err
	}
	var bugs []property
	for _, file := range files {
		text, err := testdata.Files.ReadFile(file)
		if err != nil {
			return nil, err
		}
		first, _, _ := strings.Cut(string(text), "\n")
		name := strings.TrimSuffix(strings.TrimPrefix(file, "planted/"), ".plant")
		bugs = append(bugs, property{name, strings.TrimPrefix(first, "Bug: ")})
	}
	return bugs, nil
}

func (r *listReport) write(w io.Writer, bugs []property) {
	fmt.Fprintln(w, "scenarios")
	for _, c := range sim.Scenarios {
		entry(w, c.Name, c.Says)
	}
	fmt.Fprintln(w, "\nprofiles")
	for _, p := range traffic.Profiles {
		entry(w, p.Name, p.Says)
	}
	fmt.Fprintln(w, "\nproperties")
	for _, p := range r.Properties {
		entry(w, p.Name, p.Says)
	}
	fmt.Fprintln(w, "\nplanted bugs")
	for _, bug := range bugs {
		entry(w, bug.Name, bug.Says)
	}
}
