package replica

import (
	"errors"
	"slices"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/event"
	"github.com/logarium/logarium/engine/storage"
)

// Append appends batches that batch.Validate has passed, changing them in
// place, and returns when the operating system has them; see Notify for when
// they are committed. With acks -1 (all) it is NOT_ENOUGH_REPLICAS, and nothing
// is written, while fewer than min.insync.replicas are in sync.
func (p *Partition) Append(batches []byte, from storage.Origin, acks int16) (storage.Appended, error) {
	if err := p.set.admit(); err != nil {
		return storage.Appended{}, err
	}
	p.writing.lock()
	a, told, due, err := p.appendLocked(batches, from, acks)
	p.writing.unlock()
	told.tell(err)
	if due && acks != -1 && err == nil { // with acks -1 the commit waits
		err = p.sync()
	}
	return a, err
}

// appendLocked does it; writing is held. Those that it returns are to be told
// the error that it returns; due says that flush.messages is reached.
func (p *Partition) appendLocked(batches []byte, from storage.Origin, acks int16) (a storage.Appended, told waiters, due bool, err error) {
	if err := p.Serves(); err != nil {
		return a, nil, false, err
	}
	if acks == -1 {
		p.mu.Lock()
		few := p.led == nil || p.underMinISR()
		p.mu.Unlock()
		if few {
			return a, nil, false, errTooFew
		}
	}
	now := time.Now()
	a, err = p.log.Append(batches, storage.AppendOptions{LeaderEpoch: p.epoch.Load(), Now: now, Origin: from})
	if err != nil {
		if errors.Is(err, syscall.ENOSPC) {
			p.set.full(err)
		}
		if p.log.Failed() == nil {
			return a, nil, false, err
		}
		err = storageError(err)
		p.mu.Lock()
		defer p.mu.Unlock()
		return a, p.broken(err), false, err
	}
	if a.Duplicate {
		return a, nil, false, nil
	}
	if p.set.isFull.Load() {
		p.set.full(nil)
	}
	due = p.persist(batches, a)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.recent.add(a.Last, now)
	p.counters.RecordsIn.Add(int64(a.Records))
	p.counters.BytesIn.Add(int64(a.Bytes))
	p.count(a)
	p.tellFollowers(a.First)
	return a, p.rise(), due, nil
}

// count accounts for an append; mu is held.
func (p *Partition) count(a storage.Appended) {
	p.appended += int64(a.Bytes)
	c := p.counters
	c.LogEnd.Store(a.Last + 1)
	c.SizeBytes.Add(int64(a.Bytes))
	if a.Rolled >= 0 {
		c.Segments.Add(1)
		p.emit(event.State{Kind: event.SegmentRolled, A: a.Rolled})
	}
}

// tellFollowers wakes the followers after an append from offset first on; mu is
// held.
func (p *Partition) tellFollowers(first int64) {
	l := p.led
	if l == nil || len(l.remotes) == 0 {
		return
	}
	now := p.set.clock()
	for i := range l.remotes {
		r := &l.remotes[i]
		if r.end >= first { // it had everything until now
			r.caughtUp = now
		}
		r.link.appended()
	}
	p.set.lag.watch(p)
}

// AppendBatch appends one batch that this broker built itself, as with acks -1,
// and returns the offset of its last record.
func (p *Partition) AppendBatch(batch []byte) (last int64, err error) {
	a, err := p.Append(batch, storage.FromCoordinator, -1)
	return a.Last, err
}

// heard takes note of where a follower is, and tells where its log parts from
// this one, nil where it does not (KIP-595). Errors are NOT_LEADER_OR_FOLLOWER,
// FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH, OFFSET_OUT_OF_RANGE and
// KAFKA_STORAGE_ERROR.
func (p *Partition) heard(f *followed) (*EpochEnd, error) {
	at := &f.at
	if err := p.Serves(); err != nil {
		return nil, err
	}
	switch ours := p.epoch.Load(); {
	case at.LeaderEpoch < ours:
		return nil, kerr.FencedLeaderEpoch
	case at.LeaderEpoch > ours:
		return nil, kerr.UnknownLeaderEpoch
	}
	end := p.log.End()
	if at.LastEpoch >= 0 && (at.LastEpoch != at.LeaderEpoch || at.Offset > end) {
		epoch, ends := p.log.EpochEnd(at.LastEpoch)
		switch {
		case epoch < 0 || at.Offset < p.log.Start():
			return nil, kerr.OffsetOutOfRange
		case epoch < at.LastEpoch || ends < at.Offset:
			return &EpochEnd{Epoch: epoch, Offset: ends}, nil
		}
	}
	if at.Offset < p.log.Start() || at.Offset > end {
		return nil, kerr.OffsetOutOfRange
	}
	p.mu.Lock()
	told, err := p.noted(f, end)
	p.mu.Unlock()
	told.tell(nil)
	return nil, err
}

// noted is heard once the follower's place is known to be good; mu is held.
func (p *Partition) noted(f *followed, end int64) (waiters, error) {
	l := p.led
	if l == nil || l.epoch != f.at.LeaderEpoch {
		return nil, errNotLeader
	}
	r := l.remote(f.session.follower)
	if r == nil {
		return nil, errNotReplica
	}
	grown := f.at.Offset > r.end
	r.link = f
	f.live = r.counts
	start := r.start
	r.note(f.at.Offset, f.at.LogStart, f.session.broker, end, p.set.clock())
	if !r.inSync {
		p.expand()
	}
	var told waiters
	if grown {
		told = p.rise()
	}
	if r.start != start {
		p.movedLow()
	}
	return told, nil
}

// renewed takes note of the broker epoch that a follower has now.
func (p *Partition) renewed(follower int32, broker int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.led == nil {
		return
	}
	if r := p.led.remote(follower); r != nil && r.end >= 0 {
		r.broker = broker
		if !r.inSync {
			p.expand()
		}
	}
}

// unlink forgets a follower that follows no longer.
func (p *Partition) unlink(f *followed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.led == nil {
		return
	}
	if r := p.led.remote(f.session.follower); r != nil && r.link == f {
		r.link = nil
	}
}

// readForFollower reads batches, committed or not, up to offset upTo.
func (p *Partition) readForFollower(dst []byte, from, upTo int64, most int) ([]byte, error) {
	out, err := p.log.Read(dst, from, upTo, most, true)
	if err != nil {
		p.readFailed(err)
	}
	return out, err
}

// readFailed has a log repaired that does not hold what it should.
func (p *Partition) readFailed(err error) {
	if errors.Is(err, kerr.CorruptMessage) {
		p.set.repairs.add(p, err)
	}
}

// lowWatermark is the smallest log start of this replica and of those whose
// brokers are up; mu is held.
func (p *Partition) lowWatermark() int64 {
	low := p.log.Start()
	up := p.set.up.Load()
	for i := range p.led.remotes {
		r := &p.led.remotes[i]
		if _, ok := (*up)[r.id]; ok {
			low = min(low, r.start)
		}
	}
	return low
}

// lowWaiter waits for the low watermark to reach offset.
type lowWaiter struct {
	offset int64
	done   chan error // takes one
}

// movedLow tells those who wait for the low watermark; mu is held.
func (p *Partition) movedLow() {
	if len(p.lows) == 0 || p.led == nil {
		return
	}
	low := p.lowWatermark()
	p.lows = slices.DeleteFunc(p.lows, func(w lowWaiter) bool {
		if low >= w.offset {
			w.done <- nil
		}
		return low >= w.offset
	})
}

// failLows ends the waits for the low watermark; mu is held.
func (p *Partition) failLows(err error) {
	for _, w := range p.lows {
		w.done <- err
	}
	p.lows = nil
}
