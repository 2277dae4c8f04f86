package message

import (
	"bytes"
	"time"

	"github.com/logarium/logarium/server/kafka"
)

// From says where a reading begins.
type From string

// The beginnings.
const (
	Newest   From = "newest" // the end, going back
	Oldest   From = "oldest" // the beginning, going on
	AtOffset From = "offset" // the given offset of each partition, going on
	AtTime   From = "time"   // the first record at or after the given time, going on
)

// Limits of a reading.
const (
	DefaultLimit = 50
	MaxLimit     = 500
)

// AllPartitions asks for every partition.
const AllPartitions int32 = -1

// Query is a question for records.
type Query struct {
	Topic     string
	Partition int32 // AllPartitions or one
	From      From
	Offset    int64     // for AtOffset
	Time      time.Time // for AtTime
	Limit     int       // records, 1 to MaxLimit
	Filter    string    // text that key, value or a header must hold; "" for all
	Cursor    string    // where a page before or after this one begins; "" for the first
}

// Stop is why a reading ended.
type Stop string

// The reasons.
const (
	StopLimit Stop = "limit" // as many records as were asked for
	StopEnd   Stop = "end"   // there are no more in this direction
	StopBytes Stop = "bytes" // the scan limit; the cursor goes on from here
	StopTime  Stop = "time"  // the time limit; the cursor goes on from here
)

// Budget bounds a reading that finds little.
type Budget struct {
	Bytes int64
	Time  time.Duration
}

// DefaultBudget keeps a page below some seconds and some memory.
var DefaultBudget = Budget{Bytes: 64 << 20, Time: 4 * time.Second}

// Span is what was looked at in one partition.
type Span struct {
	Partition   int32
	From, Until int64 // offsets; Until is not part of it
	Start, End  int64 // the partition's first offset, and the one after its last
	Problem     string
}

// Page is the answer to a Query.
type Page struct {
	Records     []kafka.Record // newest first if Descending, else oldest first
	Descending  bool
	Spans       []Span // one for each partition, in order
	Scanned     int64  // records looked at
	Bytes       int64  // bytes read from brokers
	Stop        Stop
	Took        time.Duration
	Older       string // cursor of the page with older records, "" if there are none
	Newer       string // cursor of the page with newer records, "" if there are none now
	Unreachable int    // partitions with a problem
}

// filter tells whether a record holds the text. It looks at bytes, so that it
// costs little on records that do not hold it.
type filter []byte

func (f filter) match(r *kafka.Record) bool {
	if len(f) == 0 || bytes.Contains(r.Value, f) || bytes.Contains(r.Key, f) {
		return true
	}
	for _, h := range r.Headers {
		if bytes.Contains([]byte(h.Key), f) || bytes.Contains(h.Value, f) {
			return true
		}
	}
	return false
}
