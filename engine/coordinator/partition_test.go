package coordinator

import "testing"

// The hashes and partitions are what a JVM and Kafka's Utils.abs give.
func TestPartitionFor(t *testing.T) {
	for _, c := range []struct {
		group string
		hash  int32
		of50  int32
		of12  int32
	}{
		{"", 0, 0, 0},
		{"a", 97, 47, 1},
		{"my-group", -1906497762, 12, 6},
		{"console-consumer-12345", 158455506, 6, 6},
		{"Grüße", 69215351, 1, 11},
		{"グループ", 383750870, 20, 2},
		{"🎉party🎉", 203565254, 4, 2},
		{"polygenelubricants", -2147483648, 0, 0},
	} {
		if got := javaHash(c.group); got != c.hash {
			t.Errorf("hash of %q is %d, want %d", c.group, got, c.hash)
		}
		if a, b := PartitionFor(c.group, 50), PartitionFor(c.group, 12); a != c.of50 || b != c.of12 {
			t.Errorf("%q is in partition %d of 50 and %d of 12, want %d and %d", c.group, a, b, c.of50, c.of12)
		}
	}
}
