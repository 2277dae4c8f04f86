package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/logarium/logarium/engine/broker"
	"github.com/logarium/logarium/engine/controller"
	"github.com/logarium/logarium/engine/coordinator"
	"github.com/logarium/logarium/engine/metadata"
	"github.com/logarium/logarium/engine/replica"
	"github.com/logarium/logarium/engine/vfs"
)

// node is one broker with all that is its own, over all its lives in this
// process. What it has open belongs to whoever has its turn: an operation, or
// Open and Close of the engine.
type node struct {
	engine    *Engine
	id        int32
	binds     []bind
	addresses []metadata.Listener // what clients are told, in the order of binds
	gate      broker.Gate

	// What others reach of it, nil while it is down.
	controller atomic.Pointer[controller.Controller]
	replicas   atomic.Pointer[replica.Set]

	fs          vfs.FS
	incarnation metadata.UUID // of this life
	listeners   []broker.Listener
	groups      *coordinator.Groups
	over        context.CancelFunc // ends the guard of its controller
	broker      atomic.Pointer[broker.Broker]

	mu    sync.Mutex // for what follows
	state State
	cause error      // why it is Failed
	op    *operation // Start or Stop under way
}

// bind is where a node listens: the same in each of its lives.
type bind struct {
	name, address string
}

// operation is a Start or Stop under way.
type operation struct {
	abort context.CancelFunc
	kill  bool          // it is aborted by Kill; the node's mu guards it
	done  chan struct{} // closed at its end
}

// self is the node as it registers.
func (n *node) self() metadata.Broker {
	return metadata.Broker{ID: n.id, Rack: n.engine.cfg.rack(n.id), Listeners: n.addresses, Incarnation: n.incarnation}
}

// begin begins a thing that is done to the node, and takes it to a state.
func (n *node) begin(ctx context.Context, do string, to State) (context.Context, *operation, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.allows(do); err != nil {
		return nil, nil, err
	}
	ctx, abort := context.WithCancel(ctx)
	n.op = &operation{abort: abort, done: make(chan struct{})}
	n.state, n.cause = to, nil
	return ctx, n.op, nil
}

// allows says why a thing cannot be done to the node now; mu is held.
func (n *node) allows(do string) error {
	if n.engine.closing.Load() {
		return ErrClosed
	}
	for _, s := range whence[do] {
		if s == n.state && n.op == nil {
			return nil
		}
	}
	return &StateError{Broker: n.id, State: n.state, Do: do}
}

// end ends an operation.
func (n *node) end(op *operation, state State, cause error) {
	op.abort()
	n.mu.Lock()
	n.op, n.state, n.cause = nil, state, cause
	n.mu.Unlock()
	close(op.done)
}

// killed says whether an operation is aborted by Kill.
func (n *node) killed(op *operation) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return op.kill
}

func (n *node) current() (State, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.state, n.cause
}

// bindWait bounds how long a broker that starts again waits for its own
// address, which the kernel may not have freed yet.
const bindWait = 2 * time.Second

// listen opens the node's listeners. The first time it learns the ports that
// were asked for as 0, and keeps them.
func (n *node) listen(ctx context.Context) error {
	n.listeners = nil
	first := n.addresses == nil
	for i := range n.binds {
		b := &n.binds[i]
		l, err := n.bind(ctx, b.address, first)
		if err != nil {
			return errors.Join(&ListenError{Listener: b.name, Address: b.address, Err: err}, n.closeListeners())
		}
		n.listeners = append(n.listeners, broker.Listener{Name: b.name, Listener: l})
		if !first {
			continue
		}
		b.address = l.Addr().String()
		host, port, err := net.SplitHostPort(b.address)
		if err != nil {
			return fmt.Errorf("the listener %s got the address %s: %w", b.name, b.address, err)
		}
		number, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return fmt.Errorf("the listener %s got the port %s: %w", b.name, port, err)
		}
		n.addresses = append(n.addresses, metadata.Listener{Name: b.name, Host: n.engine.cfg.Listeners[i].advertised(host), Port: int32(number)})
	}
	return nil
}

// bind opens a port. Where it was open before, it is asked for again while it
// is in use, for bindWait.
func (n *node) bind(ctx context.Context, address string, first bool) (net.Listener, error) {
	ctx, cancel := context.WithTimeout(ctx, bindWait)
	defer cancel()
	pause := time.Millisecond
	for {
		l, err := n.engine.cfg.Network.Listen(ctx, address)
		if err == nil || first || !errors.Is(err, syscall.EADDRINUSE) {
			return l, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(pause):
		}
		pause = min(2*pause, bindWait/10)
	}
}

// closeListeners closes the listeners that no broker has taken over.
func (n *node) closeListeners() error {
	var errs []error
	for _, l := range n.listeners {
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	n.listeners = nil
	return errors.Join(errs...)
}

// openController starts the node's part of the quorum.
func (n *node) openController(ctx context.Context, brokers []metadata.Broker, campaign bool) error {
	e := n.engine
	c, err := controller.Open(ctx, controller.Config{
		ID: n.id, Voters: e.voters(), Learners: e.learners(), FS: n.fs, Dir: metadataDir, Peers: controllerPeers{e, n.id},
		Brokers: brokers, Campaign: campaign, StaticDefaults: e.cfg.Settings, MaxReplicationFactor: e.cfg.Brokers,
		SessionTimeout: e.cfg.sessionTimeout(), Hub: e.cfg.Events, Logger: e.log,
	})
	if err != nil {
		return fmt.Errorf("opening the metadata log of broker %d: %w", n.id, err)
	}
	n.controller.Store(c)
	life, over := context.WithCancel(context.Background())
	n.over = over
	go n.guard(life, c)
	for _, other := range e.nodes {
		if e.links.Down(other.id) {
			c.Lost(other.id)
		}
	}
	return nil
}

// openReplicas reads how the last life ended; the logs are opened by the broker.
func (n *node) openReplicas() error {
	e := n.engine
	set, err := replica.Open(replica.Config{
		BrokerID: n.id, FS: n.fs, Durability: e.cfg.Durability, Journal: e.journal, Peers: replicaPeers{e, n.id},
		Cluster: cluster{n}, LagTimeMax: e.cfg.lagTimeMax(), Hub: e.cfg.Events, Logger: e.log,
	})
	if err != nil {
		return fmt.Errorf("opening the logs of broker %d: %w", n.id, err)
	}
	n.replicas.Store(set)
	n.groups = coordinator.NewGroups(coordinator.Config{BrokerID: n.id, Hub: e.cfg.Events, Logger: e.log})
	return nil
}

// startBroker registers the broker, or waits until the first active controller
// has done so, and begins to serve clients.
func (n *node) startBroker(ctx context.Context, enrolled bool) error {
	e := n.engine
	n.setOffline(false)
	b, err := broker.Start(ctx, broker.Config{
		Self: n.self(), Enrolled: enrolled, Clean: n.replicas.Load().Clean(),
		Listeners: n.listeners, Controller: n.controller.Load(), Replicas: n.replicas.Load(), Groups: n.groups,
		Hub: e.cfg.Events, Logger: e.log, Limits: e.cfg.Limits, LogDir: e.logDir(n.id),
		Gate: &n.gate, Progress: e.progress, HeartbeatInterval: e.cfg.heartbeatInterval(), SessionTimeout: e.cfg.sessionTimeout(),
	})
	if err != nil {
		return fmt.Errorf("starting broker %d: %w", n.id, err)
	}
	n.broker.Store(b)
	return nil
}

// setOffline sets what the gauges say of replicas whose broker is down, or is
// not any more.
func (n *node) setOffline(offline bool) {
	for _, p := range n.engine.cfg.Events.Partitions() {
		if p.Broker != n.id {
			continue
		}
		p.Offline.Store(offline)
		if offline {
			p.Leader.Store(false)
			p.InSync.Store(false)
		}
	}
}

// shut closes all that the node has open, in order and with all logs synced.
// Its clients' connections are closed before: see broker.Shut.
func (n *node) shut(ctx context.Context) error {
	var errs []error
	if b := n.broker.Swap(nil); b != nil {
		errs = append(errs, b.Close(ctx))
	} else {
		errs = append(errs, n.closeListeners())
	}
	if n.groups != nil {
		n.groups.Close()
	}
	if s := n.replicas.Swap(nil); s != nil {
		errs = append(errs, s.Close(true))
	}
	errs = append(errs, n.closeController())
	n.engine.links.SetDown(n.id, true)
	n.setOffline(true)
	return errors.Join(errs...)
}

// cut closes all that the node has open as the loss of power would: clients'
// connections are reset, the other brokers learn of it at once, and nothing is
// written any more. Errors of a disk that is not to be used any more are of no
// interest.
func (n *node) cut() {
	n.engine.links.SetDown(n.id, true)
	if b := n.broker.Swap(nil); b != nil {
		_ = b.Kill()
	} else {
		_ = n.closeListeners()
	}
	if s := n.replicas.Swap(nil); s != nil {
		_ = s.Kill()
	}
	if n.groups != nil {
		n.groups.Close()
	}
	_ = n.closeController()
	n.setOffline(true)
}
