package pool

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pagepool/pagepool/internal/shell"
	"github.com/pagepool/pagepool/pool/core"
)

// fieldsOf are the fields of a Config and of its groups, by name.
func fieldsOf(t *testing.T, config reflect.Type) map[string]reflect.Type {
	found := map[string]reflect.Type{}
	for i := range config.NumField() {
		f := config.Field(i)
		all := map[string]reflect.Type{f.Name: f.Type}
		if f.Type.Kind() == reflect.Struct {
			all = fieldsOf(t, f.Type)
		}
		for name, of := range all {
			if found[name] != nil {
				t.Errorf("two settings are called %s", name)
			}
			found[name] = of
		}
	}
	return found
}

// What is off for the pool is off for the core.
var _ = [1]int{}[Off-core.Off]

func TestConfigHasEverySettingOfTheCoreAndNothingElseButTheShells(t *testing.T) {
	config := fieldsOf(t, reflect.TypeFor[Config]())
	own := []string{"Logger", "Tracer", "Clock", "RecorderEvents", "DumpPseudonyms", "Strict"}
	for _, name := range own {
		if config[name] == nil {
			t.Errorf("Config lacks %s", name)
		}
		delete(config, name)
	}
	settings := reflect.TypeFor[core.Settings]()
	for i := range settings.NumField() {
		f := settings.Field(i)
		if f.Name == shell.OfLauncher {
			continue
		}
		if config[f.Name] != f.Type {
			t.Errorf("Config lacks %s %v", f.Name, f.Type)
		}
		delete(config, f.Name)
	}
	for name := range config {
		t.Errorf("the core does not know %s", name)
	}
}

// Each setting reaches the core's setting of the same name.
func TestConfigTellsTheCoreEverySetting(t *testing.T) {
	names := core.SettingNames()
	for _, name := range names {
		if name == shell.OfLauncher {
			continue
		}
		var c Config
		var want core.Settings
		from, to := shell.Setting(&c, name), reflect.ValueOf(&want).Elem().FieldByName(name)
		switch {
		case from.Kind() == reflect.Bool:
			from.SetBool(true)
			to.SetBool(true)
		default:
			from.SetInt(7)
			to.SetInt(7)
		}
		if got := c.settings(); got != want {
			t.Errorf("%s: converted to %+v", name, got)
		}
	}
	if f := shell.Setting(new(Config), "Timeout"); f.IsValid() {
		t.Errorf("there is no setting Timeout, and Setting returned %v", f)
	}
}

func TestTheZeroConfigIsValid(t *testing.T) {
	settings, cfg, err := Config{}.resolve()
	if err != nil || settings.MaxPages != 4 || cfg.More.RecorderEvents != 4096 ||
		cfg.More.Clock == nil || cfg.Logger == nil {
		t.Errorf("resolved to %+v, %+v, %v", settings, cfg, err)
	}
	off := Config{More: More{RecorderEvents: Off}}
	if _, cfg, err = off.resolve(); err != nil || cfg.More.RecorderEvents != 0 {
		t.Errorf("RecorderEvents off: %d, %v", cfg.More.RecorderEvents, err)
	}
}

// An error of New names a setting without its group, as a set line and soak -set do.
func TestErrorsOfNewNameSettingsWithoutTheirGroup(t *testing.T) {
	_, err := New(new(stub), Config{
		Timeouts: Timeouts{KillTimeout: -time.Second}, Retire: Retire{IdleContraction: -1},
		More: More{TabsPerContext: -1, RecorderEvents: 1 << 40},
	})
	for _, says := range []string{
		"New: TabsPerContext=-1: the rule is at least 1", "\nKillTimeout=-1s: the rule is > 0",
		"\nIdleContraction=-1ns: the rule is > 0", "\nRecorderEvents=1099511627776: the rule is",
	} {
		misused(t, err, says)
	}
	for _, group := range []string{"Timeouts", "Retire", "More"} {
		if strings.Contains(err.Error(), group) {
			t.Errorf("the error names the group %s: %v", group, err)
		}
	}
}
