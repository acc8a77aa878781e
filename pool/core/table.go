package core

// table finds the slot of an id: a hash table of open addressing with linear probing (Knuth, The
// Art of Computer Programming, volume 3, 6.4, algorithms L and R). It is two flat slices, so that a
// copy of a State stays a memory copy; a map would not. The zero table is empty. Ids are not 0.
type table struct {
	ids   []uint64
	slots []int32
	used  int32
}

func (x *table) home(id uint64) int {
	return int(id * 0x9e3779b97f4a7c15 >> 32 & uint64(len(x.ids)-1))
}

func (x *table) get(id uint64) (int32, bool) {
	if len(x.ids) == 0 || id == 0 {
		return None, false
	}
	for i := x.home(id); x.ids[i] != 0; i = (i + 1) & (len(x.ids) - 1) {
		if x.ids[i] == id {
			return x.slots[i], true
		}
	}
	return None, false
}

func (x *table) put(id uint64, slot int32) {
	if 4*(int(x.used)+1) > 3*len(x.ids) {
		x.grow()
	}
	i := x.home(id)
	for x.ids[i] != 0 {
		i = (i + 1) & (len(x.ids) - 1)
	}
	x.ids[i], x.slots[i] = id, slot
	x.used++
}

func (x *table) grow() {
	old := *x
	n := max(8, 2*len(old.ids))
	*x = table{ids: make([]uint64, n), slots: make([]int32, n)}
	for i, id := range old.ids {
		if id != 0 {
			x.put(id, old.slots[i])
		}
	}
}

func (x *table) remove(id uint64) {
	if len(x.ids) == 0 {
		return
	}
	mask := len(x.ids) - 1
	i := x.home(id)
	for x.ids[i] != id {
		if x.ids[i] == 0 {
			return
		}
		i = (i + 1) & mask
	}
	// Move up whatever would no longer be found past the gap.
	for j := i; ; {
		x.ids[i] = 0
		for {
			j = (j + 1) & mask
			if x.ids[j] == 0 {
				x.used--
				return
			}
			if h := x.home(x.ids[j]); (j-h)&mask >= (j-i)&mask {
				break
			}
		}
		x.ids[i], x.slots[i] = x.ids[j], x.slots[j]
		i = j
	}
}

// copyFrom makes x a copy of o that shares nothing with it, in the memory that x has.
func (x *table) copyFrom(o *table) {
	x.ids, x.slots, x.used = append(x.ids[:0], o.ids...), append(x.slots[:0], o.slots...), o.used
}

// emptied is an empty table in the memory of x.
func (x *table) emptied() table {
	clear(x.ids)
	return table{ids: x.ids, slots: x.slots}
}
