package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/logarium/logarium/engine/batch"
	"github.com/logarium/logarium/engine/controller"
	"github.com/logarium/logarium/engine/coordinator"
	"github.com/logarium/logarium/engine/event"
	"github.com/logarium/logarium/engine/metadata"
	"github.com/logarium/logarium/engine/replica"
)

// Listener is where clients come in. Clients are told the address that the
// broker's registration (metadata.Broker) has under the same name.
type Listener struct {
	Name string
	net.Listener
}

// Config is what a broker needs to start. What has no remark is required. What
// is passed in stays the caller's to close, after the broker.
type Config struct {
	// Self is what the broker registers as: ID, Rack, Listeners, Incarnation.
	Self metadata.Broker
	// Enrolled says that the first active controller of the process registers
	// it: see controller.Config.Brokers.
	Enrolled bool
	// Clean says that its last run ended in order; see controller.Registration.
	Clean bool
	// HeartbeatInterval is the time between two heartbeats
	// (broker.heartbeat.interval.ms); 150 ms if 0. SessionTimeout is after how
	// long without one the broker is taken for dead
	// (broker.session.timeout.ms); 600 ms if 0.
	HeartbeatInterval, SessionTimeout time.Duration

	Listeners  []Listener
	Controller *controller.Controller
	Replicas   *replica.Set
	Groups     *coordinator.Groups
	Hub        *event.Hub
	Logger     *slog.Logger // nil: none
	Limits     Limits
	LogDir     string // where the logs are, as clients are told; empty: "memory"
	Gate       *Gate  // what pauses the broker; nil: nothing does
	// Progress is shared by all brokers of the process; nil: this one is alone.
	Progress *Progress
}

// Broker serves Kafka's protocol for one broker.
type Broker struct {
	id       int32
	self     metadata.Broker
	meta     *controller.Controller
	replicas *replica.Set
	groups   *coordinator.Groups
	hub      *event.Hub
	log      *slog.Logger
	logDir   string
	limits   Limits
	memory   *semaphore.Weighted // bytes of frames, see Limits.QueuedRequestBytes
	sessions *fetchSessions
	noise    noise

	recompressor batch.Recompressor

	producerIDs producerIDs

	gate     *Gate
	cut      context.Context // ends when the broker's connections are cut
	cutAll   context.CancelFunc
	progress *Progress
	follower *follower
	applied  atomic.Int64 // offset of the image that the broker has followed to

	life                              lifecycle
	heartbeatInterval, sessionTimeout time.Duration

	unwatch   func() // ends what the follower is told
	listeners []Listener
	accepting sync.WaitGroup
	serving   sync.WaitGroup

	mu      sync.Mutex // for what follows
	conns   map[*conn]struct{}
	perIP   map[string]int
	closing bool
}

// Start registers the broker, follows the metadata and begins to accept
// clients. It returns when the logs are open; AwaitUnfenced waits until the
// broker takes part in the cluster.
func Start(ctx context.Context, cfg Config) (*Broker, error) {
	b, err := newBroker(cfg)
	if err != nil {
		return nil, err
	}
	run, stop := context.WithCancel(context.Background())
	b.life.stop = stop
	if err = b.enrol(ctx, cfg.Enrolled, cfg.Clean); err == nil {
		err = b.follow(b.cut)
	}
	if err != nil {
		stop()
		b.cutAll()
		return nil, err
	}
	go b.live(run)
	for _, l := range cfg.Listeners {
		b.accepting.Go(func() { b.accept(l) })
	}
	b.hub.Emit(event.State{Kind: event.BrokerStarted, Broker: b.id, Partition: -1, Text: b.advertised()})
	return b, nil
}

func newBroker(cfg Config) (*Broker, error) {
	if cfg.Controller == nil || cfg.Replicas == nil || cfg.Groups == nil || cfg.Hub == nil {
		return nil, errors.New("broker: Controller, Replicas, Groups and Hub are required")
	}
	if len(cfg.Listeners) == 0 {
		return nil, errors.New("broker: no listener")
	}
	orDefault(&cfg.HeartbeatInterval, 150*time.Millisecond)
	orDefault(&cfg.SessionTimeout, 600*time.Millisecond)
	orDefault(&cfg.Gate, new(Gate))
	orDefault(&cfg.Progress, NewProgress())
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	b := &Broker{
		id: cfg.Self.ID, self: cfg.Self, meta: cfg.Controller, replicas: cfg.Replicas, groups: cfg.Groups, hub: cfg.Hub,
		log: cfg.Logger.With("broker", cfg.Self.ID), logDir: cmp.Or(cfg.LogDir, "memory"), limits: cfg.Limits.withDefaults(),
		listeners: cfg.Listeners, conns: map[*conn]struct{}{}, perIP: map[string]int{}, gate: cfg.Gate, progress: cfg.Progress,
		heartbeatInterval: cfg.HeartbeatInterval, sessionTimeout: cfg.SessionTimeout,
	}
	b.life.wake = make(chan struct{}, 1)
	b.life.unfenced, b.life.shutDown, b.life.ended = make(chan struct{}), make(chan struct{}), make(chan struct{})
	b.cut, b.cutAll = context.WithCancel(context.Background())
	b.sessions = newFetchSessions(b.limits)
	b.memory = semaphore.NewWeighted(int64(b.limits.QueuedRequestBytes))
	return b, nil
}

// advertised is the address of the first listener as clients are told it.
func (b *Broker) advertised() string {
	if me, ok := b.meta.Image().Broker(b.id); ok {
		if l, ok := me.Listener(b.listeners[0].Name); ok {
			return fmt.Sprintf("%s:%d", l.Host, l.Port)
		}
	}
	return b.listeners[0].Addr().String()
}

// Shut stops accepting, lets the requests in hand be answered until ctx ends,
// and closes all connections. A ctx that has ended already cuts them at once.
// The broker stays registered until Close. It does nothing after another Shut
// or Kill.
func (b *Broker) Shut(ctx context.Context) error {
	if !b.begin((*conn).drain) {
		return nil
	}
	err := b.closeListeners()
	done := make(chan struct{})
	go func() {
		b.serving.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		b.each((*conn).kill)
		<-done
	}
	return err
}

// Close is Shut, and then the broker neither sends heartbeats nor follows the
// metadata any more. What Config holds stays open.
func (b *Broker) Close(ctx context.Context) error {
	err := b.Shut(ctx)
	b.unwatch()
	b.end()
	b.hub.Emit(event.State{Kind: event.BrokerStopped, Broker: b.id, Partition: -1})
	return err
}

// end ends the broker's own goroutines.
func (b *Broker) end() {
	b.life.stop()
	b.cutAll()
	<-b.life.ended
	<-b.follower.ended
	b.progress.forget(b.id)
}

// Kill ends the broker as the loss of power would, as far as clients can tell:
// their connections are reset, and no answer goes out any more. It cuts a Shut
// that is under way short. What Config holds stays open; the controller, which
// is to be closed next, may still call a function that does nothing.
func (b *Broker) Kill() error {
	first := b.begin((*conn).reset)
	b.cutAll()
	if !first { // a Shut is under way
		b.each((*conn).reset)
	}
	err := b.closeListeners()
	b.serving.Wait()
	b.end()
	b.hub.Emit(event.State{Kind: event.BrokerKilled, Broker: b.id, Partition: -1})
	return err
}

// begin takes no more connections and does end to each; false if that was done
// before.
func (b *Broker) begin(end func(*conn)) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closing {
		return false
	}
	b.closing = true
	for c := range b.conns {
		end(c)
	}
	return true
}

// each does something to all connections.
func (b *Broker) each(do func(*conn)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.conns {
		do(c)
	}
}

// closeListeners closes the listeners and waits until nothing is accepted.
func (b *Broker) closeListeners() error {
	var errs []error
	for _, l := range b.listeners {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, fmt.Errorf("closing listener %s: %w", l.Name, err))
		}
	}
	b.accepting.Wait()
	return errors.Join(errs...)
}

// noise keeps hostile clients from filling the log: after ten lines in a
// minute it counts.
type noise struct {
	mu      sync.Mutex
	minute  time.Time
	lines   int
	skipped int
}

// complain logs what a client did wrong, at most ten times a minute.
func (b *Broker) complain(msg string, args ...any) {
	now := time.Now()
	n := &b.noise
	n.mu.Lock()
	if now.Sub(n.minute) > time.Minute {
		if n.skipped > 0 {
			args = append(args, "notLogged", n.skipped)
		}
		n.minute, n.lines, n.skipped = now, 0, 0
	}
	n.lines++
	skip := n.lines > 10
	if skip {
		n.skipped++
	}
	n.mu.Unlock()
	if !skip {
		b.log.Warn(msg, args...)
	}
}
