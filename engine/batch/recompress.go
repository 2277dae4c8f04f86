package batch

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kerr"
)

// Compression is how a topic wants its batches (compression.type, and the level
// of its codec, KIP-390). The zero value leaves them as they come.
type Compression struct {
	Convert bool // false: as they come (compression.type=producer)
	Codec   Codec
	Level   int // of gzip, lz4 or zstd; see the settings compression.*.level
}

// ParseCompression reads the setting compression.type; levels are those of the
// codecs that have some.
func ParseCompression(name string, gzipLevel, lz4Level, zstdLevel int) (Compression, error) {
	switch name {
	case "producer":
		return Compression{}, nil
	case "uncompressed":
		return Compression{Convert: true, Codec: None}, nil
	case "gzip":
		return Compression{true, Gzip, gzipLevel}, nil
	case "snappy":
		return Compression{Convert: true, Codec: Snappy}, nil
	case "lz4":
		return Compression{true, LZ4, lz4Level}, nil
	case "zstd":
		return Compression{true, Zstd, zstdLevel}, nil
	}
	return Compression{}, fmt.Errorf("%w: compression.type %q", kerr.InvalidConfig, name)
}

// Recompressor converts batches to other codecs, and uses its memory again. Its
// zero value is ready, for any number of goroutines; it must not be copied.
type Recompressor struct{ idle sync.Pool }

// Recompress returns the one batch in b as a topic wants it: b itself if it has
// that codec already, whatever its level, as in Kafka; otherwise a new batch that
// differs in nothing but the codec: offsets, timestamps, headers and the
// producer's fields stay. b must have passed Validate; it is not changed. lim
// bounds the decompressed records and, with MaxBytes, the new batch:
// MESSAGE_TOO_LARGE.
func (r *Recompressor) Recompress(b []byte, to Compression, lim Limits) ([]byte, error) {
	h, err := ParseHeader(b)
	if err != nil {
		return nil, err
	}
	if h.Size() > len(b) {
		return nil, fmt.Errorf("%w: the batch claims %d bytes, there are %d", kerr.CorruptMessage, h.Size(), len(b))
	}
	if !to.Convert || h.Codec() == to.Codec || h.IsControl() || h.NumRecords == 0 {
		return b, nil
	}
	records := b[HeaderSize:h.Size()]
	if h.Codec() != None {
		s := takeScratch()
		defer s.giveBack()
		if records, err = s.decompress(h.Codec(), records, lim.decompressedCap(len(records))); err != nil {
			return nil, err
		}
	}
	e, ok := r.idle.Get().(*encoder)
	if !ok {
		e = new(encoder)
	}
	defer r.idle.Put(e)
	capacity := HeaderSize + len(records)
	if to.Codec != None {
		capacity = HeaderSize + len(records)/2
	}
	out := e.appendLevel(make([]byte, HeaderSize, capacity), to.Codec, to.Level, records)
	if lim.MaxBytes > 0 && len(out) > lim.MaxBytes {
		return nil, fmt.Errorf("%w: the batch has %d bytes as %s, the most allowed is %d", kerr.MessageTooLarge, len(out), to.Codec, lim.MaxBytes)
	}
	h.Attributes = h.Attributes&^codecMask | int16(to.Codec)
	h.Length = int32(len(out) - lengthPrefix)
	h.encode(out)
	seal(out)
	return out, nil
}

// leveled is the compressors of one encoder that have another level than the
// usual. They are few: a topic has one level.
type leveled struct {
	gzip map[int]*gzip.Writer
	lz4  map[lz4.CompressionLevel]*lz4.Writer
	zstd map[zstd.EncoderLevel]*zstd.Encoder
}

// appendLevel is append with a level, in the numbers of Kafka's settings.
func (e *encoder) appendLevel(dst []byte, c Codec, level int, src []byte) []byte {
	l := &e.leveled
	switch c {
	case Gzip:
		w := l.gzip[level]
		if w == nil {
			var err error
			if w, err = gzip.NewWriterLevel(nil, min(max(level, gzip.DefaultCompression), gzip.BestCompression)); err != nil {
				panic("batch: gzip level: " + err.Error()) // it is in the range
			}
			put(&l.gzip, level, w)
		}
		out := bytes.NewBuffer(dst)
		w.Reset(out)
		return writeAll(out, w, src)
	case LZ4:
		at := lz4Level(level)
		w := l.lz4[at]
		if w == nil {
			w = lz4.NewWriter(nil)
			// Java clients take a buffer of the block size for each batch.
			if err := w.Apply(lz4.CompressionLevelOption(at), lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false)); err != nil {
				panic("batch: lz4 level: " + err.Error()) // the options are constants
			}
			put(&l.lz4, at, w)
		}
		out := bytes.NewBuffer(dst)
		w.Reset(out)
		return writeAll(out, w, src)
	case Zstd:
		at := zstd.EncoderLevelFromZstd(level)
		w := l.zstd[at]
		if w == nil {
			var err error
			if w, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithEncoderLevel(at)); err != nil {
				panic("batch: zstd level: " + err.Error()) // the options are constants
			}
			put(&l.zstd, at, w)
		}
		return w.EncodeAll(src, dst)
	}
	return e.append(dst, c, src)
}

func put[K comparable, V any](m *map[K]V, k K, v V) {
	if *m == nil {
		*m = map[K]V{}
	}
	(*m)[k] = v
}

// lz4Level maps Kafka's levels, 1 to 17: 9, its default, is the fast compressor
// without a level; above it the most is done.
func lz4Level(level int) lz4.CompressionLevel {
	levels := []lz4.CompressionLevel{lz4.Level1, lz4.Level2, lz4.Level3, lz4.Level4, lz4.Level5, lz4.Level6, lz4.Level7, lz4.Level8}
	switch {
	case level == 9:
		return lz4.Fast
	case level > 9:
		return lz4.Level9
	}
	return levels[min(max(level, 1), len(levels))-1]
}
