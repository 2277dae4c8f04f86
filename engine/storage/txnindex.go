package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"time"

	"github.com/logarium/logarium/engine/batch"
	"github.com/logarium/logarium/engine/vfs"
)

// The entries of a transaction index; docs/format/indexes.md.
const (
	txnEntrySize      = 32
	kindTxn      byte = 3
)

// encodeTxns makes the transaction index of a segment.
func encodeTxns(aborted []AbortedTxn, s summary) []byte {
	entries := make([]byte, 0, len(aborted)*txnEntrySize)
	for _, a := range aborted {
		for _, v := range []int64{a.ProducerID, a.First, a.Last, a.LastStable} {
			entries = binary.BigEndian.AppendUint64(entries, uint64(v))
		}
	}
	return encodeIndexFile(kindTxn, s, entries)
}

// decodeTxns reads a transaction index.
func decodeTxns(b []byte) (*list[AbortedTxn], summary, error) {
	s, entries, err := indexEntries(b, kindTxn, txnEntrySize)
	if err != nil {
		return nil, s, err
	}
	aborted, last := new(list[AbortedTxn]), int64(-1)
	for ; len(entries) > 0; entries = entries[txnEntrySize:] {
		var v [4]int64
		for i := range v {
			v[i] = int64(binary.BigEndian.Uint64(entries[8*i:]))
		}
		a := AbortedTxn{v[0], v[1], v[2], v[3]}
		if a.ProducerID < 0 || a.First < 0 || a.Last <= max(last, a.First) || a.Last < s.base || a.Last >= s.end || a.LastStable > a.Last+1 || a.LastStable < 0 {
			return nil, s, fmt.Errorf("%w: aborted transaction %+v", errBadIndex, a)
		}
		last = a.Last
		aborted.add(a)
	}
	if aborted.n.Load() != int64(s.aborted) {
		return nil, s, fmt.Errorf("%w: %d aborted transactions, the header has %d", errBadIndex, aborted.n.Load(), s.aborted)
	}
	return aborted, s, nil
}

// readTxns reads the transaction index of a segment, which must be of the same
// batches as its offset index.
func readTxns(disk vfs.FS, dir string, base int64) (*list[AbortedTxn], error) {
	b, err := vfs.ReadFile(disk, fileName(dir, base, txnIndexSuffix))
	if err != nil {
		return nil, err
	}
	aborted, sum, err := decodeTxns(b)
	if err != nil {
		return nil, err
	}
	if b, err = vfs.ReadFile(disk, fileName(dir, base, indexSuffix)); err != nil {
		return nil, err
	}
	other, err := new(indexes).decodeOffsets(b)
	if err == nil && other != sum || err == nil && sum.base != base {
		err = fmt.Errorf("%w: the transaction index of segment %d is of other batches", errBadIndex, base)
	}
	return aborted, err
}

// abortedOf returns the aborted transactions whose markers a segment has, read
// from its index if need be, or found in the batches again if that is not to be
// believed.
func (l *Log) abortedOf(v *view, s *segment) (*list[AbortedTxn], error) {
	if x := s.txns.Load(); x != nil {
		return x, nil
	}
	if s.aborted.Load() == 0 {
		return new(list[AbortedTxn]), nil
	}
	x, err := readTxns(l.fs, l.dir, s.base)
	if err == nil && x.n.Load() != s.aborted.Load() {
		err = fmt.Errorf("%w: the transaction index of segment %d is of other batches", errBadIndex, s.base)
	}
	if err != nil {
		if s.dead.Load() {
			return nil, errGone
		}
		if !errors.Is(err, errBadIndex) && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		l.warn("transaction index left aside", err)
		if x, err = l.rebuildTxns(v, s); err != nil {
			return nil, err
		}
	}
	if !s.txns.CompareAndSwap(nil, x) {
		if now := s.txns.Load(); now != nil {
			x = now
		}
	}
	return x, nil
}

// rebuildTxns finds the aborted transactions of a segment in the batches. A
// transaction may have begun in an earlier one.
func (l *Log) rebuildTxns(v *view, s *segment) (*list[AbortedTxn], error) {
	p := newProducers(math.MaxInt64, math.MaxInt)
	from, err := l.loadProducers(p, s.base)
	if err != nil {
		return nil, err
	}
	x := new(list[AbortedTxn])
	for _, other := range v.segments {
		if other.end.Load() <= from && other != s || other.base > s.base {
			continue
		}
		aborted := func(a AbortedTxn) {
			if other == s {
				x.add(a)
			}
		}
		if err := l.replayInto(p, other, from, maxOffset, time.Time{}, aborted); err != nil {
			return nil, err
		}
	}
	return x, nil
}

// noteAborted takes an aborted transaction into a segment's index, by whoever
// alone changes the segment.
func (s *segment) noteAborted(a AbortedTxn) {
	x := s.txns.Load()
	if x == nil {
		x = new(list[AbortedTxn])
		s.txns.Store(x)
	}
	x.add(a)
	s.aborted.Store(x.n.Load())
}

// replayInto takes the batches of a segment from one offset up to another into
// the state of producers, and tells the transactions that were aborted.
func (l *Log) replayInto(p *producers, s *segment, from, upTo int64, now time.Time, aborted func(AbortedTxn)) error {
	if s.size.Load() == 0 {
		return nil
	}
	h, err := s.open()
	if err != nil {
		return err
	}
	defer func() { l.warn("closing a file", h.release()) }()
	sc := newScanner(h.file, 0, s.size.Load())
	defer sc.close()
	for sc.next() {
		if sc.header.BaseOffset < from || sc.header.BaseOffset >= upTo {
			continue
		}
		marker, err := sc.marker()
		if err != nil {
			return err
		}
		if a, ok := p.update(&sc.header, marker, now); ok {
			aborted(a)
		}
	}
	return sc.err
}

// marker returns the transaction marker of the batch in header, nil if it has
// none.
func (s *scanner) marker() (*batch.Marker, error) {
	h := &s.header
	if !h.IsControl() || h.NumRecords == 0 || h.Size() > batch.MarkerMaxSize {
		return nil, nil
	}
	b, err := s.bytes(s.pos, h.Size())
	if err != nil {
		return nil, err
	}
	m, ok, err := batch.ReadMarker(b)
	if err == nil && !batch.CheckCRC(b) { // a commit must not be taken for an abort
		err = errors.New("wrong CRC")
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errBadBatch, err)
	}
	if !ok {
		return nil, nil
	}
	return &m, nil
}
