package pool

import "github.com/pagepool/pagepool/pool/core"

// StateLines is the core's present state as text.
func (p *Pool[P]) StateLines() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := core.Snapshot{Keys: p.mu.keys.names, Free: p.mu.keys.free}
	n.State.CopyFrom(p.mu.core)
	var lines []string
	n.Lines(p.mu.keys.name, func(line string) { lines = append(lines, line) })
	return lines
}
