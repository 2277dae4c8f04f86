package batch

import "encoding/binary"

// BuilderOptions say what a Builder's batch is to be. The zero value is plain
// data of no producer, uncompressed; note that producer id 0 is a real one, so
// that it takes Producer to name it.
type BuilderOptions struct {
	Codec Codec
	// Producer says that ProducerID, Epoch and Sequence are set.
	Producer      bool
	ProducerID    int64
	Epoch         int16
	Sequence      int32
	Transactional bool
	Control       bool
	BaseOffset    int64
	LeaderEpoch   int32
}

// Builder makes one batch out of records. It is not for several goroutines at
// once.
type Builder struct {
	header  Header
	body    []byte // HeaderSize bytes, then the encoded records
	horizon bool
	enc     *encoder
}

// NewBuilder returns a builder without records.
func NewBuilder(o BuilderOptions) *Builder {
	h := Header{
		BaseOffset:      o.BaseOffset,
		LeaderEpoch:     o.LeaderEpoch,
		Magic:           Magic,
		Attributes:      int16(o.Codec),
		LastOffsetDelta: -1,
		BaseTimestamp:   noTimestamp,
		MaxTimestamp:    noTimestamp,
		ProducerID:      noProducerID,
		ProducerEpoch:   noProducerEpoch,
		BaseSequence:    noSequence,
	}
	if o.Producer {
		h.ProducerID, h.ProducerEpoch, h.BaseSequence = o.ProducerID, o.Epoch, o.Sequence
	}
	if o.Transactional {
		h.Attributes |= transactionalBit
	}
	if o.Control {
		h.Attributes |= controlBit
	}
	return &Builder{header: h, body: make([]byte, HeaderSize, 512), enc: new(encoder)}
}

// Append adds a record at the next offset. ts is in milliseconds since 1970, -1
// for none; a nil key or value is null.
func (b *Builder) Append(ts int64, key, value []byte, headers []RecordHeader) {
	b.appendAt(b.header.LastOffsetDelta+1, ts, key, value, headers)
}

// appendAt adds a record at a given place in the batch.
func (b *Builder) appendAt(delta int32, ts int64, key, value []byte, headers []RecordHeader) {
	h := &b.header
	if h.NumRecords == 0 && !b.horizon {
		h.BaseTimestamp = ts
	}
	h.NumRecords++
	h.LastOffsetDelta = delta
	h.MaxTimestamp = max(h.MaxTimestamp, ts)
	tsDelta := ts - h.BaseTimestamp

	size := 1 + varlongSize(tsDelta) + varintSize(delta) + fieldSize(key) + fieldSize(value) + varintSize(int32(len(headers)))
	for i := range headers {
		size += varintSize(int32(len(headers[i].Key))) + len(headers[i].Key) + fieldSize(headers[i].Value)
	}
	p := binary.AppendVarint(b.body, int64(size))
	p = append(p, 0)
	p = binary.AppendVarint(p, tsDelta)
	p = binary.AppendVarint(p, int64(delta))
	p = appendField(p, key)
	p = appendField(p, value)
	p = binary.AppendVarint(p, int64(len(headers)))
	for i := range headers {
		p = binary.AppendVarint(p, int64(len(headers[i].Key)))
		p = append(p, headers[i].Key...)
		p = appendField(p, headers[i].Value)
	}
	b.body = p
}

// Len returns how many records were added.
func (b *Builder) Len() int { return int(b.header.NumRecords) }

// Size returns the length of the batch so far, before compression.
func (b *Builder) Size() int { return len(b.body) }

// Build returns the finished batch. The builder must not be used after it.
func (b *Builder) Build() []byte {
	out := b.body
	if c := b.header.Codec(); c != None && b.header.NumRecords > 0 {
		out = b.enc.append(make([]byte, HeaderSize, HeaderSize+len(out)/2), c, out[HeaderSize:])
	}
	b.header.Length = int32(len(out) - lengthPrefix)
	b.header.encode(out)
	seal(out)
	return out
}

func appendField(p, v []byte) []byte {
	if v == nil {
		return binary.AppendVarint(p, -1)
	}
	p = binary.AppendVarint(p, int64(len(v)))
	return append(p, v...)
}

func fieldSize(v []byte) int {
	if v == nil {
		return 1
	}
	return varintSize(int32(len(v))) + len(v)
}

func varintSize(v int32) int { return varlongSize(int64(v)) }

func varlongSize(v int64) int {
	u := uint64(v<<1) ^ uint64(v>>63)
	n := 1
	for u >= 0x80 {
		u >>= 7
		n++
	}
	return n
}
