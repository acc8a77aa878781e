// Package testdata holds the repository's traces and planted bugs, so that the command and the
// tests find them wherever they run.
package testdata

import "embed"

// Files are the traces under traces, incidents and regressions, those that were recorded on a real
// browser, under chrome, the planted bugs, and how hard these are to find.
//
//go:embed traces incidents regressions chrome planted power.txt
var Files embed.FS

// Incident is the file that the demonstration replays.
const Incident = "incidents/glimmer-loop.trace"
