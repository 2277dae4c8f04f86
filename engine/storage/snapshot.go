package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"maps"
	"slices"

	"github.com/logarium/logarium/engine/vfs"
)

// The layout of a snapshot of the producers; docs/format/producer-snapshot.md.
const (
	snapshotMagic       = "LGPS"
	snapshotVersion     = 2
	snapshotHeaderSize  = 24
	snapshotFixedSize   = 8 + 2 + 8 + 1 + 4 + 8 // id, epoch, seen, batches, coordinator epoch, open transaction
	snapshotFixedSize1  = 8 + 2 + 8 + 1         // in version 1, which knew no transactions
	snapshotBatchSize   = 4 + 4 + 8 + 4 + 8
	snapshotsKept       = 3
	snapshotCRCPosition = 20
)

// errBadSnapshot is a snapshot that cannot be believed.
var errBadSnapshot = errors.New("snapshot of producers is not usable")

// encode makes the file that holds the state as of an offset.
func (s *producers) encode(at int64) []byte {
	b := make([]byte, snapshotHeaderSize, snapshotHeaderSize+len(s.byID)*(snapshotFixedSize+producerBatches*snapshotBatchSize))
	copy(b, snapshotMagic)
	b[4] = snapshotVersion
	binary.BigEndian.PutUint64(b[8:], uint64(at))
	binary.BigEndian.PutUint32(b[16:], uint32(len(s.byID)))
	for _, id := range slices.Sorted(maps.Keys(s.byID)) {
		p := s.byID[id]
		b = binary.BigEndian.AppendUint64(b, uint64(id))
		b = binary.BigEndian.AppendUint16(b, uint16(p.epoch))
		b = binary.BigEndian.AppendUint64(b, uint64(p.seen))
		b = append(b, byte(p.count))
		b = binary.BigEndian.AppendUint32(b, uint32(p.coordinator))
		b = binary.BigEndian.AppendUint64(b, uint64(p.txnFirst))
		p.each(func(e *producerBatch) {
			b = binary.BigEndian.AppendUint32(b, uint32(e.firstSequence))
			b = binary.BigEndian.AppendUint32(b, uint32(e.lastSequence))
			b = binary.BigEndian.AppendUint64(b, uint64(e.lastOffset))
			b = binary.BigEndian.AppendUint32(b, uint32(e.offsetDelta))
			b = binary.BigEndian.AppendUint64(b, uint64(e.timestamp))
		})
	}
	sealSnapshot(b)
	return b
}

// sealSnapshot writes the CRC.
func sealSnapshot(b []byte) {
	binary.BigEndian.PutUint32(b[snapshotCRCPosition:], snapshotCRC(b))
}

// snapshotCRC covers all but itself.
func snapshotCRC(b []byte) uint32 {
	crc := crc32.Checksum(b[:snapshotCRCPosition], castagnoli)
	return crc32.Update(crc, castagnoli, b[snapshotHeaderSize:])
}

// decode replaces the state by that of a snapshot. The state is unchanged on
// an error.
func (s *producers) decode(b []byte) (at int64, err error) {
	if len(b) < snapshotHeaderSize || string(b[:4]) != snapshotMagic || b[4] == 0 || b[4] > snapshotVersion {
		return 0, fmt.Errorf("%w: no header of version %d", errBadSnapshot, snapshotVersion)
	}
	fixed := snapshotFixedSize
	if b[4] == 1 {
		fixed = snapshotFixedSize1
	}
	if snapshotCRC(b) != binary.BigEndian.Uint32(b[snapshotCRCPosition:]) {
		return 0, fmt.Errorf("%w: wrong CRC", errBadSnapshot)
	}
	at = int64(binary.BigEndian.Uint64(b[8:]))
	count := binary.BigEndian.Uint32(b[16:])
	b = b[snapshotHeaderSize:]
	if at < 0 || uint64(count)*uint64(fixed) > uint64(len(b)) {
		return 0, fmt.Errorf("%w: %d producers at %d", errBadSnapshot, count, at)
	}
	byID := make(map[int64]*producer, count)
	for range count {
		if len(b) < fixed {
			return 0, fmt.Errorf("%w: it ends within a producer", errBadSnapshot)
		}
		id := int64(binary.BigEndian.Uint64(b))
		p := &producer{epoch: int16(binary.BigEndian.Uint16(b[8:])), seen: int64(binary.BigEndian.Uint64(b[10:])), coordinator: -1, txnFirst: -1}
		n := int(b[18])
		if fixed == snapshotFixedSize {
			p.coordinator, p.txnFirst = int32(binary.BigEndian.Uint32(b[19:])), int64(binary.BigEndian.Uint64(b[23:]))
		}
		b = b[fixed:]
		if n > producerBatches || n*snapshotBatchSize > len(b) {
			return 0, fmt.Errorf("%w: producer %d has %d batches", errBadSnapshot, id, n)
		}
		for range n {
			p.add(producerBatch{
				firstSequence: int32(binary.BigEndian.Uint32(b)),
				lastSequence:  int32(binary.BigEndian.Uint32(b[4:])),
				lastOffset:    int64(binary.BigEndian.Uint64(b[8:])),
				offsetDelta:   int32(binary.BigEndian.Uint32(b[16:])),
				timestamp:     int64(binary.BigEndian.Uint64(b[20:])),
			})
			b = b[snapshotBatchSize:]
		}
		byID[id] = p
	}
	if len(b) != 0 {
		return 0, fmt.Errorf("%w: %d bytes too many", errBadSnapshot, len(b))
	}
	s.replace(byID)
	return at, nil
}

// snapshots returns the offsets of the snapshots on disk, oldest first.
func (l *Log) snapshots() ([]int64, error) {
	names, err := l.fs.List(l.dir)
	if err != nil {
		return nil, err
	}
	var at []int64
	for _, name := range names {
		if offset, suffix, ok := parseName(name); ok && suffix == snapshotSuffix {
			at = append(at, offset)
		}
	}
	return at, nil
}

// dropSnapshots deletes those above an offset, and all but the newest few of
// the others.
func (l *Log) dropSnapshots(newest int64) error {
	all, err := l.snapshots()
	if err != nil {
		return storageError("listing the snapshots", err)
	}
	keep := 0
	for _, at := range slices.Backward(all) {
		if at <= newest && keep < snapshotsKept {
			keep++
			continue
		}
		if err := l.fs.Remove(fileName(l.dir, at, snapshotSuffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return storageError("removing a snapshot", err)
		}
	}
	return nil
}

// newestSnapshot is the offset of the newest snapshot at or below an offset, -1
// if there is none.
func (l *Log) newestSnapshot(upTo int64) (int64, error) {
	all, err := l.snapshots()
	if err != nil {
		return -1, err
	}
	for _, at := range slices.Backward(all) {
		if at <= upTo {
			return at, nil
		}
	}
	return -1, nil
}

// loadProducers sets the state of p from the newest snapshot at or below
// an offset that can be believed, and returns the offset from which batches
// must be added to it.
func (l *Log) loadProducers(p *producers, upTo int64) (from int64, err error) {
	all, err := l.snapshots()
	if err != nil {
		return 0, err
	}
	for _, at := range slices.Backward(all) {
		if at > upTo {
			continue
		}
		b, err := vfs.ReadFile(l.fs, fileName(l.dir, at, snapshotSuffix))
		if err == nil {
			from, err = p.decode(b)
			if err == nil && from == at {
				return from, nil
			}
		}
		l.warn("snapshot of producers left aside", err)
	}
	p.replace(nil)
	return 0, nil
}
