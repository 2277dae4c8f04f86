package inspect

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/logarium/logarium/engine/batch"
	"github.com/logarium/logarium/engine/storage"
)

// segments scans the segments of a log, oldest first, and holds everything else
// that is in the folder against what it finds.
func (c *logCheck) segments() error {
	var all []storage.LogFile
	indexes := map[storage.FileKind]map[int64]storage.LogFile{storage.FileIndex: {}, storage.FileTimeIndex: {}}
	for _, file := range c.files {
		switch file.Kind {
		case storage.FileSegment:
			all = append(all, file)
		case storage.FileIndex, storage.FileTimeIndex:
			indexes[file.Kind][file.Offset] = file
		}
	}
	txns := map[int64]storage.LogFile{}
	for _, file := range c.files {
		if file.Kind == storage.FileTxnIndex {
			txns[file.Offset] = file
		}
	}
	for i, file := range all {
		s := &segmentCheck{logCheck: c, file: file, last: i == len(all)-1}
		if i > 0 && file.Offset != c.end {
			c.finding(Problem, CheckOffsets, file.Name, "it begins at offset %d, and the segment before it ends at %d", file.Offset, c.end)
		}
		if i == 0 {
			c.first = file.Offset
		}
		if !s.last {
			s.before = all[i+1].Offset
		}
		c.end = file.Offset
		c.count++
		c.report.Segments++
		s.txns, s.hasTxns = txns[file.Offset]
		delete(txns, file.Offset)
		for _, kind := range []storage.FileKind{storage.FileIndex, storage.FileTimeIndex} {
			x, ok := indexes[kind][file.Offset]
			delete(indexes[kind], file.Offset)
			s.indexes = append(s.indexes, &indexCheck{segmentCheck: s, kind: kind, file: x, present: ok})
		}
		err := s.scan()
		if errors.Is(err, fs.ErrNotExist) && c.o.Live {
			continue
		}
		if err != nil {
			return err
		}
	}
	c.reached(c.end)
	for _, left := range indexes {
		for _, x := range left {
			c.finding(c.harsh(c.log.broker), CheckFile, x.Name, "an index without its segment")
		}
	}
	return nil
}

// segmentCheck is the scan of one segment.
type segmentCheck struct {
	*logCheck
	file    storage.LogFile
	last    bool  // no other follows it
	before  int64 // base of the next one; unless last
	indexes []*indexCheck
	txns    storage.LogFile
	hasTxns bool
	aborted []storage.AbortedTxn // by the markers in the segment

	size           int64 // of the file
	maxTimestamp   int64
	maxTimestampAt int64
	firstTimestamp int64
	lastPosition   int64
	lastCRC        uint32
	damaged        bool
}

// at gives out a finding at a byte of the segment.
func (s *segmentCheck) at(sev Severity, check Check, pos, offset int64, format string, args ...any) {
	f := s.about(sev, check, s.file.Name, format, args...)
	f.Position, f.Offset = &pos, &offset
	s.find(f)
}

// sure is the severity of a fault in a batch that should reach up to an offset:
// at or above the recovery point, it is what a crash may leave.
func (s *segmentCheck) sure(upTo int64) Severity {
	if s.last && (upTo > s.point || s.o.Live) {
		return Note
	}
	return Problem
}

func (s *segmentCheck) scan() error {
	f, err := s.fs.Open(s.log.dir + "/" + s.file.Name)
	if err != nil {
		return err
	}
	defer f.Close()
	c, err := newCursor(f)
	if err != nil {
		return err
	}
	s.size = c.size
	s.report.Bytes += c.size
	s.maxTimestamp, s.maxTimestampAt, s.firstTimestamp = -1, -1, -1
	for _, x := range s.indexes {
		x.load()
	}
	for {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		if c.step() {
			if err := s.batch(c); err != nil {
				return err
			}
			continue
		}
		if c.err == nil {
			break
		}
		if !errors.Is(c.err, errDamaged) {
			return fmt.Errorf("%s/%s: %w", s.log.dir, s.file.Name, c.err)
		}
		if err := s.damage(c, c.err.Error()); err != nil {
			return err
		}
	}
	if !s.last && s.end != s.before {
		s.finding(Problem, CheckOffsets, s.file.Name, "it ends at offset %d, and the next segment begins at %d", s.end, s.before)
		s.end = s.before
	}
	for _, x := range s.indexes {
		x.finish()
	}
	s.transactions()
	return nil
}

// damage reports bytes that are no batch, and goes on behind them.
func (s *segmentCheck) damage(c *cursor, reason string) error {
	pos := c.pos
	bytes, err := c.skip()
	if err != nil {
		return err
	}
	s.damaged = true
	tail := c.next >= c.size
	sev := Problem
	if tail {
		sev = s.sure(s.end + 1)
		if s.point > s.end && !s.log.broker.clean {
			sev = Problem
		}
	}
	if sev == Note {
		reason += "; a tail that was not synced, which the next start cuts off"
	}
	s.at(sev, CheckBatch, pos, s.end, "%d bytes: %s", bytes, reason)
	return nil
}

// batch checks the batch that the cursor is at.
func (s *segmentCheck) batch(c *cursor) error {
	h := &c.header
	if !c.valid {
		return s.damage(c, fmt.Sprintf("the CRC of the batch is not %08x, as it says", h.CRC))
	}
	s.report.Batches++
	s.report.Records += int64(h.NumRecords)
	b, err := c.batch(s.buf)
	if err != nil {
		return err
	}
	if b == nil {
		s.at(Note, CheckRecords, c.pos, h.BaseOffset, "the batch has %d bytes: too large to be opened", h.Size())
	} else {
		s.buf = b
		if _, err := batch.Validate(b, whatever); err != nil {
			s.at(Problem, CheckRecords, c.pos, h.BaseOffset, "%v", err)
		}
	}
	s.offsets(c)
	s.epoch(c)
	s.reached(h.BaseOffset)
	if a, ok := s.producers.add(h, b); ok {
		s.aborted = append(s.aborted, a)
	}
	for _, x := range s.indexes {
		x.batch(c)
	}
	if c.pos == 0 {
		s.firstTimestamp = h.MaxTimestamp
	}
	if h.MaxTimestamp > s.maxTimestamp {
		s.maxTimestamp, s.maxTimestampAt = h.MaxTimestamp, h.BaseOffset
	}
	s.lastPosition, s.lastCRC = c.pos, h.CRC
	s.end = max(s.end, h.LastOffset()+1)
	return nil
}

// offsets checks that a batch follows the one before it.
func (s *segmentCheck) offsets(c *cursor) {
	h := &c.header
	switch {
	case h.BaseOffset < s.end:
		s.at(Problem, CheckOffsets, c.pos, h.BaseOffset, "the offset is below %d, which comes next", s.end)
	case h.BaseOffset > s.end && !s.compacted && !s.damaged:
		s.at(Problem, CheckOffsets, c.pos, h.BaseOffset, "the offsets from %d on are missing", s.end)
	case !s.last && h.LastOffset() >= s.before:
		s.at(Problem, CheckOffsets, c.pos, h.BaseOffset, "its last offset is %d, and the next segment begins at %d", h.LastOffset(), s.before)
	}
	s.damaged = false
}

// epoch holds a batch's leader epoch against the checkpoint.
func (s *segmentCheck) epoch(c *cursor) {
	h := &c.header
	if s.noEpochs || h.NumRecords == 0 {
		return
	}
	want := int32(-1)
	for _, e := range s.epochs {
		if e.Start > h.BaseOffset {
			break
		}
		want = e.Epoch
	}
	if want < 0 && len(s.epochs) > 0 && h.LastOffset() >= s.epochs[0].Start {
		want = s.epochs[0].Epoch // the log start lies in the batch
	}
	if want < 0 && h.LastOffset() < s.start || want == h.LeaderEpoch {
		return
	}
	sev := Problem
	if s.last && h.LastOffset() >= s.point {
		sev = s.harsh(s.log.broker)
	}
	s.at(sev, CheckEpochs, c.pos, h.BaseOffset, "the batch is of leader epoch %d, by the checkpoint it is of %d", h.LeaderEpoch, want)
}
