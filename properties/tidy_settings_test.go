package properties

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pagepool/pagepool/internal/shell"
	"github.com/pagepool/pagepool/pool"
	"github.com/pagepool/pagepool/pool/chrome"
	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim/traffic"
)

// swarmSeeds is how many seeds of a profile have drawn every setting anew.
const swarmSeeds = 300

// undrawn are the settings that no profile draws, and why.
var undrawn = map[string]string{}

// Every setting has at least two values in the runs of one profile, so that the claims are checked
// with both.
func TestTidySettingsAreDrawnByTheSwarm(t *testing.T) {
	drawn := map[string]bool{}
	for _, p := range traffic.Profiles {
		values := map[string]map[string]bool{}
		for seed := range uint64(swarmSeeds) {
			run := p.Draw(seed)
			s := reflect.ValueOf(run.Settings)
			for i := range s.NumField() {
				name := s.Type().Field(i).Name
				if values[name] == nil {
					values[name] = map[string]bool{}
				}
				values[name][fmt.Sprint(s.Field(i))] = true
			}
		}
		for name := range values {
			drawn[name] = drawn[name] || len(values[name]) > 1
		}
	}
	for _, name := range core.SettingNames() {
		switch {
		case !drawn[name] && undrawn[name] == "":
			t.Errorf("%s has one value in all profiles of package sim: draw it in profiles.go", name)
		case drawn[name] && undrawn[name] != "":
			t.Errorf("%s is drawn, and listed as if it were not", name)
		}
	}
}

var settingRow = regexp.MustCompile("(?m)^\\| `([A-Za-z]+)` \\| ([^|]*) \\|.*\\|$")

// docs/settings.md has a row for each setting, whose default is the one of the code where it
// depends on no other setting.
func TestTidySettingsAreNamedInTheDocuments(t *testing.T) {
	text, err := os.ReadFile("../docs/settings.md")
	if err != nil {
		t.Fatal(err)
	}
	defaults := map[string]string{}
	for _, row := range settingRow.FindAllStringSubmatch(string(text), -1) {
		if _, ok := defaults[row[1]]; ok {
			t.Errorf("docs/settings.md has two rows for %s", row[1])
		}
		defaults[row[1]] = row[2]
	}
	for _, name := range plainFields(reflect.TypeFor[pool.Config]()) {
		if _, ok := defaults[name]; !ok {
			t.Errorf("docs/settings.md has no row for %s", name)
		}
	}
	options := reflect.TypeFor[chrome.Options]()
	for i := range options.NumField() {
		if name := options.Field(i).Name; !strings.Contains(string(text), "\n| `"+name+"` | ") {
			t.Errorf("docs/settings.md has no row for chrome.Options.%s", name)
		}
	}
	resolved, err := core.Settings{}.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	s := reflect.ValueOf(resolved)
	for i := range s.NumField() {
		name, want := s.Type().Field(i).Name, fmt.Sprint(s.Field(i))
		if name == shell.OfLauncher {
			want = chrome.Options{}.IdleFreeze().String()
		}
		if s.Field(i).CanInt() && s.Field(i).Int() < 0 && name != shell.OfLauncher {
			want = "off"
		}
		got := defaults[name]
		onAnother := strings.Contains(got, "`") || strings.HasPrefix(got, "twice")
		if got != want && !onAnother {
			t.Errorf("docs/settings.md says that the default of %s is %q; it is %q", name, got, want)
		}
	}
}

// docs/settings.md says which settings -set and the set lines of traces take: it names those that
// they do not.
func TestTidyTheDocumentsSayWhichSettingsATraceTakes(t *testing.T) {
	_, says, _ := strings.Cut(document(t, "docs/settings.md"), "those of `pool.Config` but ")
	says, of, _ := strings.Cut(says, ", and of `chrome.Options`")
	of, _, found := strings.Cut(of, ".\n")
	if !found {
		t.Fatal("docs/settings.md does not say which settings -set takes")
	}
	takes := func(name string) bool { return slices.Contains(core.SettingNames(), name) }
	for _, name := range plainFields(reflect.TypeFor[pool.Config]()) {
		if named := strings.Contains(says, "`"+name+"`"); named == takes(name) {
			t.Errorf("docs/settings.md: %s: left out %v, taken %v", name, named, takes(name))
		}
	}
	options := reflect.TypeFor[chrome.Options]()
	for i := range options.NumField() {
		name := options.Field(i).Name
		if named := strings.Contains(of, "`"+name+"`"); named != takes(name) {
			t.Errorf("docs/settings.md: chrome.Options.%s: named %v, taken %v", name, named, takes(name))
		}
	}
}

// plainFields returns the fields of a struct that hold values, those of the structs in it included.
func plainFields(of reflect.Type) (names []string) {
	for i := range of.NumField() {
		switch f := of.Field(i); f.Type.Kind() {
		case reflect.Struct:
			names = append(names, plainFields(f.Type)...)
		case reflect.Interface, reflect.Pointer, reflect.Func:
		default:
			names = append(names, f.Name)
		}
	}
	return names
}
