package inspect

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/logarium/logarium/engine/batch"
	"github.com/logarium/logarium/engine/vfs"
)

const (
	// window is how many bytes of a segment are read at once.
	window = 256 << 10
	// maxOpened is the largest batch whose records are looked at; the CRC of a
	// larger one is checked all the same.
	maxOpened = 256 << 20
	// crcFrom is where in a batch the bytes begin that its CRC is of.
	crcFrom = 21
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errDamaged is bytes that are no batch, or not the one they were.
var errDamaged = errors.New("damaged")

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errDamaged, fmt.Sprintf(format, args...))
}

// cursor steps over the batches of one segment, one after the other. It reads
// the file forward through a window, whatever lengths the batches claim.
type cursor struct {
	file   vfs.File
	size   int64
	pos    int64 // of the batch in header
	next   int64 // where the one after it starts
	header batch.Header
	valid  bool  // the CRC of the batch in header is right
	err    error // why step returned false; nil at the end of the file

	buf  []byte
	at   int64 // position of buf[0]
	room []byte
}

func newCursor(f vfs.File) (*cursor, error) {
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	return &cursor{file: f, size: size, room: make([]byte, window)}, nil
}

// step goes to the next batch. After false with an error that is errDamaged,
// skip may go on behind it.
func (c *cursor) step() bool {
	c.err = nil
	if c.next >= c.size {
		return false
	}
	c.pos = c.next
	h, err := c.headerAt(c.pos)
	if err == nil {
		c.header = h
		c.valid, err = c.checkCRC(c.pos, h)
	}
	if err != nil {
		c.err = err
		return false
	}
	c.next = c.pos + int64(h.Size())
	return true
}

// headerAt reads a header whose batch ends within the file.
func (c *cursor) headerAt(pos int64) (batch.Header, error) {
	if left := c.size - pos; left < batch.HeaderSize {
		return batch.Header{}, damaged("%d bytes are too few for a batch", left)
	}
	b, err := c.bytes(pos, batch.HeaderSize)
	if err != nil {
		return batch.Header{}, err
	}
	h, err := batch.ParseHeader(b)
	if err != nil {
		return h, damaged("%v", err)
	}
	if int64(h.Size()) > c.size-pos {
		return h, damaged("the batch claims %d bytes, %d are left", h.Size(), c.size-pos)
	}
	return h, nil
}

func (c *cursor) checkCRC(pos int64, h batch.Header) (bool, error) {
	var crc uint32
	for at, end := pos+crcFrom, pos+int64(h.Size()); at < end; {
		b, err := c.bytes(at, 1)
		if err != nil {
			return false, err
		}
		b = b[:min(int64(len(b)), end-at)]
		crc = crc32.Update(crc, castagnoli, b)
		at += int64(len(b))
	}
	return crc == h.CRC, nil
}

// bytes returns what the file has from pos on, at least need bytes.
func (c *cursor) bytes(pos int64, need int) ([]byte, error) {
	if from := pos - c.at; from >= 0 && from+int64(need) <= int64(len(c.buf)) {
		return c.buf[from:], nil
	}
	n, err := c.file.ReadAt(c.room[:min(int64(len(c.room)), c.size-pos)], pos)
	c.at, c.buf = pos, c.room[:n]
	if n < need {
		if err == nil || errors.Is(err, io.EOF) {
			return nil, damaged("the file ends at byte %d", pos+int64(n))
		}
		return nil, fmt.Errorf("reading: %w", err)
	}
	return c.buf, nil
}

// batch returns the bytes of the present batch in buf, or in a larger one. It
// is nil for a batch that is too large to be opened.
func (c *cursor) batch(buf []byte) ([]byte, error) {
	n := c.header.Size()
	if n > maxOpened {
		return nil, nil
	}
	if cap(buf) < n {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	if got, err := c.file.ReadAt(buf, c.pos); got < n {
		return nil, fmt.Errorf("reading: %w", err)
	}
	return buf, nil
}

// skip looks for the next batch with a right CRC behind damage, and makes it
// the one that step goes to. It returns how many bytes lie before it.
func (c *cursor) skip() (int64, error) {
	from := c.pos
	for pos := from + 1; c.size-pos >= batch.HeaderSize; pos++ {
		b, err := c.bytes(pos, batch.HeaderSize)
		if err != nil {
			return 0, err
		}
		if b[16] != batch.Magic || int64(binary.BigEndian.Uint32(b[8:])) > c.size-pos {
			continue
		}
		h, err := c.headerAt(pos)
		if errors.Is(err, errDamaged) {
			continue
		}
		right := false
		if err == nil {
			right, err = c.checkCRC(pos, h)
		}
		if err != nil {
			return 0, err
		}
		if right {
			c.next = pos
			return pos - from, nil
		}
	}
	c.next = c.size
	return c.size - from, nil
}
