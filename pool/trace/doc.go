// Package trace is the text of the pool, both ways: of events and effects, one line each (text.go),
// of histories (trace.go), and of the facts in which a recorded history begins (snapshot.go).
//
// The package makes no promise of compatibility. The format does: what one version wrote, later
// ones read.
package trace
