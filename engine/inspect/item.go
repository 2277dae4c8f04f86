package inspect

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Item is one thing that Dump found. Its fields have JSON names, which stay as
// they are; docs/log-tools.md lists them.
type Item interface {
	// Kind is the type in JSON.
	Kind() string
	// Text is the item in words, on one line.
	Text() string
}

// WriteJSON writes an item, a finding or a report as one line of JSON.
func WriteJSON(w io.Writer, item Item) error {
	b, err := encodeJSON(item)
	if err != nil {
		return err
	}
	head := fmt.Sprintf(`{"type":%q`, item.Kind())
	if len(b) > len("{}\n") {
		head += ","
	}
	_, err = io.WriteString(w, head+string(b[1:]))
	return err
}

// encodeJSON is json.Marshal with a line's end and without care for HTML.
func encodeJSON(v any) ([]byte, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return []byte(b.String()), err
}

// Place is a partition on a broker.
type Place struct {
	Broker    int32  `json:"broker"`
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
}

func (p Place) String() string {
	return fmt.Sprintf("broker %d, %s-%d", p.Broker, p.Topic, p.Partition)
}

// BrokerItem is a broker's folder.
type BrokerItem struct {
	Broker     int32  `json:"broker"`
	ClusterID  string `json:"clusterId"`
	Clean      bool   `json:"cleanShutdown"`
	Logs       int    `json:"logs"`
	Controller bool   `json:"controller"` // it has a metadata log
}

// Kind implements Item.
func (BrokerItem) Kind() string { return "broker" }

// Text implements Item.
func (i BrokerItem) Text() string {
	end := "ended without a clean shutdown"
	if i.Clean {
		end = "ended cleanly"
	}
	return fmt.Sprintf("Broker %d of cluster %s: %d logs, %s", i.Broker, safe(i.ClusterID), i.Logs, end)
}

// PartitionItem is the log of a replica, without its segments.
type PartitionItem struct {
	Place
	Directory     string `json:"directory"`
	TopicID       string `json:"topicId"` // empty if it cannot be read
	Segments      int    `json:"segments"`
	Bytes         int64  `json:"bytes"`         // of the segments
	LogStart      *int64 `json:"logStart"`      // null: the first segment's base
	Cleaned       *int64 `json:"cleaned"`       // null: not compacted
	RecoveryPoint *int64 `json:"recoveryPoint"` // null: not written down
	HighWatermark *int64 `json:"highWatermark"` // null: not written down
}

// Kind implements Item.
func (PartitionItem) Kind() string { return "partition" }

// Text implements Item.
func (i PartitionItem) Text() string {
	return fmt.Sprintf("Dumping %s  topicId: %s segments: %d bytes: %d logStart: %s cleaned: %s recoveryPoint: %s highWatermark: %s",
		safe(i.Directory), orNone(i.TopicID), i.Segments, i.Bytes, optional(i.LogStart), optional(i.Cleaned), optional(i.RecoveryPoint), optional(i.HighWatermark))
}

func optional(v *int64) string {
	if v == nil {
		return "none"
	}
	return fmt.Sprint(*v)
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// SegmentItem is a segment's file.
type SegmentItem struct {
	Place
	File       string `json:"file"`
	BaseOffset int64  `json:"baseOffset"`
	Bytes      int64  `json:"bytes"`
}

// Kind implements Item.
func (SegmentItem) Kind() string { return "segment" }

// Text implements Item.
func (i SegmentItem) Text() string {
	return fmt.Sprintf("Dumping %s  baseOffset: %d bytes: %d", safe(i.File), i.BaseOffset, i.Bytes)
}

// FileItem is a file that is none of a log's own: put aside, left over, or of
// unknown use.
type FileItem struct {
	Place
	File  string `json:"file"`
	Use   string `json:"use"` // quarantine, leftover, swap or unknown
	Bytes int64  `json:"bytes"`
}

// Kind implements Item.
func (FileItem) Kind() string { return "file" }

// Text implements Item.
func (i FileItem) Text() string {
	return fmt.Sprintf("File %s  use: %s bytes: %d", safe(i.File), i.Use, i.Bytes)
}

// BatchItem is the header of a batch. Its text is that of kafka-dump-log.sh.
type BatchItem struct {
	Place
	Segment       int64  `json:"segment"` // base offset
	Position      int64  `json:"position"`
	Size          int    `json:"size"` // bytes with the header
	BaseOffset    int64  `json:"baseOffset"`
	LastOffset    int64  `json:"lastOffset"`
	Count         int32  `json:"count"` // records
	LeaderEpoch   int32  `json:"partitionLeaderEpoch"`
	BaseSequence  int32  `json:"baseSequence"`
	LastSequence  int32  `json:"lastSequence"`
	ProducerID    int64  `json:"producerId"`
	ProducerEpoch int16  `json:"producerEpoch"`
	Transactional bool   `json:"isTransactional"`
	Control       bool   `json:"isControl"`
	DeleteHorizon *int64 `json:"deleteHorizonMs"`
	TimestampType string `json:"timestampType"` // CreateTime or LogAppendTime
	BaseTimestamp int64  `json:"baseTimestamp"`
	MaxTimestamp  int64  `json:"maxTimestamp"`
	Magic         int8   `json:"magic"`
	Codec         string `json:"compression"`
	CRC           uint32 `json:"crc"`
	Valid         bool   `json:"isValid"` // the CRC is right
}

// Kind implements Item.
func (BatchItem) Kind() string { return "batch" }

// Text implements Item.
func (i BatchItem) Text() string {
	horizon := "OptionalLong.empty"
	if i.DeleteHorizon != nil {
		horizon = fmt.Sprintf("OptionalLong[%d]", *i.DeleteHorizon)
	}
	return fmt.Sprintf("baseOffset: %d lastOffset: %d count: %d baseSequence: %d lastSequence: %d producerId: %d producerEpoch: %d "+
		"partitionLeaderEpoch: %d isTransactional: %t isControl: %t deleteHorizonMs: %s position: %d %s: %d size: %d magic: %d compresscodec: %s crc: %d isvalid: %t",
		i.BaseOffset, i.LastOffset, i.Count, i.BaseSequence, i.LastSequence, i.ProducerID, i.ProducerEpoch,
		i.LeaderEpoch, i.Transactional, i.Control, horizon, i.Position, i.TimestampType, i.MaxTimestamp, i.Size, i.Magic, i.Codec, i.CRC, i.Valid)
}

// RecordItem is a record. Its text is that of kafka-dump-log.sh --print-data-log.
type RecordItem struct {
	Place
	Offset        int64          `json:"offset"`
	Timestamp     int64          `json:"timestamp"`
	TimestampType string         `json:"timestampType"`
	Sequence      int32          `json:"sequence"` // -1 none
	KeySize       int            `json:"keySize"`  // -1 null
	ValueSize     int            `json:"valueSize"`
	Key           *Payload       `json:"key"`
	Value         *Payload       `json:"value"`
	Headers       []RecordHeader `json:"headers"`
	Control       string         `json:"control,omitempty"` // COMMIT, ABORT, …: of a control batch
	// CoordinatorEpoch is of the coordinator that wrote a marker.
	CoordinatorEpoch *int32 `json:"coordinatorEpoch,omitempty"`
	Words            string `json:"words,omitempty"` // what a record of __consumer_offsets says
}

// RecordHeader is a header of a record.
type RecordHeader struct {
	Key   string   `json:"key"`
	Value *Payload `json:"value"`
}

// Kind implements Item.
func (RecordItem) Kind() string { return "record" }

// Text implements Item.
func (i RecordItem) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "| offset: %d %s: %d keySize: %d valueSize: %d sequence: %d headerKeys: [", i.Offset, i.TimestampType, i.Timestamp, i.KeySize, i.ValueSize, i.Sequence)
	for n, h := range i.Headers {
		if n > 0 {
			b.WriteByte(',')
		}
		b.WriteString(safe(h.Key))
	}
	b.WriteByte(']')
	switch {
	case i.Control != "":
		fmt.Fprintf(&b, " endTxnMarker: %s", i.Control)
		if i.CoordinatorEpoch != nil {
			fmt.Fprintf(&b, " coordinatorEpoch: %d", *i.CoordinatorEpoch)
		}
	case i.Words != "":
		b.WriteByte(' ')
		b.WriteString(i.Words)
	default:
		if i.Key != nil {
			fmt.Fprintf(&b, " key: %s", i.Key)
		}
		if i.Value != nil {
			fmt.Fprintf(&b, " payload: %s", i.Value)
		}
		for _, h := range i.Headers {
			fmt.Fprintf(&b, " header.%s: %s", safe(h.Key), h.Value)
		}
	}
	return b.String()
}

// DamageItem is bytes of a segment that are no batch.
type DamageItem struct {
	Place
	Segment  int64  `json:"segment"`
	Position int64  `json:"position"`
	Bytes    int64  `json:"bytes"`
	Reason   string `json:"reason"`
}

// Kind implements Item.
func (DamageItem) Kind() string { return "damage" }

// Text implements Item.
func (i DamageItem) Text() string {
	return fmt.Sprintf("DAMAGED position: %d bytes: %d: %s", i.Position, i.Bytes, safe(i.Reason))
}
