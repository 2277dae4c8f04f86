package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/logarium/logarium/engine/batch"
	"github.com/logarium/logarium/engine/vfs"
)

// ErrForeign is a folder that holds the log of another topic id.
var ErrForeign = errors.New("the folder belongs to another topic")

// Open opens a log, recovering it if it was not closed cleanly. A log whose
// folder is missing is empty and takes up nothing on disk until it is written
// to; the folder above must be durable. What Open repairs it repairs in steps
// that a crash may interrupt anywhere: to open it again gives the same.
//
// The error wraps KAFKA_STORAGE_ERROR if the disk fails, or ErrForeign.
func Open(o Options) (*Log, Recovered, error) {
	r := &recovery{log: newLog(o), options: o, now: time.Now(), distrust: map[int64]bool{}, at: -1, loaded: -1}
	err := r.run()
	for {
		var damaged *damagedSegment
		if err == nil {
			return r.log, r.out, nil
		}
		r.log.releaseAll()
		if !errors.As(err, &damaged) || r.distrust[damaged.base] {
			return nil, r.out, err
		}
		// Its index was believed, but not rightly: scan it as well.
		r.distrust[damaged.base] = true
		out := Recovered{BytesCut: r.out.BytesCut, Corrupt: r.out.Corrupt}
		r = &recovery{log: newLog(o), options: o, now: r.now, distrust: r.distrust, out: out, at: -1, loaded: -1}
		err = r.run()
	}
}

// damagedSegment is a segment that turned out not to be what its index says.
type damagedSegment struct {
	base int64
	err  error
}

func (d *damagedSegment) Error() string { return d.err.Error() }
func (d *damagedSegment) Unwrap() error { return d.err }

// recovery is one opening of a log.
type recovery struct {
	log      *Log
	options  Options
	now      time.Time
	out      Recovered
	segments []*segment
	epochsOK bool  // the epochs were read from their file
	startOK  bool  // so was the log start, or it never moved
	at       int64 // the producers' state is as of this offset, -1: not loaded
	loaded   int64 // the newest snapshot when one was last loaded
	distrust map[int64]bool
}

func (r *recovery) run() error {
	l := r.log
	names, err := l.fs.List(l.dir)
	if errors.Is(err, fs.ErrNotExist) {
		if r.options.RecoveryPoint > 0 {
			l.logger.Warn("the log's folder is missing: it starts anew", "dir", l.dir, "recovery_point", r.options.RecoveryPoint)
		}
		return nil
	}
	if err != nil {
		return storageError("listing the log's folder", err)
	}
	l.exists = true
	if !r.options.Clean {
		// The process may have been killed between making names and syncing them.
		l.namesDirty, l.parentDirty = true, true
		l.dirty.Store(true)
	}
	if err := r.metadata(); err != nil {
		return err
	}
	if err := r.finishReset(names); err != nil {
		return storageError("finishing a reset", err)
	}
	if names, err = r.cleanUp(); err != nil {
		return storageError("finishing what was under way", err)
	}
	r.checkpoints()
	l.clock.at(r.now)
	if err := r.loadSegments(names); err != nil {
		return err
	}
	if err := r.settle(); err != nil {
		return err
	}
	if err := r.replay(); err != nil {
		return err
	}
	return r.finish()
}

// metadata holds the folder against the topic id. A file that is missing or
// damaged is written again: it is no reason to give up what lies beside it.
func (r *recovery) metadata() error {
	l := r.log
	id, err := ReadTopicID(l.fs, l.dir)
	switch {
	case err == nil && id != l.topicID:
		return fmt.Errorf("%w: %s has %x, not %x", ErrForeign, l.dir, id, l.topicID)
	case err == nil:
		return nil
	case !errors.Is(err, errBadCheckpoint) && !errors.Is(err, fs.ErrNotExist):
		return storageError("reading the topic id", err)
	}
	l.warn("the topic id is written again", err)
	if err := l.writeLater(metadataFile, encodeMetadata(l.topicID)); err != nil {
		return storageError("writing the topic id", err)
	}
	return nil
}

// cleanUp finishes what a crash left half done, and returns the names left.
func (r *recovery) cleanUp() ([]string, error) {
	l := r.log
	names, err := l.fs.List(l.dir)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		switch path.Ext(name) {
		case tempSuffix, deletedSuffix, cleanedSuffix:
			// What metadata wrote anew has gone from under this name already.
			if err := l.fs.Remove(path.Join(l.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
		}
	}
	for _, name := range names {
		if s, ok := parseSwap(name); ok {
			if err := l.finishSwap(s, names); err != nil {
				return nil, err
			}
		}
	}
	return l.fs.List(l.dir)
}

// checkpoints reads the small files. One that is missing or damaged costs
// nothing but what it saves.
func (r *recovery) checkpoints() {
	l := r.log
	start, err := readOffset(l.fs, l.dir, logStartFile)
	r.startOK = err == nil || errors.Is(err, fs.ErrNotExist)
	if err == nil {
		l.start.Store(start)
	} else if !errors.Is(err, fs.ErrNotExist) {
		l.warn("checkpoint left aside: "+logStartFile, err)
	}
	l.sparse.Store(true)
	if l.cleaned, err = readOffset(l.fs, l.dir, cleanerFile); err != nil {
		l.cleaned = 0
		l.sparse.Store(!errors.Is(err, fs.ErrNotExist)) // it was there
		if !errors.Is(err, fs.ErrNotExist) {
			l.warn("checkpoint left aside: "+cleanerFile, err)
		}
	}
	if l.stale, err = readStale(l.fs, l.dir); err != nil {
		l.warn("checkpoint left aside: "+truncationFile, err)
	}
	r.options.RecoveryPoint = l.stale.trusted(r.options.RecoveryPoint)
	lines, err := readCheckpoint(l.fs, l.dir, epochsFile)
	if err == nil {
		err = l.epochs.decode(lines)
	}
	r.epochsOK = err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.warn("checkpoint left aside: "+epochsFile, err)
	}
}

// loadSegments loads or scans the segments, oldest first, up to the first that
// ends before it should.
func (r *recovery) loadSegments(names []string) error {
	var bases []int64
	for _, name := range names {
		if base, suffix, ok := parseName(name); ok && suffix == logSuffix {
			bases = append(bases, base)
		}
	}
	bases, err := r.dropBelowStart(bases)
	if err != nil {
		return storageError("deleting a segment below the log start", err)
	}
	r.out.Segments = len(bases)
	if all, err := r.holeBefore(bases); all || err != nil {
		return err
	}
	if n := len(bases); r.options.Clean && n > 0 {
		r.options.RecoveryPoint = max(r.options.RecoveryPoint, bases[n-1])
	}
	for i, base := range bases {
		before := int64(maxOffset)
		if i+1 < len(bases) {
			before = bases[i+1]
		}
		if (r.options.Clean || before <= r.options.RecoveryPoint) && !r.distrust[base] {
			s, err := r.load(base)
			if err != nil {
				return storageError("reading an index", err)
			}
			if s != nil {
				r.segments = append(r.segments, s)
				continue
			}
		}
		whole, err := r.scan(base, before)
		if err != nil {
			return err
		}
		if !whole {
			return r.quarantineRest(bases[i+1:])
		}
	}
	return nil
}

// holeBefore sees whether the first segment is missing: the log start is
// durable before a segment is deleted, but the names of new ones are synced
// late, and in no order. What is above the recovery point is a torn tail then,
// and put aside; if it returns true there is nothing else.
func (r *recovery) holeBefore(bases []int64) (all bool, err error) {
	start := r.log.start.Load()
	if len(bases) == 0 || bases[0] <= start || r.options.Clean || !r.startOK {
		return false, nil
	}
	if r.options.RecoveryPoint < bases[0] {
		return true, r.quarantineRest(bases)
	}
	r.corrupt(Corruption{Segment: start, From: start, To: bases[0], Reason: "segments that were synced are missing"})
	return false, nil
}

// dropBelowStart deletes segments that end at or below the log start: a crash
// may have undone the deletion of some of them, and left holes.
func (r *recovery) dropBelowStart(bases []int64) ([]int64, error) {
	l := r.log
	for len(bases) > 1 && bases[1] <= l.start.Load() {
		for _, suffix := range append([]string{logSuffix}, indexSuffixes...) {
			if err := l.fs.Remove(fileName(l.dir, bases[0], suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
		}
		l.namesDirty = true
		l.dirty.Store(true)
		bases = bases[1:]
	}
	return bases, nil
}

// load believes the index of a segment, if it fits the batches; nil if not.
func (r *recovery) load(base int64) (*segment, error) {
	l := r.log
	info, err := l.fs.Stat(fileName(l.dir, base, logSuffix))
	if err != nil {
		return nil, err
	}
	sum, err := r.indexSummary(base, info.Size)
	if err != nil {
		if errors.Is(err, errBadIndex) || errors.Is(err, fs.ErrNotExist) {
			l.warn("index left aside", err)
			return nil, nil
		}
		return nil, err
	}
	s := newSegment(l, sum)
	s.indexed.Store(true)
	s.created = info.ModTime.UnixMilli()
	return s, nil
}

// indexSummary reads what the offset index says of its segment.
func (r *recovery) indexSummary(base, size int64) (sum summary, err error) {
	l := r.log
	f, err := l.fs.Open(fileName(l.dir, base, indexSuffix))
	if err != nil {
		return sum, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	b := make([]byte, indexHeaderSize)
	n, err := f.ReadAt(b, 0)
	if n < len(b) && !errors.Is(err, io.EOF) {
		return sum, fmt.Errorf("%w: %w", errBadIndex, err)
	}
	if sum, _, _, _, err = decodeIndexHeader(b[:n], kindOffset); err != nil {
		return sum, err
	}
	if r.options.Clean && sum.base == base {
		r.options.RecoveryPoint = max(r.options.RecoveryPoint, sum.end)
	}
	if sum.base != base || sum.size != size {
		return sum, fmt.Errorf("%w: it is of %d bytes at %d, the segment has %d at %d", errBadIndex, sum.size, sum.base, size, base)
	}
	if !r.options.Clean {
		err = l.checkTie(sum)
	}
	return sum, err
}

// checkTie holds an index against the last batch of its segment: it may be of
// what the segment held before a truncation.
func (l *Log) checkTie(sum summary) (err error) {
	if sum.size == 0 {
		return nil
	}
	f, err := l.fs.Open(fileName(l.dir, sum.base, logSuffix))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	b := make([]byte, batch.HeaderSize)
	if n, err := f.ReadAt(b, sum.lastPosition); n < len(b) {
		return fmt.Errorf("%w: %w", errBadIndex, err)
	}
	h, err := batch.ParseHeader(b)
	if err != nil || h.CRC != sum.lastCRC || h.LastOffset()+1 != sum.end || sum.lastPosition+int64(h.Size()) != sum.size {
		return fmt.Errorf("%w: it is not of the batches that the segment %d has", errBadIndex, sum.base)
	}
	return nil
}

// settle sets where the log starts and ends. Offsets below the recovery point
// were given out, and are never given out again, even if no segment is left.
func (r *recovery) settle() error {
	l := r.log
	l.setSegments(r.segments)
	start := l.start.Load()
	end := start
	if n := len(r.segments); n > 0 {
		end = r.segments[n-1].end.Load()
		start = max(start, r.segments[0].base)
	}
	if floor := max(r.options.RecoveryPoint, start); end < floor {
		if end < r.options.RecoveryPoint {
			r.corrupt(Corruption{Segment: end, From: end, To: r.options.RecoveryPoint, Reason: "batches that were synced are missing"})
		}
		if err := l.begin(floor, r.now); err != nil {
			return err
		}
		l.appendable = false
		l.warn("closing a file", l.active.unpin())
		end = floor
		if len(r.segments) == 0 {
			start = floor
		}
	}
	l.start.Store(start)
	l.end.Store(end)
	return nil
}

// producersAt brings the producers' state to an offset at or below which the
// segments found so far end.
func (r *recovery) producersAt(offset int64) error {
	l := r.log
	if r.at > offset {
		r.at = -1
	}
	newest, err := l.newestSnapshot(offset)
	if err != nil {
		return storageError("listing the snapshots", err)
	}
	// A snapshot of just this offset knows what damage took from the batches.
	if r.at < 0 || newest > r.at || newest == offset && r.loaded != offset {
		r.loaded = newest
		if r.at, err = l.loadProducers(l.producers, offset); err != nil {
			return storageError("listing the snapshots", err)
		}
	}
	for _, s := range r.segments {
		if s.end.Load() <= r.at || s.base >= offset {
			continue
		}
		if err := l.replayInto(l.producers, s, r.at, offset, r.now, func(AbortedTxn) {}); err != nil {
			return r.blame(s, err)
		}
	}
	r.at = offset
	return nil
}

// blame makes a bad batch in a segment that was not scanned a reason to scan it.
func (r *recovery) blame(s *segment, err error) error {
	if errors.Is(err, errBadBatch) {
		err = &damagedSegment{s.base, err}
	}
	return storageError("recovering producers and epochs", err)
}

// replay brings the producers' state and the leader epochs up to the end.
func (r *recovery) replay() error {
	l := r.log
	end := l.end.Load()
	if err := l.dropSnapshots(end); err != nil {
		return err
	}
	if err := r.producersAt(end); err != nil {
		return err
	}
	changed := !r.epochsOK
	epochsFrom := int64(0)
	if r.epochsOK {
		changed = l.epochs.cutEnd(end)
		if n := len(l.epochs.entries); n > 0 {
			epochsFrom = l.epochs.entries[n-1].start
		}
		if r.options.Clean {
			epochsFrom = end
		}
	}
	for _, s := range r.segments {
		if s.end.Load() <= epochsFrom {
			continue
		}
		if err := l.eachHeader(s, func(sc *scanner) {
			if sc.header.BaseOffset >= epochsFrom {
				changed = l.epochs.assign(sc.header.LeaderEpoch, sc.header.BaseOffset) || changed
			}
		}); err != nil {
			return r.blame(s, err)
		}
	}
	if changed && len(l.epochs.entries) > 0 {
		l.warn("writing the leader epochs", l.saveEpochs())
	}
	return nil
}

// finish makes durable what was found beyond the recovery point and what was
// repaired.
func (r *recovery) finish() error {
	l := r.log
	if r.options.Clean && r.out.SegmentsScanned == 0 {
		l.synced.Store(l.end.Load())
	}
	if _, err := l.Sync(); err != nil {
		return err
	}
	l.synced.Store(l.end.Load())
	return nil
}

// corrupt notes damage and logs it.
func (r *recovery) corrupt(c Corruption) {
	c.Unsynced = r.options.PointKnown && c.From >= r.options.RecoveryPoint && c.To == c.From
	r.out.Corrupt = append(r.out.Corrupt, c)
	level := slog.LevelError
	if c.Unsynced {
		level = slog.LevelWarn
	}
	r.log.logger.Log(context.Background(), level, "damage in the log", "dir", r.log.dir, "segment", c.Segment, "position", c.Position, "bytes", c.Bytes,
		"from", c.From, "to", c.To, "kept_in", c.Quarantine, "reason", c.Reason, "was_synced", !c.Unsynced)
}

// quarantineRest puts segments aside that follow one that was cut: nothing in
// them was synced, since syncs go from old to new.
func (r *recovery) quarantineRest(bases []int64) error {
	l := r.log
	for i := len(bases) - 1; i >= 0; i-- {
		name := fileName(l.dir, bases[i], logSuffix)
		info, err := l.fs.Stat(name)
		if err != nil {
			return storageError("looking at a segment", err)
		}
		if info.Size == 0 {
			err = l.fs.Remove(name)
		} else {
			r.out.BytesCut += info.Size
			r.corrupt(Corruption{Segment: bases[i], Bytes: info.Size, From: bases[i], To: bases[i], Quarantine: path.Base(name) + corruptSuffix,
				Reason: "it follows a segment that was cut"})
			err = l.fs.Rename(name, name+corruptSuffix)
		}
		if err != nil {
			return storageError("putting a segment aside", err)
		}
		l.namesDirty = true
		l.dirty.Store(true)
	}
	return nil
}

// releaseAll closes all files.
func (l *Log) releaseAll() {
	for _, h := range l.unsynced {
		l.warn("closing a file", h.release())
	}
	l.unsynced = nil
	for _, s := range l.view.Load().segments {
		l.warn("closing a file", s.kill())
	}
}

// swap is a compacted segment that is to replace those from its base up to,
// not including, an offset.
type swap struct{ base, end int64 }

func (s swap) name(dir string) string {
	return fileName(dir, s.base, fmt.Sprintf("%s.%020d%s", logSuffix, s.end, swapSuffix))
}

func parseSwap(name string) (swap, bool) {
	base, suffix, ok := parseName(name)
	middle, isSwap := strings.CutSuffix(suffix, swapSuffix)
	if !ok || !isSwap {
		return swap{}, false
	}
	end, rest, ok := parseName(strings.TrimPrefix(middle, logSuffix+"."))
	return swap{base, end}, ok && rest == ""
}

// finishSwap puts a compacted segment in the place of those it was made of. A
// crash at any point leaves it to be done again.
func (l *Log) finishSwap(s swap, names []string) error {
	for _, name := range names {
		base, suffix, ok := parseName(name)
		if !ok || base < s.base || base >= s.end {
			continue
		}
		switch {
		case suffix == logSuffix && base > s.base, slices.Contains(indexSuffixes, suffix):
			if err := l.fs.Remove(path.Join(l.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	if err := l.fs.SyncDir(l.dir); err != nil {
		return err
	}
	if err := l.fs.Rename(s.name(l.dir), fileName(l.dir, s.base, logSuffix)); err != nil {
		return err
	}
	return l.fs.SyncDir(l.dir)
}

// syncFile syncs a file and closes it.
func syncFile(f vfs.File) error { return errors.Join(f.Sync(), f.Close()) }
