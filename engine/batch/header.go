package batch

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"iter"

	"github.com/twmb/franz-go/pkg/kerr"
)

// HeaderSize is the length in bytes of a version 2 batch header; the records
// follow it.
const HeaderSize = 61

// Magic is the one batch version that this package accepts.
const Magic = 2

// lengthPrefix is how many bytes stand before what the length field counts.
const lengthPrefix = 12

// The places of the fields in the header.
const (
	atBaseOffset      = 0
	atLength          = 8
	atLeaderEpoch     = 12
	atMagic           = 16
	atCRC             = 17
	atAttributes      = 21
	atLastOffsetDelta = 23
	atBaseTimestamp   = 27
	atMaxTimestamp    = 35
	atProducerID      = 43
	atProducerEpoch   = 51
	atBaseSequence    = 53
	atNumRecords      = 57
)

// The bits of the attributes field.
const (
	codecMask        = 0x07
	logAppendTimeBit = 0x08
	transactionalBit = 0x10
	controlBit       = 0x20
	deleteHorizonBit = 0x40
	knownAttributes  = codecMask | logAppendTimeBit | transactionalBit | controlBit | deleteHorizonBit
	maxSequence      = 1<<31 - 1
	noTimestamp      = -1
	noProducerID     = -1
	noSequence       = -1
	noProducerEpoch  = -1
	minEncodedRecord = 7 // length, attributes, two deltas, two lengths, header count
)

// Codec is a compression codec, as the attributes number them.
type Codec uint8

// The codecs.
const (
	None Codec = iota
	Gzip
	Snappy
	LZ4
	Zstd
)

// String returns the codec's name as the setting compression.type spells it.
func (c Codec) String() string {
	switch c {
	case None:
		return "none"
	case Gzip:
		return "gzip"
	case Snappy:
		return "snappy"
	case LZ4:
		return "lz4"
	case Zstd:
		return "zstd"
	}
	return fmt.Sprintf("codec %d", uint8(c))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Header is the header of a batch. Timestamps are milliseconds since 1970, -1
// for none.
type Header struct {
	BaseOffset      int64
	Length          int32 // bytes after this field
	LeaderEpoch     int32
	Magic           int8
	CRC             uint32 // CRC32C of everything after it
	Attributes      int16
	LastOffsetDelta int32
	BaseTimestamp   int64 // the delete horizon if HasDeleteHorizon
	MaxTimestamp    int64
	ProducerID      int64
	ProducerEpoch   int16
	BaseSequence    int32
	NumRecords      int32
}

// ParseHeader reads the header at the start of b. It checks only that the
// header is whole and that its length field and magic are possible; it does
// not read the records nor check the CRC, and b may end before the batch does.
func ParseHeader(b []byte) (Header, error) {
	if len(b) < HeaderSize {
		return Header{}, fmt.Errorf("%w: %d bytes are too few for the %d of a batch header", kerr.CorruptMessage, len(b), HeaderSize)
	}
	h := decodeHeader(b)
	if h.Magic != Magic {
		if h.Magic == 0 || h.Magic == 1 {
			return h, fmt.Errorf("%w: message format %d, only format 2 is supported", kerr.UnsupportedForMessageFormat, h.Magic)
		}
		return h, fmt.Errorf("%w: unknown message format %d", kerr.CorruptMessage, h.Magic)
	}
	if h.Length < HeaderSize-lengthPrefix {
		return h, fmt.Errorf("%w: batch length %d is less than its header", kerr.CorruptMessage, h.Length)
	}
	return h, nil
}

// decodeHeader reads the fields of a header of at least HeaderSize bytes.
func decodeHeader(b []byte) Header {
	_ = b[HeaderSize-1]
	return Header{
		BaseOffset:      int64(binary.BigEndian.Uint64(b[atBaseOffset:])),
		Length:          int32(binary.BigEndian.Uint32(b[atLength:])),
		LeaderEpoch:     int32(binary.BigEndian.Uint32(b[atLeaderEpoch:])),
		Magic:           int8(b[atMagic]),
		CRC:             binary.BigEndian.Uint32(b[atCRC:]),
		Attributes:      int16(binary.BigEndian.Uint16(b[atAttributes:])),
		LastOffsetDelta: int32(binary.BigEndian.Uint32(b[atLastOffsetDelta:])),
		BaseTimestamp:   int64(binary.BigEndian.Uint64(b[atBaseTimestamp:])),
		MaxTimestamp:    int64(binary.BigEndian.Uint64(b[atMaxTimestamp:])),
		ProducerID:      int64(binary.BigEndian.Uint64(b[atProducerID:])),
		ProducerEpoch:   int16(binary.BigEndian.Uint16(b[atProducerEpoch:])),
		BaseSequence:    int32(binary.BigEndian.Uint32(b[atBaseSequence:])),
		NumRecords:      int32(binary.BigEndian.Uint32(b[atNumRecords:])),
	}
}

// encode writes the header into b, but for the CRC, which seal writes.
func (h Header) encode(b []byte) {
	_ = b[HeaderSize-1]
	binary.BigEndian.PutUint64(b[atBaseOffset:], uint64(h.BaseOffset))
	binary.BigEndian.PutUint32(b[atLength:], uint32(h.Length))
	binary.BigEndian.PutUint32(b[atLeaderEpoch:], uint32(h.LeaderEpoch))
	b[atMagic] = byte(h.Magic)
	binary.BigEndian.PutUint16(b[atAttributes:], uint16(h.Attributes))
	binary.BigEndian.PutUint32(b[atLastOffsetDelta:], uint32(h.LastOffsetDelta))
	binary.BigEndian.PutUint64(b[atBaseTimestamp:], uint64(h.BaseTimestamp))
	binary.BigEndian.PutUint64(b[atMaxTimestamp:], uint64(h.MaxTimestamp))
	binary.BigEndian.PutUint64(b[atProducerID:], uint64(h.ProducerID))
	binary.BigEndian.PutUint16(b[atProducerEpoch:], uint16(h.ProducerEpoch))
	binary.BigEndian.PutUint32(b[atBaseSequence:], uint32(h.BaseSequence))
	binary.BigEndian.PutUint32(b[atNumRecords:], uint32(h.NumRecords))
}

// seal writes the CRC of a whole batch into it.
func seal(b []byte) {
	binary.BigEndian.PutUint32(b[atCRC:], crc32.Checksum(b[atAttributes:], castagnoli))
}

// Size returns the length of the whole batch in bytes, its header included.
func (h Header) Size() int { return int(h.Length) + lengthPrefix }

// LastOffset returns the offset of the batch's last record, or of the last
// one it had before compaction.
func (h Header) LastOffset() int64 { return h.BaseOffset + int64(h.LastOffsetDelta) }

// LastSequence returns the producer's sequence number of the last record, -1
// if the batch has none. Sequences wrap from 2^31-1 to 0.
func (h Header) LastSequence() int32 {
	if h.BaseSequence < 0 {
		return noSequence
	}
	return int32((int64(h.BaseSequence) + int64(h.LastOffsetDelta)) & maxSequence)
}

// Codec returns the compression codec.
func (h Header) Codec() Codec { return Codec(h.Attributes & codecMask) }

// IsTransactional reports whether the batch is part of a transaction.
func (h Header) IsTransactional() bool { return h.Attributes&transactionalBit != 0 }

// IsControl reports whether the batch holds a control record, such as a
// transaction marker, and no data.
func (h Header) IsControl() bool { return h.Attributes&controlBit != 0 }

// LogAppendTime reports whether MaxTimestamp, set by the broker, is the
// timestamp of every record.
func (h Header) LogAppendTime() bool { return h.Attributes&logAppendTimeBit != 0 }

// HasDeleteHorizon reports whether BaseTimestamp says when the batch's
// tombstones may be dropped (KAFKA-8522).
func (h Header) HasDeleteHorizon() bool { return h.Attributes&deleteHorizonBit != 0 }

// CheckCRC reports whether b starts with a whole batch whose CRC is right.
func CheckCRC(b []byte) bool {
	h, err := ParseHeader(b)
	if err != nil || h.Size() > len(b) {
		return false
	}
	return crc32.Checksum(b[atAttributes:h.Size()], castagnoli) == h.CRC
}

// Split iterates over the whole batches in b, each as its own bytes with
// capacity cut to its length. It stops at the first that is not whole or has
// no possible header: what was yielded ends where the rest begins.
func Split(b []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for len(b) >= HeaderSize {
			h, err := ParseHeader(b)
			if err != nil || h.Size() > len(b) {
				return
			}
			n := h.Size()
			if !yield(b[:n:n]) {
				return
			}
			b = b[n:]
		}
	}
}

// SetBaseOffset writes the offset of the first record. The CRC does not cover it.
func SetBaseOffset(b []byte, offset int64) {
	binary.BigEndian.PutUint64(b[atBaseOffset:], uint64(offset))
}

// SetLeaderEpoch writes the epoch of the leader that appends the batch. The
// CRC does not cover it.
func SetLeaderEpoch(b []byte, epoch int32) {
	binary.BigEndian.PutUint32(b[atLeaderEpoch:], uint32(epoch))
}

// SetLogAppendTime marks the batch as stamped by the broker: ms is the
// timestamp of all its records. b is exactly one batch; its CRC is rewritten.
func SetLogAppendTime(b []byte, ms int64) {
	b[atAttributes+1] |= logAppendTimeBit
	SetMaxTimestamp(b, ms)
}

// SetMaxTimestamp writes the largest timestamp of the batch's records. b is
// exactly one batch; its CRC is rewritten.
func SetMaxTimestamp(b []byte, ms int64) {
	binary.BigEndian.PutUint64(b[atMaxTimestamp:], uint64(ms))
	seal(b)
}

// CRC returns the CRC32C that the batch at the start of b says it has.
func CRC(b []byte) uint32 { return binary.BigEndian.Uint32(b[atCRC:]) }

// Extent returns what a reader that only steps over batches needs of the
// header at the start of b: the offsets of its first and last record and its
// size in bytes. ok is false if b holds no possible header.
func Extent(b []byte) (base, last int64, size int, ok bool) {
	if len(b) < HeaderSize || b[atMagic] != Magic {
		return 0, 0, 0, false
	}
	base = int64(binary.BigEndian.Uint64(b[atBaseOffset:]))
	length := int32(binary.BigEndian.Uint32(b[atLength:]))
	delta := int32(binary.BigEndian.Uint32(b[atLastOffsetDelta:]))
	if base < 0 || delta < 0 || length < HeaderSize-lengthPrefix {
		return 0, 0, 0, false
	}
	last = base + int64(delta)
	return base, last, int(length) + lengthPrefix, last >= base
}
