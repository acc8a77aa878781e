package spec

import (
	"reflect"
	"testing"
	"unsafe"
)

// fill sets everything in a value to something else than zero; a list gets one element.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(7)
	case reflect.String:
		v.SetString("seven")
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Field(i)
			fill(reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem())
		}
	default:
		panic("spec: a ledger has a " + v.Type().String())
	}
}

// A copy of a ledger has every field of it, and shares no list with it.
func TestACopyOfALedgerIsWholeAndItsOwn(t *testing.T) {
	var full, again, other Ledger
	fill(reflect.ValueOf(&full).Elem())
	fill(reflect.ValueOf(&again).Elem())
	other.CopyFrom(&full)
	if !reflect.DeepEqual(full, other) {
		t.Errorf("a copy of\n%+v is\n%+v", full, other)
	}
	lists := reflect.ValueOf(&other).Elem()
	for i := range lists.NumField() {
		if f := lists.Field(i); f.Kind() == reflect.Slice {
			e := f.Index(0)
			reflect.NewAt(e.Type(), unsafe.Pointer(e.UnsafeAddr())).Elem().SetZero()
		}
	}
	if !reflect.DeepEqual(full, again) {
		t.Errorf("a change of its copy makes it\n%+v", full)
	}
}
