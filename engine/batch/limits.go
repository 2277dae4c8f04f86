package batch

import (
	"math"
	"time"
)

// The limits that a zero field of Limits stands for.
const (
	DefaultMaxDecompressed = 64 << 20
	DefaultMaxRatio        = 1000
)

// Limits says what Validate accepts. The zero value is what any client may
// send: plain data with offsets 0 to n-1. What a topic's settings add to that,
// storage.Config.Limits fills in.
type Limits struct {
	// MaxBytes is the largest whole batch, as max.message.bytes; 0: no limit.
	MaxBytes int
	// MaxDecompressed is the most bytes that the records of one compressed
	// batch may take up when decompressed; 0: DefaultMaxDecompressed.
	MaxDecompressed int
	// MaxRatio is the most bytes of decompressed records for each compressed
	// one, from 1 MiB of them up; 0: DefaultMaxRatio.
	MaxRatio int
	// Stored accepts what the broker itself may have made of a batch in its
	// log: offsets with gaps and no record at all after compaction, a delete
	// horizon, log append time.
	Stored bool
	// AllowTransactional lets a batch be part of a transaction.
	AllowTransactional bool
	// AllowControl lets a batch hold control records: only the broker writes them.
	AllowControl bool
	// RequireKeys refuses a record without a key, as a compacted topic must.
	RequireKeys bool
	// CheckTimestamps holds each record's timestamp against Now. A record
	// without timestamp (-1) passes.
	CheckTimestamps bool
	// Now is the broker's clock, in milliseconds since 1970.
	Now int64
	// BeforeMax and AfterMax are how far a timestamp may lie before and after
	// Now (message.timestamp.before.max.ms, .after.max.ms).
	BeforeMax, AfterMax time.Duration
}

func (l Limits) maxDecompressed() int {
	if l.MaxDecompressed > 0 {
		return l.MaxDecompressed
	}
	return DefaultMaxDecompressed
}

// decompressedCap is how far n compressed bytes may grow.
func (l Limits) decompressedCap(n int) int {
	ratio := l.MaxRatio
	if ratio <= 0 {
		ratio = DefaultMaxRatio
	}
	most := l.maxDecompressed()
	if byRatio := max(int64(n)*int64(ratio), 1<<20); byRatio < int64(most) {
		return int(byRatio)
	}
	return most
}

// window is the range that timestamps must lie in, both ends included.
func (l Limits) window() (earliest, latest int64) {
	before, after := l.BeforeMax.Milliseconds(), l.AfterMax.Milliseconds()
	earliest, latest = math.MinInt64, math.MaxInt64
	if l.BeforeMax < math.MaxInt64 {
		earliest = l.Now - before
	}
	if l.AfterMax < math.MaxInt64 {
		latest = l.Now + after
	}
	return earliest, latest
}
