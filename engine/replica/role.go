package replica

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/event"
	"github.com/logarium/logarium/engine/metadata"
)

// update brings the replica to what the image says of its partition. fresh is
// set where the replica was made or opened just now.
func (p *Partition) update(mp *metadata.Partition, fresh bool) error {
	was, is := p.counters.InSync.Load(), slices.Contains(mp.ISR, p.set.cfg.BrokerID)
	p.counters.InSync.Store(is)
	if p.log == nil {
		return nil
	}
	if is && !was && !fresh {
		p.joinsISR()
	}
	p.writing.lock()
	defer p.writing.unlock()
	leads := mp.Leader == p.set.cfg.BrokerID
	switch {
	case p.down.Load() != nil: // it was deleted
		return nil
	case p.assigned && mp.LeaderEpoch == p.epoch.Load() && mp.Leader == p.leader.Load():
		if leads {
			p.adoptISR(mp)
		}
		return nil
	case leads:
		return p.lead(mp)
	}
	p.resign(mp, fresh)
	return nil
}

// adoptISR takes over ISR and replicas within a leader epoch.
func (p *Partition) adoptISR(mp *metadata.Partition) {
	p.mu.Lock()
	if p.led == nil || mp.PartitionEpoch <= p.led.partitionEpoch {
		p.mu.Unlock() // the controller's answer to a proposal came before
		return
	}
	done, few := p.adopt(mp)
	p.mu.Unlock()
	done.tell(nil)
	few.tell(errTooFewAfter)
}

// adopt takes over ISR and replicas; mu is held. It returns those whose records
// are committed by it, and those who waited for acks=all and are too few now.
func (p *Partition) adopt(mp *metadata.Partition) (done, few waiters) {
	p.led.adopt(mp, p.set.cfg.BrokerID, p.set.clock())
	p.counters.InSync.Store(slices.Contains(mp.ISR, p.set.cfg.BrokerID))
	done = p.rise()
	if p.underMinISR() {
		few = p.takeAcks()
	}
	p.expand()
	p.movedLow()
	p.set.lag.watch(p)
	return done, few
}

// lead begins a leader epoch; writing is held. A log that has failed leads, too,
// if the controller found no other: what is committed can be read.
func (p *Partition) lead(mp *metadata.Partition) error {
	p.unfollow()
	var failure error
	if p.log.Failed() == nil && p.log.LatestEpoch() < mp.LeaderEpoch {
		failure = p.log.SetEpoch(mp.LeaderEpoch, p.log.End())
	}
	p.nowLeads()
	p.mu.Lock()
	var broken waiters
	if failure != nil {
		broken = p.broken(failure)
	}
	p.assign(mp)
	p.led = newLeadership(mp, p.set.cfg.BrokerID, p.log.End(), p.set.clock())
	p.epochStart.Store(p.led.start)
	p.leads.Store(true)
	told := p.rise()
	p.wake()
	if len(p.led.remotes) > 0 {
		p.set.lag.watch(p)
	}
	p.mu.Unlock()
	told.tell(nil)
	p.set.sessions.poke(p.ref(), mp.Replicas)
	if failure != nil {
		broken.tell(storageError(failure))
		return fmt.Errorf("leading %s: %w", p.dir(), failure)
	}
	return nil
}

// resign ends the leadership, if there was one, and follows who leads now, if
// anybody does; writing is held.
func (p *Partition) resign(mp *metadata.Partition, fresh bool) {
	p.unfollow()
	p.mu.Lock()
	led := p.led != nil
	p.led = nil
	p.leads.Store(false)
	p.assign(mp)
	waiting := p.take(len(p.commits))
	p.failLows(errNotLeader)
	p.wake()
	p.mu.Unlock()
	waiting.tell(errNotLeader)
	if led {
		p.set.sessions.poke(p.ref(), mp.Replicas)
	}
	if mp.Leader == metadata.NoLeader || p.log.Failed() != nil || p.damaged.Load() {
		return
	}
	if p.following = p.set.fetchers.follow(p, mp.Leader, mp.LeaderEpoch); p.following == nil {
		return
	}
	if !fresh || !slices.Contains(mp.ISR, p.set.cfg.BrokerID) {
		p.emit(event.State{Kind: event.FollowerStarted, Epoch: mp.LeaderEpoch, A: p.log.End(), B: int64(mp.Leader)})
	}
}

// assign sets who leads; mu is held.
func (p *Partition) assign(mp *metadata.Partition) {
	leads := mp.Leader == p.set.cfg.BrokerID
	p.assigned = true
	p.epoch.Store(mp.LeaderEpoch)
	p.leader.Store(mp.Leader)
	p.counters.Leader.Store(leads)
	p.counters.LeaderEpoch.Store(mp.LeaderEpoch)
}

// unfollow ends the fetches from the leader that was; writing is held.
func (p *Partition) unfollow() {
	if p.following != nil {
		p.following.fetcher.drop(p.following)
		p.following = nil
	}
}

// Settled is OFFSET_NOT_AVAILABLE until a new leader knows of everything that
// was committed before it: its high watermark may be below what clients have
// seen (KIP-207).
func (p *Partition) Settled() error {
	if p.leads.Load() && p.hw.Load() < p.epochStart.Load() {
		return kerr.OffsetNotAvailable
	}
	return nil
}
