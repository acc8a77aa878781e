package core

// table finds the slot of an id: a hash table of open addressing with linear probing (Knuth, The
// Art of Computer Programming, volume 3, 6.4, algorithms L and R). It is one flat slice, so that a
// copy of a State stays a memory copy; a map would not. The zero table is empty. Ids are not 0.
type table struct {
	ids  []located
	used int32
}

// located is an id and its slot; of id 0: a free place in the table.
type located struct {
	id   uint64
	slot int32
}

func (x *table) home(id uint64) int {
	return int(id * 0x9e3779b97f4a7c15 >> 32 & uint64(len(x.ids)-1))
}

func (x *table) get(id uint64) (int32, bool) {
	if len(x.ids) == 0 || id == 0 {
		return None, false
	}
	for i := x.home(id); x.ids[i].id != 0; i = (i + 1) & (len(x.ids) - 1) {
		if x.ids[i].id == id {
			return x.ids[i].slot, true
		}
	}
	return None, false
}

func (x *table) put(id uint64, slot int32) {
	if 4*(int(x.used)+1) > 3*len(x.ids) {
		x.grow()
	}
	i := x.home(id)
	for x.ids[i].id != 0 {
		i = (i + 1) & (len(x.ids) - 1)
	}
	x.ids[i] = located{id, slot}
	x.used++
}

func (x *table) grow() {
	old := *x
	n := max(8, 2*len(old.ids))
	*x = table{ids: make([]located, n)}
	for _, at := range old.ids {
		if at.id != 0 {
			x.put(at.id, at.slot)
		}
	}
}

func (x *table) remove(id uint64) {
	if len(x.ids) == 0 {
		return
	}
	mask := len(x.ids) - 1
	i := x.home(id)
	for x.ids[i].id != id {
		if x.ids[i].id == 0 {
			return
		}
		i = (i + 1) & mask
	}
	// Move up whatever would no longer be found past the gap.
	for j := i; ; {
		x.ids[i] = located{}
		for {
			j = (j + 1) & mask
			if x.ids[j].id == 0 {
				x.used--
				return
			}
			if h := x.home(x.ids[j].id); (j-h)&mask >= (j-i)&mask {
				break
			}
		}
		x.ids[i] = x.ids[j]
		i = j
	}
}

// copyFrom makes x a copy of o that shares nothing with it, in the memory that x has.
func (x *table) copyFrom(o *table) {
	x.ids, x.used = append(x.ids[:0], o.ids...), o.used
}

// emptied is an empty table in the memory of x.
func (x *table) emptied() table {
	clear(x.ids)
	return table{ids: x.ids}
}
