package core

import (
	"reflect"
	"testing"
)

// Copies and hashes are made of these.
func TestTidyStructsHaveNoPadding(t *testing.T) {
	for _, v := range []reflect.Type{
		reflect.TypeFor[Event](), reflect.TypeFor[Effect](), reflect.TypeFor[tab](),
		reflect.TypeFor[affinity](), reflect.TypeFor[request](), reflect.TypeFor[call](),
		reflect.TypeFor[browser](), reflect.TypeFor[entry](), reflect.TypeFor[ledgerBrowser](),
		reflect.TypeFor[ledgerRequest](), reflect.TypeFor[announcement](),
	} {
		used := uintptr(0)
		for i := range v.NumField() {
			used += v.Field(i).Type.Size()
		}
		if used != v.Size() {
			t.Errorf("%s has %d bytes of padding; order its fields, or name the rest", v.Name(), v.Size()-used)
		}
	}
}
