package replica

import (
	"context"
	"slices"
	"time"

	"github.com/logarium/logarium/engine/event"
)

// commitWaiter waits for the high watermark to pass offset.
type commitWaiter struct {
	offset int64
	acks   bool // a producer with acks=all waits: it is told when the ISR gets too small
	fn     func(error)
}

// Notify calls fn once: with nil when the high watermark has passed offset,
// with an error when this replica can no longer say that it will. fn must not
// block; it may be called before Notify returns. No lock of the partition is
// held meanwhile, so calls for different offsets may come in any order.
func (p *Partition) Notify(offset int64, fn func(error)) {
	p.await(commitWaiter{offset: offset, fn: fn})
}

// NotifyAcks is Notify for a producer that wants acks=all: it is told
// NOT_ENOUGH_REPLICAS_AFTER_APPEND once there are fewer in-sync replicas than
// min.insync.replicas.
func (p *Partition) NotifyAcks(offset int64, fn func(error)) {
	p.await(commitWaiter{offset: offset, acks: true, fn: fn})
}

func (p *Partition) await(w commitWaiter) {
	p.mu.Lock()
	switch d := p.down.Load(); {
	case w.offset < p.hw.Load():
		p.mu.Unlock()
		w.fn(nil)
	case d != nil:
		p.mu.Unlock()
		w.fn(d)
	case p.failed:
		err := p.log.Failed()
		p.mu.Unlock()
		w.fn(storageError(err))
	case p.led == nil:
		p.mu.Unlock()
		w.fn(errNotLeader)
	case p.journaling != nil && p.journaling.fault != nil:
		err := p.journaling.fault
		p.mu.Unlock()
		w.fn(err)
	case w.acks && p.underMinISR():
		p.mu.Unlock()
		w.fn(errTooFewAfter)
	default:
		at := len(p.commits) // appends come in order, their waiters nearly so
		for at > 0 && p.commits[at-1].offset > w.offset {
			at--
		}
		p.commits = slices.Insert(p.commits, at, w)
		p.mu.Unlock()
	}
}

// WaitCommitted waits until the high watermark has passed offset, or ctx ends.
func (p *Partition) WaitCommitted(ctx context.Context, offset int64) error {
	done := make(chan error, 1)
	p.Notify(offset, func(err error) { done <- err })
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// underMinISR says whether too few replicas are in sync for acks=all; mu is
// held.
func (p *Partition) underMinISR() bool { return len(p.led.isr) < p.led.required(p.minISR) }

// rise moves the leader's high watermark to where the log is durable here and
// present on every replica of the maximal ISR; not while the ISR is smaller
// than min.insync.replicas (KIP-966). mu is held. The caller tells those that
// are returned once it has let go of mu.
func (p *Partition) rise() waiters {
	l := p.led
	if l == nil || p.failed {
		return nil
	}
	hw := p.hw.Load()
	to := p.durable()
	if to <= hw {
		return nil
	}
	for i := range l.remotes {
		r := &l.remotes[i]
		if r.end < to && (r.counts || p.set.joining(r)) {
			if to = r.end; to <= hw {
				return nil
			}
		}
	}
	if p.underMinISR() {
		return nil
	}
	told := p.advance(to)
	for i := range l.remotes {
		l.remotes[i].link.news()
	}
	return told
}

// advance moves the high watermark to offset to; mu is held. The caller tells
// those that are returned once it has let go of mu.
func (p *Partition) advance(to int64) waiters {
	from := p.hw.Load()
	if to <= from {
		return nil
	}
	p.hw.Store(to)
	p.set.moved.Store(true)
	p.counters.HighWatermark.Store(to)
	p.recent.commit(to, &p.set.cfg.Hub.Latency[event.StageCommit])
	n := 0
	for n < len(p.commits) && p.commits[n].offset < to {
		n++
	}
	p.arrived(from, to)
	return p.take(n)
}

// arrived tells the fetches that wait how many bytes were committed, counted
// as if the batches above the high watermark were all of one size; mu is held.
func (p *Partition) arrived(from, to int64) {
	more := p.appended - p.committed
	if end := p.log.End(); to < end {
		more = int64(float64(more) * float64(to-from) / float64(end-from))
	}
	p.committed += more
	for _, w := range p.fetches {
		w.arrived(max(more, 1))
	}
}

// take removes the first n commit waiters; mu is held.
func (p *Partition) take(n int) waiters {
	if n == 0 {
		return nil
	}
	out := slices.Clone(p.commits[:n])
	rest := copy(p.commits, p.commits[n:])
	clear(p.commits[rest:])
	p.commits = p.commits[:rest]
	return out
}

// takeAcks removes those commit waiters that wait for acks=all; mu is held.
func (p *Partition) takeAcks() waiters {
	var out waiters
	p.commits = slices.DeleteFunc(p.commits, func(w commitWaiter) bool {
		if w.acks {
			out = append(out, w)
		}
		return w.acks
	})
	return out
}

// waiters are those that are to be told the outcome of their wait.
type waiters []commitWaiter

func (ws waiters) tell(err error) {
	for _, w := range ws {
		w.fn(err)
	}
}

// wake wakes all fetches that wait; mu is held.
func (p *Partition) wake() {
	for _, w := range p.fetches {
		w.wake()
	}
}

// Delivered tells that a client was sent everything below offset; what is told
// for the first time counts as delivered.
func (p *Partition) Delivered(offset int64) {
	if p.recent.delivered.Load() >= offset {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.recent.deliver(offset, time.Now(), &p.set.cfg.Hub.Latency[event.StageDeliver])
}
