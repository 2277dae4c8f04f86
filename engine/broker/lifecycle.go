package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/controller"
	"github.com/logarium/logarium/engine/metadata"
)

// lifecycle is what keeps the broker in the cluster: its registration and, from
// then on, its heartbeats, on a goroutine of their own. They go on while the
// broker's clients leave, so that nobody takes it for dead meanwhile.
type lifecycle struct {
	epoch    atomic.Int64 // broker epoch, of the newest registration
	draining atomic.Bool  // heartbeats ask for a controlled shutdown
	wake     chan struct{}
	unfenced chan struct{} // closed when the controller counts on the broker for the first time
	shutDown chan struct{} // closed when the controller says that the broker may end
	stop     context.CancelFunc
	ended    chan struct{} // closed when the goroutine is gone
}

// shares of the session time-out: how long one heartbeat may take before the
// next is sent, since the controller that it went to may be cut off, and how
// long a registration may.
const (
	heartbeatShare    = 0.75
	registrationShare = 2
)

// enrol registers the broker with the active controller, unless the first
// controller of the process does so by itself, and waits until this broker's
// image has the registration: an older one may know of leaders that are no more.
func (b *Broker) enrol(ctx context.Context, enrolled, clean bool) error {
	for registered := enrolled; !registered; {
		err := b.register(ctx, clean)
		if registered = err == nil; registered {
			break
		}
		if ctx.Err() != nil || !retriable(err) {
			return err
		}
		b.log.Debug("cannot register yet", "err", err)
		b.nap(ctx, b.heartbeatInterval)
	}
	if err := b.meta.Await(ctx, b.registered); err != nil {
		return fmt.Errorf("waiting for the metadata: %w", err)
	}
	me, _ := b.meta.Image().Broker(b.id)
	b.life.epoch.Store(me.Epoch)
	return nil
}

// registered says whether an image has this life of the broker.
func (b *Broker) registered(img *metadata.Image) bool {
	me, ok := img.Broker(b.id)
	return ok && me.Incarnation == b.self.Incarnation
}

func (b *Broker) register(ctx context.Context, clean bool) error {
	ctx, cancel := context.WithTimeout(ctx, registrationShare*b.sessionTimeout)
	defer cancel()
	epoch, err := b.meta.RegisterBroker(ctx, controller.Registration{Broker: b.self, Clean: clean})
	if err != nil {
		return fmt.Errorf("registering: %w", err)
	}
	b.life.epoch.Store(epoch)
	return nil
}

// retriable says whether asking again may help.
func retriable(err error) bool {
	var k *kerr.Error
	return errors.As(err, &k) && (k.Retriable || k == kerr.RequestTimedOut) || errors.Is(err, context.DeadlineExceeded)
}

// nap waits for some time, or until the lifecycle is woken or ctx ends.
func (b *Broker) nap(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-b.life.wake:
	case <-ctx.Done():
	}
}

// live sends heartbeats until ctx ends.
func (b *Broker) live(ctx context.Context) {
	defer close(b.life.ended)
	for {
		b.gate.pass(ctx.Done())
		if ctx.Err() != nil {
			return
		}
		b.beat(ctx)
		b.nap(ctx, b.heartbeatInterval)
	}
}

// beat sends one heartbeat and does as the controller says.
func (b *Broker) beat(ctx context.Context) {
	l := &b.life
	asked := l.draining.Load()
	within, cancel := context.WithTimeout(ctx, time.Duration(heartbeatShare*float64(b.sessionTimeout)))
	res, err := b.meta.Heartbeat(within, controller.Heartbeat{
		Broker: b.id, Epoch: l.epoch.Load(), Offset: b.applied.Load(), WantShutdown: asked,
	})
	cancel()
	switch {
	case ctx.Err() != nil:
	case errors.Is(err, kerr.StaleBrokerEpoch), errors.Is(err, kerr.BrokerIDNotRegistered):
		// Nothing of the logs was lost: it is the same process.
		if err := b.register(ctx, true); err != nil && ctx.Err() == nil {
			b.log.Warn("cannot register again", "err", err)
		}
		b.hurry()
	case err != nil:
		b.log.Debug("the active controller does not answer", "err", err)
	case asked && res.ShutDown:
		closeOnce(l.shutDown)
	case !res.Fenced:
		closeOnce(l.unfenced)
	}
}

// closeOnce closes a channel that its one writer may have closed before.
func closeOnce(ch chan struct{}) {
	select {
	case <-ch:
	default:
		close(ch)
	}
}

// hurry has the next heartbeat sent at once.
func (b *Broker) hurry() {
	select {
	case b.life.wake <- struct{}{}:
	default:
	}
}

// moved is called when the broker has applied a newer image: if it waits for the
// controller, what the controller waits for may be there.
func (b *Broker) moved(img *metadata.Image) {
	b.applied.Store(img.Offset())
	me, ok := img.Broker(b.id)
	if b.life.draining.Load() || !ok || me.Fenced {
		b.hurry()
	}
}

// AwaitUnfenced waits until the controller counts on the broker for the first
// time, or ctx ends.
func (b *Broker) AwaitUnfenced(ctx context.Context) error {
	select {
	case <-b.life.unfenced:
		return nil
	case <-b.life.ended:
		return net.ErrClosed
	case <-ctx.Done():
		return fmt.Errorf("the controller has not let broker %d take part: %w", b.id, ctx.Err())
	}
}

// Drain asks the controller to give what the broker leads to others, and waits
// until that is done or ctx ends.
func (b *Broker) Drain(ctx context.Context) {
	b.life.draining.Store(true)
	b.hurry()
	select {
	case <-b.life.shutDown:
	case <-b.life.ended:
	case <-ctx.Done():
		b.log.Warn("stopping before others have taken over all that this broker leads", "err", ctx.Err())
	}
}
