package trace

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/pagepool/pagepool/pool/core"
)

// A dump of an earlier version says since when a tab was in doubt and since when a rung; today both
// are from when the time of an operation counts.
func TestADumpOfAnEarlierVersionReads(t *testing.T) {
	const second = core.Time(time.Second)
	began := func(line string) (core.Time, bool) {
		t.Helper()
		words, err := Words(line)
		var n Snapshot
		if err == nil {
			err = n.readLine(words)
		}
		switch {
		case err != nil:
			t.Fatal(err)
		case len(n.Facts.Contexts) > 0:
			return n.Facts.Contexts[0].Began, n.Facts.Contexts[0].Awaiting
		}
		return n.Facts.Tabs[0].Began, n.Facts.Tabs[0].Awaiting
	}
	for line, want := range map[string]core.Time{
		"tab 0 id=1 state=probing since=3s suspect-at=1s suspect":               1 * second,
		"tab 0 id=1 state=rescuing since=3s suspect-at=1s suspect":              1 * second,
		"tab 0 id=1 state=probing since=3s suspect-at=1s":                       3 * second,
		"tab 0 id=1 state=resetting since=3s suspect-at=1s":                     3 * second,
		"tab 0 id=1 state=closing since=3s suspect-at=1s rung-since=4s":         4 * second,
		"tab 0 id=1 state=closing since=3s began=5s":                            5 * second,
		"context 0 id=1 state=2 since=3s rung-since=4s asked-at=3s closes=1":    4 * second,
		"context 0 id=1 state=2 since=3s began=5s asked-at=3s closes=1":         5 * second,
		"context 0 id=1 state=2 since=3s rung-since=6s asked-at=never closes=2": 6 * second,
	} {
		if at, _ := began(line); at != want {
			t.Errorf("%s: its time counts from %v, and it has to from %v", line, at.Duration(),
				want.Duration())
		}
	}
	if _, awaits := began("context 0 id=1 state=2 rung-since=4s asked-at=3s"); !awaits {
		t.Error("a context that was asked to close awaits no answer")
	}
	if _, awaits := began("context 0 id=1 state=2 rung-since=4s asked-at=never"); awaits {
		t.Error("a context whose close has failed awaits an answer")
	}
}

// A dump has every fact: what is written of facts that are all set is read again as it was.
func TestADumpHasEveryFact(t *testing.T) {
	var n int64
	var fill func(v reflect.Value)
	fill = func(v reflect.Value) {
		n++
		switch v.Interface().(type) {
		case core.Settings:
			return // the trace's, in its set lines
		case core.TabState, core.Reason:
			v.SetUint(uint64(1 + n%5)) // which have words
			return
		}
		switch v.Kind() {
		case reflect.Struct:
			for i := range v.NumField() {
				fill(v.Field(i))
			}
		case reflect.Slice:
			v.Set(reflect.MakeSlice(v.Type(), 2, 2))
			for i := range v.Len() {
				fill(v.Index(i))
			}
		case reflect.Bool:
			v.SetBool(true)
		case reflect.Uint8:
			v.SetUint(uint64(1 + n%100))
		case reflect.Uint32, reflect.Uint64:
			v.SetUint(uint64(n))
		default:
			v.SetInt(n)
		}
	}
	want := Snapshot{Keys: []string{"", "a"}, Free: []core.Affinity{7}}
	fill(reflect.ValueOf(&want.Facts).Elem())
	want.Facts.Affinities[0] = core.AffinityFacts{} // which stands for nobody
	for i := range want.Facts.Contexts {
		want.Facts.Contexts[i].Kill = core.KillNone // it has no renderer to kill
	}
	var got Snapshot
	want.Lines(func(a core.Affinity) string { return want.Keys[a] }, func(line string) {
		words, err := Words(line)
		if err == nil {
			err = got.readLine(words)
		}
		if err != nil {
			t.Errorf("%s: %v", line, err)
		}
	})
	lack(t, "facts", reflect.ValueOf(want).Field(0), reflect.ValueOf(got).Field(0))
}

// lack says which fields of what was written were not read.
func lack(t *testing.T, name string, want, got reflect.Value) {
	switch want.Kind() {
	case reflect.Struct:
		for i := range want.NumField() {
			lack(t, name+"."+want.Type().Field(i).Name, want.Field(i), got.Field(i))
		}
	case reflect.Slice:
		if want.Len() != got.Len() {
			t.Errorf("%s: %d were written, and %d read", name, want.Len(), got.Len())
			return
		}
		for i := range want.Len() {
			lack(t, fmt.Sprintf("%s[%d]", name, i), want.Index(i), got.Index(i))
		}
	default:
		if !want.Equal(got) {
			t.Errorf("%s was %v, and is read as %v", name, want, got)
		}
	}
}
