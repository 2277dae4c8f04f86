package storage

import (
	"log/slog"
	"time"

	"github.com/logarium/logarium/engine/vfs"
)

// Options say which log to open and how.
type Options struct {
	FS      vfs.FS
	Dir     string   // the log's folder below FS
	TopicID [16]byte // written to, and held against, partition.metadata
	Config  Config
	// Clean says that the log was closed with Close(true) and that nothing
	// has touched it since: what its files say of themselves is believed
	// without reading the batches.
	Clean bool
	// RecoveryPoint is an offset below which all is known to be on disk: what
	// Synced was when the checkpoint was made. Damage below it is reported,
	// damage at or above it is a torn tail and is cut. 0 is always right.
	RecoveryPoint int64
	// PointKnown says that RecoveryPoint was written down by the last run, and
	// is not 0 for want of knowing better: what lies above it and does not join
	// on to the rest had not been synced.
	PointKnown bool
	// ProducerExpiration forgets a producer that appended nothing for so long
	// (producer.id.expiration.ms); 0: 24 h.
	ProducerExpiration time.Duration
	// MaxProducers bounds the producers remembered; the longest idle are
	// forgotten first. 0: 1,000,000.
	MaxProducers int
	// Files bounds the open files of older segments, shared by many logs; nil:
	// a cache of this log alone.
	Files *FileCache
	// CompactionMemory is how many bytes Compact may take for its table of
	// keys; 0: 16 MiB, about half a million keys a pass.
	CompactionMemory int
	// Remover deletes files of segments and folders of logs; nil: they are
	// deleted by whoever has no more need of them.
	Remover *Remover
	// Throttle slows compaction, of all logs that share it; nil: no bound.
	Throttle *Throttle
	// OnCorrupt is told when a read finds a batch in a file that is not what was
	// written, once for each place. It is called on the reader's goroutine and
	// must not wait; nil: nobody is told. The read is CORRUPT_MESSAGE, others go
	// on: whoever has another copy should drop this one (Reset).
	OnCorrupt func(Corruption)
	Logger    *slog.Logger // nil: none
}

// Recovered tells what Open had to do.
type Recovered struct {
	Segments        int   // found
	SegmentsScanned int   // read batch by batch
	BytesScanned    int64 // in them
	BytesCut        int64 // torn or unacknowledged bytes cut from the tail
	IndexesRebuilt  int   // indexes that were missing or wrong
	Corrupt         []Corruption
}

// Corruption is damage to data that had been synced, or that looked whole
// behind damage. The damaged file was kept under a name of its own.
type Corruption struct {
	Segment    int64  // base offset
	Position   int64  // byte in the segment where the damage starts
	Bytes      int64  // how many are left out
	From, To   int64  // offsets that are lost: from From up to, not including, To
	Quarantine string // the file that keeps the damaged bytes
	Reason     string
	// Unsynced says that all of it lies above the recovery point: a loss of
	// power explains it.
	Unsynced bool
}

// Origin says who made the batches of an append.
type Origin uint8

// The origins.
const (
	FromClient      Origin = iota // assign offsets; check epochs and sequences
	FromCoordinator               // assign offsets; check epochs, not sequences
	FromLeader                    // a follower's copy: keep offsets and leader epochs
)

// AppendOptions go with one append.
type AppendOptions struct {
	LeaderEpoch int32 // written into the batches, unless FromLeader
	Now         time.Time
	Origin      Origin
}

// Appended is what an append did.
type Appended struct {
	First, Last   int64 // offsets; of the first time if Duplicate
	LogAppendTime int64 // ms since 1970, -1 if the topic keeps the client's timestamps
	LogStart      int64
	Records       int
	Bytes         int
	Duplicate     bool  // the producer had sent these before; nothing was written
	Rolled        int64 // base offset of a segment that the append began, -1 if none
}

// Deleted is a segment that Retain deleted.
type Deleted struct {
	Base, End int64
	Bytes     int64
	Reason    string // "age", "size" or "start" (below the log start)
}

// Compacted is what a Compact did.
type Compacted struct {
	Ran                     bool // false: nothing was dirty enough
	Through                 int64
	BytesBefore, BytesAfter int64 // of the segments rewritten
	RecordsRead, Kept       int64
}

// SegmentInfo describes a segment.
type SegmentInfo struct {
	Base, End    int64 // End: the offset after the last
	Bytes        int64
	MaxTimestamp int64 // -1: none
	Active       bool
}

// ProducerInfo describes what is remembered of a producer, as DescribeProducers
// tells it.
type ProducerInfo struct {
	ID            int64
	Epoch         int16
	LastSequence  int32
	LastTimestamp int64 // of its last batch
	LastSeen      time.Time
	// CoordinatorEpoch is that of the coordinator that ended its last
	// transaction, -1: none.
	CoordinatorEpoch int32
	TxnFirst         int64 // where its open transaction begins, -1: none
}
