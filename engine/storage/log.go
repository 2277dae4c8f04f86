package storage

import (
	"errors"
	"fmt"
	"log/slog"
	"path"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/vfs"
)

// The defaults of Options.
const (
	defaultProducerExpiration = 24 * time.Hour
	defaultMaxProducers       = 1_000_000
	defaultCompactionMemory   = 16 << 20
)

// Log is one log on disk. Appending and what changes the log take its lock,
// one at a time; reading takes none.
//
// Lock order: admin, then syncing, then mu, then the file cache's. admin is
// held during syncs by what works on whole segments; mu is not, but for the
// time of a write.
type Log struct {
	fs      vfs.FS
	dir     string
	topicID [16]byte
	files   *FileCache
	logger  *slog.Logger
	memory  int
	damage  damage
	clock   clock // of retention and compaction
	// throttle is of compaction; nil: none.
	throttle *Throttle
	remover  *Remover // nil: none

	admin lock // Retain, DeleteRecords, Truncate, Compact's swap, Close, Delete
	mu    lock // what follows, and every change of the segments

	config     atomic.Pointer[Config]
	view       atomic.Pointer[view]
	start      atomic.Int64
	end        atomic.Int64
	synced     atomic.Int64
	generation atomic.Uint64 // counts truncations; odd while one is under way
	failure    atomic.Pointer[failure]
	closed     atomic.Bool
	dirty      atomic.Bool // there may be something to sync
	sparse     atomic.Bool // there may be gaps between batches: compaction was here, or at the leader's

	// Guarded by mu.
	exists      bool // the folder has been made
	active      *segment
	appendable  bool      // active is pinned
	unsynced    []*handle // files of earlier segments, indexes, snapshots; each with a reference
	small       []string  // small files that were replaced since the last sync
	namesDirty  bool      // files were made or renamed since the folder was synced
	parentDirty bool
	plan        []planned
	producers   *producers
	epochs      *epochs

	syncing  lock // one Sync at a time
	cleaning lock // one Compact at a time
	cleaned  int64
	stale    staleRange
}

// failure is why a log takes no more writes.
type failure struct{ err error }

// view is the segments that readers see, oldest first; the last is active.
type view struct{ segments []*segment }

// find returns the place of the segment that holds offset, or would.
func (v *view) find(offset int64) int {
	lo, hi := 0, len(v.segments)
	for lo < hi {
		if mid := (lo + hi) / 2; v.segments[mid].base <= offset {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return max(lo-1, 0)
}

func newLog(o Options) *Log {
	l := &Log{
		fs:       o.FS,
		dir:      o.Dir,
		topicID:  o.TopicID,
		files:    o.Files,
		logger:   o.Logger,
		memory:   o.CompactionMemory,
		damage:   damage{tell: o.OnCorrupt, told: map[spot]bool{}},
		throttle: o.Throttle,
		remover:  o.Remover,
		admin:    newLock(),
		mu:       newLock(),
		syncing:  newLock(),
		cleaning: newLock(),
	}
	if l.files == nil {
		l.files = NewFileCache(0)
	}
	if l.logger == nil {
		l.logger = slog.New(slog.DiscardHandler)
	}
	if l.memory <= 0 {
		l.memory = defaultCompactionMemory
	}
	if o.ProducerExpiration <= 0 {
		o.ProducerExpiration = defaultProducerExpiration
	}
	if o.MaxProducers <= 0 {
		o.MaxProducers = defaultMaxProducers
	}
	l.producers = newProducers(o.ProducerExpiration, o.MaxProducers)
	l.epochs = new(epochs)
	l.config.Store(&o.Config)
	l.view.Store(&view{})
	return l
}

// storageError gives a disk's error the protocol's code, and words.
func storageError(what string, err error) error {
	return fmt.Errorf("%w: %s: %w", kerr.KafkaStorageError, what, err)
}

// writable is nil if the log takes writes.
func (l *Log) writable() error {
	if l.closed.Load() {
		return l.gone()
	}
	if f := l.failure.Load(); f != nil {
		return f.err
	}
	return nil
}

// fail stops the log for writing, for ever.
func (l *Log) fail(what string, err error) error {
	err = storageError(what, err)
	if l.failure.CompareAndSwap(nil, &failure{err}) {
		l.logger.Error("log failed: no more writes", "dir", l.dir, "error", err, "synced", l.synced.Load(), "end", l.end.Load())
	}
	return err
}

// Failed is the error that stopped the log for writing, nil if it works.
func (l *Log) Failed() error {
	if f := l.failure.Load(); f != nil {
		return f.err
	}
	return nil
}

// warn logs an error that harms nothing but must not be lost.
func (l *Log) warn(what string, err error) {
	if err != nil {
		l.logger.Warn(what, "dir", l.dir, "error", err)
	}
}

// Start is the first offset that can be read.
func (l *Log) Start() int64 { return l.start.Load() }

// End is the offset that the next record gets.
func (l *Log) End() int64 { return l.end.Load() }

// Synced is the offset below which all is on disk.
func (l *Log) Synced() int64 { return l.synced.Load() }

// Config returns the settings in force.
func (l *Log) Config() Config { return *l.config.Load() }

// SetConfig puts settings into force.
func (l *Log) SetConfig(c Config) { l.config.Store(&c) }

// Size is the length of all segments in bytes.
func (l *Log) Size() int64 {
	var n int64
	for _, s := range l.view.Load().segments {
		n += s.size.Load()
	}
	return n
}

// Segments describes the segments, oldest first.
func (l *Log) Segments() []SegmentInfo {
	v := l.view.Load()
	infos := make([]SegmentInfo, len(v.segments))
	for i, s := range v.segments {
		infos[i] = SegmentInfo{
			Base: s.base, End: s.end.Load(), Bytes: s.size.Load(),
			MaxTimestamp: s.maxTimestamp.Load(), Active: i == len(v.segments)-1,
		}
	}
	return infos
}

// Producers describes the producers remembered, in no order.
func (l *Log) Producers() []ProducerInfo {
	l.mu.lock()
	defer l.mu.unlock()
	return l.producers.list()
}

// setSegments publishes the segments to readers.
func (l *Log) setSegments(segments []*segment) {
	l.view.Store(&view{segments: segments})
	l.active = nil
	if n := len(segments); n > 0 {
		l.active = segments[n-1]
	}
}

// materialize makes the folder of a log that had none. Until something is
// written, a log takes up nothing on disk.
func (l *Log) materialize() error {
	if l.exists {
		return nil
	}
	if err := l.fs.MkdirAll(l.dir); err != nil {
		return storageError("making the folder of the log", err)
	}
	l.parentDirty = true
	if err := l.writeLater(metadataFile, encodeMetadata(l.topicID)); err != nil {
		return storageError("writing the topic id", err)
	}
	l.exists = true
	if len(l.epochs.entries) > 0 {
		return l.saveEpochs()
	}
	return nil
}

// prepare makes the active segment ready to be appended to, a new one with
// the given base offset if there is none.
func (l *Log) prepare(base int64, now time.Time) error {
	if l.active == nil {
		if err := l.materialize(); err != nil {
			return err
		}
		return l.begin(base, now)
	}
	if l.appendable {
		return nil
	}
	if err := l.active.pin(l.Config().IndexIntervalBytes); err != nil {
		return storageError("opening the active segment", err)
	}
	if _, err := l.abortedOf(l.view.Load(), l.active); err != nil {
		return storageError("reading the transaction index", err)
	}
	l.appendable = true
	return nil
}

// begin makes an empty segment and makes it the active one.
func (l *Log) begin(base int64, now time.Time) error {
	seg := newSegment(l, emptySummary(base))
	seg.created = now.UnixMilli()
	f, err := l.fs.Create(seg.name(logSuffix))
	if err != nil {
		return storageError("making a segment", err)
	}
	seg.handle.Store(newHandle(f))
	seg.index.Store(new(indexes))
	seg.pinned.Store(true)
	l.namesDirty = true
	l.dirty.Store(true)
	old := l.view.Load().segments
	segments := make([]*segment, len(old)+1)
	copy(segments, old)
	segments[len(old)] = seg
	l.setSegments(segments)
	l.appendable = true
	return nil
}

// Roll ends the active segment, if it holds anything, and begins a new one.
func (l *Log) Roll(now time.Time) error {
	l.mu.lock()
	defer l.mu.unlock()
	if err := l.writable(); err != nil {
		return err
	}
	if l.active == nil || l.active.size.Load() == 0 {
		return nil
	}
	return l.roll(l.end.Load(), now)
}

// roll ends the active segment: its indexes and the producers' state are
// written, to be synced with it.
func (l *Log) roll(base int64, now time.Time) error {
	old := l.active
	if err := l.prepare(base, now); err != nil {
		return err
	}
	if err := l.writeIndexes(old); err != nil {
		return err
	}
	if err := l.writeSnapshot(base); err != nil {
		return err
	}
	h, err := old.open()
	if err != nil {
		return storageError("ending a segment", err)
	}
	if err := l.begin(base, now); err != nil {
		l.warn("closing a file", h.release())
		return err
	}
	l.unsynced = append(l.unsynced, h)
	l.warn("closing a file", old.unpin())
	return nil
}

// writeIndexes writes a segment's index files.
func (l *Log) writeIndexes(s *segment) error {
	x, sum := s.index.Load(), s.summary()
	if err := l.writeCache(s.name(indexSuffix), x.encode(kindOffset, sum)); err != nil {
		return storageError("writing an index", err)
	}
	if err := l.writeCache(s.name(timeIndexSuffix), x.encode(kindTime, sum)); err != nil {
		return storageError("writing a time index", err)
	}
	if txns := s.txns.Load(); sum.aborted > 0 {
		if err := l.writeCache(s.name(txnIndexSuffix), encodeTxns(txns.view(), sum)); err != nil {
			return storageError("writing a transaction index", err)
		}
	}
	s.indexed.Store(true)
	return nil
}

// writeSnapshot writes the producers' state as of an offset, and deletes what
// is older than the newest few. That there are no producers is worth a file,
// too: it saves reading all batches.
func (l *Log) writeSnapshot(at int64) error {
	if err := l.writeCache(fileName(l.dir, at, snapshotSuffix), l.producers.encode(at)); err != nil {
		return storageError("writing a snapshot of the producers", err)
	}
	return l.dropSnapshots(at)
}

// writeCache writes a file that carries its own CRC and can be made again; the
// next Sync makes it durable.
func (l *Log) writeCache(name string, b []byte) error {
	f, err := l.fs.Create(name)
	if err != nil {
		return err
	}
	if _, err := f.WriteAt(b, 0); err != nil {
		return errors.Join(err, f.Close())
	}
	l.unsynced = append(l.unsynced, newHandle(f))
	l.namesDirty = true
	l.dirty.Store(true)
	return nil
}

// Sync makes all that was appended before the call durable, and returns the
// offset up to which it is. It must be called now and then whatever the
// durability, since older files wait for it. After an error the log is failed for ever: what was not synced may
// be lost, and nothing is written any more.
func (l *Log) Sync() (through int64, err error) {
	if !l.dirty.Load() && l.failure.Load() == nil {
		return l.synced.Load(), nil
	}
	// Were there two at once, one might call synced what the other still syncs.
	l.syncing.lock()
	defer l.syncing.unlock()
	work, err := l.takeUnsynced()
	if err != nil {
		return l.synced.Load(), err
	}
	err = work.run(l)
	if err != nil {
		return l.synced.Load(), l.fail("syncing the log", err)
	}
	l.mu.lock()
	defer l.mu.unlock()
	// A truncation since then has set what is synced itself.
	if l.generation.Load() == work.generation && work.end > l.synced.Load() {
		l.synced.Store(work.end)
	}
	if work.active != nil {
		work.active.syncedSize = max(work.active.syncedSize, work.size)
	}
	return l.synced.Load(), nil
}

// unsynced is what one Sync has to do.
type unsynced struct {
	end        int64
	generation uint64
	files      []*handle
	active     *segment
	size       int64
	small      []string
	names      bool
	parent     bool
}

// takeUnsynced collects what is not on disk yet.
func (l *Log) takeUnsynced() (unsynced, error) {
	l.mu.lock()
	defer l.mu.unlock()
	if err := l.writable(); err != nil {
		return unsynced{}, err
	}
	l.dirty.Store(false)
	w := unsynced{end: l.end.Load(), generation: l.generation.Load(), files: l.unsynced, names: l.namesDirty, parent: l.parentDirty, small: l.small}
	l.small = nil
	l.unsynced, l.namesDirty, l.parentDirty = nil, false, false
	if s := l.active; s != nil && s.size.Load() != s.syncedSize {
		h, err := s.open()
		if err != nil {
			w.release(l)
			return w, l.fail("opening the active segment", err)
		}
		w.files = append(w.files, h)
		w.active, w.size = s, s.size.Load()
	}
	return w, nil
}

// run syncs files, then the folder that names them.
func (w *unsynced) run(l *Log) error {
	defer w.release(l)
	for _, h := range w.files {
		if err := h.file.Sync(); err != nil {
			return err
		}
	}
	for _, name := range w.small {
		if err := l.syncSmall(name); err != nil {
			return err
		}
	}
	if w.names {
		if err := l.fs.SyncDir(l.dir); err != nil {
			return err
		}
	}
	if w.parent {
		return l.fs.SyncDir(path.Dir(l.dir))
	}
	return nil
}

func (w *unsynced) release(l *Log) {
	for _, h := range w.files {
		l.warn("closing a file", h.release())
	}
}
