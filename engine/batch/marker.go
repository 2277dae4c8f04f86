package batch

import (
	"encoding/binary"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
)

// The types of control records (KIP-98); others are of the metadata quorum.
const (
	controlAbort  = 0
	controlCommit = 1
)

// MarkerMaxSize is above the size of every batch that holds a transaction
// marker and no more.
const MarkerMaxSize = 256

// Marker is the end of a transaction, as a control record says it.
type Marker struct {
	Commit           bool  // false: it was aborted
	CoordinatorEpoch int32 // of the transaction coordinator that wrote it
}

// ReadMarker reads the transaction marker in the one control batch at the start
// of b. ok is false if the batch has none: no control batch, one that
// compaction has emptied, or a control record of another type.
func ReadMarker(b []byte) (m Marker, ok bool, err error) {
	h, err := ParseHeader(b)
	if err != nil {
		return m, false, err
	}
	if !h.IsControl() || h.NumRecords == 0 {
		return m, false, nil
	}
	if h.Size() > len(b) || h.Codec() != None || h.NumRecords != 1 {
		return m, false, fmt.Errorf("%w: a control batch of %d bytes with %d records, codec %s", kerr.CorruptMessage, h.Size(), h.NumRecords, h.Codec())
	}
	length, at := varint(b[HeaderSize:h.Size()], 0)
	if at < 0 || int(length) != h.Size()-HeaderSize-at {
		return m, false, corruptRecord(0, "its length does not fit the control batch")
	}
	f := fields{b: b[HeaderSize+at : h.Size()], pos: 1}
	f.varlong()
	f.varint()
	key, value := f.bytes(), f.bytes()
	if f.pos < 0 || len(key) < 4 {
		return m, false, corruptRecord(0, "it is no control record")
	}
	// The versions, of two bytes, are 0; later ones may add fields.
	kind := binary.BigEndian.Uint16(key[2:])
	if kind != controlAbort && kind != controlCommit {
		return m, false, nil
	}
	if len(value) < 6 {
		return m, false, corruptRecord(0, "it is no transaction marker")
	}
	return Marker{Commit: kind == controlCommit, CoordinatorEpoch: int32(binary.BigEndian.Uint32(value[2:]))}, true, nil
}

// NewMarker builds the batch that ends a producer's transaction. ts is in
// milliseconds since 1970.
func NewMarker(producerID int64, epoch int16, m Marker, ts int64) []byte {
	b := NewBuilder(BuilderOptions{
		Producer: true, ProducerID: producerID, Epoch: epoch, Sequence: noSequence, Transactional: true, Control: true,
	})
	kind := uint16(controlAbort)
	if m.Commit {
		kind = controlCommit
	}
	key := binary.BigEndian.AppendUint16(make([]byte, 2, 4), kind)
	value := binary.BigEndian.AppendUint32(make([]byte, 2, 6), uint32(m.CoordinatorEpoch))
	b.Append(ts, key, value, nil)
	return b.Build()
}
