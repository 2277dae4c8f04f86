package broker

import (
	"context"
	"sync"
	"time"
)

// settleTimeout bounds how long the answer to a change waits for other brokers:
// one whose link is cut must not hold up the clients of the rest.
const settleTimeout = 250 * time.Millisecond

// Progress knows how far each running broker of the process has followed the
// metadata. A client that was told of a change may ask any broker next, and is
// to find the change there: the answer waits for all of them. Apache Kafka
// does not promise that; its clients ask again. Brokers share the knowledge as
// parts of one process do, not over their links: it decides nothing.
type Progress struct {
	mu      sync.Mutex // never held while waiting
	brokers map[int32]*progress
	changed chan struct{} // closed when a broker has got further; nil while nobody waits
}

// progress is how far one broker is.
type progress struct {
	offset int64 // metadata.Image.Offset of the image it has applied
	gate   *Gate
}

// NewProgress returns one that knows of no broker.
func NewProgress() *Progress { return &Progress{brokers: map[int32]*progress{}} }

// set says how far a broker is.
func (p *Progress) set(id int32, offset int64, gate *Gate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.brokers[id] = &progress{offset, gate}
	p.wake()
}

// forget says that a broker is down.
func (p *Progress) forget(id int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.brokers, id)
	p.wake()
}

// wake lets everybody who waits look again. The caller holds the lock.
func (p *Progress) wake() {
	if p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
}

// reached says whether all brokers that are running and not paused have
// reached offset, and if not, what is closed when one has got further. With
// late, broker id alone counts.
func (p *Progress) reached(offset int64, id int32, late bool) (bool, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for other, b := range p.brokers {
		if b.offset < offset && (other == id || !late && b.gate.shut.Load() == nil) {
			if p.changed == nil {
				p.changed = make(chan struct{})
			}
			return false, p.changed
		}
	}
	return true, nil
}

// settle waits until this broker has applied the image that it has now, and the
// others too unless that takes longer than settleTimeout, so that a client that
// was told of a change finds it wherever it asks next.
func (b *Broker) settle(ctx context.Context) {
	offset := b.meta.Image().Offset()
	settled, changed := b.progress.reached(offset, b.id, false)
	if settled {
		return
	}
	late := time.NewTimer(settleTimeout)
	defer late.Stop()
	alone := false
	for !settled {
		select {
		case <-changed:
		case <-late.C:
			alone = true
		case <-ctx.Done():
			return
		}
		settled, changed = b.progress.reached(offset, b.id, alone)
	}
}
