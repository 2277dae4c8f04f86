// Package journal is the write-ahead journal that all brokers of the process
// share. What leaders append is written here as well, and one sync commits all
// that arrived while the sync before it ran, whatever the number of partitions
// and brokers; the logs themselves are synced later, before the journal's
// segments are used again. After a crash the entries are applied to the logs.
//
// It owns the segment files in its folder, and when they are synced, released
// and used again; docs/format/journal.md describes them. It knows entries as
// bytes with a partition, a leader epoch and offsets. It may import event and
// vfs.
package journal
