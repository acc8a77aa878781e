package trace

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pagepool/pagepool/pool/core"
)

// Snapshot is the facts of a pool, and the keys that its handles stand for: the state block of a
// trace. core.Restore makes of them a state that goes on as the one that was written would.
type Snapshot struct {
	Facts core.Facts
	Keys  []string        // by handle; "" where a handle stands for none
	Free  []core.Affinity // handles that are free, the next one to be used last
}

// A field is one fact of a record: its name, and a pointer to it.
type field struct {
	name string
	at   any
}

func poolFields(s *core.Facts) []field {
	return []field{
		{"now", &s.Now}, {"last-tab", &s.LastTab}, {"last-context", &s.LastContext},
		{"last-browser", &s.LastBrowser},
		{"last-operation", &s.LastOperation}, {"last-generation", &s.LastGeneration},
		{"last-stamp", &s.LastStamp},
		{"last-order", &s.LastOrder}, {"standbys", &s.Standbys}, {"last-ready", &s.LastReady},
		{"root-open", &s.RootOpen}, {"urgent-open", &s.UrgentOpen}, {"capacity", &s.Capacity},
		{"idle", &s.Idle},
		{"idle-since", &s.IdleSince}, {"shrinking", &s.Shrinking}, {"contraction", &s.Contraction},
		{"failed-openings", &s.Openings.Failures}, {"failed-browsers", &s.Launches.Failures},
		{"rounds", &s.Rounds},
		{"success", &s.Success}, {"paused", &s.Openings.On}, {"retry-at", &s.Openings.Until},
		{"grounded", &s.Launches.On},
		{"relaunch-at", &s.Launches.Until}, {"check-of", &s.Check.Browser}, {"check", &s.Check.Operation},
		{"check-began", &s.Check.Began}, {"check-ended", &s.Check.Ended},
		{"checks-failed", &s.Check.Failed}, {"replace-at", &s.Check.ReplaceAt}, {"phase", &s.Phase},
		{"lightened", &s.Lightened},
	}
}

func tabFields(t *core.Tab) []field {
	return []field{
		{"id", &t.ID}, {"state", &t.State}, {"browser", &t.Browser}, {"context", &t.Context},
		{"affinity", &t.Affinity},
		{"generation", &t.Generation}, {"holder", &t.Holder}, {"pinned", &t.Pinned}, {"since", &t.Since},
		{"max-lease", &t.MaxLease}, {"began", &t.Began}, {"asked-at", &t.AskedAt},
		{"open-began", &t.Opened.Began}, {"open-ended", &t.Opened.Ended},
		{"probe-began", &t.Probed.Began},
		{"probe-ended", &t.Probed.Ended}, {"good-at", &t.GoodAt}, {"retire-at", &t.RetireAt},
		{"stamp", &t.Stamp},
		{"next", &t.Next}, {"prev", &t.Prev}, {"uses", &t.Uses}, {"class", &t.Class},
		{"reason", &t.Reason},
		{"rung", &t.Rung}, {"closes", &t.Closes}, {"kill", &t.Kill}, {"doomed", &t.Doomed},
		{"overdue", &t.Overdue},
		{"awaiting", &t.Awaiting}, {"unopened", &t.Unopened}, {"suspect", &t.Suspect},
		{"rescued", &t.Rescued},
		{"part", &t.Part}, {"session", &t.Session}, {"sessions", &t.Sessions}, {"retried", &t.Retried},
		{"stuck", &t.Stuck}, {"unjudged", &t.Unjudged}, {"frozen", &t.Frozen}, {"doubtful", &t.Doubtful},
		{"leased-at", &t.LeasedAt}, {"stuck-since", &t.StuckSince}, {"operation", &t.Number},
		{"memory", &t.Memory},
	}
}

func contextFields(c *core.Context) []field {
	return []field{
		{"id", &c.ID}, {"state", &c.State}, {"browser", &c.Browser}, {"affinity", &c.Affinity},
		{"since", &c.Since}, {"began", &c.Began}, {"asked-at", &c.AskedAt}, {"generation", &c.Generation},
		{"rung", &c.Rung}, {"closes", &c.Closes}, {"retained", &c.Retained}, {"doubtful", &c.Doubtful},
		{"awaiting", &c.Awaiting}, {"operation", &c.Number},
	}
}

func affinityFields(k *core.AffinityFacts) []field {
	return []field{
		{"known", &k.Known}, {"own", &k.Own}, {"generation", &k.Generation}, {"freed-at", &k.UsedAt},
		{"open-since", &k.OpenSince},
		{"stamp", &k.Stamp}, {"primary", &k.Primary}, {"tabs", &k.Tabs}, {"doubts", &k.Doubts},
		{"doubt-since", &k.DoubtSince}, {"doubt-in", &k.DoubtIn},
	}
}

func requestFields(r *core.Request) []field {
	return []field{
		{"id", &r.ID}, {"order", &r.Order}, {"arrived", &r.Arrived}, {"admitted-at", &r.AdmittedAt},
		{"max-lease", &r.MaxLease}, {"affinity", &r.Affinity}, {"priority", &r.Priority},
		{"rounds", &r.Rounds},
		{"bypassed", &r.Bypassed}, {"pin", &r.Pin}, {"class", &r.Class}, {"used", &r.Used},
		{"startup", &r.Startup}, {"probe", &r.Probe}, {"counted-to", &r.CountedTo},
	}
}

func callFields(c *core.Call) []field {
	return []field{
		{"id", &c.ID}, {"generation", &c.Generation}, {"affinity", &c.Affinity}, {"browser", &c.Browser},
		{"rounds", &c.Rounds}, {"recycle", &c.Recycle},
	}
}

func browserFields(b *core.Browser) []field {
	return []field{
		{"id", &b.ID}, {"state", &b.State}, {"since", &b.Since}, {"heard-at", &b.HeardAt},
		{"asked-at", &b.AskedAt},
		{"tabs", &b.Tabs}, {"unlaunched", &b.Unlaunched}, {"worn", &b.Worn}, {"arrived-at", &b.ArrivedAt},
		{"good-at", &b.GoodAt},
		{"checks", &b.Checks}, {"checked-at", &b.CheckedAt}, {"sick-at", &b.SickAt},
		{"doubts", &b.Evidence.Doubts}, {"doubts-at", &b.Evidence.At},
		{"doubts-of", &b.Evidence.First}, {"doubts-of-several", &b.Evidence.Several},
		{"serves", &b.Evidence.Served},
		{"serves-others", &b.Evidence.Others}, {"memory", &b.Memory}, {"heavy", &b.Heavy},
	}
}

// text is a field as a word; "" where it is zero.
func (f field) text() string {
	v := reflect.ValueOf(f.at).Elem()
	if v.IsZero() {
		return ""
	}
	switch x := v.Interface().(type) {
	case bool:
		return f.name
	case core.Time:
		if x == core.Never {
			return f.name + "=never"
		}
		return f.name + "=" + time.Duration(x).String()
	case time.Duration, core.TabState, core.Reason:
		return fmt.Sprintf("%s=%v", f.name, x)
	}
	if v.CanUint() {
		return f.name + "=" + strconv.FormatUint(v.Uint(), 10)
	}
	return f.name + "=" + strconv.FormatInt(v.Int(), 10)
}

func (f field) set(text string) error {
	v := reflect.ValueOf(f.at).Elem()
	switch v.Interface().(type) {
	case core.Time, time.Duration:
		if text == "never" {
			v.SetInt(int64(core.Never))
			return nil
		}
		d, err := time.ParseDuration(text)
		v.SetInt(int64(d))
		return err
	case core.TabState:
		return setWord(v, stateWords, text)
	case core.Reason:
		return setWord(v, reasonWords, text)
	}
	if v.CanUint() {
		n, err := strconv.ParseUint(text, 10, v.Type().Bits())
		v.SetUint(n)
		return err
	}
	n, err := strconv.ParseInt(text, 10, v.Type().Bits())
	v.SetInt(n)
	return err
}

func setWord(v reflect.Value, words []string, text string) error {
	for i, w := range words {
		if w == text {
			v.SetUint(uint64(i))
			return nil
		}
	}
	return errors.New("no such word")
}

// Lines calls fn with every line of the state block, without the word state. A key is written as
// key says.
func (n *Snapshot) Lines(key func(core.Affinity) string, fn func(line string)) {
	s := &n.Facts
	line := func(kind string, slot int, fields []field, words ...string) {
		if kind != "pool" {
			words = append([]string{kind, strconv.Itoa(slot)}, words...)
		} else {
			words = []string{kind}
		}
		for _, f := range fields {
			if text := f.text(); text != "" {
				words = append(words, text)
			}
		}
		fn(strings.Join(words, " "))
	}
	line("pool", 0, poolFields(s))
	for i := range s.Browsers {
		line("browser", i, browserFields(&s.Browsers[i]))
	}
	for i := range s.Contexts {
		line("context", i, contextFields(&s.Contexts[i]))
	}
	for i := range s.Tabs {
		line("tab", i, tabFields(&s.Tabs[i]))
	}
	for a := 1; a < len(n.Keys); a++ {
		var k core.AffinityFacts
		if a < len(s.Affinities) {
			k = s.Affinities[a]
		}
		if n.Keys[a] != "" {
			line("affinity", a, affinityFields(&k), QuoteKey(key(core.Affinity(a))))
		}
	}
	for i := range s.Requests {
		line("request", i, requestFields(&s.Requests[i]))
	}
	for i := range s.Calls {
		line("call", i, callFields(&s.Calls[i]))
	}
	fn("free-tabs" + numbers(s.FreeTabs))
	fn("free-contexts" + numbers(s.FreeContexts))
	fn("free-requests" + numbers(s.FreeRequests))
	fn("free-keys" + numbers(n.Free))
}

func numbers[T int32 | core.Affinity](list []T) string {
	var b strings.Builder
	for _, n := range list {
		fmt.Fprintf(&b, " %d", n)
	}
	return b.String()
}

// readLine reads one line of the state block.
func (n *Snapshot) readLine(words []Word) error {
	s := &n.Facts
	kind, rest := words[0].Text, words[1:]
	switch kind {
	case "pool":
		return readFields(rest, poolFields(s))
	case "free-tabs":
		return readNumbers(rest, &s.FreeTabs)
	case "free-contexts":
		return readNumbers(rest, &s.FreeContexts)
	case "free-requests":
		return readNumbers(rest, &s.FreeRequests)
	case "free-keys":
		return readNumbers(rest, &n.Free)
	}
	if len(rest) == 0 {
		return fmt.Errorf("state %s: want its number", kind)
	}
	slot, err := strconv.Atoi(rest[0].Text)
	if err != nil || slot < 0 || slot > mostSlots {
		return fmt.Errorf("state %s: want its number, got %s", kind, rest[0].short())
	}
	rest = rest[1:]
	switch kind {
	case "browser":
		return readFields(rest, browserFields(at(&s.Browsers, slot)))
	case "context":
		return readContext(rest, at(&s.Contexts, slot))
	case "tab":
		return readTab(rest, at(&s.Tabs, slot))
	case "request":
		return readFields(rest, requestFields(at(&s.Requests, slot)))
	case "call":
		return readFields(rest, callFields(at(&s.Calls, slot)))
	case "affinity":
		if len(rest) == 0 || slot == 0 || rest[0].Text == "" || len(rest[0].Text) > MaxKey {
			return errors.New("state affinity: want its number and its key")
		}
		*at(&n.Keys, slot) = rest[0].Text
		return readFields(rest[1:], affinityFields(at(&s.Affinities, slot)))
	}
	return fmt.Errorf("state: want pool, browser, context, tab, affinity, request, call or "+
		"free-..., got %s", words[0].short())
}

// mostSlots keeps a damaged number from asking for all the memory there is.
const mostSlots = 10_000_000

// at makes room in a list.
func at[T any](list *[]T, i int) *T {
	for i >= len(*list) {
		*list = append(*list, *new(T))
	}
	return &(*list)[i]
}

func readNumbers[T int32 | core.Affinity](words []Word, list *[]T) error {
	for _, w := range words {
		n, err := strconv.ParseInt(w.Text, 10, 32)
		if err != nil || n < 0 {
			return fmt.Errorf("want numbers, got %s", w.short())
		}
		*list = append(*list, T(n))
	}
	return nil
}

// retiredFields are fields of earlier versions that nothing depends on any more. Dumps that have
// them still read.
var retiredFields = []string{"unreset", "root-full", "eligible", "tabs", "good-of", "good-else"}

// earlier are facts of earlier versions, from which those of today follow.
type earlier struct{ suspectAt, rungSince core.Time }

func (e *earlier) fields() []field {
	return []field{{"suspect-at", &e.suspectAt}, {"rung-since", &e.rungSince}}
}

func readTab(words []Word, t *core.Tab) error {
	var e earlier
	err := readFields(words, append(tabFields(t), e.fields()...))
	switch doubted := t.State == core.Rescuing || t.State == core.Probing && t.Suspect; {
	case t.Began != 0:
	case e.rungSince != 0:
		t.Began = e.rungSince
	case e.suspectAt != 0 && doubted:
		t.Began = e.suspectAt
	default:
		t.Began = t.Since
	}
	return err
}

func readContext(words []Word, c *core.Context) error {
	var e earlier
	err := readFields(words, append(contextFields(c), e.fields()...))
	if e.rungSince != 0 {
		c.Began, c.Awaiting = e.rungSince, c.AskedAt != core.Never
	}
	return err
}

func readFields(words []Word, fields []field) error {
next:
	for _, w := range words {
		name, value, given := strings.Cut(w.Text, "=")
		for _, f := range fields {
			if f.name != name {
				continue
			}
			if flag, ok := f.at.(*bool); ok && !given {
				*flag = true
				continue next
			}
			if err := f.set(value); err != nil || !given {
				return fmt.Errorf("%s is no value for %s", w.short(), name)
			}
			continue next
		}
		if slices.Contains(retiredFields, name) {
			continue
		}
		return fmt.Errorf("unknown field %s", w.short())
	}
	return nil
}
