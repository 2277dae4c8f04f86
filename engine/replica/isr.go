package replica

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// expand proposes to take those replicas into the ISR that have what was
// committed and what was there when the epoch began, and do not lag; mu is held.
func (p *Partition) expand() {
	l := p.led
	if l.proposed != nil || l.refused || p.failed || p.set.cfg.Cluster == nil {
		return
	}
	least, end, now := max(p.hw.Load(), l.start), p.log.End(), p.set.clock()
	var isr []int32
	for i := range l.remotes {
		r := &l.remotes[i]
		if r.inSync || r.end < least || r.behind(end, now, p.set.cfg.LagTimeMax) || !p.set.eligible(r) {
			continue
		}
		if isr == nil {
			isr = slices.Clone(l.isr)
		}
		isr = append(isr, r.id)
	}
	if isr != nil {
		p.propose(isr)
	}
}

// shrink proposes to leave those out of the ISR that are behind for too long,
// and reports whether any may come to be so; mu is held.
func (p *Partition) shrink() (watch bool) {
	l := p.led
	if l == nil || p.failed || p.set.cfg.Cluster == nil {
		return false
	}
	now, end := p.set.clock(), p.log.End()
	out := map[int32]bool{}
	for i := range l.remotes {
		r := &l.remotes[i]
		if r.end >= end || !r.inSync && !p.set.joining(r) {
			continue
		}
		watch = true
		if r.inSync && r.behind(end, now, p.set.cfg.LagTimeMax) {
			out[r.id] = true
		}
	}
	if len(out) > 0 && l.proposed == nil && !l.refused {
		p.propose(slices.DeleteFunc(slices.Clone(l.isr), func(id int32) bool { return out[id] }))
	}
	return watch
}

// propose asks the controller for another ISR. Until it has answered the high
// watermark waits for the replicas of both (KIP-497). mu is held.
func (p *Partition) propose(isr []int32) {
	p.led.proposed = isr
	p.led.settle()
	p.set.proposer.add(p)
}

// proposal is what is to be asked for now; ok is false if nothing is.
func (p *Partition) proposal() (out Proposal, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.led
	if l == nil || l.proposed == nil {
		return out, false
	}
	epochs := make([]int64, len(l.proposed))
	for i, id := range l.proposed {
		epochs[i] = -1
		if id == p.set.cfg.BrokerID {
			epochs[i] = p.set.brokerEpoch()
		} else if r := l.remote(id); r != nil && r.end >= 0 {
			epochs[i] = r.broker
		}
	}
	return Proposal{
		PartitionID: p.ref(), LeaderEpoch: l.epoch, PartitionEpoch: l.partitionEpoch, ISR: l.proposed, ISREpochs: epochs,
	}, true
}

// settled takes the controller's answer to a proposal. An answer to what is no
// longer asked is ignored: the image has brought something newer. Where it is
// not certain what the controller did, the proposal stands, so that the high
// watermark waits for the members of both sets: repeat says that it is to be
// asked again, refused that it is not in force and may be made anew later.
func (p *Partition) settled(asked *Proposal, o *Outcome) (repeat, refused bool) {
	p.mu.Lock()
	l := p.led
	if l == nil || l.epoch != asked.LeaderEpoch || l.partitionEpoch != asked.PartitionEpoch || l.proposed == nil {
		p.mu.Unlock()
		return false, false
	}
	var done, few waiters
	switch code, _ := asProtocol(o.Err); {
	case o.Err == nil && o.Partition.PartitionEpoch > l.partitionEpoch && o.Partition.LeaderEpoch == l.epoch:
		done, few = p.adopt(&o.Partition)
	case o.Err == nil:
	case code == kerr.IneligibleReplica || code == kerr.OperationNotAttempted:
		l.proposed, l.refused, refused = nil, true, true
		l.settle()
		done = p.rise()
	case code == kerr.FencedLeaderEpoch || code == kerr.InvalidUpdateVersion || code == kerr.UnknownTopicID ||
		code == kerr.UnknownTopicOrPartition || code == kerr.NewLeaderElected:
		// The image is on its way that says why.
	default:
		repeat = true
	}
	p.mu.Unlock()
	done.tell(nil)
	few.tell(errTooFewAfter)
	return repeat, refused
}

// reconsider makes proposals that were refused, or that had to wait.
func (p *Partition) reconsider() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.led == nil {
		return
	}
	p.led.refused = false
	p.expand()
	p.shrink()
	p.movedLow()
}

// proposer takes proposals to the controller, all that have come together.
type proposer struct {
	mu     sync.Mutex
	queue  []*Partition
	wakeup chan struct{}
}

// The proposer waits between two attempts for minPause after the first one that
// failed, twice as long after each that follows.
const (
	minPause = 20 * time.Millisecond
	maxPause = 2 * time.Second
	// proposeTimeout is how long the controller may take for an answer.
	proposeTimeout = 10 * time.Second
)

func (r *proposer) add(parts ...*Partition) {
	r.mu.Lock()
	r.queue = append(r.queue, parts...)
	r.mu.Unlock()
	select {
	case r.wakeup <- struct{}{}:
	default:
	}
}

func (r *proposer) take() []*Partition {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.queue
	r.queue = nil
	return out
}

// propose runs until ctx ends.
func (s *Set) propose(ctx context.Context) {
	pause := minPause
	var refused []*Partition
	for {
		var wait <-chan time.Time
		if len(refused) > 0 {
			wait = time.After(pause)
		}
		select {
		case <-ctx.Done():
			return
		case <-s.proposer.wakeup:
		case <-wait:
			for _, p := range refused {
				p.reconsider()
			}
			refused = nil
		}
		parts := s.proposer.take()
		if len(parts) == 0 {
			continue
		}
		repeat, no, err := s.ask(ctx, parts)
		refused = append(refused, no...)
		if len(repeat)+len(no) == 0 {
			pause = minPause
			continue
		}
		if len(repeat) > 0 {
			s.cfg.Logger.Warn("the controller did not settle in-sync replicas; it is asked again", "partitions", len(repeat), "err", err)
			if !sleep(ctx, pause) {
				return
			}
			s.proposer.add(repeat...)
		}
		pause = min(2*pause, maxPause)
	}
}

// ask makes the proposals of partitions. It returns those that are to be asked
// for again and those that were refused.
func (s *Set) ask(ctx context.Context, parts []*Partition) (repeat, refused []*Partition, err error) {
	var asked []Proposal
	var of []*Partition
	seen := map[*Partition]bool{}
	for _, p := range parts {
		if a, ok := p.proposal(); ok && !seen[p] {
			seen[p] = true
			asked, of = append(asked, a), append(of, p)
		}
	}
	if len(asked) == 0 {
		return nil, nil, nil
	}
	within, cancel := context.WithTimeout(ctx, proposeTimeout)
	defer cancel()
	outcomes, err := s.cfg.Cluster.AlterPartitions(within, s.brokerEpoch(), asked)
	if err == nil && len(outcomes) != len(asked) {
		err = errors.New("the controller answered another number of proposals than it was given")
	}
	if err != nil {
		return of, nil, err
	}
	for i, p := range of {
		o := &outcomes[i]
		again, no := p.settled(&asked[i], o)
		if again {
			repeat, err = append(repeat, p), o.Err
		}
		if no {
			refused = append(refused, p)
			s.cfg.Logger.Info("the controller refused in-sync replicas", "log", p.dir(), "isr", asked[i].ISR, "err", o.Err)
		}
	}
	return repeat, refused, err
}

// sleep waits for d and reports whether ctx still runs.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// brokerEpoch is this broker's, -1 before it is registered.
func (s *Set) brokerEpoch() int64 {
	if img := s.image.Load(); img != nil {
		if b, ok := img.Broker(s.cfg.BrokerID); ok {
			return b.Epoch
		}
	}
	return -1
}

// lagging are the partitions led here that have replicas which are behind and
// hold up the high watermark, or were when somebody looked last. While there is none nothing runs.
type lagging struct {
	mu     sync.Mutex
	parts  []*Partition
	wakeup chan struct{}
}

// watch puts a partition on the list; its mu is held.
func (g *lagging) watch(p *Partition) {
	if p.watched {
		return
	}
	p.watched = true
	g.mu.Lock()
	g.parts = append(g.parts, p)
	g.mu.Unlock()
	select {
	case g.wakeup <- struct{}{}:
	default:
	}
}

// watchLag looks every half LagTimeMax at the followers of what is on the list.
func (s *Set) watchLag(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.lag.wakeup:
		}
		if !sleep(ctx, s.cfg.LagTimeMax/2) {
			return
		}
		s.lag.mu.Lock()
		parts := s.lag.parts
		s.lag.parts = nil
		s.lag.mu.Unlock()
		for _, p := range parts {
			p.mu.Lock()
			p.watched = false
			if p.shrink() {
				s.lag.watch(p)
			}
			told := p.rise() // nobody waits any longer for a replica that no longer joins
			p.mu.Unlock()
			told.tell(nil)
		}
	}
}

// errNotReplica answers a broker that follows what it has no replica of.
var errNotReplica = &problem{kerr.NotLeaderForPartition, "the broker has no replica of this partition"}
