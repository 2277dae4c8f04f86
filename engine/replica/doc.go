// Package replica holds the partitions of one broker: one log each, what of it
// is committed (the high watermark), who waits for that, and the workers that
// all of them share, which sync, expire and compact.
//
// It owns the lock of each partition and its high watermark, and decides when
// a log is synced, cut and cleaned. It may import storage, metadata, event and
// vfs, and never broker, coordinator or controller.
package replica
