package kafka

import (
	"encoding/binary"
	"math/rand/v2"
)

// Murmur2 is the hash by which Java's default partitioner places keys
// (org.apache.kafka.common.utils.Utils.murmur2).
func Murmur2(key []byte) uint32 {
	const (
		seed = 0x9747b28c
		m    = 0x5bd1e995
		r    = 24
	)
	h := uint32(seed) ^ uint32(len(key))
	rest := key
	for ; len(rest) >= 4; rest = rest[4:] {
		k := binary.LittleEndian.Uint32(rest) * m
		k ^= k >> r
		h = h*m ^ k*m
	}
	switch len(rest) {
	case 3:
		h ^= uint32(rest[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(rest[1]) << 8
		fallthrough
	case 1:
		h ^= uint32(rest[0])
		h *= m
	}
	h ^= h >> 13
	h *= m
	return h ^ h>>15
}

// PartitionFor returns the partition of n on which Java's default partitioner
// puts a record with this key; without a key it is any of them.
func PartitionFor(key []byte, n int32) int32 {
	if key == nil {
		return rand.Int32N(n)
	}
	return int32(Murmur2(key)&0x7fffffff) % n
}
