package replica

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/logarium/logarium/engine/event"
	"github.com/logarium/logarium/engine/metadata"
)

// repairs are the replicas whose logs cannot be used: the disk failed, or they
// do not hold what they should. The controller is told, and once another
// in-sync replica leads, the log is dropped and fetched from there.
type repairs struct {
	mu     sync.Mutex
	queue  []*Partition
	wakeup chan struct{}
}

// How long a repair waits for the controller, or tries a disk again.
const (
	minRepairPause = 50 * time.Millisecond
	maxRepairPause = 15 * time.Second
)

// add has a replica repaired. Until then it follows nobody.
func (r *repairs) add(p *Partition, cause error) {
	if !p.damaged.CompareAndSwap(false, true) {
		return
	}
	p.set.cfg.Logger.Error("a log cannot be used; it is fetched again if there is another in-sync replica", "log", p.dir(), "err", cause)
	r.mu.Lock()
	r.queue = append(r.queue, p)
	r.mu.Unlock()
	select {
	case r.wakeup <- struct{}{}:
	default:
	}
}

// repair runs until ctx ends. While nothing is broken it waits.
func (s *Set) repair(ctx context.Context) {
	var open []*Partition
	pause := minRepairPause
	for {
		var again <-chan time.Time
		if len(open) > 0 {
			again = time.After(pause)
			pause = min(2*pause, maxRepairPause)
		}
		select {
		case <-ctx.Done():
			return
		case <-s.repairs.wakeup:
			pause = minRepairPause
		case <-again:
		}
		s.repairs.mu.Lock()
		open = append(open, s.repairs.queue...)
		s.repairs.queue = nil
		s.repairs.mu.Unlock()
		s.report(ctx, open)
		open = slices.DeleteFunc(open, s.repaired)
	}
}

// report tells the controller of those that others count on and that another
// could stand in for.
func (s *Set) report(ctx context.Context, parts []*Partition) {
	var failed []PartitionID
	for _, p := range parts {
		mp := s.now(p)
		if mp != nil && slices.Contains(mp.ISR, s.cfg.BrokerID) && len(mp.ISR) > 1 {
			failed = append(failed, p.ref())
		}
	}
	if len(failed) == 0 || s.cfg.Cluster == nil {
		return
	}
	within, cancel := context.WithTimeout(ctx, proposeTimeout)
	defer cancel()
	if err := s.cfg.Cluster.ReplicaFailed(within, failed); err != nil && ctx.Err() == nil {
		s.cfg.Logger.Warn("cannot tell the controller of logs that cannot be used; trying again", "logs", len(failed), "err", err)
	}
}

// now is the partition as the image has it, nil if it is gone.
func (s *Set) now(p *Partition) *metadata.Partition {
	img := s.image.Load()
	if img == nil || p.ended.Load() {
		return nil
	}
	t := img.TopicByID(p.id)
	if t == nil || int(p.index) >= len(t.Partitions) {
		return nil
	}
	return &t.Partitions[p.index]
}

// repaired drops the log if another replica leads and this one is out of the
// ISR, and follows. It reports whether nothing is left to be done.
func (s *Set) repaired(p *Partition) bool {
	mp := s.now(p)
	if mp == nil || p.log == nil {
		return true // what could not be opened stays as it is until the next start
	}
	me := s.cfg.BrokerID
	if mp.Leader == me || mp.Leader == metadata.NoLeader || slices.Contains(mp.ISR, me) {
		return false
	}
	p.writing.lock()
	defer p.writing.unlock()
	if p.ended.Load() || p.leads.Load() || p.leader.Load() != mp.Leader || p.epoch.Load() != mp.LeaderEpoch {
		return p.ended.Load() // the image is ahead of this replica
	}
	p.unfollow()
	if err := p.restart(0); err != nil {
		s.cfg.Logger.Warn("cannot begin a log anew; trying again", "log", p.dir(), "err", err)
		return false
	}
	p.mu.Lock()
	p.failed = false
	p.mu.Unlock()
	p.damaged.Store(false)
	p.counters.Offline.Store(false)
	p.resign(mp, false)
	s.fetchers.interrupt(false)
	return true
}

// broken marks the log as one that takes no more appends; mu is held. Reads of
// what is committed go on. The caller tells those that are returned.
func (p *Partition) broken(err error) waiters {
	if p.failed {
		return nil
	}
	p.failed = true
	p.counters.Offline.Store(true)
	p.emit(event.State{Kind: event.BrokerFailed, Text: err.Error()})
	p.set.cfg.Logger.Error("a log failed and takes no more records", "log", p.dir(), "err", err)
	p.set.repairs.add(p, err)
	return p.take(len(p.commits))
}
