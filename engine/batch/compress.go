package batch

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// xerialBlock is how many bytes Java's snappy stream puts into a block.
const xerialBlock = 32 << 10

var (
	gzipWriters = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}
	lz4Writers  = sync.Pool{New: func() any { return lz4.NewWriter(nil) }}
)

// encoder keeps what compressing needs between batches. Its zero value is
// ready; it is not for several goroutines at once.
type encoder struct {
	// zstd is not shared in a pool: an encoder holds channels, and one made
	// inside a testing/synctest bubble must not be used outside of it.
	zstd    *zstd.Encoder
	leveled leveled // for the same reason
}

// append appends src, compressed, to dst. Snappy is framed as Java clients do
// it, which every client reads.
func (e *encoder) append(dst []byte, c Codec, src []byte) []byte {
	switch c {
	case None:
		return append(dst, src...)
	case Gzip:
		w := gzipWriters.Get().(*gzip.Writer)
		defer gzipWriters.Put(w)
		out := bytes.NewBuffer(dst)
		w.Reset(out)
		return writeAll(out, w, src)
	case LZ4:
		w := lz4Writers.Get().(*lz4.Writer)
		defer lz4Writers.Put(w)
		out := bytes.NewBuffer(dst)
		w.Reset(out)
		return writeAll(out, w, src)
	case Snappy:
		dst = append(dst, xerialMagic...)
		dst = binary.BigEndian.AppendUint32(dst, 1) // version
		dst = binary.BigEndian.AppendUint32(dst, 1) // oldest version that reads it
		for len(src) > 0 {
			n := min(len(src), xerialBlock)
			block := s2.EncodeSnappy(nil, src[:n])
			dst = binary.BigEndian.AppendUint32(dst, uint32(len(block)))
			dst = append(dst, block...)
			src = src[n:]
		}
		return dst
	case Zstd:
		if e.zstd == nil {
			w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true))
			if err != nil {
				panic("batch: zstd encoder: " + err.Error()) // the options are constants
			}
			e.zstd = w
		}
		return e.zstd.EncodeAll(src, dst)
	}
	panic(fmt.Sprintf("batch: cannot compress with %s", c))
}

// writeAll writes src through w into out, which is memory: no write can fail.
func writeAll(out *bytes.Buffer, w interface {
	Write([]byte) (int, error)
	Close() error
}, src []byte) []byte {
	if _, err := w.Write(src); err != nil {
		panic("batch: compressing into memory: " + err.Error())
	}
	if err := w.Close(); err != nil {
		panic("batch: compressing into memory: " + err.Error())
	}
	return out.Bytes()
}
