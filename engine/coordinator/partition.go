package coordinator

import "unicode/utf16"

// PartitionFor returns the partition of __consumer_offsets whose leader
// coordinates the group, as Kafka computes it: Java's String.hashCode of the
// group id (over its UTF-16 code units), its sign bit cleared, modulo
// partitions. partitions must be positive.
func PartitionFor(group string, partitions int32) int32 {
	return (javaHash(group) & 0x7fffffff) % partitions
}

// javaHash is java.lang.String.hashCode.
func javaHash(s string) int32 {
	var h int32
	for _, r := range s {
		if r < 0x10000 {
			h = 31*h + int32(r)
			continue
		}
		high, low := utf16.EncodeRune(r)
		h = 31*(31*h+int32(high)) + int32(low)
	}
	return h
}
