package pool

import (
	"github.com/pagepool/pagepool/pool/trace"
)

// StateLines is the core's present state as text.
func (p *Pool[P]) StateLines() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := trace.Snapshot{Keys: p.mu.keys.names, Free: p.mu.keys.free}
	n.Facts.CopyFrom(&p.mu.core.Facts)
	var lines []string
	n.Lines(p.mu.keys.name, func(line string) { lines = append(lines, line) })
	return lines
}
