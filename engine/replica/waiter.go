package replica

import "sync/atomic"

// Waiter is a fetch that waits for committed bytes in any of its partitions.
// Use: make one, Watch each partition, receive from C, Stop; and anew after
// each wake-up.
type Waiter struct {
	// C receives once when enough bytes are there, or a partition changed in
	// another way that the client should know of.
	C     chan struct{}
	need  atomic.Int64
	parts []*Partition
}

// NewWaiter returns a waiter for need more bytes in n partitions or so.
func NewWaiter(need int64, n int) *Waiter {
	w := &Waiter{C: make(chan struct{}, 1), parts: make([]*Partition, 0, n)}
	w.need.Store(need)
	return w
}

// Watch adds a partition of which everything below highWatermark was already
// counted, when the leader epoch was epoch. If there is more by now, or another
// epoch, the waiter is woken at once.
func (w *Waiter) Watch(p *Partition, highWatermark int64, epoch int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hw.Load() != highWatermark || p.down.Load() != nil || p.epoch.Load() != epoch {
		w.wake()
		return
	}
	p.fetches = append(p.fetches, w)
	w.parts = append(w.parts, p)
}

// Stop forgets the partitions.
func (w *Waiter) Stop() {
	for _, p := range w.parts {
		p.forget(w)
	}
	w.parts = w.parts[:0]
}

func (p *Partition) forget(w *Waiter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, have := range p.fetches {
		if have == w {
			last := len(p.fetches) - 1
			p.fetches[i] = p.fetches[last]
			p.fetches[last] = nil
			p.fetches = p.fetches[:last]
			return
		}
	}
}

// arrived counts bytes that were committed.
func (w *Waiter) arrived(bytes int64) {
	if w.need.Add(-bytes) <= 0 {
		w.wake()
	}
}

func (w *Waiter) wake() {
	select {
	case w.C <- struct{}{}:
	default:
	}
}
