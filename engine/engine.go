package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/logarium/logarium/engine/broker"
	"github.com/logarium/logarium/engine/event"
	"github.com/logarium/logarium/engine/journal"
	"github.com/logarium/logarium/engine/metadata"
	"github.com/logarium/logarium/engine/netx"
)

const (
	// lockFile in the data folder is locked while a process has the folder.
	lockFile = ".lock"
	// metadataDir is the folder of the metadata log in the folder of its broker.
	metadataDir = "__cluster_metadata-0"
)

// Engine is a running cluster.
type Engine struct {
	cfg      Config
	log      *slog.Logger
	lock     io.Closer // of the data folder; nil in memory
	fresh    bool
	campaign int32 // the voter that stands for election first
	links    *netx.Links
	unwatch  func() // of links
	progress *broker.Progress
	nodes    []*node          // node i has id i+1
	journal  *journal.Journal // nil: there is none

	closing  atomic.Bool
	once     sync.Once
	closeErr error
	closed   chan struct{}
}

// Open binds the listeners, opens the data and starts the brokers. It starts
// everything or nothing: after an error all is closed again.
func Open(ctx context.Context, cfg Config) (*Engine, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	e := &Engine{
		cfg: cfg, log: cfg.Logger, links: netx.NewLinks(), progress: broker.NewProgress(), closed: make(chan struct{}),
	}
	for i := range cfg.Brokers {
		n := &node{engine: e, id: int32(i + 1), state: Starting, incarnation: metadata.NewUUID()}
		for _, l := range cfg.Listeners {
			address, err := l.address(i)
			if err != nil {
				return nil, err
			}
			n.binds = append(n.binds, bind{l.Name, address})
		}
		e.nodes = append(e.nodes, n)
	}
	e.unwatch = e.links.Watch(e.tell)
	for _, step := range []func(context.Context) error{e.listen, e.openDisks, e.prepare, e.openLogs, e.openReplicas, e.startBrokers} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, e.abandon())
		}
	}
	return e, nil
}

// tell tells the controllers whom the links say to be down, or up again.
func (e *Engine) tell(id int32, down bool) {
	for _, n := range e.nodes {
		c := n.controller.Load()
		switch {
		case n.id == id || c == nil:
		case down:
			c.Lost(id)
		default:
			c.Found(id)
		}
	}
}

// each does something to all nodes at the same time.
func (e *Engine) each(do func(*node) error) error {
	var g errgroup.Group
	errs := make([]error, len(e.nodes))
	for i, n := range e.nodes {
		g.Go(func() error {
			errs[i] = do(n)
			return nil
		})
	}
	_ = g.Wait() // the goroutines put their errors into errs
	return errors.Join(errs...)
}

// listen binds every listener of every broker, before any file is touched.
func (e *Engine) listen(ctx context.Context) error {
	for _, n := range e.nodes {
		if err := n.listen(ctx); err != nil {
			return err
		}
	}
	return nil
}

// openLogs opens the journal and the metadata logs side by side: both wait for
// the disk most of the time.
func (e *Engine) openLogs(ctx context.Context) error {
	var journal error
	var opening sync.WaitGroup
	opening.Go(func() { journal = e.openJournal(ctx) })
	err := e.openControllers(ctx)
	opening.Wait()
	return errors.Join(err, journal)
}

// openControllers starts the quorum: the most advanced voter stands for
// election, and the others hear of it.
func (e *Engine) openControllers(ctx context.Context) error {
	var brokers []metadata.Broker
	for _, n := range e.nodes {
		brokers = append(brokers, n.self())
	}
	return e.each(func(n *node) error { return n.openController(ctx, brokers, n.id == e.campaign) })
}

func (e *Engine) openReplicas(context.Context) error {
	return e.each(func(n *node) error { return n.openReplicas() })
}

// startBrokers opens the logs and starts serving clients.
func (e *Engine) startBrokers(ctx context.Context) error {
	err := e.each(func(n *node) error { return n.startBroker(ctx, true) })
	if err != nil {
		return err
	}
	for _, n := range e.nodes {
		n.mu.Lock()
		n.state = Running
		n.mu.Unlock()
	}
	return nil
}

// maxVoters is how many brokers have a vote in the metadata quorum: with three,
// one may be down.
const maxVoters = 3

// voters are the brokers that have a vote: three, or one where there are fewer,
// since two are no safer than one.
func (e *Engine) voters() []int32 {
	if len(e.nodes) < maxVoters {
		return []int32{1}
	}
	return []int32{1, 2, 3}
}

// learners are the other brokers.
func (e *Engine) learners() (ids []int32) {
	for _, n := range e.nodes[len(e.voters()):] {
		ids = append(ids, n.id)
	}
	return ids
}

// hasQuorum says whether enough voters run to decide anything.
func (e *Engine) hasQuorum() bool {
	up := 0
	for _, id := range e.voters() {
		if c := e.node(id).controller.Load(); c != nil && c.Failure() == nil && !e.links.Paused(id) {
			up++
		}
	}
	return up > len(e.voters())/2
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

// Ready returns nil while every broker runs that is meant to: one that was
// stopped, killed or paused on purpose is as it should be.
func (e *Engine) Ready() error {
	if e.closing.Load() {
		return ErrClosed
	}
	var errs []error
	for _, n := range e.nodes {
		switch state, cause := n.current(); {
		case cause != nil:
			errs = append(errs, fmt.Errorf("broker %d has failed: %w", n.id, cause))
		case state == Starting:
			errs = append(errs, fmt.Errorf("broker %d is starting", n.id))
		}
	}
	return errors.Join(errs...)
}
