package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Truncate cuts the log so that to is its end, or the base offset of the batch
// that holds it. A follower does this to what its leader does not have.
//
// What is synced falls with it. A recovery point above to that the caller had
// stored is known from then on to be of what was cut.
func (l *Log) Truncate(to int64) error {
	l.admin.lock()
	defer l.admin.unlock()
	l.mu.lock()
	defer l.mu.unlock()
	if err := l.writable(); err != nil {
		return err
	}
	if to < l.start.Load() {
		return fmt.Errorf("%w: truncating to %d, the log starts at %d", kerr.OffsetOutOfRange, to, l.start.Load())
	}
	if to >= l.end.Load() || l.active == nil {
		return nil
	}
	l.generation.Add(1)
	defer l.generation.Add(1)
	return l.truncate(to)
}

// truncate does it, with both locks held and readers warned.
func (l *Log) truncate(to int64) error {
	segments := l.view.Load().segments
	i := l.view.Load().find(to)
	kept, err := l.cutSegment(segments[i], to)
	if err != nil {
		return l.fail("truncating a segment", err)
	}
	// The newest goes first, so that a crash leaves no hole.
	for _, s := range slices.Backward(segments[i+1:]) {
		if err := l.discard(s); err != nil {
			return l.fail("truncating a segment", err)
		}
	}
	l.appendable = false
	l.setSegments(append(slices.Clone(segments[:i]), kept))
	end := kept.end.Load()
	l.end.Store(end)
	l.synced.Store(min(l.synced.Load(), end))
	l.cleaned = min(l.cleaned, end)
	l.dirty.Store(true)
	l.namesDirty = true
	if l.epochs.cutEnd(end) {
		l.warn("writing the leader epochs", l.saveEpochs())
	}
	if err := l.dropSnapshots(end); err != nil {
		return l.fail("truncating the log", err)
	}
	// A snapshot that a crash brings back must not meet other batches than it
	// was made of. Appends wait for this sync and that of the file: truncations
	// are rare, and what follows one builds on it.
	if err := l.fs.SyncDir(l.dir); err != nil {
		return l.fail("truncating the log", err)
	}
	if err := l.replayProducers(end, time.Now()); err != nil {
		return l.fail("truncating the log", err)
	}
	return nil
}

// noteStale makes it durable that recovery points above an offset are not to be
// believed, if such a one may have been stored.
func (l *Log) noteStale(to int64) error {
	if l.synced.Load() <= to {
		return nil
	}
	stale := l.stale.widened(to, l.synced.Load())
	if err := stale.save(l.fs, l.dir); err != nil {
		return err
	}
	if err := l.fs.SyncDir(l.dir); err != nil {
		return err
	}
	l.stale = stale
	return nil
}

// cutSegment cuts a segment's file and returns it as a new segment: hints and
// indexes that readers of the old one still write go nowhere.
func (l *Log) cutSegment(old *segment, to int64) (*segment, error) {
	h, err := old.open()
	if err != nil {
		return nil, err
	}
	defer func() { l.warn("closing a file", h.release()) }()
	aborted, err := l.abortedOf(l.view.Load(), old)
	if err != nil {
		return nil, err
	}
	kept := newSegment(l, emptySummary(old.base))
	kept.created = old.created
	x, interval := new(indexes), l.Config().IndexIntervalBytes
	sc := newScanner(h.file, 0, old.size.Load())
	defer sc.close()
	size := int64(0)
	for sc.next() {
		if sc.header.LastOffset() >= to {
			break
		}
		kept.note(x, &sc.header, sc.pos, interval)
		size = sc.ahead
		kept.publish(size, sc.header.LastOffset()+1)
	}
	if sc.err != nil {
		return nil, sc.err
	}
	if kept.end.Load() < to && size == 0 {
		kept.end.Store(kept.base)
	}
	if err := l.noteStale(kept.end.Load()); err != nil {
		return nil, err
	}
	for _, suffix := range indexSuffixes {
		if err := l.fs.Remove(old.name(suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	if err := h.file.Truncate(size); err != nil {
		return nil, err
	}
	// What was cut must not come back with a loss of power beside batches that
	// took its place: they have the same offsets.
	if err := h.file.Sync(); err != nil {
		return nil, err
	}
	kept.index.Store(x)
	for _, a := range aborted.view() {
		if a.Last < kept.end.Load() {
			kept.noteAborted(a)
		}
	}
	kept.syncedSize = -1
	return kept, old.kill()
}

// discard takes a segment out of use and deletes its files.
func (l *Log) discard(s *segment) error {
	l.warn("closing a file", s.kill())
	return l.removeFiles(s)
}

// removeFiles deletes the files of a segment that is out of use. Who reads it
// now has it open.
func (l *Log) removeFiles(s *segment) error {
	if err := l.fs.Rename(s.name(logSuffix), s.name(logSuffix+deletedSuffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, suffix := range indexSuffixes {
		if err := l.fs.Remove(s.name(suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return l.remover.remove(l.fs, s.name(logSuffix+deletedSuffix))
}

// replayProducers makes the producers' state as of an offset from a snapshot
// and the batches after it.
func (l *Log) replayProducers(end int64, now time.Time) error {
	from, err := l.loadProducers(l.producers, end)
	if err != nil {
		return storageError("listing the snapshots", err)
	}
	for _, s := range l.view.Load().segments {
		if s.end.Load() <= from {
			continue
		}
		if err := l.replayInto(l.producers, s, from, maxOffset, now, func(AbortedTxn) {}); err != nil {
			return storageError("reading batches", err)
		}
	}
	return nil
}

// eachHeader calls f for each batch of a segment.
func (l *Log) eachHeader(s *segment, f func(*scanner)) error {
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
		f(sc)
	}
	return sc.err
}
