package storage

import (
	"errors"
	"fmt"
	"path"

	"github.com/logarium/logarium/engine/batch"
	"github.com/logarium/logarium/engine/vfs"
)

// span is a range of bytes of a segment, and of offsets that it may hold.
type span struct {
	from, to     int64
	first, after int64
	reason       string
}

// scanned is what a scan found in a segment.
type scanned struct {
	segment *segment
	index   *indexes
	size    int64  // of the file
	good    int64  // where the last good batch ends
	bad     []span // damage with good batches after it
	tail    span   // what follows the last good batch
	behind  bool   // there is a whole batch in the tail
}

// scan reads a segment batch by batch and repairs what needs it. It adds the
// segment to the log; whole is false if its tail was cut, so that none may
// follow it.
func (r *recovery) scan(base, before int64) (whole bool, err error) {
	l := r.log
	f, err := l.fs.Open(fileName(l.dir, base, logSuffix))
	if err != nil {
		return false, storageError("opening a segment", err)
	}
	h := newHandle(f)
	defer func() { l.warn("closing a file", h.release()) }()
	found, err := r.inspect(f, base, before)
	if err != nil {
		return false, storageError(fmt.Sprintf("reading segment %d", base), err)
	}
	r.out.SegmentsScanned++
	r.out.BytesScanned += found.size
	if len(found.bad) > 0 {
		if err := r.salvage(f, base, found); err != nil {
			return false, storageError(fmt.Sprintf("saving what is whole of segment %d", base), err)
		}
		// What was written is whole; its indexes are other ones.
		return r.scan(base, before)
	}
	if found.good < found.size {
		if err := r.cut(f, base, found); err != nil {
			return false, storageError(fmt.Sprintf("cutting segment %d", base), err)
		}
	}
	// Compaction leaves no gap between segments: if there is one, batches are
	// missing that were not synced, so that what follows was not either.
	whole = before == maxOffset || found.segment.end.Load() >= before || before <= r.options.RecoveryPoint
	found.segment.syncedSize = -1
	r.segments = append(r.segments, found.segment)
	if h.acquire() {
		l.unsynced = append(l.unsynced, h)
	}
	l.dirty.Store(true)
	return whole, r.keepIndex(found, before)
}

// keepIndex writes the indexes of an older segment; those of the active one
// stay in memory.
func (r *recovery) keepIndex(found scanned, before int64) error {
	r.out.IndexesRebuilt++
	found.segment.index.Store(found.index)
	if before == maxOffset {
		return nil
	}
	if err := r.log.writeIndexes(found.segment); err != nil {
		return err
	}
	found.segment.index.Store(nil) // many older ones need not be in memory
	found.segment.txns.Store(nil)
	return nil
}

// inspect reads a segment and looks behind each bad batch for more good ones.
func (r *recovery) inspect(f vfs.File, base, before int64) (scanned, error) {
	l := r.log
	size, err := f.Size()
	if err != nil {
		return scanned{}, err
	}
	found := scanned{segment: newSegment(l, emptySummary(base)), index: new(indexes), size: size}
	found.segment.created = r.now.UnixMilli()
	sc := newScanner(f, 0, size)
	defer sc.close()
	sc.check, sc.expect, sc.before = true, base, min(before, base+maxRelative+1)
	sc.dense = before == maxOffset && l.dense()
	if err := r.producersAt(base); err != nil {
		return scanned{}, err
	}
	for {
		for sc.next() {
			if err := r.found(&found, sc); err != nil {
				return found, err
			}
		}
		if sc.err == nil {
			r.missing(&found, sc.expect, before, span{from: size, to: size, reason: "batches that were synced are missing"})
			return found, nil
		}
		if !errors.Is(sc.err, errBadBatch) {
			return found, sc.err
		}
		at, reason := sc.ahead, sc.err.Error()
		next, err := sc.seek(at)
		if err != nil {
			return found, err
		}
		bad := span{from: at, to: next, first: sc.expect, reason: reason}
		if next >= size || sc.expect >= r.options.RecoveryPoint {
			found.behind = next < size
			bad.to = size
			if !r.missing(&found, sc.expect, before, bad) {
				found.tail = bad
			}
			return found, nil
		}
		if bad.after, err = sc.baseAt(next); err != nil {
			return found, err
		}
		found.bad = append(found.bad, bad)
		sc.err, sc.ahead, sc.expect = nil, next, bad.after
	}
}

// found takes a good batch into what is known of a segment and of producers.
func (r *recovery) found(found *scanned, sc *scanner) error {
	s := found.segment
	s.note(found.index, &sc.header, sc.pos, r.log.Config().IndexIntervalBytes)
	s.publish(sc.ahead, sc.expect)
	found.good = sc.ahead
	marker, err := sc.marker()
	if errors.Is(err, errBadBatch) {
		r.log.warn("a control batch that no broker writes is taken for none", err)
	} else if err != nil {
		return err
	}
	if a, ok := r.log.producers.update(&sc.header, marker, r.now); ok {
		s.noteAborted(a)
	}
	r.at = sc.expect
	return nil
}

// missing notes the end of a segment as damaged if batches that were synced
// must have followed there; false if not.
func (r *recovery) missing(found *scanned, expect, before int64, bad span) bool {
	synced := min(r.options.RecoveryPoint, before)
	if expect >= synced || synced-found.segment.base > maxRelative {
		return false
	}
	bad.first, bad.after = expect, synced
	found.bad = append(found.bad, bad)
	return true
}

// baseAt returns the base offset of the batch at a position.
func (s *scanner) baseAt(pos int64) (int64, error) {
	h, err := s.headerAt(pos)
	return h.BaseOffset, err
}

// cut cuts a segment behind its last good batch. What is cut is kept aside if
// it holds a whole batch, which a torn tail does not explain.
func (r *recovery) cut(f vfs.File, base int64, found scanned) error {
	tail := found.tail
	if found.behind {
		name := r.quarantineName(base, tail.from)
		if err := r.quarantine(f, name, tail); err != nil {
			return err
		}
		r.corrupt(Corruption{
			Segment: base, Position: tail.from, Bytes: tail.to - tail.from, From: tail.first, To: tail.first,
			Quarantine: path.Base(name), Reason: tail.reason,
		})
	}
	r.out.BytesCut += tail.to - tail.from
	return f.Truncate(found.good)
}

// salvage writes a segment anew, with an empty batch in the place of each
// damaged part, which is kept aside: of the rest, nothing is lost.
func (r *recovery) salvage(f vfs.File, base int64, found scanned) error {
	l := r.log
	clean := fileName(l.dir, base, logSuffix+cleanedSuffix)
	out, err := l.fs.Create(clean)
	if err != nil {
		return err
	}
	from, at := int64(0), int64(0)
	for _, bad := range found.bad {
		if err := copyRange(out, at, f, from, bad.from); err != nil {
			return errors.Join(err, out.Close())
		}
		at += bad.from - from
		from = bad.to
		if bad.after > bad.first {
			empty := batch.AppendEmpty(nil, bad.first, bad.after-1, l.epochs.at(bad.first))
			if _, err := out.WriteAt(empty, at); err != nil {
				return errors.Join(err, out.Close())
			}
			at += int64(len(empty))
		}
	}
	// The tail is left for the scan of what is written here.
	if err := copyRange(out, at, f, from, found.size); err != nil {
		return errors.Join(err, out.Close())
	}
	if err := syncFile(out); err != nil {
		return err
	}
	for _, bad := range found.bad {
		c := Corruption{Segment: base, Position: bad.from, Bytes: bad.to - bad.from, From: bad.first, To: bad.after, Reason: bad.reason}
		if c.Bytes > 0 {
			name := r.quarantineName(base, bad.from)
			if err := r.quarantine(f, name, bad); err != nil {
				return err
			}
			c.Quarantine = path.Base(name)
		}
		r.corrupt(c)
	}
	if err := l.fs.SyncDir(l.dir); err != nil {
		return err
	}
	if err := l.fs.Rename(clean, fileName(l.dir, base, logSuffix)); err != nil {
		return err
	}
	return l.fs.SyncDir(l.dir)
}

func (r *recovery) quarantineName(base, pos int64) string {
	return fileName(r.log.dir, base, fmt.Sprintf("%s.%d%s", logSuffix, pos, corruptSuffix))
}

// quarantine copies damaged bytes to a file of their own, durably but for its
// name.
func (r *recovery) quarantine(f vfs.File, name string, s span) error {
	out, err := r.log.fs.Create(name)
	if err != nil {
		return err
	}
	if err := copyRange(out, 0, f, s.from, s.to); err != nil {
		return errors.Join(err, out.Close())
	}
	r.log.namesDirty = true
	return syncFile(out)
}

// copyRange copies the bytes from one position up to another of a file.
func copyRange(to vfs.File, at int64, from vfs.File, start, end int64) error {
	buf := make([]byte, min(scanBuffer, max(end-start, 0)))
	for start < end {
		n := min(int64(len(buf)), end-start)
		if err := readFull(from, buf[:n], start); err != nil {
			return err
		}
		if _, err := to.WriteAt(buf[:n], at); err != nil {
			return err
		}
		start, at = start+n, at+n
	}
	return nil
}
