package core

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Snapshot is a whole State as text, and with it the keys that its handles stand for: the state block of a
// trace. Reading it gives back a State that goes on as the one that was written would.
type Snapshot struct {
	State State
	Keys  []string   // by handle; "" where a handle stands for none
	Free  []Affinity // handles that are free, the next one to be used last
}

// A field is one fact of a record: its name, and a pointer to it.
type field struct {
	name string
	at   any
}

func (s *State) fields() []field {
	return []field{
		{"now", &s.now}, {"last-tab", &s.lastTab}, {"last-context", &s.lastContext}, {"last-browser", &s.lastBrowser},
		{"last-operation", &s.lastOperation}, {"last-generation", &s.lastGeneration}, {"last-stamp", &s.lastStamp},
		{"last-order", &s.lastOrder}, {"standbys", &s.standbys}, {"last-ready", &s.lastReady},
		{"root-open", &s.rootOpen}, {"capacity", &s.capacity}, {"idle", &s.idle},
		{"idle-since", &s.idleSince}, {"shrinking", &s.shrinking}, {"contraction", &s.contraction},
		{"failed-openings", &s.failedOpenings}, {"failed-browsers", &s.failedBrowsers}, {"rounds", &s.rounds},
		{"success", &s.success}, {"paused", &s.paused}, {"retry-at", &s.retryAt}, {"grounded", &s.grounded},
		{"relaunch-at", &s.relaunchAt}, {"phase", &s.phase},
	}
}

func (t *tab) fields() []field {
	return []field{
		{"id", &t.id}, {"state", &t.state}, {"browser", &t.browser}, {"context", &t.context}, {"affinity", &t.affinity},
		{"generation", &t.generation}, {"holder", &t.holder}, {"pinned", &t.pinned}, {"since", &t.since},
		{"max-lease", &t.maxLease}, {"suspect-at", &t.suspectAt}, {"rung-since", &t.rungSince}, {"asked-at", &t.askedAt},
		{"open-began", &t.openBegan}, {"open-ended", &t.openEnded}, {"probe-began", &t.probeBegan},
		{"probe-ended", &t.probeEnded}, {"good-at", &t.goodAt}, {"retire-at", &t.retireAt}, {"stamp", &t.stamp},
		{"next", &t.next}, {"prev", &t.prev}, {"uses", &t.uses}, {"class", &t.class}, {"reason", &t.reason},
		{"rung", &t.rung}, {"closes", &t.closes}, {"kill", &t.kill}, {"doomed", &t.doomed}, {"overdue", &t.overdue},
		{"awaiting", &t.awaiting}, {"unopened", &t.unopened}, {"suspect", &t.suspect}, {"rescued", &t.rescued},
		{"part", &t.part}, {"session", &t.session}, {"sessions", &t.sessions}, {"retried", &t.retried}, {"stuck", &t.stuck},
		{"leased-at", &t.leasedAt}, {"stuck-since", &t.stuckSince}, {"operation", &t.operation},
	}
}

func (c *context) fields() []field {
	return []field{
		{"id", &c.id}, {"state", &c.state}, {"browser", &c.browser}, {"affinity", &c.affinity},
		{"since", &c.since}, {"rung-since", &c.rungSince}, {"asked-at", &c.askedAt}, {"generation", &c.generation},
		{"rung", &c.rung}, {"closes", &c.closes}, {"retained", &c.retained},
	}
}

func (k *affinityFacts) fields() []field {
	return []field{
		{"known", &k.known}, {"generation", &k.generation}, {"freed-at", &k.freedAt}, {"open-since", &k.openSince},
		{"stamp", &k.stamp}, {"primary", &k.primary}, {"tabs", &k.tabs},
	}
}

func (r *request) fields() []field {
	return []field{
		{"id", &r.id}, {"order", &r.order}, {"arrived", &r.arrived}, {"admitted-at", &r.admittedAt},
		{"max-lease", &r.maxLease}, {"affinity", &r.affinity}, {"priority", &r.priority}, {"rounds", &r.rounds},
		{"bypassed", &r.bypassed}, {"pin", &r.pin}, {"class", &r.class}, {"used", &r.used},
	}
}

func (c *call) fields() []field {
	return []field{
		{"id", &c.id}, {"generation", &c.generation}, {"affinity", &c.affinity}, {"browser", &c.browser},
		{"rounds", &c.rounds}, {"recycle", &c.recycle},
	}
}

func (b *browser) fields() []field {
	return []field{
		{"id", &b.id}, {"state", &b.state}, {"since", &b.since}, {"heard-at", &b.heardAt}, {"asked-at", &b.askedAt},
		{"tabs", &b.tabs}, {"unlaunched", &b.unlaunched}, {"worn", &b.worn}, {"arrived-at", &b.arrivedAt},
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
	case Time:
		if x == never {
			return f.name + "=never"
		}
		return f.name + "=" + time.Duration(x).String()
	case time.Duration, TabState, Reason:
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
	case Time, time.Duration:
		if text == "never" {
			v.SetInt(int64(never))
			return nil
		}
		d, err := time.ParseDuration(text)
		v.SetInt(int64(d))
		return err
	case TabState:
		return setWord(v, stateWords[:], text)
	case Reason:
		return setWord(v, reasonWords[:], text)
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

// Lines calls fn with every line of the state block, without the word state. A key is written as key
// says.
func (n *Snapshot) Lines(key func(Affinity) string, fn func(line string)) {
	s := &n.State
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
	line("pool", 0, s.fields())
	for i := range s.browsers {
		line("browser", i, s.browsers[i].fields())
	}
	for i := range s.contexts {
		line("context", i, s.contexts[i].fields())
	}
	for i := range s.tabs {
		line("tab", i, s.tabs[i].fields())
	}
	for a := 1; a < len(n.Keys); a++ {
		var k affinityFacts
		if a < len(s.affinities) {
			k = s.affinities[a]
		}
		if n.Keys[a] != "" {
			line("affinity", a, k.fields(), QuoteKey(key(Affinity(a))))
		}
	}
	for i := range s.requests {
		line("request", i, s.requests[i].fields())
	}
	for i := range s.calls {
		line("call", i, s.calls[i].fields())
	}
	fn("free-tabs" + numbers(s.freeTabs))
	fn("free-contexts" + numbers(s.freeContexts))
	fn("free-requests" + numbers(s.freeRequests))
	fn("free-keys" + numbers(n.Free))
}

func numbers[T int32 | Affinity](list []T) string {
	var b strings.Builder
	for _, n := range list {
		fmt.Fprintf(&b, " %d", n)
	}
	return b.String()
}

// readLine reads one line of the state block.
func (n *Snapshot) readLine(words []Word) error {
	s := &n.State
	kind, rest := words[0].Text, words[1:]
	switch kind {
	case "pool":
		return readFields(rest, s.fields())
	case "free-tabs":
		return readNumbers(rest, &s.freeTabs)
	case "free-contexts":
		return readNumbers(rest, &s.freeContexts)
	case "free-requests":
		return readNumbers(rest, &s.freeRequests)
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
		return readFields(rest, at(&s.browsers, slot).fields())
	case "context":
		return readFields(rest, at(&s.contexts, slot).fields())
	case "tab":
		return readFields(rest, at(&s.tabs, slot).fields())
	case "request":
		return readFields(rest, at(&s.requests, slot).fields())
	case "call":
		return readFields(rest, at(&s.calls, slot).fields())
	case "affinity":
		if len(rest) == 0 || slot == 0 || rest[0].Text == "" || len(rest[0].Text) > MaxKey {
			return errors.New("state affinity: want its number and its key")
		}
		*at(&n.Keys, slot) = rest[0].Text
		return readFields(rest[1:], at(&s.affinities, slot).fields())
	}
	return fmt.Errorf("state: want pool, browser, context, tab, affinity, request, call or free-..., got %s", words[0].short())
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

func readNumbers[T int32 | Affinity](words []Word, list *[]T) error {
	for _, w := range words {
		n, err := strconv.ParseInt(w.Text, 10, 32)
		if err != nil || n < 0 {
			return fmt.Errorf("want numbers, got %s", w.short())
		}
		*list = append(*list, T(n))
	}
	return nil
}

// retiredFields are fields of earlier versions that nothing depends on any more. Dumps that have them still read.
var retiredFields = []string{"unreset", "root-full", "eligible", "tabs"}

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

// restore makes a State whole of which the facts were read. It is an error where they do not go together.
func (s *State) restore(settings Settings) error {
	s.settings = settings
	if len(s.affinities) == 0 {
		s.affinities = append(s.affinities, affinityFacts{})
	}
	for a := range s.affinities {
		if k := &s.affinities[a]; !k.known {
			*k = affinityFacts{primary: none}
		}
	}
	if err := s.Facts.check(); err != nil {
		return err
	}
	s.rebuild()
	if v, broken := CheckBooks(s); broken {
		return v
	}
	return nil
}

// check says whether what the facts name is there, and whether lists come to an end.
func (f *Facts) check() error {
	noTab := func(slot int32) bool { return slot < none || int(slot) >= len(f.tabs) }
	noContext := func(slot int32) bool { return slot < 0 || int(slot) >= len(f.contexts) || f.contexts[slot].state == 0 }
	noAffinity := func(a Affinity) bool {
		return a != 0 && (int(a) >= len(f.affinities) || !f.affinities[a].known)
	}
	for i := range f.contexts {
		if c := &f.contexts[i]; noAffinity(c.affinity) {
			return fmt.Errorf("c%d is an affinity's that is not there", c.id)
		}
	}
	for i := range f.tabs {
		t := &f.tabs[i]
		if t.state != 0 && (noContext(t.context) || noAffinity(t.affinity) || noTab(t.next) || noTab(t.prev)) {
			return fmt.Errorf("t%d names a context, an affinity or a tab that is not there", t.id)
		}
	}
	list := func(first int32, of Affinity) bool {
		n := 0
		for i := first; i != none; i = f.tabs[i].next {
			if n++; noTab(i) || n > len(f.tabs) || f.tabs[i].state == 0 || f.tabs[i].affinity != of {
				return false
			}
		}
		return true
	}
	if noTab(f.lastReady) || !list(f.standbys, 0) {
		return errors.New("the standbys are not there")
	}
	for a := range f.affinities {
		k := &f.affinities[a]
		if k.known && (a == 0 || k.primary != none && noContext(k.primary) || !list(k.tabs, Affinity(a))) {
			return fmt.Errorf("affinity %d names a context or a tab that is not there", a)
		}
	}
	for i := range f.requests {
		r := &f.requests[i]
		if r.used && (noAffinity(r.affinity) || r.class >= classes || noTab(r.pin)) {
			return fmt.Errorf("r%d names an affinity or a tab that is not there", r.id)
		}
	}
	for _, c := range f.calls {
		if noAffinity(c.affinity) {
			return fmt.Errorf("call %d is about an affinity that is not there", c.id)
		}
	}
	return nil
}

// StateHash is a hash of everything that the state's future depends on, but for times, up to a renaming
// of tabs, contexts and browsers.
func (s *State) StateHash() uint64 {
	var c Canon
	s.AddIDs(&c)
	c.Seal()
	s.Hash(&c)
	s.HashWaiting(&c)
	return c.Sum()
}
