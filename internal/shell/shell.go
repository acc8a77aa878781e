// Package shell holds what the rooms of this repository know of a pool beside its API.
package shell

import "reflect"

// Locked is an argument of every callback that runs under the pool's lock. Such a callback returns
// at once and does not call the pool. This package is internal, so a driver of somebody else cannot
// have such a method by chance.
type Locked struct{}

// OfLauncher is the one setting of the core that is no field of a pool.Config: the launcher says
// it, as a pool.FreezeTeller.
const OfLauncher = "FreezeAfter"

// Setting returns the field of a *pool.Config that has this name, whichever group it is in. The
// names of settings are unique across the groups. It is the zero Value where there is none.
func Setting(config any, name string) reflect.Value {
	c := reflect.ValueOf(config).Elem()
	if f := c.FieldByName(name); f.IsValid() {
		return f
	}
	for i := range c.NumField() {
		if group := c.Field(i); group.Kind() == reflect.Struct {
			if f := group.FieldByName(name); f.IsValid() {
				return f
			}
		}
	}
	return reflect.Value{}
}
