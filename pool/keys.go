package pool

import (
	"strings"

	"github.com/pagepool/pagepool/pool/core"
)

// keys gives affinities their handles. The core says when one may be used again.
type keys struct {
	handles map[string]core.Affinity
	names   []string // by handle; 0 is nobody
	free    []core.Affinity
}

func newKeys() keys {
	return keys{handles: make(map[string]core.Affinity), names: make([]string, 1)}
}

func (k *keys) handle(key string) core.Affinity {
	if a, ok := k.handles[key]; ok {
		return a
	}
	key = strings.Clone(key) // it may be a small part of a caller's large string
	var a core.Affinity
	if n := len(k.free); n > 0 {
		a = k.free[n-1]
		k.free = k.free[:n-1]
		k.names[a] = key
	} else {
		a = core.Affinity(len(k.names))
		k.names = append(k.names, key)
	}
	k.handles[key] = a
	return a
}

// count is how many keys have a handle, and how many handles stand for a key.
func (k *keys) count() (handles, names int) {
	return len(k.handles), len(k.names) - 1 - len(k.free)
}

func (k *keys) name(a core.Affinity) string { return k.names[a] }

func (k *keys) forget(a core.Affinity) {
	delete(k.handles, k.names[a])
	k.names[a] = ""
	k.free = append(k.free, a)
}
