package replay

import (
	"fmt"

	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/pool/trace"
)

// Keys gives keys handles, in the order in which they are first met; one that was forgotten is
// given again, the last one first.
type Keys struct {
	list    []string
	free    []core.Affinity
	handles map[string]core.Affinity
}

// keysOf are the keys of a snapshot.
func keysOf(n *trace.Snapshot) Keys {
	k := Keys{list: append([]string(nil), n.Keys[1:]...),
		free: append([]core.Affinity(nil), n.Free...), handles: map[string]core.Affinity{}}
	for i, key := range k.list {
		if key != "" {
			k.handles[key] = core.Affinity(i + 1)
		}
	}
	return k
}

// Forget gives a handle back.
func (k *Keys) Forget(a core.Affinity) {
	delete(k.handles, k.list[a-1])
	k.list[a-1] = ""
	k.free = append(k.free, a)
}

// Key is the key of a handle.
func (k *Keys) Key(a core.Affinity) string {
	if a == 0 || int(a) > len(k.list) {
		return fmt.Sprintf("affinity-%d", a)
	}
	return k.list[a-1]
}

// Handle is the handle of a key.
func (k *Keys) Handle(key string) core.Affinity {
	if a, ok := k.handles[key]; ok {
		return a
	}
	if k.handles == nil {
		k.handles = map[string]core.Affinity{}
	}
	var a core.Affinity
	if n := len(k.free); n > 0 {
		a, k.free = k.free[n-1], k.free[:n-1]
		for int(a) > len(k.list) {
			k.list = append(k.list, "") // a snapshot writes the keys that live, and these are above the last
		}
		k.list[a-1] = key
	} else {
		k.list = append(k.list, key)
		a = core.Affinity(len(k.list))
	}
	k.handles[key] = a
	return a
}
