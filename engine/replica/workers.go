package replica

import (
	"context"
	"time"

	"github.com/logarium/logarium/engine/event"
)

// retain deletes segments that are past their topic's retention.
func (s *Set) retain(ctx context.Context) {
	for _, p := range s.Partitions() {
		if ctx.Err() != nil {
			return
		}
		if p.idle() {
			continue
		}
		old := p.log.Start()
		deleted, err := p.log.Retain(time.Now(), p.hw.Load())
		for _, d := range deleted {
			p.emit(event.State{Kind: event.SegmentDeleted, A: d.Base, B: d.Bytes})
		}
		if len(deleted) > 0 {
			p.measure()
			p.counters.LogEnd.Store(p.log.End())
			s.cfg.Logger.Info("deleted segments past retention", "log", p.dir(), "segments", len(deleted), "logStart", p.log.Start())
		}
		p.movedStart(old)
		if err != nil {
			p.lockedBroken(err, "retention")
		}
	}
}

// compact rewrites logs of compacted topics that have enough to gain.
func (s *Set) compact(ctx context.Context) {
	for _, p := range s.Partitions() {
		if ctx.Err() != nil {
			return
		}
		if p.idle() || !p.log.Config().CleanupCompact {
			continue
		}
		c, err := p.log.Compact(ctx, time.Now(), p.hw.Load())
		if c.Ran {
			p.measure()
			p.emit(event.State{Kind: event.LogCompacted, A: c.BytesBefore, B: c.BytesAfter})
		}
		if err != nil {
			p.lockedBroken(err, "compaction")
		}
	}
}

// idle says that background work has nothing to do with this replica.
func (p *Partition) idle() bool {
	if p.log == nil || p.down.Load() != nil {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failed
}

// lockedBroken reports an error of background work. A log that has failed by it
// takes no more appends; otherwise the work is tried again next time.
func (p *Partition) lockedBroken(err error, doing string) {
	if p.down.Load() != nil {
		return // closed or deleted while the work ran
	}
	if p.log.Failed() == nil {
		p.set.cfg.Logger.Warn("background work on a log failed and will be tried again", "log", p.dir(), "doing", doing, "err", err)
		return
	}
	p.mu.Lock()
	waiting := p.broken(err)
	p.mu.Unlock()
	waiting.tell(storageError(err))
}

// checkpoint writes the recovery points.
func (s *Set) checkpoint(context.Context) {
	if err := s.Checkpoint(); err != nil {
		s.cfg.Logger.Warn("cannot write recovery points; a start after a crash will read more of the logs", "err", err)
	}
}

// checkpointWatermarks writes the high watermarks if one has moved.
func (s *Set) checkpointWatermarks(context.Context) {
	if !s.moved.Swap(false) {
		return
	}
	if err := s.writeWatermarks(s.Partitions()); err != nil {
		s.moved.Store(true)
		s.cfg.Logger.Warn("cannot write high watermarks; they are tried again", "err", err)
	}
}
