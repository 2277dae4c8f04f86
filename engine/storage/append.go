package storage

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/batch"
)

// planned is a batch of an append on its way to the file.
type planned struct {
	header batch.Header
	at     int  // in the bytes of the append
	ends   bool // it has a transaction marker
	marker batch.Marker
}

// planKept is how many planned batches a log keeps memory for.
const planKept = 16

// Append writes whole batches, each of which passed batch.Validate, at the end
// of the log, with one write. They are changed in place: offsets, leader
// epoch, log append time. An error means that nothing of it is in the log; it
// wraps MESSAGE_TOO_LARGE, RECORD_LIST_TOO_LARGE, OUT_OF_ORDER_SEQUENCE_NUMBER,
// INVALID_PRODUCER_EPOCH, CORRUPT_MESSAGE or KAFKA_STORAGE_ERROR.
//
// Batches that their idempotent producer had appended before, among its last
// five, are not written again: Appended says where they are.
func (l *Log) Append(batches []byte, a AppendOptions) (Appended, error) {
	l.mu.lock()
	defer l.mu.unlock()
	if err := l.writable(); err != nil {
		return Appended{}, err
	}
	c := l.Config()
	defer l.forgetPlan()
	end, err := l.split(batches, &c, a.Origin)
	if err != nil {
		return Appended{}, err
	}
	if d, ok, err := l.checkProducers(a.Origin); ok || err != nil {
		return d, err
	}
	first := l.end.Load()
	if a.Origin == FromLeader {
		if first, err = l.follow(first); err != nil {
			return Appended{}, err
		}
	}
	rolled := int64(-1)
	if l.mustRoll(&c, len(batches), end) {
		// Without a gap between segments, unless the leader's is too wide: on
		// recovery, a gap means loss.
		rolled = l.baseFor(first, end)
		if err := l.roll(rolled, a.Now); err != nil {
			return Appended{}, err
		}
	}
	if err := l.prepare(l.baseFor(first, end), a.Now); err != nil {
		return Appended{}, err
	}
	stamp := int64(-1)
	if a.Origin != FromLeader {
		if c.LogAppendTime {
			stamp = a.Now.UnixMilli()
		}
		l.assign(batches, first, a.LeaderEpoch, stamp)
	}
	if err := l.write(batches); err != nil {
		return Appended{}, err
	}
	return l.commit(batches, &c, a.Now, stamp, rolled)
}

// baseFor is the base offset of a segment for batches from first up to end. It is
// where the log ends, even if the leader's batches begin later: a segment that
// begins above the end of what is before it looks like a hole.
func (l *Log) baseFor(first, end int64) int64 {
	if base := l.end.Load(); base < first && end-base <= maxRelative {
		return base
	}
	return first
}

// follow prepares the log for the leader's batches in the plan, where it ends
// at end, and returns the offset of the first.
func (l *Log) follow(end int64) (first int64, err error) {
	first = l.plan[0].header.BaseOffset
	if first < end && l.active != nil {
		// The one segment, which is empty, begins too late.
		l.warn("closing a file", l.active.kill())
		if err := l.removeFiles(l.active); err != nil {
			return 0, storageError("removing an empty segment", err)
		}
		l.namesDirty, l.appendable = true, false
		l.setSegments(nil)
	}
	if l.sparse.Load() || first <= end && !l.planHasGaps() {
		return first, nil
	}
	return first, l.markSparse()
}

// markSparse notes, durable with the next sync, that there are gaps: they must
// not be taken for damage.
func (l *Log) markSparse() error {
	if l.sparse.Load() {
		return nil
	}
	if err := l.materialize(); err != nil {
		return err
	}
	if err := writeOffset(l.fs, l.dir, cleanerFile, l.cleaned); err != nil {
		return storageError("writing the cleaner's offset", err)
	}
	l.sparse.Store(true)
	l.namesDirty = true
	l.dirty.Store(true)
	return nil
}

// planHasGaps reports whether there are offsets that no planned batch has.
func (l *Log) planHasGaps() bool {
	for i := 1; i < len(l.plan); i++ {
		if l.plan[i].header.BaseOffset > l.plan[i-1].header.LastOffset()+1 {
			return true
		}
	}
	return false
}

// mark is the transaction marker, nil if there is none.
func (p *planned) mark() *batch.Marker {
	if !p.ends {
		return nil
	}
	return &p.marker
}

// forgetPlan ends an append.
func (l *Log) forgetPlan() {
	if cap(l.plan) > planKept {
		l.plan = nil
	}
	l.plan = l.plan[:0]
}

// split plans the batches of an append and checks their sizes and offsets. It
// returns the end of the log as it will be.
func (l *Log) split(batches []byte, c *Config, origin Origin) (next int64, err error) {
	next = l.end.Load()
	for at := 0; at < len(batches); {
		h, err := batch.ParseHeader(batches[at:])
		if err != nil {
			return 0, err
		}
		if h.Size() > len(batches)-at || h.LastOffsetDelta < 0 {
			return 0, fmt.Errorf("%w: the batch claims %d bytes, there are %d", kerr.CorruptMessage, h.Size(), len(batches)-at)
		}
		if origin == FromLeader {
			// The log of a follower may begin within a batch of the leader's.
			within := at == 0 && h.LastOffset() >= next && l.start.Load() == next && l.Size() == 0
			if h.BaseOffset < 0 || h.BaseOffset < next && !within || h.LastOffset() < h.BaseOffset {
				return 0, fmt.Errorf("%w: the leader's batch has the offset %d, the next is %d", kerr.CorruptMessage, h.BaseOffset, next)
			}
			next = h.BaseOffset
		} else if h.Size() > c.MaxMessageBytes {
			return 0, fmt.Errorf("%w: the batch has %d bytes, the most allowed is %d", kerr.MessageTooLarge, h.Size(), c.MaxMessageBytes)
		}
		next += int64(h.LastOffsetDelta) + 1
		p := planned{header: h, at: at}
		if h.IsControl() {
			if p.marker, p.ends, err = batch.ReadMarker(batches[at:]); err != nil {
				return 0, err
			}
		}
		l.plan = append(l.plan, p)
		at += h.Size()
	}
	if len(l.plan) == 0 {
		return 0, fmt.Errorf("%w: no batch to append", kerr.InvalidRecord)
	}
	if len(batches) > c.SegmentBytes && origin != FromLeader || len(batches) > math.MaxInt32 {
		return 0, fmt.Errorf("%w: %d bytes in one append, a segment has %d", kerr.RecordListTooLarge, len(batches), c.SegmentBytes)
	}
	return next, nil
}

// checkProducers checks epochs and sequences, and finds out whether the
// batches were appended before.
func (l *Log) checkProducers(origin Origin) (d Appended, duplicate bool, err error) {
	if origin == FromLeader {
		return d, false, nil
	}
	for i := range l.plan {
		h := &l.plan[i].header
		if h.ProducerID < 0 {
			continue
		}
		if origin == FromClient && !h.IsControl() {
			if was, ok := l.producers.duplicate(h); ok {
				return Appended{
					First: was.first(), Last: was.lastOffset, LogAppendTime: l.stampOf(was),
					LogStart: l.start.Load(), Records: int(h.NumRecords), Duplicate: true, Rolled: -1,
				}, true, nil
			}
		}
		var before *batch.Header // of the same producer, in this append
		for j := range i {
			if l.plan[j].header.ProducerID == h.ProducerID {
				before = &l.plan[j].header
			}
		}
		if err := l.producers.check(h, before, l.plan[i].mark(), origin); err != nil {
			return d, false, err
		}
	}
	return d, false, nil
}

// stampOf is the log append time of a batch that was appended before.
func (l *Log) stampOf(b producerBatch) int64 {
	if l.Config().LogAppendTime {
		return b.timestamp
	}
	return -1
}

// mustRoll reports whether an append of so many bytes, up to offset end, needs
// a new segment.
func (l *Log) mustRoll(c *Config, size int, end int64) bool {
	s := l.active
	if s == nil {
		return false
	}
	if end-s.base > maxRelative {
		return true
	}
	have := s.size.Load()
	if have == 0 {
		return false
	}
	if have+int64(size) > int64(min(c.SegmentBytes, math.MaxInt32)) {
		return true
	}
	if x := s.index.Load(); x != nil && (x.offsets.n.Load()+1)*offsetEntrySize > int64(c.SegmentIndexBytes) {
		return true
	}
	return l.tooOld(c, s, l.plan[0].header.MaxTimestamp)
}

// tooOld reports whether the active segment spans enough time. Like Kafka, it
// goes by the timestamps of the records, if they have any, so that a copy of
// old records is cut into segments as the original was.
func (l *Log) tooOld(c *Config, s *segment, timestamp int64) bool {
	age := c.SegmentAge
	if c.CleanupCompact {
		age = min(age, c.MaxCompactionLag)
	}
	age -= c.jitter(l.dir, s.base, age)
	if age == Forever || s.firstTimestamp < 0 || timestamp < 0 {
		return false
	}
	return timestamp-s.firstTimestamp > age.Milliseconds()
}

// assign writes offsets, epoch and, unless it is -1, the time of the append.
func (l *Log) assign(batches []byte, next int64, epoch int32, stamp int64) {
	for i := range l.plan {
		p := &l.plan[i]
		b := batches[p.at : p.at+p.header.Size()]
		batch.SetBaseOffset(b, next)
		batch.SetLeaderEpoch(b, epoch)
		p.header.BaseOffset, p.header.LeaderEpoch = next, epoch
		if stamp >= 0 {
			batch.SetLogAppendTime(b, stamp)
			p.header.MaxTimestamp = stamp
			p.header.CRC = batch.CRC(b)
		}
		next = p.header.LastOffset() + 1
	}
}

// write puts the batches behind what readers see. If that fails, what was
// written is cut off again; if that fails, too, the log is failed.
func (l *Log) write(batches []byte) error {
	s := l.active
	h, err := s.open()
	if err != nil {
		return storageError("opening the active segment", err)
	}
	defer func() { l.warn("closing a file", h.release()) }()
	size := s.size.Load()
	if _, err := h.file.WriteAt(batches, size); err != nil {
		if cut := h.file.Truncate(size); cut != nil {
			return l.fail("appending, and cutting off what came of it", errors.Join(err, cut))
		}
		l.dirty.Store(true)
		return storageError("appending", err)
	}
	return nil
}

// commit takes what was written into the log's state and shows it to readers.
func (l *Log) commit(batches []byte, c *Config, now time.Time, stamp, rolled int64) (Appended, error) {
	s, x := l.active, l.active.index.Load()
	size := s.size.Load()
	out := Appended{
		First: l.plan[0].header.BaseOffset, LogAppendTime: stamp, LogStart: l.start.Load(),
		Bytes: len(batches), Rolled: rolled,
	}
	for i := range l.plan {
		h := &l.plan[i].header
		s.note(x, h, size+int64(l.plan[i].at), c.IndexIntervalBytes)
		if a, ok := l.producers.update(h, l.plan[i].mark(), now); ok {
			s.noteAborted(a)
		}
		out.Records += int(h.NumRecords)
		out.Last = h.LastOffset()
	}
	s.publish(size+int64(len(batches)), out.Last+1)
	l.end.Store(out.Last + 1)
	l.dirty.Store(true)
	for i := range l.plan {
		h := &l.plan[i].header
		if l.epochs.assign(h.LeaderEpoch, h.BaseOffset) {
			// The batches themselves carry the epoch: the file is made again
			// from them if it cannot be written.
			l.warn("writing the leader epochs", l.saveEpochs())
		}
	}
	return out, nil
}
