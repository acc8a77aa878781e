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
			plants, err := fs.Glob(testdata.Files, "planted/*.plant")
			if err != nil {
				return err
			}
			for _, p := range plants {
				report.Planted = append(report.Planted, strings.TrimSuffix(strings.TrimPrefix(p, "planted/"), ".plant"))
			}
			return s.print(report, report.write)
		},
	}
}

func (r *listReport) write(w io.Writer) {
	fmt.Fprintf(w, "scenarios   %s\n", strings.Join(r.Scenarios, "\n            "))
	fmt.Fprintf(w, "profiles    %s\n", strings.Join(r.Profiles, "\n            "))
	fmt.Fprintf(w, "planted     %s\n", strings.Join(r.Planted, "\n            "))
	fmt.Fprintln(w, "properties")
	for _, p := range r.Properties {
		fmt.Fprintf(w, "  %-22s %s\n", p.Name, p.Says)
	}
}
