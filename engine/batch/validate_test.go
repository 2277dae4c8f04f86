package batch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kerr"
)

const testTime = 1_700_000_000_000

// plain returns a batch of three records.
func plain() []byte {
	b := NewBuilder(BuilderOptions{})
	for i := range 3 {
		b.Append(testTime+int64(i), []byte("key"), []byte("value"), []RecordHeader{{"h", []byte("v")}})
	}
	return b.Build()
}

// withBody returns a batch of n records whose records are as given.
func withBody(n int32, codec Codec, body []byte) []byte {
	h := Header{
		Magic: Magic, Attributes: int16(codec), LastOffsetDelta: n - 1, NumRecords: n, BaseTimestamp: testTime, MaxTimestamp: testTime,
		ProducerID: noProducerID, ProducerEpoch: noProducerEpoch, BaseSequence: noSequence,
		Length: int32(HeaderSize - lengthPrefix + len(body)),
	}
	b := make([]byte, HeaderSize, HeaderSize+len(body))
	h.encode(b)
	b = append(b, body...)
	seal(b)
	return b
}

// change returns a batch with a header that f changed, and a right CRC.
func change(f func(*Header)) []byte {
	b := plain()
	h := decodeHeader(b)
	f(&h)
	h.encode(b)
	seal(b)
	return b
}

func varints(v ...int64) []byte {
	var b []byte
	for _, x := range v {
		b = binary.AppendVarint(b, x)
	}
	return b
}

// refused is a batch that Validate must refuse.
type refused struct {
	name string
	b    []byte
	lim  Limits
	err  *kerr.Error
}

var strict = Limits{MaxBytes: 1 << 20}

func (r refused) check(t *testing.T) {
	_, err := Validate(r.b, r.lim)
	if k, ok := errors.AsType[*kerr.Error](err); !ok || k != r.err {
		t.Fatalf("error %v, want %v", err, r.err)
	}
}

func TestValidateRefusesHeaders(t *testing.T) {
	damaged := plain()
	damaged[len(damaged)-3] ^= 1
	for _, tt := range []refused{
		{"nothing", nil, strict, kerr.CorruptMessage},
		{"half a header", plain()[:30], strict, kerr.CorruptMessage},
		{"half a batch", plain()[:100], strict, kerr.CorruptMessage},
		{"a flipped bit", damaged, strict, kerr.CorruptMessage},
		{"too large", plain(), Limits{MaxBytes: 100}, kerr.MessageTooLarge},
		{"length below a header", change(func(h *Header) { h.Length = 48 }), strict, kerr.CorruptMessage},
		{"length -1", change(func(h *Header) { h.Length = -1 }), strict, kerr.CorruptMessage},
		{"length 2^31-1", change(func(h *Header) { h.Length = math.MaxInt32 }), strict, kerr.MessageTooLarge},
		{"message format 1", change(func(h *Header) { h.Magic = 1 }), strict, kerr.UnsupportedForMessageFormat},
		{"message format 3", change(func(h *Header) { h.Magic = 3 }), strict, kerr.CorruptMessage},
		{"codec 5", change(func(h *Header) { h.Attributes = 5 }), strict, kerr.UnsupportedCompressionType},
		{"unknown attribute", change(func(h *Header) { h.Attributes = 0x80 }), strict, kerr.InvalidRecord},
		{"sign bit of the attributes", change(func(h *Header) { h.Attributes = math.MinInt16 }), strict, kerr.InvalidRecord},
		{"delete horizon", change(func(h *Header) { h.Attributes = deleteHorizonBit }), strict, kerr.InvalidRecord},
		{"control", change(func(h *Header) { h.Attributes = controlBit }), strict, kerr.InvalidRecord},
		{"transactional", change(func(h *Header) { h.Attributes = transactionalBit }), strict, kerr.InvalidRecord},
		{"transactional without producer", change(func(h *Header) { h.Attributes = transactionalBit }), Limits{AllowTransactional: true}, kerr.InvalidRecord},
		{"log append time", change(func(h *Header) { h.Attributes = logAppendTimeBit }), strict, kerr.InvalidTimestamp},
		{"no records", change(func(h *Header) { h.NumRecords, h.LastOffsetDelta = 0, -1 }), strict, kerr.InvalidRecord},
		{"count -1", change(func(h *Header) { h.NumRecords = -1 }), strict, kerr.InvalidRecord},
		{"count 2^31-1", change(func(h *Header) { h.NumRecords, h.LastOffsetDelta = math.MaxInt32, math.MaxInt32-1 }), strict, kerr.InvalidRecord},
		{"count above the offsets", change(func(h *Header) { h.NumRecords = 4 }), strict, kerr.InvalidRecord},
		{"count below what is there", change(func(h *Header) { h.NumRecords, h.LastOffsetDelta = 2, 1 }), strict, kerr.InvalidRecord},
		{"count above what is there", change(func(h *Header) { h.NumRecords, h.LastOffsetDelta = 4, 3 }), strict, kerr.InvalidRecord},
		{"offset overflow", change(func(h *Header) { h.BaseOffset = math.MaxInt64 - 1 }), strict, kerr.InvalidRecord},
		{"producer -2", change(func(h *Header) { h.ProducerID = -2 }), strict, kerr.InvalidRecord},
		{"producer without sequence", change(func(h *Header) { h.ProducerID, h.ProducerEpoch = 1, 0 }), strict, kerr.InvalidRecord},
		{"producer without epoch", change(func(h *Header) { h.ProducerID, h.BaseSequence = 1, 0 }), strict, kerr.InvalidRecord},
	} {
		t.Run(tt.name, tt.check)
	}
}

func TestValidateRefusesRecords(t *testing.T) {
	for _, tt := range []refused{
		{"record length -1", withBody(1, None, varints(-1, 0, 0, 0, 0, 0, 0, 0)), strict, kerr.InvalidRecord},
		{"record length beyond the batch", withBody(1, None, varints(60, 0, 0, 0, 0, 0, 0)), strict, kerr.InvalidRecord},
		{"key length -2", withBody(1, None, varints(6, 0, 0, 0, -2, 0, 0)), strict, kerr.InvalidRecord},
		{"key beyond the record", withBody(1, None, varints(6, 0, 0, 0, 9, 0, 0)), strict, kerr.InvalidRecord},
		{"value length -2", withBody(1, None, varints(6, 0, 0, 0, -1, -2, 0)), strict, kerr.InvalidRecord},
		{"headers -1", withBody(1, None, varints(6, 0, 0, 0, -1, 0, -1)), strict, kerr.InvalidRecord},
		{"headers beyond the record", withBody(1, None, varints(6, 0, 0, 0, -1, 0, 60)), strict, kerr.InvalidRecord},
		{"null header key", withBody(1, None, varints(8, 0, 0, 0, -1, 0, 1, -1, -1)), strict, kerr.InvalidRecord},
		{"bytes behind the headers", withBody(1, None, varints(7, 0, 0, 0, -1, 0, 0, 0)), strict, kerr.InvalidRecord},
		{"bytes behind the record", withBody(1, None, varints(6, 0, 0, 0, -1, 0, 0, 0)), strict, kerr.InvalidRecord},
		{"first offset is 1", withBody(1, None, varints(6, 0, 0, 1, -1, 0, 0)), strict, kerr.InvalidRecord},
		{"offsets 0, 0", withBody(2, None, varints(6, 0, 0, 0, -1, 0, 0, 6, 0, 0, 0, -1, 0, 0)), strict, kerr.InvalidRecord},
		{"varint without end", withBody(1, None, bytes.Repeat([]byte{0xff}, 20)), strict, kerr.InvalidRecord},
		{"varint of 35 bits", withBody(1, None, []byte{0x80, 0x80, 0x80, 0x80, 0x7f, 0, 0, 0, 0, 0, 0}), strict, kerr.InvalidRecord},
		{"no key in a compacted topic", withBody(1, None, varints(6, 0, 0, 0, -1, 0, 0)), Limits{RequireKeys: true}, kerr.InvalidRecord},
		{"too old", plain(), Limits{CheckTimestamps: true, Now: testTime + 60_001, BeforeMax: time.Minute, AfterMax: math.MaxInt64}, kerr.InvalidTimestamp},
		{"too new", plain(), Limits{CheckTimestamps: true, Now: testTime - 60_000, BeforeMax: math.MaxInt64, AfterMax: time.Minute}, kerr.InvalidTimestamp},
		{"gzip: garbage", withBody(1, Gzip, []byte("garbage garbage garbage")), strict, kerr.CorruptMessage},
		{"snappy: garbage", withBody(1, Snappy, []byte("\x20garbage garbage garbage")), strict, kerr.CorruptMessage},
		{"lz4: garbage", withBody(1, LZ4, []byte("garbage garbage garbage")), strict, kerr.CorruptMessage},
		{"zstd: garbage", withBody(1, Zstd, []byte("garbage garbage garbage")), strict, kerr.CorruptMessage},
		{"gzip: empty", withBody(1, Gzip, nil), strict, kerr.CorruptMessage},
		{"snappy: claims 4 GiB", withBody(1, Snappy, []byte{0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0}), strict, kerr.MessageTooLarge},
		{"snappy: claims 1 MiB of 4 bytes", withBody(1, Snappy, []byte{0x80, 0x80, 0x40, 0, 0, 0}), strict, kerr.CorruptMessage},
		{"xerial: block beyond the end", withBody(1, Snappy, append([]byte(xerialMagic), 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1, 0)), strict, kerr.CorruptMessage},
		{"zstd: claims 1 GiB", withBody(1, Zstd, []byte{0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 0x40, 1, 0, 0}), strict, kerr.CorruptMessage},
		{"zstd: wants a window of 1 TiB", withBody(1, Zstd, []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xf0, 1, 0, 0}), strict, kerr.CorruptMessage},
	} {
		t.Run(tt.name, tt.check)
	}
}

func withoutTimestamp() []byte {
	b := NewBuilder(BuilderOptions{})
	b.Append(-1, nil, []byte("v"), nil)
	return b.Build()
}

func TestValidateAccepts(t *testing.T) {
	tests := []struct {
		name string
		b    []byte
		lim  Limits
	}{
		{"a client's", plain(), Limits{MaxBytes: len(plain())}},
		{"control, by the broker", change(func(h *Header) { h.Attributes = controlBit }), Limits{AllowControl: true}},
		{"a transaction", change(func(h *Header) {
			h.Attributes, h.ProducerID, h.ProducerEpoch, h.BaseSequence = transactionalBit, 1, 0, 0
		}), Limits{AllowTransactional: true}},
		{"within the window", plain(), Limits{CheckTimestamps: true, Now: testTime + 60_000, BeforeMax: time.Minute, AfterMax: 0}},
		{"no timestamp", withoutTimestamp(), Limits{CheckTimestamps: true, Now: testTime}},
		{"stored, with a gap", withBody(1, None, varints(6, 0, 0, 0, -1, 0, 0)), Limits{Stored: true}},
		{"stored, empty", AppendEmpty(nil, 5, 9, 1), Limits{Stored: true}},
		{"stored, log append time", change(func(h *Header) { h.Attributes = logAppendTimeBit }), Limits{Stored: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Validate(tt.b, tt.lim); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestValidateSettlesMaxTimestamp(t *testing.T) {
	b := change(func(h *Header) { h.MaxTimestamp = 5 })
	if _, err := Validate(b, Limits{Stored: true}); !errors.Is(err, kerr.CorruptMessage) {
		t.Errorf("stored: %v", err)
	}
	h, err := Validate(b, Limits{})
	if err != nil || h.MaxTimestamp != testTime+2 || !bytes.Equal(b, plain()) || h.CRC != decodeHeader(plain()).CRC {
		t.Errorf("%+v, %v", h, err)
	}
}

// compressed returns zeros compressed with each codec by its usual encoder.
func compressed(t *testing.T, c Codec, src []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	switch c {
	case Gzip:
		w := gzip.NewWriter(&out)
		writeTo(t, w, src)
	case LZ4:
		w := lz4.NewWriter(&out)
		writeTo(t, w, src)
	case Snappy:
		return s2.EncodeSnappy(nil, src)
	case Zstd:
		w, err := zstd.NewWriter(&out, zstd.WithEncoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		writeTo(t, w, src)
	}
	return out.Bytes()
}

func writeTo(t *testing.T, w interface {
	Write([]byte) (int, error)
	Close() error
}, src []byte) {
	t.Helper()
	if _, err := w.Write(src); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestBombs holds batches that grow without measure against the caps.
func TestBombs(t *testing.T) {
	small, large := make([]byte, 4<<20), make([]byte, DefaultMaxDecompressed+1)
	for _, tt := range []struct {
		codec Codec
		zeros []byte
		lim   Limits
	}{
		{Gzip, small, Limits{MaxDecompressed: 1 << 20}},
		{Snappy, small, Limits{MaxDecompressed: 1 << 20}},
		{LZ4, small, Limits{MaxDecompressed: 1 << 20}},
		{Zstd, small, Limits{MaxDecompressed: 1 << 20}},
		{Gzip, small, Limits{MaxRatio: 10}},
		{Zstd, small, Limits{MaxRatio: 10}},
		{LZ4, large, Limits{}},
		{Zstd, large, Limits{MaxRatio: 1 << 30}},
	} {
		b := withBody(1, tt.codec, compressed(t, tt.codec, tt.zeros))
		if _, err := Validate(b, tt.lim); !errors.Is(err, kerr.MessageTooLarge) {
			t.Errorf("%s, %d zeros, %+v: %v", tt.codec, len(tt.zeros), tt.lim, err)
		}
	}
}

// TestLargeBatches takes what is large but allowed, as other encoders make it.
func TestLargeBatches(t *testing.T) {
	value := make([]byte, 10<<20)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range len(value) / 10 { // a tenth does not compress
		value[i*10] = byte(rng.Uint32())
	}
	b := NewBuilder(BuilderOptions{})
	b.Append(testTime, []byte("k"), value, nil)
	records := b.Build()[HeaderSize:]
	for c := Gzip; c <= Zstd; c++ {
		t.Run(c.String(), func(t *testing.T) {
			if _, err := Validate(withBody(1, c, compressed(t, c, records)), Limits{}); err != nil {
				t.Error(err)
			}
		})
	}
	if len(largeGate) != 0 || len(scratches) != cap(scratches) {
		t.Errorf("the gate has %d, %d scratches of %d are free", len(largeGate), len(scratches), cap(scratches))
	}
}

func TestFlippedBits(t *testing.T) {
	for c := None; c <= Zstd; c++ {
		whole := withCodec(c)
		for bit := range len(whole) * 8 {
			b := bytes.Clone(whole)
			b[bit/8] ^= 1 << (bit % 8)
			if _, err := Validate(b, Limits{}); err == nil && bit/8 >= atMagic {
				t.Fatalf("%s: bit %d is not found", c, bit)
			}
		}
	}
}

func withCodec(c Codec) []byte {
	b := NewBuilder(BuilderOptions{Codec: c})
	for i := range 3 {
		b.Append(testTime, fmt.Appendf(nil, "key%d", i), []byte("value value value"), nil)
	}
	return b.Build()
}

func TestFilter(t *testing.T) {
	for c := None; c <= Zstd; c++ {
		t.Run(c.String(), func(t *testing.T) {
			var d Decoder
			whole := withCodec(c)
			keep := func(offsets ...int64) FilterOptions {
				return FilterOptions{Horizon: -1, Keep: func(r *Record) bool {
					for _, o := range offsets {
						if r.Offset == o {
							return true
						}
					}
					return false
				}}
			}
			out, n, err := Filter(nil, whole, &d, keep(0, 1, 2))
			if err != nil || n != 3 || !bytes.Equal(out, whole) {
				t.Errorf("all: %d, %v", n, err)
			}
			if out, n, err = Filter(nil, whole, &d, keep()); err != nil || n != 0 || len(out) != 0 {
				t.Errorf("none: %d, %v", n, err)
			}
			if out, n, err = Filter([]byte("x"), whole, &d, keep(1)); err != nil || n != 1 {
				t.Fatalf("one: %d, %v", n, err)
			}
			h, err := Validate(out[1:], Limits{Stored: true})
			if err != nil || h.NumRecords != 1 || h.LastOffsetDelta != 2 || h.Codec() != c {
				t.Errorf("one: %+v, %v", h, err)
			}
			o := keep()
			o.KeepEmpty = true
			if out, _, err = Filter(nil, whole, &d, o); err != nil {
				t.Fatal(err)
			}
			if h, err = Validate(out, Limits{Stored: true}); err != nil || h.NumRecords != 0 || h.LastOffsetDelta != 2 || len(out) != HeaderSize {
				t.Errorf("empty: %+v, %v", h, err)
			}
		})
	}
}

func FuzzValidate(f *testing.F) {
	f.Add(plain(), uint8(0))
	for c := None; c <= Zstd; c++ {
		f.Add(withCodec(c), uint8(c))
	}
	f.Fuzz(func(t *testing.T, b []byte, how uint8) {
		if how&8 != 0 && len(b) >= HeaderSize { // past the CRC
			binary.BigEndian.PutUint32(b[atLength:], uint32(len(b)-lengthPrefix))
			b[atMagic] = Magic
			seal(b)
		}
		lim := Limits{MaxDecompressed: 1 << 20, Stored: how&16 != 0, AllowControl: how&32 != 0, AllowTransactional: how&64 != 0}
		h, err := Validate(b, lim)
		if err != nil {
			var k *kerr.Error
			if !errors.As(err, &k) {
				t.Fatalf("error without code: %v", err)
			}
			return
		}
		n := int32(0)
		newest := int64(noTimestamp)
		for r, err := range Records(b, lim) {
			if err != nil {
				t.Fatalf("valid, but record %d: %v", n, err)
			}
			if !lim.Stored && r.Offset != h.BaseOffset+int64(n) {
				t.Fatalf("record %d has the offset %d", n, r.Offset)
			}
			newest = max(newest, r.Timestamp)
			n++
		}
		if n != h.NumRecords || !h.LogAppendTime() && newest > h.MaxTimestamp {
			t.Fatalf("%d records of %d, newest %d of %d", n, h.NumRecords, newest, h.MaxTimestamp)
		}
		var d Decoder
		out, _, err := Filter(nil, b, &d, FilterOptions{Horizon: 7, KeepEmpty: true, Keep: func(r *Record) bool { return r.Offset%2 == 0 }})
		if err != nil {
			t.Fatalf("valid, but not to be filtered: %v", err)
		}
		lim.Stored, lim.AllowControl, lim.AllowTransactional = true, true, true
		if _, err := Validate(out, lim); err != nil {
			t.Fatalf("filtered, and not valid: %v", err)
		}
	})
}

func FuzzRecords(f *testing.F) {
	for c := None; c <= Zstd; c++ {
		f.Add(withCodec(c))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for r, err := range Records(b, Limits{MaxDecompressed: 1 << 20}) {
			if err == nil && len(r.Key)+len(r.Value) > 1<<21 {
				t.Fatal("more than there can be")
			}
		}
		for one := range Split(b) {
			if _, last, n, ok := Extent(one); ok && n != len(one) {
				t.Fatalf("extent %d of %d, last %d", n, len(one), last)
			}
		}
	})
}

// benchBatch returns a batch of n records of so many bytes, half of which
// compress.
func benchBatch(c Codec, n, size int) []byte {
	rng := rand.New(rand.NewPCG(1, 2))
	b := NewBuilder(BuilderOptions{Codec: c, Producer: true, ProducerID: 1})
	for i := range n {
		value := make([]byte, size)
		for j := range size / 2 {
			value[j] = byte(rng.Uint32())
		}
		b.Append(testTime+int64(i), nil, value, nil)
	}
	return b.Build()
}

func BenchmarkValidate(b *testing.B) {
	for _, size := range []struct{ n, bytes int }{{1000, 100}, {16, 1024}, {1000, 1024}} {
		for c := None; c <= Zstd; c++ {
			b.Run(fmt.Sprintf("%dx%d/%s", size.n, size.bytes, c), func(b *testing.B) {
				raw := benchBatch(c, size.n, size.bytes)
				b.SetBytes(int64(size.n * size.bytes))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := Validate(raw, Limits{CheckTimestamps: true, Now: testTime, BeforeMax: math.MaxInt64, AfterMax: time.Hour}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkRecords(b *testing.B) {
	raw := benchBatch(None, 1000, 100)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		for _, err := range Records(raw, Limits{}) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkCRCOnly(b *testing.B) {
	raw := benchBatch(None, 1000, 100)
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if !CheckCRC(raw) {
			b.Fatal("wrong")
		}
	}
}
