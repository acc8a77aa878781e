package core

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Off switches a setting off, where its rule says that this is possible.
const Off = -1

// Settings are what an operator chooses. The zero value is valid: 0 means the default. Where "off"
// is possible it is any negative value. Resolve fills in the defaults and checks the rules; both
// are in docs/settings.md.
type Settings struct {
	MaxPages         int // the most that capacity grows to, in tabs; 1 to 1,000
	MinPages         int // the capacity at the start, and what an idle pool shrinks to
	ReservedPages    int // of MaxPages, those for root requests at or above ReservedPriority
	ReservedPriority int

	AffinityTabs int // tabs that one affinity may own for root work
	RootCap      int // root leases that one affinity may hold

	OrphanCap      int // orphans, tabless closing contexts and lost ones together
	TabsPerContext int // tabs that may share a primary
	RetainOnEvict  bool
	AllowReassign  bool
	Reset          bool // bring a tab back to the standby state after each lease

	MaxLease time.Duration // longest hold of a lease

	LaunchTimeout  time.Duration // a browser's start
	OpenGrace      time.Duration // an opening, probe, rescue or reset that takes longer is overdue
	OpenTimeout    time.Duration // an opening that takes longer is given up
	OpenRetries    int           // failed rounds that a request sits through
	OpenBackoff    time.Duration // pause after the first failed round; it doubles
	OpenBackoffMax time.Duration

	RescueTimeout time.Duration // all of a suspect's probing and rescuing

	CloseGrace   time.Duration // a close that takes longer is overdue
	CloseTimeout time.Duration // then the renderer is killed
	KillTimeout  time.Duration // then the tab is lost

	BrowserCloseTimeout time.Duration // then the browser is written off
	StallTimeout        time.Duration

	ProbeBudget time.Duration
	ProbeMaxAge time.Duration
	FreezeAfter time.Duration // an idle tab, or a standby, is frozen; where the driver can

	MaxUses      int
	MaxAge       time.Duration
	MaxIdle      time.Duration // an affinity that nobody held or waited for so long is closed
	MaxAgeJitter time.Duration

	BrowserMaxAge    time.Duration
	BrowserMaxTabs   int
	MaxBrowserMemory int64 // in bytes; of a browser's processes together
	// doubtful ends of an affinity's leases in a row after which its context is given up
	AffinityDoubt int
	BrowserDoubt  int           // doubtful ends and failed openings after which a browser is checked
	CheckEvery    time.Duration // without evidence
	DrainTimeout  time.Duration

	PriorityAging   time.Duration // waiting this long counts as one level of priority
	MaxBypass       int
	MaxWaiting      int // requests of a class that may wait
	AffinityWaiting int // those of one affinity
	IdleContraction time.Duration
}

const pagesLimit = 1000

// A rule is one line of the table of settings: its default, whether it may be off, and what else
// has to hold once all defaults are in. Resolve walks the table in this order, so a default may
// depend on settings further up.
type rule struct {
	name  string
	def   func(s *Settings) int64
	off   bool
	says  string
	holds func(s *Settings, v int64) bool
}

func fixed[T int | time.Duration](v T) func(*Settings) int64 {
	return func(*Settings) int64 { return int64(v) }
}

// atMost is a default that another setting lowers.
func atMost(v time.Duration, other func(*Settings) time.Duration) func(*Settings) int64 {
	return func(s *Settings) int64 { return int64(min(v, max(0, other(s)))) }
}

// leastProbeBudget: on an idle machine a healthy page took up to 80 ms to answer, so a budget below
// 250 ms retires healthy tabs on a loaded one.
const leastProbeBudget = 250 * time.Millisecond

// probeBudget is 3 s, or half of a MaxLease that is too short for it, or off.
func probeBudget(s *Settings) int64 {
	switch half := s.MaxLease / 2; {
	case s.MaxLease < 0 || s.MaxLease > 3*time.Second:
		return int64(3 * time.Second)
	case half >= leastProbeBudget:
		return int64(half)
	}
	return Off
}

func positive(_ *Settings, v int64) bool { return v > 0 }

func atLeastZero(_ *Settings, v int64) bool { return v >= 0 }

// Unreserved is how many of MaxPages are for requests of any priority.
func (s *Settings) Unreserved() int { return s.MaxPages - s.ReservedPages }

// defaultRescueTimeout is RescueTimeout where nothing else is said.
const defaultRescueTimeout = 500 * time.Millisecond

// defaultStallTimeout is StallTimeout where nothing else is said.
const defaultStallTimeout = 10 * time.Second

// EndTimeout bounds each step of the end of a lease but for leaving the document: it is
// RescueTimeout, or the default of that where it is off.
func (s *Settings) EndTimeout() time.Duration {
	if s.RescueTimeout < 0 {
		return defaultRescueTimeout
	}
	return s.RescueTimeout
}

// ProbeTimeout bounds a probe of a tab that is not suspect: it is ProbeBudget, and 250 ms where
// that is off and a frozen page is thawed.
func (s *Settings) ProbeTimeout() time.Duration {
	if s.ProbeBudget < 0 {
		return leastProbeBudget
	}
	return s.ProbeBudget
}

// BeginTimeout bounds the beginning of a lease's session, which waits for the page's main thread as
// a probe does. It is ProbeBudget; where that is off, it is EndTimeout, and at least 250 ms.
func (s *Settings) BeginTimeout() time.Duration {
	if s.ProbeBudget < 0 {
		return max(leastProbeBudget, s.EndTimeout())
	}
	return s.ProbeBudget
}

var rules = []rule{
	{"MaxPages", fixed(4), false, "1 to 1,000",
		func(_ *Settings, v int64) bool { return 1 <= v && v <= pagesLimit }},
	{"ReservedPages", fixed(0), false, "0 <= ReservedPages < MaxPages",
		func(s *Settings, v int64) bool { return 0 <= v && v < int64(s.MaxPages) }},
	{"ReservedPriority", fixed(1), false, "at least 1", positive},
	{"MinPages", func(s *Settings) int64 { return int64(s.Unreserved()) }, false,
		"1 <= MinPages <= MaxPages - ReservedPages",
		func(s *Settings, v int64) bool { return 1 <= v && v <= int64(s.Unreserved()) }},
	{"AffinityTabs", func(s *Settings) int64 { return int64(min(5, s.MaxPages)) }, false,
		"1 <= AffinityTabs <= MaxPages",
		func(s *Settings, v int64) bool { return 1 <= v && v <= int64(s.MaxPages) }},
	{"RootCap", func(s *Settings) int64 { return int64(s.AffinityTabs) }, false,
		"1 <= RootCap <= AffinityTabs",
		func(s *Settings, v int64) bool { return 1 <= v && v <= int64(s.AffinityTabs) }},
	{"OrphanCap", func(s *Settings) int64 { return 2 * int64(s.MaxPages) }, true, "at least 1, or off",
		nil},
	{"TabsPerContext", fixed(1), false, "at least 1", positive},
	{"MaxLease", fixed(90 * time.Second), true, "> 0, or off", nil},
	{"LaunchTimeout", fixed(30 * time.Second), false, "> 0", positive},
	{"OpenTimeout", fixed(30 * time.Second), false, "> 0", positive},
	{"OpenGrace", atMost(2*time.Second, func(s *Settings) time.Duration { return s.OpenTimeout }),
		false, "0 < OpenGrace <= OpenTimeout",
		func(s *Settings, v int64) bool { return 0 < v && v <= int64(s.OpenTimeout) }},
	{"OpenRetries", fixed(3), false, "> 0", positive},
	{"OpenBackoff", fixed(500 * time.Millisecond), false, "0 < OpenBackoff <= OpenBackoffMax",
		func(s *Settings, v int64) bool { return 0 < v && v <= int64(s.OpenBackoffMax) }},
	{"OpenBackoffMax", func(s *Settings) int64 { return int64(max(4*time.Second, s.OpenBackoff)) },
		false, "> 0", positive},
	{"RescueTimeout", fixed(defaultRescueTimeout), true, "> 0, or off", nil},
	{"CloseTimeout", fixed(5 * time.Second), false, "> 0", positive},
	{
		"CloseGrace", atMost(250*time.Millisecond, func(s *Settings) time.Duration {
			return s.CloseTimeout
		}), false, "0 < CloseGrace <= CloseTimeout",
		func(s *Settings, v int64) bool { return 0 < v && v <= int64(s.CloseTimeout) }},
	{"KillTimeout", fixed(2 * time.Second), false, "> 0", positive},
	{"BrowserCloseTimeout", fixed(5 * time.Second), false, "> 0", positive},
	{"StallTimeout", fixed(defaultStallTimeout), true, "> 0, or off", nil},
	{"ProbeBudget", probeBudget, true, "at least 250ms and below MaxLease where that is on, or off",
		func(s *Settings, v int64) bool {
			return v < 0 || v >= int64(leastProbeBudget) && (s.MaxLease < 0 || v < int64(s.MaxLease))
		}},
	{"ProbeMaxAge", fixed(time.Second), false, "> 0", positive},
	{"FreezeAfter", fixed(time.Duration(Off)), true, "> 0, or off", nil},
	{"MaxUses", fixed(500), true, "at least 1, or off", nil},
	{"MaxAge", fixed(time.Duration(Off)), true, "> 0, or off", nil},
	{"MaxIdle", fixed(time.Duration(Off)), true, "> 0, or off", nil},
	{"MaxAgeJitter", fixed(0), false, ">= 0", atLeastZero},
	{"BrowserMaxAge", fixed(time.Duration(Off)), true, "> 0, or off", nil},
	{"BrowserMaxTabs", fixed(Off), true, "at least 1, or off", nil},
	{"MaxBrowserMemory", fixed(Off), true, "> 0, in bytes, or off", nil},
	{"AffinityDoubt", fixed(2), true, "at least 2, or off",
		func(_ *Settings, v int64) bool { return v < 0 || v >= 2 }},
	{"BrowserDoubt", fixed(3), true, "at least 2, or off",
		func(_ *Settings, v int64) bool { return v < 0 || v >= 2 }},
	{"CheckEvery", fixed(time.Minute), true, "> 0, or off", nil},
	{"DrainTimeout", fixed(2 * time.Minute), false, "> 0", positive},
	{"PriorityAging", fixed(3 * time.Second), true, "> 0, or off", nil},
	{"MaxBypass", fixed(4), true, "at least 1, or off", nil},
	{"MaxWaiting", fixed(10_000), false, "at least 1", positive},
	{"AffinityWaiting", func(s *Settings) int64 { return int64(s.MaxWaiting) }, false,
		"1 <= AffinityWaiting <= MaxWaiting",
		func(s *Settings, v int64) bool { return 1 <= v && v <= int64(s.MaxWaiting) }},
	{"IdleContraction", fixed(time.Minute), false, "> 0", positive},
}

// SettingError says that a setting is outside its rule.
type SettingError struct {
	Name, Value, Rule string
	Default           bool // the value was not given
}

func (e *SettingError) Error() string {
	note := ""
	if e.Default {
		note = " (its default)"
	}
	return fmt.Sprintf("%s=%s%s: the rule is %s", e.Name, e.Value, note, e.Rule)
}

// Resolve returns the settings with every default filled in and every "off" as Off, or one error
// that joins a *SettingError for each setting outside its rule. Nothing is clamped.
func (s Settings) Resolve() (Settings, error) {
	v := reflect.ValueOf(&s).Elem()
	given := make(map[string]bool, len(rules))
	for _, r := range rules {
		f := v.FieldByName(r.name)
		given[r.name] = f.Int() != 0
		switch {
		case f.Int() == 0:
			f.SetInt(r.def(&s))
		case f.Int() < 0 && r.off:
			f.SetInt(Off)
		}
	}
	var errs, derived []error
	for _, r := range rules {
		f := v.FieldByName(r.name)
		if r.holds == nil || r.holds(&s, f.Int()) {
			continue
		}
		value := formatSetting(f)
		if !r.off && f.Int() < 0 {
			value = fmt.Sprint(f.Interface()) // it cannot be off
		}
		err := &SettingError{r.name, value, r.says, !given[r.name]}
		if given[r.name] {
			errs = append(errs, err)
		} else {
			derived = append(derived, err)
		}
	}
	if len(errs) == 0 {
		errs = derived // a default that breaks its rule is news only where what was given keeps its own
	}
	return s, errors.Join(errs...)
}

// Set changes the setting of that name to a value as people write it: 4, 90s, true, off or -1.
// It checks that the value is of the setting's kind; Resolve checks the rule.
func (s *Settings) Set(name, value string) error {
	f := reflect.ValueOf(s).Elem().FieldByName(name)
	if now, was := renamed[name]; was {
		return fmt.Errorf("setting %s is called %s now", name, now)
	}
	if !f.IsValid() {
		names := SettingNames()
		if _, bare, grouped := strings.Cut(name, "."); grouped && slices.Contains(names, bare) {
			return fmt.Errorf("unknown setting %q; write %s, without its group", name, bare)
		}
		return fmt.Errorf("unknown setting %q; the settings are %s", name, strings.Join(names, ", "))
	}
	bad := func(want string) error {
		return fmt.Errorf("setting %s=%q: want %s", name, value, want)
	}
	if value == "off" && f.Kind() != reflect.Bool {
		value = "-1"
	}
	switch f.Interface().(type) {
	case bool:
		b, err := strconv.ParseBool(value)
		if err != nil {
			return bad("true or false")
		}
		f.SetBool(b)
	case time.Duration:
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && n < 0 {
			f.SetInt(Off)
			return nil
		}
		d, err := time.ParseDuration(value)
		if err != nil {
			return bad("a duration such as 90s or 250ms, or off")
		}
		f.SetInt(int64(d))
	default:
		n, err := strconv.ParseInt(value, 10, strconv.IntSize) // what a program can set, a dump can say
		if err != nil {
			return bad("a whole number, or off")
		}
		f.SetInt(n)
	}
	return nil
}

// renamed holds the names that settings had in earlier traces, and what says the same today.
var renamed = map[string]string{
	"InitialPages": "MinPages", "BurstPages": "MaxPages",
	"HighPriorityPages": "ReservedPages", "HighPriorityThreshold": "ReservedPriority",
}

// SettingNames lists the settings by name, in alphabetical order.
func SettingNames() []string {
	t := reflect.TypeFor[Settings]()
	names := make([]string, t.NumField())
	for i := range names {
		names[i] = t.Field(i).Name
	}
	sort.Strings(names)
	return names
}

// Diff writes the settings that are not what they would be by default, the others being as they
// are, as "Name=value" words in the order of the fields; it is what the set line of a trace holds.
func (s Settings) Diff() string {
	full, _ := s.Resolve()
	v := reflect.ValueOf(&full).Elem()
	byDefault := map[string]bool{}
	for _, r := range rules {
		byDefault[r.name] = v.FieldByName(r.name).Int() == r.def(&full)
	}
	var words []string
	for i := range v.NumField() {
		f, name := v.Field(i), v.Type().Field(i).Name
		if f.Kind() == reflect.Bool && f.Bool() || f.CanInt() && !byDefault[name] {
			words = append(words, name+"="+formatSetting(f))
		}
	}
	return strings.Join(words, " ")
}

func formatSetting(f reflect.Value) string {
	if f.CanInt() && f.Int() == Off {
		return "off"
	}
	return fmt.Sprint(f.Interface())
}
