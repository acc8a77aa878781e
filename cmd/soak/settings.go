package main

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pagepool/pagepool/pool/core"
)

// assignments are the values of -set, in order.
type assignments []string

func (a *assignments) String() string { return strings.Join(*a, " ") }

func (a *assignments) Type() string { return "Name=value" }

func (a *assignments) Set(text string) error {
	*a = append(*a, text)
	return nil
}

// takesSettings gives a command the flag -set.
func (s *soak) takesSettings(c *cobra.Command) {
	c.Flags().Var(&s.sets, "set", "a setting of docs/settings.md by which the core decides, such "+
		"as MaxPages=2; repeatable")
	_ = c.RegisterFlagCompletionFunc("set",
		func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, name := range core.SettingNames() {
				names = append(names, name+"=")
			}
			return names, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
		}) // it is a flag of this command
}

// apply puts the settings given with -set on top of others, and says which they are.
func (s *soak) apply(base core.Settings) (core.Settings, []string, error) {
	var names []string
	for _, set := range s.sets {
		name, value, ok := strings.Cut(set, "=")
		if !ok {
			return base, nil, fmt.Errorf("--set %s: want Name=value", set)
		}
		if err := base.Set(name, value); err != nil {
			return base, nil, fmt.Errorf("--set %s: %w", set, err)
		}
		names = append(names, name)
	}
	return base, names, nil
}

// settings are those given with -set, on top of others. The rules are checked as well.
func (s *soak) settings(base core.Settings) (core.Settings, error) {
	base, _, err := s.apply(base)
	if err != nil {
		return base, err
	}
	if _, err := base.Resolve(); err != nil {
		return base, fmt.Errorf("--set: %w", err)
	}
	return base, nil
}

// families are the settings that rules tie to one another.
var families = [][]string{
	{"MaxPages", "MinPages", "ReservedPages", "AffinityTabs", "RootCap", "MaxAge"},
	{"MaxWaiting", "AffinityWaiting"},
	{"OpenGrace", "OpenTimeout"},
	{"OpenBackoff", "OpenBackoffMax"},
	{"CloseGrace", "CloseTimeout"},
	{"MaxLease", "ProbeBudget"},
}

// fitted are the settings given with -set, on top of drawn ones. Where both together break a rule
// it is what was drawn that gives way to the value of rest, one setting after the other: first the
// one that the rule is about, and where that was given, those that it is tied to. What is wrong
// even then is an error.
func (s *soak) fitted(drawn, rest core.Settings, check func(core.Settings) error) (core.Settings,
	error) {
	fit, given, err := s.apply(drawn)
	if err != nil {
		return fit, err
	}
	into, from := reflect.ValueOf(&fit).Elem(), reflect.ValueOf(rest)
	giveWay := func(names ...string) (changed bool) {
		for _, name := range names {
			if f := into.FieldByName(name); !slices.Contains(given, name) &&
				!f.Equal(from.FieldByName(name)) {
				f.Set(from.FieldByName(name))
				changed = true
			}
		}
		return changed
	}
	for {
		err := check(fit)
		var outside *core.SettingError
		if err == nil {
			return fit, nil
		}
		if !errors.As(err, &outside) {
			return fit, err
		}
		family := slices.IndexFunc(families, func(f []string) bool {
			return slices.Contains(f, outside.Name)
		})
		if !giveWay(outside.Name) && (family < 0 || !giveWay(families[family]...)) &&
			!giveWay(core.SettingNames()...) {
			return fit, fmt.Errorf("--set: %w", err)
		}
	}
}
