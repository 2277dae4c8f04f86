package storage

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/batch"
)

// compaction is one run of Compact.
type compaction struct {
	log    *Log
	config Config
	now    time.Time
	table  *keyTable
	active map[int64]activeProducer // those that are remembered
	last   map[int64]lastOffsets    // of those, in the dirty segments
	txns   *txnsRead
	ctx    context.Context
	out    Compacted
	// through is the offset up to which keys were collected.
	through int64
	// generation is that of the log when it began.
	generation uint64

	buf []byte // a batch as read
	dec batch.Decoder
}

// errMoved is a log whose segments changed while they were compacted: it is
// left for another time.
var errMoved = errors.New("the segments changed")

// Compact rewrites older segments so that of each key only the last value
// below upTo is left, if enough is dirty (min.cleanable.dirty.ratio,
// max.compaction.lag.ms). Offsets stay. A tombstone, the null value of a key,
// stays for delete.retention.ms after the first run that meets it. Records of
// aborted transactions go, markers when their transaction has no records left
// and delete.retention.ms have passed (KIP-534); transactions that are open are
// left alone, with all that follows. So are records younger than
// min.compaction.lag.ms, the active segment, and what is at or above upTo.
//
// Its memory is bounded by Options.CompactionMemory: what does not fit is left
// to the next run. Its reading and writing is slowed by Options.Throttle. A
// second call while one runs does nothing. Reading and appending go on meanwhile.
// Batches are held against their CRC: a bad one is CORRUPT_MESSAGE, and nothing
// is changed. When ctx ends, what is finished stays, and there is no error.
func (l *Log) Compact(ctx context.Context, now time.Time, upTo int64) (Compacted, error) {
	if !l.cleaning.tryLock() {
		return Compacted{}, nil
	}
	defer l.cleaning.unlock()
	c := &compaction{log: l, ctx: ctx, config: l.Config(), now: l.clock.at(now), generation: l.generation.Load()}
	clean, dirty, err := c.choose(l.LastStable(upTo))
	if err != nil || len(dirty) == 0 {
		return Compacted{}, err
	}
	err = c.run(clean, dirty)
	l.damage.report(l, err)
	if errors.Is(err, errGone) || errors.Is(err, errMoved) || ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return c.out, nil
	}
	return c.out, err
}

func (c *compaction) run(clean, dirty []*segment) error {
	var err error
	if c.through, err = c.collect(dirty); err != nil {
		return err
	}
	all := slices.Concat(clean, dirty)
	all = slices.DeleteFunc(all, func(s *segment) bool { return s.base >= c.through })
	if c.txns, err = c.abortedIn(all); err != nil {
		return err
	}
	if err := c.log.expectGaps(); err != nil {
		return err
	}
	c.out.Ran = true
	for _, group := range c.groups(all) {
		if err := c.rewrite(group); err != nil {
			return err
		}
	}
	c.out.Through = c.through
	return c.log.markCleaned(c.through, c.generation)
}

// choose returns the segments that were compacted before and those that are to
// be; none of the latter if there is no need.
func (c *compaction) choose(upTo int64) (clean, dirty []*segment, err error) {
	l := c.log
	l.mu.lock()
	defer l.mu.unlock()
	if err := l.writable(); err != nil {
		return nil, nil, err
	}
	if !c.config.CleanupCompact {
		return nil, nil, nil
	}
	var cleanBytes, dirtyBytes int64
	oldest := int64(math.MaxInt64)
	for _, s := range l.view.Load().segments {
		lag := c.now.UnixMilli() - s.maxTimestamp.Load()
		if s == l.active || s.end.Load() > upTo || c.config.MinCompactionLag > 0 && lag < c.config.MinCompactionLag.Milliseconds() {
			break
		}
		if s.end.Load() <= l.cleaned {
			clean = append(clean, s)
			cleanBytes += s.size.Load()
			continue
		}
		dirty = append(dirty, s)
		dirtyBytes += s.size.Load()
		if s.firstTimestamp >= 0 {
			oldest = min(oldest, s.firstTimestamp)
		}
	}
	if dirtyBytes == 0 {
		return nil, nil, nil
	}
	overdue := c.config.MaxCompactionLag != Forever && oldest < c.now.Add(-c.config.MaxCompactionLag).UnixMilli()
	if !overdue && float64(dirtyBytes) < c.config.MinCleanableRatio*float64(cleanBytes+dirtyBytes) {
		return nil, nil, nil
	}
	c.active = l.producers.activeProducers()
	return clean, dirty, nil
}

// collect notes the last offset of each key in the dirty segments, as far as
// memory goes, and returns the offset up to which it came.
func (c *compaction) collect(dirty []*segment) (through int64, err error) {
	last := dirty[len(dirty)-1].end.Load()
	memory := c.log.memory
	if c.config.CompactionMemory > 0 {
		memory = c.config.CompactionMemory
	}
	c.table = newKeyTable(last-dirty[0].base, memory)
	c.last = make(map[int64]lastOffsets)
	txns, err := c.abortedIn(dirty)
	if err != nil {
		return 0, err
	}
	for _, s := range dirty {
		full := false
		err := c.each(s, func(h *batch.Header, b []byte) (err error) {
			c.noteLast(h)
			switch {
			case full:
			case h.IsControl():
				m, ok, wrong := batch.ReadMarker(b)
				if ok {
					txns.marker(h, m)
				}
				err = wrong
			case !txns.data(h):
				full, err = c.noteKeys(b)
			}
			return err
		})
		if err != nil {
			return 0, err
		}
		if full {
			return c.table.latest + 1, nil
		}
	}
	return last, nil
}

// noteKeys notes the keys of a batch's records; full says that memory is used
// up.
func (c *compaction) noteKeys(b []byte) (full bool, err error) {
	_, records, err := c.dec.Open(b, decodable)
	if err != nil {
		return false, err
	}
	for r, err := range records {
		if err != nil {
			return false, err
		}
		if r.Key != nil && !c.table.put(r.Key, r.Offset) {
			return true, nil
		}
	}
	return false, nil
}

// decodable is what may be read back from a log: whatever it once took in.
var decodable = batch.Limits{Stored: true, AllowControl: true, AllowTransactional: true, MaxDecompressed: math.MaxInt32, MaxRatio: math.MaxInt32}

// each calls f with every batch of a segment, held against its CRC.
func (c *compaction) each(s *segment, f func(h *batch.Header, b []byte) error) error {
	if s.size.Load() == 0 {
		return nil
	}
	h, err := s.open()
	if err != nil {
		return readError(s, err)
	}
	defer func() { c.log.warn("closing a file", h.release()) }()
	sc := newScanner(h.file, 0, s.size.Load())
	defer sc.close()
	for sc.next() {
		if err := c.log.throttle.wait(c.ctx, sc.header.Size()); err != nil {
			return err
		}
		c.buf = slices.Grow(c.buf[:0], sc.header.Size())[:sc.header.Size()]
		if err := readFull(h.file, c.buf, sc.pos); err != nil {
			return readError(s, err)
		}
		if !batch.CheckCRC(c.buf) {
			return badFile(s, sc.pos, "wrong CRC")
		}
		if err := f(&sc.header, c.buf); err != nil {
			return fmt.Errorf("segment %d at byte %d: %w", s.base, sc.pos, err)
		}
	}
	if sc.err != nil {
		return readError(s, sc.err)
	}
	return nil
}

// groups puts neighbours together that make one segment.
func (c *compaction) groups(all []*segment) [][]*segment {
	var groups [][]*segment
	var size int64
	for _, s := range all {
		n := len(groups)
		fits := n > 0 && size+s.size.Load() <= int64(c.config.SegmentBytes) && s.end.Load()-groups[n-1][0].base <= maxRelative
		if fits {
			groups[n-1] = append(groups[n-1], s)
			size += s.size.Load()
			continue
		}
		groups = append(groups, []*segment{s})
		size = s.size.Load()
	}
	return groups
}

// rewrite makes one segment out of a group and puts it in their place.
func (c *compaction) rewrite(group []*segment) (err error) {
	l := c.log
	first, last := group[0], group[len(group)-1]
	w, err := newRewriter(l, first, &c.config)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil && !w.placed {
			l.warn("closing a file", w.handle.release())
			l.warn("removing what was not finished", l.fs.Remove(first.name(logSuffix+cleanedSuffix)))
		}
	}()
	end := last.end.Load()
	for _, s := range group {
		err := c.each(s, func(h *batch.Header, b []byte) error {
			before := len(w.pending)
			if h.IsControl() {
				w.pending, err = c.filterMarker(w, h, b, end)
			} else {
				w.pending, err = c.filter(w.pending, h, b, end)
			}
			if err != nil {
				return err
			}
			if err := c.log.throttle.wait(c.ctx, len(w.pending)-before); err != nil {
				return err
			}
			return w.wrote(before)
		})
		if err != nil {
			return err
		}
		c.out.BytesBefore += s.size.Load()
	}
	if err := w.finish(); err != nil {
		return err
	}
	c.out.BytesAfter += w.size
	return c.log.place(group, w, swap{first.base, end})
}

// filter appends what compaction leaves of a batch. The last batch before end
// stays, if empty, so that no gap is seen before the next segment.
func (c *compaction) filter(dst []byte, h *batch.Header, b []byte, end int64) ([]byte, error) {
	c.out.RecordsRead += int64(h.NumRecords)
	aborted := c.txns.data(h)
	expired := h.HasDeleteHorizon() && c.now.UnixMilli() >= h.BaseTimestamp
	out, kept, err := batch.Filter(dst, b, &c.dec, batch.FilterOptions{
		Keep: func(r *batch.Record) bool {
			if aborted {
				return false
			}
			if r.Offset > c.table.latest {
				return true
			}
			if r.Key == nil || r.Value == nil && expired {
				return false
			}
			return !c.table.superseded(r.Key, r.Offset)
		},
		KeepEmpty: h.LastOffset()+1 >= end || c.isLast(h),
		Horizon:   c.horizon(),
	})
	c.out.Kept += int64(kept)
	return out, err
}

// writeChunk is how many bytes of rewritten batches are written at once.
const writeChunk = 256 << 10

// rewriter writes the file that replaces a group of segments.
type rewriter struct {
	segment *segment
	index   *indexes
	handle  *handle
	pending []byte
	size    int64 // with what is pending
	written int64
	every   int
	placed  bool
}

func newRewriter(l *Log, first *segment, config *Config) (*rewriter, error) {
	f, err := l.fs.Create(first.name(logSuffix + cleanedSuffix))
	if err != nil {
		return nil, storageError("compacting", err)
	}
	w := &rewriter{segment: newSegment(l, emptySummary(first.base)), index: new(indexes), handle: newHandle(f), every: config.IndexIntervalBytes}
	w.segment.created = first.created
	return w, nil
}

// wrote takes into account what was added to pending behind from.
func (w *rewriter) wrote(from int) error {
	if from == len(w.pending) {
		return nil
	}
	h, err := batch.ParseHeader(w.pending[from:])
	if err != nil {
		return err
	}
	if w.size+int64(h.Size()) > math.MaxInt32 {
		return fmt.Errorf("%w: compaction would make a segment of more than 2 GiB", kerr.KafkaStorageError)
	}
	w.segment.note(w.index, &h, w.size, w.every)
	w.size += int64(h.Size())
	w.segment.publish(w.size, h.LastOffset()+1)
	if len(w.pending) < writeChunk {
		return nil
	}
	return w.flush()
}

func (w *rewriter) flush() error {
	if _, err := w.handle.file.WriteAt(w.pending, w.written); err != nil {
		return storageError("compacting", err)
	}
	w.written += int64(len(w.pending))
	w.pending = w.pending[:0]
	return nil
}

// finish writes the rest and makes the file's content durable.
func (w *rewriter) finish() error {
	if err := w.flush(); err != nil {
		return err
	}
	w.pending = nil
	if err := w.handle.file.Sync(); err != nil {
		return storageError("compacting", err)
	}
	w.segment.syncedSize = w.size
	return nil
}

// place puts the rewritten segment where the group was. From the rename to
// .swap on, recovery would do the same; until then, nothing has happened.
func (l *Log) place(group []*segment, w *rewriter, s swap) error {
	l.admin.lock()
	defer l.admin.unlock()
	if !l.holds(group) {
		return errMoved
	}
	if err := l.fs.Rename(group[0].name(logSuffix+cleanedSuffix), s.name(l.dir)); err != nil {
		return storageError("compacting", err)
	}
	w.placed = true
	if err := l.fs.SyncDir(l.dir); err != nil {
		return errors.Join(l.fail("compacting", err), w.handle.release())
	}
	w.segment.pinned.Store(true) // its name is another one for a while
	w.segment.handle.Store(w.handle)
	w.segment.index.Store(w.index)
	l.exchange(group, w.segment)
	names, err := l.fs.List(l.dir)
	if err == nil {
		err = l.finishSwap(s, names)
	}
	if err != nil {
		return l.fail("compacting", err)
	}
	l.mu.lock()
	defer l.mu.unlock()
	err = l.writeIndexes(w.segment)
	l.warn("closing a file", w.segment.unpin())
	return err
}

// holds reports whether the group is in the log as it was.
func (l *Log) holds(group []*segment) bool {
	l.mu.lock()
	defer l.mu.unlock()
	i := slices.Index(l.view.Load().segments, group[0])
	return l.writable() == nil && i >= 0 && len(l.view.Load().segments) >= i+len(group) &&
		slices.Equal(l.view.Load().segments[i:i+len(group)], group)
}

// exchange shows readers one segment in the place of a group.
func (l *Log) exchange(group []*segment, by *segment) {
	l.mu.lock()
	defer l.mu.unlock()
	segments := l.view.Load().segments
	i := slices.Index(segments, group[0])
	l.setSegments(slices.Concat(segments[:i], []*segment{by}, segments[i+len(group):]))
	for _, s := range group {
		l.warn("closing a file", s.kill())
	}
}

// expectGaps makes it durable that compaction leaves gaps, before it does.
func (l *Log) expectGaps() error {
	l.admin.lock()
	defer l.admin.unlock()
	l.mu.lock()
	err := l.markSparse()
	l.mu.unlock()
	if err != nil {
		return err
	}
	if err := l.fs.SyncDir(l.dir); err != nil {
		return l.fail("compacting", err)
	}
	return nil
}

// markCleaned notes up to where the log is compacted, unless it was truncated
// meanwhile.
func (l *Log) markCleaned(through int64, generation uint64) error {
	l.admin.lock()
	defer l.admin.unlock()
	if l.generation.Load() != generation {
		return errMoved
	}
	if err := writeOffset(l.fs, l.dir, cleanerFile, through); err != nil {
		return storageError("writing the cleaner's offset", err)
	}
	l.mu.lock()
	defer l.mu.unlock()
	l.cleaned = through
	l.namesDirty = true
	l.dirty.Store(true)
	return nil
}
