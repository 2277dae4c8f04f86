package inspect

import (
	"fmt"
	"strings"
)

// IndexItem is the head of an index file of a segment.
type IndexItem struct {
	Place
	File           string `json:"file"`
	Index          string `json:"index"` // offset or time
	BaseOffset     int64  `json:"baseOffset"`
	Bytes          int64  `json:"bytes"`     // of the segment that it describes
	EndOffset      int64  `json:"endOffset"` // the offset after the segment's last
	MaxTimestamp   int64  `json:"maxTimestamp"`
	MaxTimestampAt int64  `json:"maxTimestampAt"`
	LastPosition   int64  `json:"lastPosition"`
	Aborted        uint32 `json:"abortedTransactions"` // whose markers are in the segment
	Entries        int    `json:"entries"`
}

// Kind implements Item.
func (IndexItem) Kind() string { return "index" }

// Text implements Item.
func (i IndexItem) Text() string {
	return fmt.Sprintf("Dumping %s  index: %s of bytes: %d endOffset: %d maxTimestamp: %d maxTimestampAt: %d lastPosition: %d aborted: %d entries: %d",
		safe(i.File), i.Index, i.Bytes, i.EndOffset, i.MaxTimestamp, i.MaxTimestampAt, i.LastPosition, i.Aborted, i.Entries)
}

// IndexEntryItem is an entry of an offset index.
type IndexEntryItem struct {
	Place
	Segment  int64 `json:"segment"`
	Offset   int64 `json:"offset"`
	Position int64 `json:"position"`
}

// Kind implements Item.
func (IndexEntryItem) Kind() string { return "indexEntry" }

// Text implements Item.
func (i IndexEntryItem) Text() string {
	return fmt.Sprintf("offset: %d position: %d", i.Offset, i.Position)
}

// TimeIndexEntryItem is an entry of a time index.
type TimeIndexEntryItem struct {
	Place
	Segment   int64 `json:"segment"`
	Timestamp int64 `json:"timestamp"`
	Offset    int64 `json:"offset"`
}

// Kind implements Item.
func (TimeIndexEntryItem) Kind() string { return "timeIndexEntry" }

// Text implements Item.
func (i TimeIndexEntryItem) Text() string {
	return fmt.Sprintf("timestamp: %d offset: %d", i.Timestamp, i.Offset)
}

// ProducerItem is what a snapshot remembers of a producer.
type ProducerItem struct {
	Place
	Snapshot      int64           `json:"snapshot"` // the offset that it is of
	ProducerID    int64           `json:"producerId"`
	ProducerEpoch int16           `json:"producerEpoch"`
	LastSeen      int64           `json:"lastSeenMs"`
	Coordinator   int32           `json:"coordinatorEpoch"`      // of its last marker, -1 none
	TxnFirst      int64           `json:"currentTxnFirstOffset"` // -1: no transaction is open
	Batches       []ProducerBatch `json:"batches"`               // oldest first
}

// ProducerBatch is a batch that a producer sent.
type ProducerBatch struct {
	FirstSequence int32 `json:"firstSequence"`
	LastSequence  int32 `json:"lastSequence"`
	FirstOffset   int64 `json:"firstOffset"`
	LastOffset    int64 `json:"lastOffset"`
	Timestamp     int64 `json:"timestamp"`
}

// Kind implements Item.
func (ProducerItem) Kind() string { return "producer" }

// Text implements Item.
func (i ProducerItem) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "snapshot: %d producerId: %d producerEpoch: %d coordinatorEpoch: %d currentTxnFirstOffset: %d lastSeen: %d batches: [", i.Snapshot, i.ProducerID, i.ProducerEpoch, i.Coordinator, i.TxnFirst, i.LastSeen)
	for n, p := range i.Batches {
		if n > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "sequences %d-%d at offsets %d-%d", p.FirstSequence, p.LastSequence, p.FirstOffset, p.LastOffset)
	}
	b.WriteByte(']')
	return b.String()
}

// TransactionItem is an aborted transaction, from the transaction index of the
// segment that has its marker.
type TransactionItem struct {
	Place
	File             string `json:"file"`
	ProducerID       int64  `json:"producerId"`
	FirstOffset      int64  `json:"firstOffset"`
	LastOffset       int64  `json:"lastOffset"` // of the marker
	LastStableOffset int64  `json:"lastStableOffset"`
}

// Kind implements Item.
func (TransactionItem) Kind() string { return "abortedTransaction" }

// Text implements Item.
func (i TransactionItem) Text() string {
	return fmt.Sprintf("aborted transaction producerId: %d firstOffset: %d lastOffset: %d lastStableOffset: %d", i.ProducerID, i.FirstOffset, i.LastOffset, i.LastStableOffset)
}

// EpochItem is where a leader's epoch begins.
type EpochItem struct {
	Place
	Epoch       int32 `json:"epoch"`
	StartOffset int64 `json:"startOffset"`
}

// Kind implements Item.
func (EpochItem) Kind() string { return "epoch" }

// Text implements Item.
func (i EpochItem) Text() string {
	return fmt.Sprintf("leaderEpoch: %d startOffset: %d", i.Epoch, i.StartOffset)
}

// UnreadableItem is a file whose content cannot be shown.
type UnreadableItem struct {
	Broker int32  `json:"broker"`
	File   string `json:"file"`
	Reason string `json:"reason"`
}

// Kind implements Item.
func (UnreadableItem) Kind() string { return "unreadable" }

// Text implements Item.
func (i UnreadableItem) Text() string {
	return fmt.Sprintf("UNREADABLE %s: %s", safe(i.File), safe(i.Reason))
}

// MetadataSnapshotItem is a snapshot of the metadata log. Its records follow.
type MetadataSnapshotItem struct {
	Broker int32    `json:"broker"`
	File   string   `json:"file"`
	Index  uint64   `json:"index"` // of the last entry in it
	Term   uint64   `json:"term"`
	Voters []uint64 `json:"voters"`
	Offset int64    `json:"offset"` // of the last record in it
}

// Kind implements Item.
func (MetadataSnapshotItem) Kind() string { return "metadataSnapshot" }

// Text implements Item.
func (i MetadataSnapshotItem) Text() string {
	return fmt.Sprintf("Dumping %s  snapshot of index: %d term: %d voters: %v offset: %d", safe(i.File), i.Index, i.Term, i.Voters, i.Offset)
}

// MetadataFrameItem is one write to the metadata log. Its entries follow.
type MetadataFrameItem struct {
	Broker   int32  `json:"broker"`
	File     string `json:"file"`
	Position int64  `json:"position"`
	Bytes    int64  `json:"bytes"`
	Term     uint64 `json:"term"`
	Vote     uint64 `json:"vote"` // 0: none
	Commit   uint64 `json:"commit"`
	Entries  int    `json:"entries"`
}

// Kind implements Item.
func (MetadataFrameItem) Kind() string { return "metadataFrame" }

// Text implements Item.
func (i MetadataFrameItem) Text() string {
	return fmt.Sprintf("position: %d bytes: %d term: %d vote: %d commit: %d entries: %d", i.Position, i.Bytes, i.Term, i.Vote, i.Commit, i.Entries)
}

// MetadataEntryItem is an entry of the metadata log. Its records follow.
type MetadataEntryItem struct {
	Broker    int32  `json:"broker"`
	Index     uint64 `json:"index"`
	Term      uint64 `json:"term"`
	Committed bool   `json:"committed"` // as far as this broker knew
	Records   int    `json:"records"`
}

// Kind implements Item.
func (MetadataEntryItem) Kind() string { return "metadataEntry" }

// Text implements Item.
func (i MetadataEntryItem) Text() string {
	return fmt.Sprintf("| index: %d term: %d committed: %t records: %d", i.Index, i.Term, i.Committed, i.Records)
}

// MetadataRecordItem is a record of the metadata log, or of a snapshot of it.
type MetadataRecordItem struct {
	Broker int32  `json:"broker"`
	Index  uint64 `json:"index"`  // of its entry, or of the snapshot
	Record string `json:"record"` // its type, as docs/format/metadata.md names it
	Fields fields `json:"fields"`
}

// Kind implements Item.
func (MetadataRecordItem) Kind() string { return "metadataRecord" }

// Text implements Item.
func (i MetadataRecordItem) Text() string { return fmt.Sprintf("| | %s %s", i.Record, i.Fields) }
