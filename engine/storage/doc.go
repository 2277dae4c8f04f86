// Package storage is one partition's log on disk: segments of record batches,
// their offset and time indexes, producer state, leader epochs; appending,
// reading, recovery, retention, truncation and compaction. docs/format
// describes every file.
//
// It owns the files in one folder and the rules for what may be believed of
// them after a crash: a batch is believed for its CRC; indexes, snapshots and
// checkpoints are caches that carry their own CRC and are made again from the
// batches when they are missing or wrong.
//
// It works on bytes and knows no topic and no network. It may import batch,
// vfs, kerr and the standard library. It starts no goroutine.
package storage
