package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"sort"

	"github.com/logarium/logarium/engine/vfs"
)

// The layout of an index file; docs/format/indexes.md.
const (
	indexMagic            = "LGIX"
	indexVersion          = 2
	indexHeaderSize       = 80
	indexHeaderSize1      = 76 // in version 1, which knew no transactions
	offsetEntrySize       = 8
	timeEntrySize         = 12
	kindOffset       byte = 1
	kindTime         byte = 2
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errBadIndex is an index file that cannot be believed.
var errBadIndex = errors.New("index is not usable")

// summary is what is known of a segment without reading it.
type summary struct {
	base           int64
	size           int64 // bytes of whole batches
	end            int64 // the offset after the last
	maxTimestamp   int64 // -1: none
	maxTimestampAt int64 // base offset of the first batch that has it, -1: none
	firstTimestamp int64 // largest timestamp of the first batch, -1: none
	lastPosition   int64 // of the last batch; 0 in an empty segment
	lastCRC        uint32
	aborted        uint32 // entries of the transaction index
}

// offsetEntry says where a batch starts: its base offset less the segment's in
// the upper half, its position in the lower.
type offsetEntry uint64

func newOffsetEntry(rel, pos int64) offsetEntry { return offsetEntry(rel<<32 | pos) }

func (e offsetEntry) rel() int64 { return int64(e >> 32) }
func (e offsetEntry) pos() int64 { return int64(e & math.MaxUint32) }

// timeEntry says that all batches before the one at rel have timestamps of ts
// at most. An entry of the offset index has the same rel.
type timeEntry struct {
	ts  int64
	rel uint32
}

// indexes are the sparse indexes of one segment, sorted by rel.
type indexes struct {
	offsets list[offsetEntry]
	times   list[timeEntry]
}

// position returns where to start looking for the batch that holds base+rel, at
// or before it, and the relative offset of the batch that is there.
func (x *indexes) position(rel int64) (pos, at int64) {
	entries := x.offsets.view()
	i := sort.Search(len(entries), func(i int) bool { return entries[i].rel() > rel })
	if i == 0 {
		return 0, 0
	}
	return entries[i-1].pos(), entries[i-1].rel()
}

// before returns the position of a batch such that all before it are older
// than ts.
func (x *indexes) before(ts int64) int64 {
	entries := x.times.view()
	i := sort.Search(len(entries), func(i int) bool { return entries[i].ts >= ts })
	if i == 0 {
		return 0
	}
	pos, _ := x.position(int64(entries[i-1].rel))
	return pos
}

// add notes a batch that starts at pos; before is the largest timestamp of
// those before it.
func (x *indexes) add(rel, pos, before int64) {
	x.offsets.add(newOffsetEntry(rel, pos))
	times := x.times.view()
	if before >= 0 && (len(times) == 0 || times[len(times)-1].ts < before) {
		x.times.add(timeEntry{before, uint32(rel)})
	}
}

// encode makes the file of one of the two indexes.
func (x *indexes) encode(kind byte, s summary) []byte {
	var entries []byte
	switch kind {
	case kindOffset:
		for _, e := range x.offsets.view() {
			entries = binary.BigEndian.AppendUint64(entries, uint64(e))
		}
	case kindTime:
		for _, e := range x.times.view() {
			entries = binary.BigEndian.AppendUint64(entries, uint64(e.ts))
			entries = binary.BigEndian.AppendUint32(entries, e.rel)
		}
	}
	return encodeIndexFile(kind, s, entries)
}

// encodeIndexFile puts the header before the entries of an index.
func encodeIndexFile(kind byte, s summary, entries []byte) []byte {
	b := make([]byte, 0, indexHeaderSize+len(entries))
	b = append(b, indexMagic...)
	b = append(b, indexVersion, kind, 0, 0)
	for _, v := range []int64{s.base, s.size, s.end, s.maxTimestamp, s.maxTimestampAt, s.firstTimestamp} {
		b = binary.BigEndian.AppendUint64(b, uint64(v))
	}
	b = binary.BigEndian.AppendUint32(b, uint32(s.lastPosition))
	b = binary.BigEndian.AppendUint32(b, s.lastCRC)
	b = binary.BigEndian.AppendUint32(b, s.aborted)
	b = binary.BigEndian.AppendUint32(b, uint32(len(entries)))
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(entries, castagnoli))
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	return append(b, entries...)
}

// decodeIndexHeader reads the header at the start of b, whose length is that of
// the newest version at least, but for a whole file of version 1. size is the
// header's, length that of the entries.
func decodeIndexHeader(b []byte, kind byte) (s summary, size, length int, crc uint32, err error) {
	size = indexHeaderSize
	if len(b) > 4 && b[4] == 1 {
		size = indexHeaderSize1
	}
	if len(b) < size {
		return s, 0, 0, 0, fmt.Errorf("%w: %d bytes", errBadIndex, len(b))
	}
	b = b[:size]
	if binary.BigEndian.Uint32(b[size-4:]) != crc32.Checksum(b[:size-4], castagnoli) {
		return s, 0, 0, 0, fmt.Errorf("%w: wrong CRC of its header", errBadIndex)
	}
	if string(b[:4]) != indexMagic || b[4] == 0 || b[4] > indexVersion || b[5] != kind {
		return s, 0, 0, 0, fmt.Errorf("%w: magic %q, version %d, kind %d", errBadIndex, b[:4], b[4], b[5])
	}
	for i, v := range []*int64{&s.base, &s.size, &s.end, &s.maxTimestamp, &s.maxTimestampAt, &s.firstTimestamp} {
		*v = int64(binary.BigEndian.Uint64(b[8+8*i:]))
	}
	s.lastPosition = int64(binary.BigEndian.Uint32(b[56:]))
	s.lastCRC = binary.BigEndian.Uint32(b[60:])
	rest := b[64:]
	if size == indexHeaderSize {
		s.aborted = binary.BigEndian.Uint32(rest)
		rest = rest[4:]
	}
	if s.size < 0 || s.size > math.MaxInt32 || s.end < s.base || s.base < 0 || s.lastPosition > s.size {
		return s, 0, 0, 0, fmt.Errorf("%w: impossible sizes", errBadIndex)
	}
	return s, size, int(binary.BigEndian.Uint32(rest)), binary.BigEndian.Uint32(rest[4:]), nil
}

// decodeOffsets adds the entries of an offset index file to x.
func (x *indexes) decodeOffsets(b []byte) (summary, error) {
	s, entries, err := indexEntries(b, kindOffset, offsetEntrySize)
	if err != nil {
		return s, err
	}
	last := int64(-1)
	for ; len(entries) > 0; entries = entries[offsetEntrySize:] {
		e := offsetEntry(binary.BigEndian.Uint64(entries))
		if e.rel() <= last || e.pos() >= s.size {
			return s, fmt.Errorf("%w: entries out of order", errBadIndex)
		}
		last = e.rel()
		x.offsets.add(e)
	}
	return s, nil
}

// decodeTimes adds the entries of a time index file to x.
func (x *indexes) decodeTimes(b []byte) (summary, error) {
	s, entries, err := indexEntries(b, kindTime, timeEntrySize)
	if err != nil {
		return s, err
	}
	last := timeEntry{ts: -1}
	for ; len(entries) > 0; entries = entries[timeEntrySize:] {
		e := timeEntry{int64(binary.BigEndian.Uint64(entries)), binary.BigEndian.Uint32(entries[8:])}
		if e.ts <= last.ts || last.ts >= 0 && e.rel <= last.rel {
			return s, fmt.Errorf("%w: entries out of order", errBadIndex)
		}
		last = e
		x.times.add(e)
	}
	return s, nil
}

// indexEntries checks a whole index file and returns its entries.
func indexEntries(b []byte, kind byte, entrySize int) (summary, []byte, error) {
	s, size, length, crc, err := decodeIndexHeader(b, kind)
	if err != nil {
		return s, nil, err
	}
	entries := b[size:]
	if len(entries) != length || length%entrySize != 0 || crc32.Checksum(entries, castagnoli) != crc {
		return s, nil, fmt.Errorf("%w: wrong CRC or length of its entries", errBadIndex)
	}
	return s, entries, nil
}

// readFull fills b from a position of a file.
func readFull(f vfs.File, b []byte, pos int64) error {
	if n, err := f.ReadAt(b, pos); n < len(b) {
		return err // never nil for a short read, by io.ReaderAt
	}
	return nil
}
