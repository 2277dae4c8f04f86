package broker

import (
	"context"
	"errors"
	"sync"

	"github.com/logarium/logarium/engine/metadata"
	"github.com/logarium/logarium/engine/replica"
)

// follower brings a broker's replicas and coordinators to each new image, one
// after the other, on its own goroutine: opening logs may take long, and the
// controller's goroutine, which brings the images, must not wait for a disk.
type follower struct {
	mu    sync.Mutex // for next
	next  []step
	news  chan struct{} // one token: next is not empty
	ended chan struct{} // closed when the goroutine is gone
}

// step is one change of the metadata.
type step struct {
	image *metadata.Image
	delta *metadata.Delta
}

// follow applies the present image, which opens the logs, and then starts to
// follow the changes until ctx ends.
func (b *Broker) follow(ctx context.Context) error {
	f := &follower{news: make(chan struct{}, 1), ended: make(chan struct{})}
	b.follower = f
	img := b.meta.Image()
	if err := b.apply(step{img, img.Full()}); err != nil {
		close(f.ended)
		return err
	}
	at := img
	b.unwatch = b.meta.Watch(func(img *metadata.Image, d *metadata.Delta) {
		if at != nil { // the first call tells everything, of which some is applied
			d, at = img.Since(at), nil
		}
		f.add(step{img, d})
	})
	go func() {
		defer close(f.ended)
		for {
			for _, s := range f.take() {
				if ctx.Err() != nil {
					return
				}
				_ = b.apply(s) // its one error is of the first image alone
			}
			select {
			case <-f.news:
			case <-ctx.Done():
				return
			}
		}
	}()
	return nil
}

func (f *follower) add(s step) {
	f.mu.Lock()
	f.next = append(f.next, s)
	f.mu.Unlock()
	select {
	case f.news <- struct{}{}:
	default:
	}
}

func (f *follower) take() []step {
	f.mu.Lock()
	defer f.mu.Unlock()
	steps := f.next
	f.next = nil
	return steps
}

// apply brings the replicas and coordinators to an image. The one error that it
// returns is replica.ErrForeign; of others the partitions' answers tell.
func (b *Broker) apply(s step) error {
	err := b.replicas.Apply(s.image, s.delta)
	if errors.Is(err, replica.ErrForeign) {
		return err
	}
	if err != nil {
		b.log.Error("cannot follow a change of the metadata everywhere; the partitions named answer with a storage error", "err", err)
	}
	b.electCoordinators(s.image, s.delta)
	b.progress.set(b.id, s.image.Offset(), b.gate)
	b.moved(s.image)
	return nil
}
