package batch

import (
	"fmt"
	"iter"

	"github.com/twmb/franz-go/pkg/kerr"
)

// RecordHeader is a header of a record. A nil value is null.
type RecordHeader struct {
	Key   string
	Value []byte
}

// Record is one record. A nil key or value is null; an empty one is not nil.
type Record struct {
	Offset    int64
	Timestamp int64 // milliseconds since 1970, -1 for none
	Key       []byte
	Value     []byte
	Headers   []RecordHeader
}

// Records iterates over the records of the one batch at the start of b, which
// passed Validate once. Keys and values point into b, or into memory of their
// own if the batch is compressed: they may be kept as long as b is not changed.
// The first error ends it. It does not check the CRC.
func Records(b []byte, lim Limits) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		var d Decoder
		_, records, err := d.Open(b, lim)
		if err != nil {
			yield(Record{}, err)
			return
		}
		for r, err := range records {
			if !yield(r, err) {
				return
			}
		}
	}
}

// Decoder opens one batch after another and uses its memory again for each.
// The zero value is ready. It is not for several goroutines at once.
type Decoder struct {
	dec decoder
	enc encoder // of Filter
	buf []byte
}

// Open returns the header of the batch at the start of b and its records. They
// and what they point to are valid until the next Open.
func (d *Decoder) Open(b []byte, lim Limits) (Header, iter.Seq2[Record, error], error) {
	h, err := ParseHeader(b)
	if err != nil {
		return h, nil, err
	}
	if h.Size() > len(b) {
		return h, nil, fmt.Errorf("%w: the batch claims %d bytes, there are %d", kerr.CorruptMessage, h.Size(), len(b))
	}
	body := b[HeaderSize:h.Size()]
	if c := h.Codec(); c != None {
		if c > Zstd {
			return h, nil, fmt.Errorf("%w: unknown codec %d", kerr.UnsupportedCompressionType, c)
		}
		most := lim.decompressedCap(len(body))
		out, err := d.dec.decode(c, d.buf[:0], body, most)
		d.buf = out[:0]
		if err != nil {
			return h, nil, decodeError(c, err, most)
		}
		body = out
	}
	return h, func(yield func(Record, error) bool) {
		rest := body
		for i := range h.NumRecords {
			r, n, err := readRecord(&h, rest, i)
			if !yield(r, err) || err != nil {
				return
			}
			rest = rest[n:]
		}
	}, nil
}

// readRecord reads the record at the start of b and says how many bytes it takes.
func readRecord(h *Header, b []byte, i int32) (Record, int, error) {
	length, n := varint(b, 0)
	if n < 0 || length < minEncodedRecord-1 || int(length) > len(b)-n {
		return Record{}, 0, corruptRecord(i, "its length does not fit the batch")
	}
	size := n + int(length)
	f := fields{b: b[n:size:size], pos: 1}
	r := Record{
		Timestamp: h.BaseTimestamp + f.varlong(),
		Offset:    h.BaseOffset + int64(f.varint()),
		Key:       f.bytes(),
		Value:     f.bytes(),
	}
	if h.LogAppendTime() {
		r.Timestamp = h.MaxTimestamp
	}
	count := f.varint()
	if count < 0 || int64(count)*2 > int64(len(f.b)-f.pos) {
		f.pos = -1
	} else if count > 0 {
		r.Headers = make([]RecordHeader, 0, count)
		for range count {
			key := f.bytes()
			r.Headers = append(r.Headers, RecordHeader{Key: string(key), Value: f.bytes()})
			if key == nil {
				f.pos = -1
			}
		}
	}
	if f.pos != len(f.b) {
		return Record{}, 0, corruptRecord(i, "its fields do not fit its length")
	}
	return r, size, nil
}

// fields reads the fields of a record one by one. pos is -1 after one that is
// not right.
type fields struct {
	b   []byte
	pos int
}

func (f *fields) varint() (v int32) {
	v, f.pos = varint(f.b, f.pos)
	return v
}

func (f *fields) varlong() (v int64) {
	v, f.pos = varlong(f.b, f.pos)
	return v
}

// bytes reads a length and so many bytes; -1 is nil.
func (f *fields) bytes() []byte {
	at := f.pos
	n, next := skipField(f.b, at)
	if f.pos = next; next < 0 || n < 0 {
		return nil
	}
	return f.b[next-int(n) : next : next]
}
