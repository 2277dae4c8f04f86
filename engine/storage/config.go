package storage

import (
	"fmt"
	"hash/fnv"
	"math"
	"time"

	"github.com/logarium/logarium/engine/batch"
)

// Forever is a duration setting without limit, as Kafka's -1 or 2^63-1 ms.
const Forever = time.Duration(math.MaxInt64)

// Millis turns a setting in milliseconds into a duration. Negative values and
// those above 292 years are Forever.
func Millis(ms int64) time.Duration {
	if ms < 0 || ms > int64(Forever/time.Millisecond) {
		return Forever
	}
	return time.Duration(ms) * time.Millisecond
}

// Config is the effective settings of one topic that its logs obey. The names
// of the topic settings stand behind each.
type Config struct {
	SegmentBytes       int           // segment.bytes: the active segment is rolled before it passes this
	SegmentAge         time.Duration // segment.ms
	SegmentJitter      time.Duration // segment.jitter.ms: how much sooner a segment may be rolled
	SegmentIndexBytes  int           // segment.index.bytes: room for index entries of 8 bytes
	IndexIntervalBytes int           // index.interval.bytes: log bytes for each index entry

	CleanupDelete  bool          // cleanup.policy has delete
	RetentionAge   time.Duration // retention.ms; Forever: none
	RetentionBytes int64         // retention.bytes; -1: none

	CleanupCompact    bool          // cleanup.policy has compact
	DeleteRetention   time.Duration // delete.retention.ms: how long a tombstone stays once it could go
	MinCompactionLag  time.Duration // min.compaction.lag.ms
	MaxCompactionLag  time.Duration // max.compaction.lag.ms; Forever: none
	MinCleanableRatio float64       // min.cleanable.dirty.ratio, 0 to 1

	Compression        batch.Compression // compression.type and levels: what the caller makes of a client's batch
	MaxMessageBytes    int               // max.message.bytes: largest batch
	LogAppendTime      bool              // message.timestamp.type=LogAppendTime
	TimestampBeforeMax time.Duration     // message.timestamp.before.max.ms; Forever: none
	TimestampAfterMax  time.Duration     // message.timestamp.after.max.ms; Forever: none

	CompactionMemory   int           // log.cleaner.dedupe.buffer.size: bytes for the table of keys; 0: that of Options
	ProducerExpiration time.Duration // producer.id.expiration.ms; 0: that of Options
}

// DefaultConfig returns Apache Kafka 4's defaults.
func DefaultConfig() Config {
	return Config{
		SegmentBytes:       1 << 30,
		SegmentAge:         7 * 24 * time.Hour,
		SegmentIndexBytes:  10 << 20,
		IndexIntervalBytes: 4096,
		CleanupDelete:      true,
		RetentionAge:       7 * 24 * time.Hour,
		RetentionBytes:     -1,
		DeleteRetention:    24 * time.Hour,
		MaxCompactionLag:   Forever,
		MinCleanableRatio:  0.5,
		MaxMessageBytes:    1<<20 + 12,
		TimestampBeforeMax: Forever,
		TimestampAfterMax:  time.Hour,
	}
}

// Limits returns what a client's batch for such a log must obey.
func (c Config) Limits(now time.Time) batch.Limits {
	return batch.Limits{
		MaxBytes:        c.MaxMessageBytes,
		RequireKeys:     c.CleanupCompact,
		CheckTimestamps: !c.LogAppendTime && (c.TimestampBeforeMax != Forever || c.TimestampAfterMax != Forever),
		Now:             now.UnixMilli(),
		BeforeMax:       c.TimestampBeforeMax,
		AfterMax:        c.TimestampAfterMax,
	}
}

// jitter is how much sooner than its age a segment is rolled, so that many logs
// that began at once do not roll at once. It is chance, but always the same.
func (c *Config) jitter(dir string, base int64, age time.Duration) time.Duration {
	most := min(c.SegmentJitter, age)
	if most <= 0 || age == Forever {
		return 0
	}
	h := fnv.New64a()
	fmt.Fprintf(h, "%s/%d", dir, base)
	return time.Duration(h.Sum64() % uint64(most))
}
