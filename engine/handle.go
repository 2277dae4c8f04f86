package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/logarium/logarium/engine/event"
	"github.com/logarium/logarium/engine/metadata"
	"github.com/logarium/logarium/engine/netx"
)

// ErrClosed says that the engine is closed, or is being closed.
var ErrClosed = errors.New("the brokers are being stopped")

// Broker is one broker of a running cluster, as whoever runs it sees it. Its
// methods may be called from any goroutine. What cannot be done in the state
// that the broker is in is a *StateError, and changes nothing.
type Broker struct{ node *node }

// Broker returns a broker by its id, 1 to Config.Brokers; nil for another id.
func (e *Engine) Broker(id int32) *Broker {
	if n := e.node(id); n != nil {
		return &Broker{n}
	}
	return nil
}

// Faults returns the links between the brokers, to slow and cut them. Who is
// down or paused there is for the methods of Broker to set.
func (e *Engine) Faults() *netx.Links { return e.links }

// State returns where the broker is in its life, and for Failed why.
func (b *Broker) State() (State, error) { return b.node.current() }

// drainTimeout bounds how long a broker that stops waits until others have taken
// over what it leads.
const drainTimeout = 10 * time.Second

// Stop shuts the broker down in order: others take over what it leads, requests
// in hand are answered, logs are synced and closed. When ctx ends, it goes on
// without waiting for others or for clients.
func (b *Broker) Stop(ctx context.Context) error {
	n := b.node
	ctx, op, err := n.begin(ctx, doStop, Draining)
	if err != nil {
		return err
	}
	state := Stopped
	defer func() { n.end(op, state, err) }()
	running := n.broker.Load()
	if c := n.controller.Load(); c != nil && n.engine.hasQuorum() && c.Image().BrokerBool("controlled.shutdown.enable") {
		drain, cancel := context.WithTimeout(ctx, drainTimeout)
		running.Drain(drain)
		cancel()
	}
	err = running.Shut(ctx)
	if n.killed(op) {
		state = Killed
		n.cut()
		return &StateError{Broker: n.id, State: Killed, Do: doStop}
	}
	if err = errors.Join(err, n.shut(ctx)); err != nil {
		state = Failed
	}
	return err
}

// Kill ends the broker as the loss of its power would: connections are reset,
// nothing more is written, other brokers learn of it at once. A Start or Stop
// under way is broken off.
func (b *Broker) Kill() error {
	n := b.node
	for {
		n.mu.Lock()
		op := n.op
		if op == nil {
			break // with mu
		}
		op.kill = true
		op.abort()
		n.mu.Unlock()
		<-op.done
		if state, _ := n.current(); state == Killed {
			return nil
		}
	}
	if err := n.allows(doKill); err != nil {
		n.mu.Unlock()
		return err
	}
	op := &operation{abort: func() {}, kill: true, done: make(chan struct{})}
	paused := n.state == Paused
	n.op, n.state = op, Killed
	n.mu.Unlock()
	n.cut()
	if paused {
		n.goOn()
	}
	n.end(op, Killed, nil)
	return nil
}

// Pause holds the broker as SIGSTOP holds a process: it neither reads nor
// answers nor sends, and nobody is told.
func (b *Broker) Pause() error {
	n := b.node
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.allows(doPause); err != nil {
		return err
	}
	n.engine.links.SetPaused(n.id, true)
	n.gate.Shut()
	n.controller.Load().Pause()
	n.state = Paused
	n.engine.cfg.Events.Emit(event.State{Kind: event.BrokerPaused, Broker: n.id, Partition: -1})
	return nil
}

// Resume lets a paused broker go on. It finds by itself what it has missed.
func (b *Broker) Resume() error {
	n := b.node
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.allows(doResume); err != nil {
		return err
	}
	n.goOn()
	n.state = Running
	n.engine.cfg.Events.Emit(event.State{Kind: event.BrokerResumed, Broker: n.id, Partition: -1})
	return nil
}

// goOn ends what Pause began.
func (n *node) goOn() {
	if c := n.controller.Load(); c != nil {
		c.Resume()
	}
	n.engine.links.SetPaused(n.id, false)
	n.gate.Open()
}

// Start starts a broker that is down, on the addresses that it had. It returns
// when the broker has caught up with the metadata and the controller counts on
// it. If it fails, or ctx ends before, the broker is down again and Failed.
func (b *Broker) Start(ctx context.Context) error {
	n := b.node
	ctx, op, err := n.begin(ctx, doStart, Starting)
	if err != nil {
		return err
	}
	if err = n.start(ctx); err == nil {
		n.end(op, Running, nil)
		return nil
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	n.cut()
	if n.killed(op) {
		n.end(op, Killed, nil)
		return &StateError{Broker: n.id, State: Killed, Do: doStart}
	}
	n.end(op, Failed, err)
	n.engine.cfg.Events.Emit(event.State{Kind: event.BrokerFailed, Broker: n.id, Partition: -1, Text: err.Error()})
	return err
}

// start begins a new life of a node that was down.
func (n *node) start(ctx context.Context) error {
	n.incarnation = metadata.NewUUID()
	if err := n.listen(ctx); err != nil {
		return err
	}
	if err := n.openDisk(); err != nil {
		return err
	}
	if err := n.openReplicas(); err != nil {
		return err
	}
	n.engine.links.SetDown(n.id, false)
	if err := n.openController(ctx, nil, false); err != nil {
		return err
	}
	if err := n.startBroker(ctx, false); err != nil {
		return err
	}
	return n.broker.Load().AwaitUnfenced(ctx)
}
