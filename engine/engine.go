package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/logarium/logarium/engine/broker"
	"github.com/logarium/logarium/engine/controller"
	"github.com/logarium/logarium/engine/coordinator"
	"github.com/logarium/logarium/engine/event"
	"github.com/logarium/logarium/engine/metadata"
	"github.com/logarium/logarium/engine/replica"
	"github.com/logarium/logarium/engine/vfs"
)

const (
	// lockFile in the data folder is locked while a process has the folder.
	lockFile = ".lock"
	// metadataDir is the folder of the metadata log in the folder of its broker.
	metadataDir = "__cluster_metadata-0"
)

// Engine is a running cluster.
type Engine struct {
	cfg        Config
	log        *slog.Logger
	lock       io.Closer // of the data folder; nil in memory
	fresh      bool
	controller *controller.Controller
	nodes      []*node
	closing    sync.Once
	closeErr   error
	closed     chan struct{}
}

// node is one broker with all that is its own.
type node struct {
	id        int32
	fs        vfs.FS
	listeners []broker.Listener
	addresses []metadata.Listener // what clients are told, in the order of listeners
	replicas  *replica.Set
	groups    *coordinator.Groups
	broker    *broker.Broker
}

// Open binds the listeners, opens the data and starts the brokers. It starts
// everything or nothing: after an error all is closed again.
func Open(ctx context.Context, cfg Config) (*Engine, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	e := &Engine{cfg: cfg, log: cfg.Logger, closed: make(chan struct{})}
	for _, step := range []func(context.Context) error{e.listen, e.openDisks, e.openController, e.startBrokers} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, e.Close(context.WithoutCancel(ctx)))
		}
	}
	return e, nil
}

// listen binds every listener of every broker, before any file is touched.
func (e *Engine) listen(ctx context.Context) error {
	for i := range e.cfg.Brokers {
		n := &node{id: int32(i + 1)}
		e.nodes = append(e.nodes, n)
		for _, l := range e.cfg.Listeners {
			address, err := l.address(i)
			if err != nil {
				return err
			}
			bound, err := e.cfg.Network.Listen(ctx, address)
			if err != nil {
				return &ListenError{Listener: l.Name, Address: address, Err: err}
			}
			n.listeners = append(n.listeners, broker.Listener{Name: l.Name, Listener: bound})
			host, port, err := net.SplitHostPort(bound.Addr().String())
			if err != nil {
				return fmt.Errorf("the listener %s got the address %s: %w", l.Name, bound.Addr(), err)
			}
			number, err := strconv.ParseUint(port, 10, 16)
			if err != nil {
				return fmt.Errorf("the listener %s got the port %s: %w", l.Name, port, err)
			}
			n.addresses = append(n.addresses, metadata.Listener{Name: l.Name, Host: l.advertised(host), Port: int32(number)})
		}
	}
	return nil
}

// openDisks locks the data folder and opens each broker's part of it.
func (e *Engine) openDisks(context.Context) error {
	open := e.cfg.FS
	switch {
	case open != nil:
	case e.cfg.Memory:
		open = func(int32) (vfs.FS, error) { return vfs.NewMem(), nil }
	default:
		root, err := vfs.OS(e.cfg.DataDir)
		if err != nil {
			return &DataError{Dir: e.cfg.DataDir, Err: err}
		}
		if e.lock, err = root.Lock(lockFile); err != nil {
			return &DataError{Dir: e.cfg.DataDir, Err: err}
		}
		open = func(id int32) (vfs.FS, error) {
			return vfs.OS(e.logDir(id))
		}
	}
	for _, n := range e.nodes {
		var err error
		if n.fs, err = open(n.id); err != nil {
			return &DataError{Dir: e.cfg.DataDir, Err: err}
		}
	}
	_, err := e.nodes[0].fs.Stat(metadataDir)
	e.fresh = errors.Is(err, fs.ErrNotExist)
	return nil
}

// logDir is the folder of a broker, absolute where that can be told, empty in
// memory.
func (e *Engine) logDir(id int32) string {
	if e.cfg.DataDir == "" || e.cfg.Memory {
		return ""
	}
	dir := filepath.Join(e.cfg.DataDir, fmt.Sprintf("broker-%d", id))
	if absolute, err := filepath.Abs(dir); err == nil {
		return absolute
	}
	return dir
}

// openController opens the metadata log on the first broker.
func (e *Engine) openController(ctx context.Context) error {
	var brokers []metadata.Broker
	for _, n := range e.nodes {
		brokers = append(brokers, metadata.Broker{ID: n.id, Listeners: n.addresses})
	}
	first := e.nodes[0]
	var err error
	e.controller, err = controller.Open(ctx, controller.Config{
		ID: first.id, Voters: []int32{first.id}, FS: first.fs, Dir: metadataDir,
		Brokers: brokers, StaticDefaults: e.cfg.Settings, Hub: e.cfg.Events, Logger: e.log, SessionTimeout: -1,
	})
	if err != nil {
		return fmt.Errorf("opening the metadata log: %w", err)
	}
	for _, topic := range e.controller.Image().Topics() {
		for _, p := range topic.Partitions {
			for _, id := range p.Replicas {
				if int(id) > e.cfg.Brokers {
					return &DataError{Dir: e.cfg.DataDir, Err: fmt.Errorf("it holds partitions of broker %d, so %d brokers are too few", id, e.cfg.Brokers)}
				}
			}
		}
	}
	return nil
}

// startBrokers opens the replicas and starts serving clients.
func (e *Engine) startBrokers(context.Context) error {
	for _, n := range e.nodes {
		var err error
		if n.replicas, err = replica.Open(replica.Config{
			BrokerID: n.id, FS: n.fs, Durability: e.cfg.Durability, Hub: e.cfg.Events, Logger: e.log,
		}); err != nil {
			return fmt.Errorf("opening the logs of broker %d: %w", n.id, err)
		}
		n.groups = coordinator.NewGroups(coordinator.Config{BrokerID: n.id, Hub: e.cfg.Events, Logger: e.log})
	}
	for _, n := range e.nodes {
		var err error
		if n.broker, err = broker.Start(broker.Config{
			ID: n.id, Listeners: n.listeners, Controller: e.controller, Replicas: n.replicas, Groups: n.groups,
			Hub: e.cfg.Events, Logger: e.log, Limits: e.cfg.Limits, LogDir: e.logDir(n.id),
		}); err != nil {
			return fmt.Errorf("starting broker %d: %w", n.id, err)
		}
	}
	return nil
}

// Close stops taking requests, lets those under way end until ctx does, and
// closes all files so that the next start needs no recovery. A second call
// waits for the first and returns its error.
func (e *Engine) Close(ctx context.Context) error {
	e.closing.Do(func() {
		defer close(e.closed)
		e.closeErr = e.close(ctx)
	})
	<-e.closed
	return e.closeErr
}

func (e *Engine) close(ctx context.Context) error {
	var errs []error
	for _, n := range e.nodes {
		if n.broker != nil {
			errs = append(errs, n.broker.Close(ctx))
			continue
		}
		for _, l := range n.listeners {
			errs = append(errs, l.Listener.Close())
		}
	}
	for _, n := range e.nodes {
		if n.groups != nil {
			n.groups.Close()
		}
	}
	if e.controller != nil {
		errs = append(errs, e.controller.Close())
	}
	for _, n := range e.nodes {
		if n.replicas != nil {
			errs = append(errs, n.replicas.Close(true))
		}
	}
	if e.lock != nil {
		errs = append(errs, e.lock.Close())
	}
	return errors.Join(errs...)
}

// Bootstrap returns the address of each broker on the first listener.
func (e *Engine) Bootstrap() []string {
	out := make([]string, len(e.nodes))
	for i, n := range e.nodes {
		l := n.addresses[0]
		out[i] = net.JoinHostPort(l.Host, strconv.Itoa(int(l.Port)))
	}
	return out
}

// Events returns the hub that tells what happens in the cluster.
func (e *Engine) Events() *event.Hub { return e.cfg.Events }

// Fresh says whether there was no data before Open.
func (e *Engine) Fresh() bool { return e.fresh }

// Ready returns nil while every broker takes requests.
func (e *Engine) Ready() error {
	select {
	case <-e.closed:
		return errors.New("the brokers are stopped")
	default:
		return nil
	}
}
