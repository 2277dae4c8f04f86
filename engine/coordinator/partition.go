package coordinator

import (
	"math"
	"unicode/utf16"
)

// PartitionFor returns the partition of __consumer_offsets whose leader
// coordinates the group, as Kafka computes it: the absolute value (0 for the
// smallest number, as its Utils.abs has it) of Java's String.hashCode of the
// group id, modulo partitions. partitions must be positive.
func PartitionFor(group string, partitions int32) int32 {
	h := javaHash(group)
	switch {
	case h == math.MinInt32:
		h = 0
	case h < 0:
		h = -h
	}
	return h % partitions
}

// javaHash is java.lang.String.hashCode, which is over UTF-16 code units.
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
