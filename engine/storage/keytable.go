package storage

import (
	"crypto/sha256"
	"encoding/binary"
)

// keyEntrySize is the memory that a slot of a keyTable takes.
const keyEntrySize = 24

// keyTable remembers the highest offset of each key, in memory of fixed size.
// Keys are known by 128 bits of their SHA-256, which nobody can make two of.
type keyTable struct {
	slots  []keyEntry
	used   int
	limit  int
	latest int64 // highest offset put, -1 if none
}

type keyEntry struct {
	hash [2]uint64 // both 0: free
	at   int64
}

// newKeyTable returns a table for at most want keys that takes at most memory
// bytes.
func newKeyTable(want int64, memory int) *keyTable {
	slots := max(min(want*4/3+16, int64(memory/keyEntrySize)), 16)
	return &keyTable{slots: make([]keyEntry, slots), limit: int(slots * 3 / 4), latest: -1}
}

// find returns the slot of a key, a free one if the table does not have it.
func (t *keyTable) find(key []byte) (*keyEntry, [2]uint64) {
	sum := sha256.Sum256(key)
	hash := [2]uint64{binary.BigEndian.Uint64(sum[:]), binary.BigEndian.Uint64(sum[8:])}
	i := hash[0] % uint64(len(t.slots))
	for {
		e := &t.slots[i]
		if e.hash == hash || e.hash == [2]uint64{} {
			return e, hash
		}
		if i++; i == uint64(len(t.slots)) {
			i = 0
		}
	}
}

// put notes a record; false if the table is full.
func (t *keyTable) put(key []byte, offset int64) bool {
	e, hash := t.find(key)
	if e.hash != hash {
		if t.used == t.limit {
			return false
		}
		t.used++
		e.hash = hash
	}
	e.at = offset
	t.latest = offset
	return true
}

// superseded reports whether a key has a record above an offset.
func (t *keyTable) superseded(key []byte, offset int64) bool {
	e, hash := t.find(key)
	return e.hash == hash && e.at > offset
}
