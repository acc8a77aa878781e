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
		{"root-full", &s.rootFull}, {"root-open", &s.rootOpen}, {"capacity", &s.capacity}, {"idle", &s.idle},
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
		{"id", &c.id}, {"state", &c.state}, {"browser", &c.browser}, {"affinity", &c.affinity}, {"tabs", &c.tabs},
		{"since", &c.since}, {"rung-since", &c.rungSince}, {"asked-at", &c.askedAt}, {"generation", &c.generation},
		{"rung", &c.rung}, {"closes", &c.closes}, {"retained", &c.retained},
	}
}

// fields of an affinity are what is not derived of it, and whether anybody of it is let through, since the
// start of that is remembered.
func (k *affinity) fields() []field {
	return []field{
		{"known", &k.known}, {"generation", &k.generation}, {"freed-at", &k.freedAt}, {"open-since", &k.openSince},
		{"stamp", &k.stamp}, {"primary", &k.primary}, {"tabs", &k.tabs}, {"eligible", &k.eligible},
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
		var k affinity
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
var retiredFields = []string{"unreset"}

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

// restore makes a State whole of which the facts were read: it enters what is derived from them. It is
// an error where they do not go together.
func (s *State) restore(settings Settings) error {
	s.settings = settings
	if len(s.affinities) == 0 {
		s.affinities = append(s.affinities, affinity{})
	}
	s.heads, s.inside = [classes]int32{none, none}, [classes]int32{none, none}
	s.orphans, s.endings = none, none
	for a := range s.affinities {
		k := &s.affinities[a]
		if !k.known {
			*k = affinity{primary: none}
			continue
		}
		for c := range k.queue {
			k.queue[c], k.pins[c] = none, none
		}
		if a == 0 || outside(k.primary, len(s.contexts)) || outside(k.tabs, len(s.tabs)) {
			return fmt.Errorf("affinity %d names a context or a tab that is not there", a)
		}
	}
	if outside(s.standbys, len(s.tabs)) || outside(s.lastReady, len(s.tabs)) {
		return errors.New("the standbys are not there")
	}
	if err := errors.Join(s.restoreTabs(), s.restoreRequests()); err != nil {
		return err
	}
	for _, c := range s.calls {
		if int(c.affinity) >= len(s.affinities) {
			return fmt.Errorf("call %d is about an affinity that is not there", c.id)
		}
		if c.affinity != 0 {
			s.affinities[c.affinity].calls++
		}
	}
	for a := 1; a < len(s.affinities); a++ {
		if s.affinities[a].known {
			s.touch(Affinity(a))
		}
	}
	s.freshen()
	for _, a := range s.touched {
		s.affinities[a].touched = false
	}
	s.touched = s.touched[:0]
	if v, broken := CheckBooks(s); broken {
		return v
	}
	return nil
}

// outside says whether a slot is neither none nor one of n.
func outside(slot int32, n int) bool { return slot < none || int(slot) >= n }

func (s *State) restoreTabs() error {
	for i := range s.contexts {
		c := &s.contexts[i]
		if c.state == 0 {
			continue
		}
		if int(c.affinity) >= len(s.affinities) {
			return fmt.Errorf("c%d is an affinity's that is not there", c.id)
		}
		if c.affinity != 0 {
			s.affinities[c.affinity].contexts++
		}
		s.contextIndex.put(uint64(c.id), int32(i))
		if c.tabs == 0 {
			s.tabless++
			s.list(int32(i))
		}
	}
	for i := range s.tabs {
		t := &s.tabs[i]
		if t.state == 0 {
			continue
		}
		if outside(t.context, len(s.contexts)) || t.context == none || int(t.affinity) >= len(s.affinities) ||
			outside(t.next, len(s.tabs)) || outside(t.prev, len(s.tabs)) {
			return fmt.Errorf("t%d names a context, an affinity or a tab that is not there", t.id)
		}
		s.counts[t.state]++
		if t.overdue {
			s.overdue[t.state]++
		}
		s.tabIndex.put(uint64(t.id), int32(i))
		k := &s.affinities[t.affinity]
		if t.bound() {
			k.bound++
			s.bound++
		}
		if t.state == Leased {
			s.leases.put(uint64(t.holder), int32(i))
			if t.class == Root {
				k.rootLeases++
				s.rootLeases++
			}
		}
	}
	return nil
}

func (s *State) restoreRequests() error {
	for i := range s.requests {
		r := &s.requests[i]
		if !r.used {
			continue
		}
		if int(r.affinity) >= len(s.affinities) || r.class >= classes || outside(r.pin, len(s.tabs)) {
			return fmt.Errorf("r%d names an affinity or a tab that is not there", r.id)
		}
		s.requestIndex.put(uint64(r.id), int32(i))
		k := &s.affinities[r.affinity]
		k.waiting[r.class]++
		s.waiting[r.class]++
		if s.urgent(r) {
			k.urgent[r.class]++
		}
		if s.usedUp(r) {
			s.exhausted++
		}
		if r.pin == none {
			k.queue[r.class] = insert(requestArena{s}, k.queue[r.class], int32(i))
		} else {
			k.pins[r.class] = insert(requestArena{s}, k.pins[r.class], int32(i))
			k.promised[r.class]++
			s.promised++
			if s.urgent(r) {
				k.urgentPins[r.class]++
			}
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
