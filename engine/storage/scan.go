package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"

	"github.com/logarium/logarium/engine/batch"
	"github.com/logarium/logarium/engine/vfs"
)

// scanBuffer is how many bytes a scanner reads at once.
const scanBuffer = 256 << 10

var scanBuffers = sync.Pool{New: func() any { b := make([]byte, scanBuffer); return &b }}

// errBadBatch is a batch that is not whole or not right.
var errBadBatch = errors.New("bad batch")

// scanner steps over the batches of a file, from one position up to another,
// with a buffer of fixed size whatever the batches claim.
type scanner struct {
	file   vfs.File
	header batch.Header
	pos    int64 // of the batch in header
	err    error // why next returned false, nil at the end
	check  bool  // CRC, too, and whether gaps are believable
	dense  bool  // with check: there may be no gap before the last batch
	ahead  int64 // where the next batch starts
	limit  int64
	expect int64 // lowest base offset of the next batch
	before int64 // offset that no batch may reach

	buf     *[]byte
	bufPos  int64 // position of (*buf)[0]
	bufSize int
}

// newScanner returns a scanner of the batches between two positions; only
// headers are read and checked.
func newScanner(f vfs.File, from, to int64) *scanner {
	return &scanner{file: f, ahead: from, limit: to, before: maxOffset, buf: scanBuffers.Get().(*[]byte)}
}

// close gives the scanner's memory back.
func (s *scanner) close() {
	if s.buf != nil {
		scanBuffers.Put(s.buf)
		s.buf = nil
	}
}

// next steps to the next batch.
func (s *scanner) next() bool {
	if s.err != nil || s.ahead >= s.limit {
		return false
	}
	h, err := s.headerAt(s.ahead)
	if err == nil && (h.BaseOffset < s.expect || h.LastOffset() >= s.before) {
		err = fmt.Errorf("%w: offsets %d to %d where %d up to %d may come", errBadBatch, h.BaseOffset, h.LastOffset(), s.expect, s.before)
	}
	if err == nil && s.check {
		if err = s.checkCRC(s.ahead, h); err == nil && h.BaseOffset > s.expect {
			err = s.checkGap(h)
		}
	}
	if err != nil {
		s.err = err
		return false
	}
	s.header, s.pos = h, s.ahead
	s.ahead += int64(h.Size())
	s.expect = h.LastOffset() + 1
	return true
}

// headerAt reads the header of a batch that lies whole before the limit.
func (s *scanner) headerAt(pos int64) (batch.Header, error) {
	if s.limit-pos < batch.HeaderSize {
		return batch.Header{}, fmt.Errorf("%w: %d bytes are left", errBadBatch, s.limit-pos)
	}
	b, err := s.bytes(pos, batch.HeaderSize)
	if err != nil {
		return batch.Header{}, err
	}
	h, err := batch.ParseHeader(b)
	if err != nil {
		return h, fmt.Errorf("%w: %w", errBadBatch, err)
	}
	if int64(h.Size()) > s.limit-pos {
		return h, fmt.Errorf("%w: it claims %d bytes, %d are left", errBadBatch, h.Size(), s.limit-pos)
	}
	if h.BaseOffset < 0 || h.LastOffsetDelta < 0 || h.LastOffset() < h.BaseOffset {
		return h, fmt.Errorf("%w: offset %d and %d more", errBadBatch, h.BaseOffset, h.LastOffsetDelta)
	}
	return h, nil
}

// checkCRC reads the whole batch.
func (s *scanner) checkCRC(pos int64, h batch.Header) error {
	const covered = 21 // the CRC covers what follows it
	var crc uint32
	for at, end := pos+covered, pos+int64(h.Size()); at < end; {
		b, err := s.bytes(at, 1)
		if err != nil {
			return err
		}
		b = b[:min(int64(len(b)), end-at)]
		crc = crc32.Update(crc, castagnoli, b)
		at += int64(len(b))
	}
	if crc != h.CRC {
		return fmt.Errorf("%w: its CRC is %08x, it says %08x", errBadBatch, crc, h.CRC)
	}
	return nil
}

// checkGap judges a batch that comes with a higher offset than expected. The
// CRC does not cover the offset: if the next batch does not come after this
// one, but where it was to come, this one's offset is wrong.
func (s *scanner) checkGap(h batch.Header) error {
	wrong := fmt.Errorf("%w: offset %d where %d was to come", errBadBatch, h.BaseOffset, s.expect)
	next := s.ahead + int64(h.Size())
	if next >= s.limit {
		if s.dense {
			return wrong
		}
		return nil
	}
	n, err := s.headerAt(next)
	if err == nil && n.BaseOffset > s.expect && n.BaseOffset <= h.LastOffset() {
		err = s.checkCRC(next, n)
		if err == nil {
			return wrong
		}
	}
	if errors.Is(err, errBadBatch) {
		return nil // judged when it is its turn
	}
	return err
}

// bytes returns what the file has from pos on, at least need bytes and at most
// a buffer full.
func (s *scanner) bytes(pos int64, need int) ([]byte, error) {
	if at := pos - s.bufPos; at >= 0 && at+int64(need) <= int64(s.bufSize) {
		return (*s.buf)[at:s.bufSize], nil
	}
	n, err := s.file.ReadAt((*s.buf)[:min(int64(scanBuffer), s.limit-pos)], pos)
	s.bufPos, s.bufSize = pos, n
	if n < need {
		if err == nil || errors.Is(err, io.EOF) {
			err = fmt.Errorf("%w: the file ends at %d", errBadBatch, pos+int64(n))
		}
		return nil, err
	}
	return (*s.buf)[:n], nil
}

// seek looks for the next whole batch with a right CRC that starts after a bad
// one, and whose offsets may come there. It returns its position, or the limit
// if there is none.
func (s *scanner) seek(after int64) (int64, error) {
	// Mostly the bad one's length is right.
	if h, err := s.headerAt(after); err == nil {
		next := after + int64(h.Size())
		if ok, err := s.isBatch(next); ok || err != nil {
			return next, err
		}
	}
	for pos := after + 1; s.limit-pos >= batch.HeaderSize; pos++ {
		b, err := s.bytes(pos, batch.HeaderSize)
		if err != nil {
			return 0, err
		}
		// Magic 2 and no upper half of a length above 2 GiB, before more is read.
		if b[16] != batch.Magic || b[8] > 0x7f || int64(binary.BigEndian.Uint32(b[8:])) > s.limit-pos {
			continue
		}
		if ok, err := s.isBatch(pos); ok || err != nil {
			return pos, err
		}
	}
	return s.limit, nil
}

// isBatch reports whether a believable batch starts at pos.
func (s *scanner) isBatch(pos int64) (bool, error) {
	if pos >= s.limit {
		return false, nil
	}
	h, err := s.headerAt(pos)
	if err == nil && (h.BaseOffset < s.expect || h.LastOffset() >= s.before) {
		return false, nil
	}
	if err == nil {
		err = s.checkCRC(pos, h)
	}
	if errors.Is(err, errBadBatch) {
		return false, nil
	}
	return err == nil, err
}
