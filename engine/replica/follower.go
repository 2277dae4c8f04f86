package replica

import (
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/batch"
	"github.com/logarium/logarium/engine/event"
	"github.com/logarium/logarium/engine/storage"
)

// outcome is what became of a partition by an answer of its leader.
type outcome int

const (
	unmoved  outcome = iota // its place is the same
	moved                   // the leader is to be told its new place
	troubled                // it is to be tried again in a while
)

// place is where the follower is; false if it follows no longer.
func (p *Partition) place(e *following) (FetchPartition, bool) {
	p.writing.lock()
	defer p.writing.unlock()
	if p.following != e {
		return FetchPartition{}, false
	}
	at := FetchPartition{PartitionID: p.ref(), LeaderEpoch: e.epoch, Offset: p.log.End(), LogStart: p.log.Start(), LastEpoch: -1}
	if at.Offset > at.LogStart {
		at.LastEpoch = p.log.EpochAt(at.Offset - 1)
	}
	return at, true
}

// replicate applies what the leader told of the partition.
func (p *Partition) replicate(e *following, in *FetchedPartition) outcome {
	p.writing.lock()
	defer p.writing.unlock()
	if p.following != e {
		return unmoved
	}
	before := p.log.Start()
	out, err := p.apply(in)
	if err != nil {
		p.copyFailed(err)
		return troubled
	}
	if in.Err != nil || in.Diverging != nil {
		return out
	}
	if err := p.followStart(in.LogStart); err != nil {
		p.copyFailed(err)
		return troubled
	}
	p.mu.Lock()
	told := p.advance(min(in.HighWatermark, p.log.End()))
	p.mu.Unlock()
	told.tell(nil)
	if p.log.Start() != before {
		return moved
	}
	return out
}

// apply does it but for the high watermark and the log start; writing is held.
func (p *Partition) apply(in *FetchedPartition) (outcome, error) {
	switch {
	case errors.Is(in.Err, kerr.OffsetOutOfRange):
		return p.outOfRange(in)
	case in.Err != nil:
		// An epoch that differs, a leader that is none: either image will catch
		// up, and a storage error of the leader ends its leadership.
		return troubled, nil
	case in.Diverging != nil:
		return moved, p.cutTo(p.agreedEnd(in.Diverging))
	case len(in.Batches) == 0:
		return unmoved, nil
	}
	for b := range batch.Split(in.Batches) {
		if !batch.CheckCRC(b) {
			return troubled, fmt.Errorf("%w: the checksum of a batch from the leader is wrong", kerr.CorruptMessage)
		}
	}
	a, err := p.log.Append(in.Batches, storage.AppendOptions{Now: time.Now(), Origin: storage.FromLeader})
	if err != nil {
		return troubled, err
	}
	p.persistCopy(a)
	p.counters.RecordsReplicated.Add(int64(a.Records))
	p.counters.BytesReplicated.Add(int64(a.Bytes))
	p.mu.Lock()
	p.count(a)
	p.mu.Unlock()
	return moved, nil
}

// copyFailed tells of an error of a follower's log, or of what it was given;
// writing is held.
func (p *Partition) copyFailed(err error) {
	if p.log.Failed() == nil {
		p.set.cfg.Logger.Warn("cannot follow the leader; trying again", "log", p.dir(), "err", err)
		return
	}
	p.unfollow()
	p.mu.Lock()
	waiting := p.broken(err)
	p.mu.Unlock()
	waiting.tell(storageError(err))
}

// agreedEnd is the end of what the log has in common with the leader's, as far
// as the leader's answer tells (KIP-101, KIP-279).
func (p *Partition) agreedEnd(d *EpochEnd) int64 {
	end := p.log.End()
	if d.Epoch < 0 {
		return min(d.Offset, end)
	}
	epoch, ends := p.log.EpochEnd(d.Epoch)
	if epoch < 0 { // newer than the last record here
		return min(d.Offset, end)
	}
	// Where epoch is an older one, the leader is asked again: it may have parted
	// from it even earlier.
	return min(d.Offset, ends, end)
}

// cutTo truncates the log to an offset; writing is held. What was committed is
// only cut where an unclean election or a lost disk has lost it.
func (p *Partition) cutTo(to int64) error {
	end := p.log.End()
	if to < p.log.Start() {
		return p.restart(to)
	}
	if to < p.hw.Load() {
		p.set.cfg.Logger.Warn("truncating below the high watermark: the leader lost what was committed", "log", p.dir(), "to", to, "highWatermark", p.hw.Load())
	}
	if err := p.log.Truncate(to); err != nil {
		return err
	}
	p.cut(end)
	return nil
}

// restart drops the whole log and begins it anew at an offset; writing is held.
func (p *Partition) restart(at int64) error {
	end := p.log.End()
	if err := p.log.Reset(at); err != nil {
		return err
	}
	p.counters.LogStart.Store(p.log.Start())
	p.cut(end)
	return nil
}

// cut accounts for a log that was cut, which ended at end before; writing is
// held.
func (p *Partition) cut(end int64) {
	now := p.log.End()
	p.mu.Lock()
	p.truncated(now)
	if p.hw.Load() > now {
		p.hw.Store(now)
		p.counters.HighWatermark.Store(now)
		p.set.moved.Store(true)
	} else if start := p.log.Start(); p.hw.Load() < start {
		p.hw.Store(start)
		p.counters.HighWatermark.Store(start)
		p.set.moved.Store(true)
	}
	p.committed = p.appended
	p.wake()
	p.mu.Unlock()
	p.counters.LogEnd.Store(now)
	p.measure()
	if now != end {
		p.emit(event.State{Kind: event.LogTruncated, A: end, B: now, Epoch: p.epoch.Load()})
	}
	p.set.cfg.Logger.Info("truncated the log to what its leader has", "log", p.dir(), "from", end, "to", now)
}

// outOfRange brings the log into the range of its leader's; writing is held.
func (p *Partition) outOfRange(in *FetchedPartition) (outcome, error) {
	switch end := p.log.End(); {
	case in.LogStart < 0 || in.LogEnd < 0:
		return troubled, nil
	case end > in.LogEnd:
		return moved, p.cutTo(in.LogEnd)
	case end < in.LogStart:
		return moved, p.restart(in.LogStart)
	}
	return troubled, nil // by now it is in range
}

// followStart moves the log start to where the leader's is; writing is held.
func (p *Partition) followStart(to int64) error {
	old := p.log.Start()
	to = min(to, p.log.End())
	if to <= old {
		return nil
	}
	if err := p.log.DeleteRecords(to); err != nil {
		return err
	}
	p.mu.Lock()
	p.advance(to)
	p.mu.Unlock()
	p.movedStart(old)
	return nil
}
