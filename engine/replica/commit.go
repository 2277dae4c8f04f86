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
	fn     func(error)
}

// Notify calls fn once: with nil when the high watermark has passed offset,
// with an error when this replica can no longer say that it will. fn must not
// block; it may be called before Notify returns. No lock of the partition is
// held meanwhile, so calls for different offsets may come in any order.
func (p *Partition) Notify(offset int64, fn func(error)) {
	p.mu.Lock()
	switch d := p.down.Load(); {
	case offset < p.hw.Load():
		p.mu.Unlock()
		fn(nil)
	case d != nil:
		p.mu.Unlock()
		fn(d)
	case p.failed:
		err := p.log.Failed()
		p.mu.Unlock()
		fn(storageError(err))
	default:
		at := len(p.commits) // appends come in order, their waiters nearly so
		for at > 0 && p.commits[at-1].offset > offset {
			at--
		}
		p.commits = append(p.commits, commitWaiter{})
		copy(p.commits[at+1:], p.commits[at:])
		p.commits[at] = commitWaiter{offset, fn}
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

// advance moves the high watermark to offset to, below which lie bytes of all
// that was appended since the start; mu is held. The caller tells those that
// are returned once it has let go of mu.
func (p *Partition) advance(to, bytes int64) waiters {
	if to <= p.hw.Load() {
		return nil
	}
	p.hw.Store(to)
	p.counters.HighWatermark.Store(to)
	p.recent.commit(to, time.Now(), &p.set.cfg.Hub.Latency[event.StageCommit])
	n := 0
	for n < len(p.commits) && p.commits[n].offset < to {
		n++
	}
	more := bytes - p.committed
	p.committed = max(p.committed, bytes)
	for _, w := range p.fetches {
		w.arrived(more)
	}
	return p.take(n)
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
