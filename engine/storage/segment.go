package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/logarium/logarium/engine/batch"
	"github.com/logarium/logarium/engine/vfs"
)

// The ends of file names.
const (
	logSuffix       = ".log"
	indexSuffix     = ".index"
	timeIndexSuffix = ".timeindex"
	txnIndexSuffix  = ".txnindex"
	snapshotSuffix  = ".snapshot"
	deletedSuffix   = ".deleted"
	cleanedSuffix   = ".cleaned"
	swapSuffix      = ".swap"
	corruptSuffix   = ".corrupt"
	tempSuffix      = vfs.TempSuffix
)

// indexSuffixes are those of a segment's indexes.
var indexSuffixes = []string{indexSuffix, timeIndexSuffix, txnIndexSuffix}

// maxRelative is how far an offset may lie from its segment's base.
const maxRelative = math.MaxInt32

// maxOffset is above every offset.
const maxOffset = math.MaxInt64

// hintCount is how many places a segment remembers for readers that go on
// where they, or others, stopped.
const hintCount = 8

// errGone is reading a segment that was deleted meanwhile.
var errGone = errors.New("the segment is gone")

// segment is one file of batches. One goroutine at a time changes it, with the
// log's lock; any number read.
type segment struct {
	fs    vfs.FS
	dir   string
	cache *FileCache
	base  int64

	size           atomic.Int64 // bytes that readers may see
	end            atomic.Int64 // the offset after the last
	maxTimestamp   atomic.Int64 // -1: none
	maxTimestampAt atomic.Int64 // base offset of the first batch that has it
	aborted        atomic.Int64 // entries of the transaction index

	// Guarded by the log's lock.
	firstTimestamp int64
	created        int64 // ms since 1970: when the segment was begun, or found
	lastPosition   int64
	lastCRC        uint32
	unindexed      int64 // bytes since the last index entry
	syncedSize     int64

	index   atomic.Pointer[indexes]          // nil: not loaded
	txns    atomic.Pointer[list[AbortedTxn]] // nil: none, or not loaded
	indexed atomic.Bool                      // the index files are of what is in the segment
	handle  atomic.Pointer[handle]           // nil: not open
	dead    atomic.Bool                      // out of the log; its file is deleted or soon will be
	pinned  atomic.Bool                      // appended to: its file and indexes stay
	slot    int                              // in the cache, -1: not there; guarded by the cache
	hints   [hintCount]atomic.Uint64
}

func newSegment(l *Log, s summary) *segment {
	seg := &segment{fs: l.fs, dir: l.dir, cache: l.files, base: s.base, slot: -1}
	seg.restore(s)
	return seg
}

// restore sets what a summary says.
func (s *segment) restore(sum summary) {
	s.size.Store(sum.size)
	s.end.Store(sum.end)
	s.maxTimestamp.Store(sum.maxTimestamp)
	s.maxTimestampAt.Store(sum.maxTimestampAt)
	s.firstTimestamp = sum.firstTimestamp
	s.lastPosition = sum.lastPosition
	s.lastCRC = sum.lastCRC
	s.aborted.Store(int64(sum.aborted))
	s.syncedSize = sum.size
}

// summary is the opposite of restore.
func (s *segment) summary() summary {
	return summary{
		base:           s.base,
		size:           s.size.Load(),
		end:            s.end.Load(),
		maxTimestamp:   s.maxTimestamp.Load(),
		maxTimestampAt: s.maxTimestampAt.Load(),
		firstTimestamp: s.firstTimestamp,
		lastPosition:   s.lastPosition,
		lastCRC:        s.lastCRC,
		aborted:        uint32(s.aborted.Load()),
	}
}

func emptySummary(base int64) summary {
	return summary{base: base, end: base, maxTimestamp: -1, maxTimestampAt: -1, firstTimestamp: -1}
}

// name returns the path of one of the segment's files.
func (s *segment) name(suffix string) string { return fileName(s.dir, s.base, suffix) }

// fileName returns the path of a file that belongs to an offset: 20 digits, as
// Kafka has it.
func fileName(dir string, offset int64, suffix string) string {
	return path.Join(dir, fmt.Sprintf("%020d", offset)+suffix)
}

// parseName returns the offset and the rest of a file's name.
func parseName(name string) (offset int64, suffix string, ok bool) {
	digits, _, _ := strings.Cut(name, ".")
	if len(digits) != 20 {
		return 0, "", false
	}
	offset, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || offset < 0 {
		return 0, "", false
	}
	return offset, name[len(digits):], true
}

// note takes a batch into the segment's numbers and indexes, once it is
// written at the end of what readers see. It publishes nothing yet.
func (s *segment) note(x *indexes, h *batch.Header, pos int64, interval int) {
	size := int64(h.Size())
	if s.unindexed > int64(interval) {
		x.add(h.BaseOffset-s.base, pos, s.maxTimestamp.Load())
		s.unindexed = 0
	}
	s.unindexed += size
	if pos == 0 {
		s.firstTimestamp = h.MaxTimestamp
	}
	if h.MaxTimestamp > s.maxTimestamp.Load() {
		s.maxTimestampAt.Store(h.BaseOffset)
		s.maxTimestamp.Store(h.MaxTimestamp)
	}
	s.lastPosition, s.lastCRC = pos, h.CRC
}

// publish lets readers see the file up to size, where offset end comes next.
// They load the size first: what they see of the file ends at or below end.
func (s *segment) publish(size, end int64) {
	s.end.Store(end)
	s.size.Store(size)
}

// open returns the segment's file, opened if need be, with a reference that
// the caller must release.
func (s *segment) open() (*handle, error) {
	for {
		if h := s.handle.Load(); h == nil {
			if err := s.openFile(); err != nil {
				return nil, err
			}
		} else if h.acquire() {
			if !h.used.Load() {
				h.used.Store(true)
			}
			return h, nil
		}
		// If it was let go between the two steps, the pointer has changed.
	}
}

// openFile opens the file for all who read the segment.
func (s *segment) openFile() error {
	if s.dead.Load() {
		return errGone
	}
	f, err := s.fs.Open(s.name(logSuffix))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) && s.dead.Load() {
			return errGone
		}
		return err
	}
	h := newHandle(f)
	if !s.handle.CompareAndSwap(nil, h) {
		return h.release() // another was faster
	}
	if !s.pinned.Load() {
		if err := s.cache.add(s); err != nil {
			return err
		}
	}
	if s.dead.Load() {
		// Deleted while it was being opened: what closed it has passed by.
		if err := s.cache.drop(s); err != nil {
			return err
		}
		return errGone
	}
	return nil
}

// letGo closes the file as soon as no one uses it, and forgets indexes that can
// be read again, unless the segment is pinned.
func (s *segment) letGo() error {
	if s.pinned.Load() {
		return nil
	}
	h := s.handle.Swap(nil)
	if s.indexed.Load() || s.dead.Load() {
		s.index.Store(nil)
		s.txns.Store(nil)
	}
	if h == nil {
		return nil
	}
	return h.release()
}

// loaded returns the indexes, read from their files if need be, or made again
// from the batches if those are not to be believed.
func (s *segment) loaded(h *handle, interval int) (*indexes, error) {
	if x := s.index.Load(); x != nil {
		return x, nil
	}
	x, _, err := readIndexes(s.fs, s.dir, s.base)
	if err != nil {
		if x, err = s.rebuildIndexes(h, interval); err != nil {
			return nil, err
		}
		s.indexed.Store(false)
	}
	// An index that is stored after letGo is only memory kept a bit longer.
	if !s.index.CompareAndSwap(nil, x) {
		if now := s.index.Load(); now != nil {
			x = now
		}
	}
	return x, nil
}

// pin opens the segment's file and indexes for appending; they stay until unpin.
func (s *segment) pin(interval int) (err error) {
	s.pinned.Store(true)
	s.indexed.Store(false)
	s.cache.forget(s)
	h, err := s.open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.release()) }()
	_, err = s.loaded(h, interval)
	return err
}

// unpin leaves file and indexes to the cache.
func (s *segment) unpin() error {
	s.pinned.Store(false)
	return s.cache.add(s)
}

// kill takes the segment out of use: who reads it now may finish.
func (s *segment) kill() error {
	s.dead.Store(true)
	s.pinned.Store(false)
	return s.cache.drop(s)
}

// rebuildIndexes makes the indexes from the batches that readers may see.
func (s *segment) rebuildIndexes(h *handle, interval int) (*indexes, error) {
	x := new(indexes)
	tmp := &segment{base: s.base}
	tmp.restore(emptySummary(s.base))
	sc := newScanner(h.file, 0, s.size.Load())
	defer sc.close()
	for sc.next() {
		tmp.note(x, &sc.header, sc.pos, interval)
	}
	if sc.err != nil {
		return nil, sc.err
	}
	return x, nil
}

// readIndexes reads both index files of a segment; they must agree.
func readIndexes(fs vfs.FS, dir string, base int64) (*indexes, summary, error) {
	x := new(indexes)
	b, err := vfs.ReadFile(fs, fileName(dir, base, indexSuffix))
	if err != nil {
		return nil, summary{}, err
	}
	sum, err := x.decodeOffsets(b)
	if err != nil {
		return nil, sum, err
	}
	if b, err = vfs.ReadFile(fs, fileName(dir, base, timeIndexSuffix)); err != nil {
		return nil, sum, err
	}
	other, err := x.decodeTimes(b)
	if err != nil {
		return nil, sum, err
	}
	if other != sum || sum.base != base {
		return nil, sum, fmt.Errorf("%w: the two files of segment %d do not belong together", errBadIndex, base)
	}
	return x, sum, nil
}

// hint returns where an offset's batch starts if a reader left word.
func (s *segment) hint(offset int64) (pos int64, ok bool) {
	rel := uint64(offset - s.base)
	v := s.hints[rel*0x9e3779b97f4a7c15>>61].Load()
	return int64(v & math.MaxUint32), v>>32 == rel
}

// leaveHint tells later readers that the batch of an offset starts at pos.
func (s *segment) leaveHint(offset, pos int64) {
	rel := uint64(offset - s.base)
	if rel <= maxRelative {
		s.hints[rel*0x9e3779b97f4a7c15>>61].Store(rel<<32 | uint64(pos))
	}
}
