package metadata

import "maps"

// shardCount cuts a table so that changing one key copies 1/256 of it.
const shardCount = 256

// table is an immutable map, cut into shards that successive versions share.
type table[K comparable, V any] struct {
	shards *[shardCount]map[K]V
	n      int
	hash   func(K) uint8
}

func newTable[K comparable, V any](hash func(K) uint8) table[K, V] {
	return table[K, V]{shards: new([shardCount]map[K]V), hash: hash}
}

func (t table[K, V]) get(key K) (V, bool) {
	v, ok := t.shards[t.hash(key)][key]
	return v, ok
}

func (t table[K, V]) len() int { return t.n }

// each calls fn for every entry, in no order.
func (t table[K, V]) each(fn func(K, V)) {
	for _, shard := range t.shards {
		for k, v := range shard {
			fn(k, v)
		}
	}
}

// tableEditor makes the next version of a table; the first stays as it is.
type tableEditor[K comparable, V any] struct {
	table[K, V]
	owned [shardCount]bool
	began bool
}

// own makes the shard of key one that this editor may change, and returns its number.
func (e *tableEditor[K, V]) own(key K) uint8 {
	if !e.began {
		shards := *e.shards
		e.shards, e.began = &shards, true
	}
	i := e.hash(key)
	if !e.owned[i] {
		e.owned[i] = true
		if e.shards[i] == nil {
			e.shards[i] = make(map[K]V)
		} else {
			e.shards[i] = maps.Clone(e.shards[i])
		}
	}
	return i
}

func (e *tableEditor[K, V]) set(key K, v V) {
	i := e.own(key)
	before := len(e.shards[i])
	e.shards[i][key] = v
	e.n += len(e.shards[i]) - before
}

func (e *tableEditor[K, V]) remove(key K) {
	i := e.own(key)
	before := len(e.shards[i])
	delete(e.shards[i], key)
	e.n += len(e.shards[i]) - before
}

// hashName spreads topic names over shards (FNV-1a, folded to a byte).
func hashName(s string) uint8 {
	h := uint32(2166136261)
	for i := range len(s) {
		h = (h ^ uint32(s[i])) * 16777619
	}
	return uint8(h ^ h>>8 ^ h>>16 ^ h>>24)
}

// hashID spreads ids over shards; their last byte is random.
func hashID(u UUID) uint8 { return u[15] }
