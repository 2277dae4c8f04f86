package storage

import (
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// The reasons for deleting a segment.
const (
	reasonAge   = "age"
	reasonSize  = "size"
	reasonStart = "start"
)

// Retain deletes the oldest segments that retention or the log start no longer
// keep, none that reaches above the last stable offset, and forgets producers
// that expired. A clock that jumps ahead makes nothing old. The active segment is rolled first if it would have to go. A reader
// that is in a deleted segment may finish.
func (l *Log) Retain(now time.Time, highWatermark int64) ([]Deleted, error) {
	l.admin.lock()
	defer l.admin.unlock()
	doomed, err := l.chooseDoomed(now, highWatermark)
	if err != nil || len(doomed) == 0 {
		return nil, err
	}
	return doomed, l.deleteOldest(doomed)
}

// chooseDoomed chooses what to delete.
func (l *Log) chooseDoomed(now time.Time, highWatermark int64) ([]Deleted, error) {
	l.mu.lock()
	defer l.mu.unlock()
	if err := l.writable(); err != nil {
		return nil, err
	}
	now = l.clock.at(now)
	c := l.Config()
	if c.ProducerExpiration > 0 {
		l.producers.expiration = c.ProducerExpiration
	}
	l.producers.expire(now)
	stable := l.LastStable(highWatermark)
	var doomed []Deleted
	start, left := l.start.Load(), l.Size()
	for _, s := range l.view.Load().segments {
		end, size := s.end.Load(), s.size.Load()
		reason := l.doom(&c, s, now, start, left)
		if reason == "" || end > stable || s == l.active && size == 0 {
			break
		}
		left -= size
		doomed = append(doomed, Deleted{Base: s.base, End: end, Bytes: size, Reason: reason})
	}
	if n := len(doomed); n > 0 && doomed[n-1].Base == l.active.base {
		if err := l.roll(l.end.Load(), now); err != nil {
			return nil, err
		}
	}
	return doomed, nil
}

// doom says why a segment, the oldest of those left with left bytes in all, is
// to be deleted; "" if it is not.
func (l *Log) doom(c *Config, s *segment, now time.Time, start, left int64) string {
	if s.end.Load() <= start && s != l.active {
		return reasonStart
	}
	if !c.CleanupDelete {
		return ""
	}
	newest := s.maxTimestamp.Load()
	if newest < 0 {
		newest = s.created
	}
	if c.RetentionAge != Forever && now.UnixMilli()-newest > c.RetentionAge.Milliseconds() {
		return reasonAge
	}
	if c.RetentionBytes >= 0 && left-s.size.Load() >= c.RetentionBytes {
		return reasonSize
	}
	return ""
}

// deleteOldest deletes segments, oldest first. The log start is moved, durably,
// before: whatever a crash leaves of the files, no hole is seen.
func (l *Log) deleteOldest(doomed []Deleted) error {
	start := max(l.start.Load(), doomed[len(doomed)-1].End)
	// Of the producers that appended to them only a snapshot tells from now on.
	if _, err := l.Sync(); err != nil {
		return err
	}
	if err := l.moveStart(start); err != nil {
		return err
	}
	// Deleting a large file takes long: not under the lock of appends.
	for _, s := range l.takeOldest(len(doomed)) {
		if err := l.removeFiles(s); err != nil {
			return storageError("deleting a segment", err)
		}
	}
	return nil
}

// takeOldest takes the oldest n segments out of the log.
func (l *Log) takeOldest(n int) []*segment {
	l.mu.lock()
	defer l.mu.unlock()
	segments := l.view.Load().segments
	l.setSegments(slices.Clone(segments[n:]))
	for _, s := range segments[:n] {
		l.warn("closing a file", s.kill())
	}
	l.namesDirty = true
	l.dirty.Store(true)
	return segments[:n]
}

// moveStart makes a log start durable and puts it in force. The admin lock is
// held.
func (l *Log) moveStart(start int64) error {
	if start <= l.start.Load() {
		return nil
	}
	if err := writeOffset(l.fs, l.dir, logStartFile, start); err != nil {
		return storageError("writing the log start", err)
	}
	if err := l.fs.SyncDir(l.dir); err != nil {
		return storageError("writing the log start", err)
	}
	l.mu.lock()
	defer l.mu.unlock()
	l.start.Store(start)
	if l.epochs.cutStart(start) {
		l.warn("writing the leader epochs", l.saveEpochs())
	}
	return nil
}

// DeleteRecords makes before the log start, durably; the next Retain deletes
// the segments below it. An offset above the end is OFFSET_OUT_OF_RANGE; one
// below the start changes nothing. The caller sees to the high watermark.
func (l *Log) DeleteRecords(before int64) error {
	l.admin.lock()
	defer l.admin.unlock()
	l.mu.lock()
	err := l.writable()
	if end := l.end.Load(); err == nil && before > end {
		err = fmt.Errorf("%w: deleting up to %d, the log ends at %d", kerr.OffsetOutOfRange, before, end)
	}
	l.mu.unlock()
	if err != nil {
		return err
	}
	return l.moveStart(before)
}
