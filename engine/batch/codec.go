package batch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kerr"
)

const (
	// scratchKept is the largest buffer that stays with an idle scratch.
	scratchKept = 1 << 20
	// scratchLarge is from where on only one decompression runs at a time, so
	// that hostile batches cannot take the largest size many times over.
	scratchLarge = 8 << 20
	// zstdMaxWindow is the largest window a zstd frame may ask for: level 22 of
	// the reference encoder. Output is capped apart from it.
	zstdMaxWindow = 128 << 20
)

// errTooLarge is returned by a decoder whose output passed its cap.
var errTooLarge = errors.New("output passes the limit")

// zstdDecoder decodes whole frames, from as many goroutines at once as there
// are scratches. It is made here since its channels must belong to no
// testing/synctest bubble.
var zstdDecoder = newZstdDecoder()

// scratches bounds how many batches are decompressed at once; more would only
// take memory. Made here for the same reason.
var scratches = newScratches()

// largeGate is held while more than scratchLarge bytes are decompressed.
var largeGate = make(chan struct{}, 1)

func newZstdDecoder() *zstd.Decoder {
	d, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(scratchCount()),
		zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(zstdMaxWindow),
		zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		panic("batch: zstd decoder: " + err.Error()) // the options are constants
	}
	return d
}

func scratchCount() int { return 2 * runtime.GOMAXPROCS(0) }

func newScratches() chan *scratch {
	c := make(chan *scratch, scratchCount())
	for range cap(c) {
		c <- new(scratch)
	}
	return c
}

// scratch is the memory in which one batch is decompressed.
type scratch struct {
	dec   decoder
	buf   []byte
	gated bool // holds the large gate
}

// takeScratch waits for a free scratch: until another goroutine is done
// decompressing, which no I/O can hold up.
func takeScratch() *scratch { return <-scratches }

// giveBack makes s free again; what decompress returned is no longer valid.
func (s *scratch) giveBack() {
	if cap(s.buf) > scratchKept {
		s.buf = nil
	}
	if s.gated {
		s.gated = false
		<-largeGate
	}
	scratches <- s
}

// decompress returns src decompressed, at most most bytes; it is valid until s
// is given back.
func (s *scratch) decompress(c Codec, src []byte, most int) ([]byte, error) {
	out, err := s.dec.decode(c, s.buf[:0], src, min(most, scratchLarge))
	if errors.Is(err, errTooLarge) && most > scratchLarge {
		largeGate <- struct{}{}
		s.gated = true
		out, err = s.dec.decode(c, out[:0], src, most)
	}
	if cap(out) > cap(s.buf) {
		s.buf = out[:0]
	}
	return out, decodeError(c, err, most)
}

// decodeError gives a decoder's error the protocol's code.
func decodeError(c Codec, err error, most int) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errTooLarge):
		return fmt.Errorf("%w: %s: more than %d bytes when decompressed", kerr.MessageTooLarge, c, most)
	}
	return fmt.Errorf("%w: %s: %w", kerr.CorruptMessage, c, err)
}

// decoder keeps what decoding needs between batches. Its zero value is ready;
// it is not for several goroutines at once.
type decoder struct {
	src  bytes.Reader
	gzip *gzip.Reader
	lz4  *lz4.Reader
}

// decode appends src decompressed to dst, which must be empty, and returns it
// even with an error, so that its memory can be used again. Output of more
// than most bytes is errTooLarge.
func (d *decoder) decode(c Codec, dst, src []byte, most int) ([]byte, error) {
	if cap(dst) == 0 {
		dst = make([]byte, 0, min(64<<10, most))
	}
	switch c {
	case None:
		return append(dst, src...), nil
	case Gzip:
		d.src.Reset(src)
		defer d.src.Reset(nil)
		if d.gzip == nil {
			d.gzip = new(gzip.Reader)
		}
		if err := d.gzip.Reset(&d.src); err != nil {
			return dst, err
		}
		return readAll(dst, d.gzip, most)
	case LZ4:
		d.src.Reset(src)
		defer d.src.Reset(nil)
		if d.lz4 == nil {
			d.lz4 = lz4.NewReader(nil)
		}
		d.lz4.Reset(&d.src)
		return readAll(dst, d.lz4, most)
	case Snappy:
		return decodeSnappy(dst, src, most)
	case Zstd:
		return decodeZstd(dst, src, most)
	}
	return dst, fmt.Errorf("unknown %s", c)
}

// readAll appends what r gives to dst, at most most bytes.
func readAll(dst []byte, r io.Reader, most int) ([]byte, error) {
	for {
		if len(dst) == cap(dst) {
			if len(dst) > most {
				return dst, errTooLarge
			}
			dst = grow(dst, min(2*cap(dst), most+1))
		}
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		switch {
		case len(dst) > most:
			return dst, errTooLarge
		case errors.Is(err, io.EOF):
			return dst, nil
		case err != nil:
			return dst, err
		}
	}
}

// grow returns b with at least the given capacity.
func grow(b []byte, capacity int) []byte {
	if cap(b) >= capacity {
		return b
	}
	g := make([]byte, len(b), capacity)
	copy(g, b)
	return g
}

// decodeZstd decodes frames that need not say how long their content is. It
// takes no more memory than their blocks can fill.
func decodeZstd(dst, src []byte, most int) ([]byte, error) {
	bound, err := zstdBound(src)
	if err != nil {
		return dst, err
	}
	dst = grow(dst, int(min(bound, uint64(most))))
	out, err := zstdDecoder.DecodeAll(src, dst[:0:min(cap(dst), most)])
	switch {
	case err != nil && bound > uint64(most):
		// The decoder has several errors for output that does not fit.
		return dst, errTooLarge
	case err != nil:
		return dst, err
	}
	return out, nil
}

// The layout of a zstd frame (RFC 8878).
const (
	zstdBlockHeader  = 3
	zstdMaxBlock     = 128 << 10
	zstdChecksumSize = 4
	zstdRLE          = 1
	zstdReserved     = 3
)

// zstdBound returns the most bytes that the frames in src can decode to.
func zstdBound(src []byte) (bound uint64, err error) {
	for len(src) > 0 {
		var h zstd.Header
		if err := h.Decode(src); err != nil {
			return 0, err
		}
		if h.Skippable {
			size := uint64(h.HeaderSize) + uint64(h.SkippableSize)
			if size > uint64(len(src)) {
				return 0, io.ErrUnexpectedEOF
			}
			src = src[size:]
			continue
		}
		frame, n, err := zstdFrame(&h, src)
		if err != nil {
			return 0, err
		}
		bound += frame
		src = src[n:]
	}
	return bound, nil
}

// zstdFrame returns how much the frame at the start of src can decode to, and
// how long it is.
func zstdFrame(h *zstd.Header, src []byte) (bound uint64, n int, err error) {
	largest := uint64(zstdMaxBlock)
	if !h.SingleSegment {
		largest = min(largest, h.WindowSize)
	}
	n = h.HeaderSize
	for last := false; !last; {
		if len(src)-n < zstdBlockHeader {
			return 0, 0, io.ErrUnexpectedEOF
		}
		b := uint32(src[n]) | uint32(src[n+1])<<8 | uint32(src[n+2])<<16
		n += zstdBlockHeader
		last = b&1 != 0
		size := int(b >> 3)
		switch b >> 1 & 3 {
		case zstdReserved:
			return 0, 0, zstd.ErrReservedBlockType
		case zstdRLE:
			bound += uint64(size)
			size = 1
		default:
			bound += max(largest, uint64(size)) // a raw block may have less
		}
		if size > len(src)-n {
			return 0, 0, io.ErrUnexpectedEOF
		}
		n += size
	}
	if h.HasCheckSum {
		n += zstdChecksumSize
	}
	if n > len(src) {
		return 0, 0, io.ErrUnexpectedEOF
	}
	if h.HasFCS {
		bound = min(bound, h.FrameContentSize)
	}
	return bound, n, nil
}

// xerialHeader starts the framing that Java's snappy streams have: 8 bytes of
// magic, then two version numbers of 4 bytes.
const (
	xerialMagic      = "\x82SNAPPY\x00"
	xerialHeaderSize = 16
	// snappyMaxRatio: a snappy copy of 64 bytes takes 3 or, at the least, 2.
	snappyMaxRatio = 64
)

// decodeSnappy decodes one raw block, or blocks in xerial's framing.
func decodeSnappy(dst, src []byte, most int) ([]byte, error) {
	if len(src) < xerialHeaderSize || string(src[:len(xerialMagic)]) != xerialMagic {
		return snappyBlock(dst, src, most)
	}
	src = src[xerialHeaderSize:]
	var err error
	for len(src) > 0 {
		if len(src) < 4 {
			return dst, io.ErrUnexpectedEOF
		}
		n := binary.BigEndian.Uint32(src)
		src = src[4:]
		if uint64(n) > uint64(len(src)) {
			return dst, io.ErrUnexpectedEOF
		}
		if dst, err = snappyBlock(dst, src[:n], most); err != nil {
			return dst, err
		}
		src = src[n:]
	}
	return dst, nil
}

// snappyBlock appends one block. The length that the block claims is held
// against what its bytes can make before memory is taken for it.
func snappyBlock(dst, src []byte, most int) ([]byte, error) {
	n, err := s2.DecodedLen(src)
	if err != nil {
		return dst, err
	}
	if n > most-len(dst) {
		return dst, errTooLarge
	}
	if n > snappyMaxRatio*len(src) {
		return dst, errors.New("block claims more than its bytes can make")
	}
	if need := len(dst) + n; need > cap(dst) {
		dst = grow(dst, max(need, min(2*cap(dst), most)))
	}
	out, err := s2.Decode(dst[len(dst):len(dst)+n], src)
	if err != nil {
		return dst, err
	}
	return dst[:len(dst)+len(out)], nil
}
