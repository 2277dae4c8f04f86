// Package metadata is the cluster as every broker sees it: an immutable Image
// of brokers, topics, partitions and settings, the records that lead from one
// image to the next, and the Delta that tells what they changed.
//
// It owns the names, defaults and validity rules of settings, the rules for
// topic names, and the binary form of records and snapshots (written down in
// docs/format/metadata.md). It has no goroutine, no clock and no I/O. It is a
// leaf: it imports the standard library and franz-go's kerr alone.
package metadata
