package controller

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/logarium/logarium/engine/event"
	"github.com/logarium/logarium/engine/metadata"
)

// The limits and intervals of the quorum.
const (
	defaultDir           = "__cluster_metadata-0"
	defaultTick          = 50 * time.Millisecond
	defaultSnapshotBytes = 4 << 20
	electionTicks        = 10
	heartbeatTicks       = 1
	// mailboxSize bounds the requests that wait; more of them wait at the door.
	mailboxSize = 256
	// maxProposal is the size of records after which no further request joins
	// a proposal. One request alone may need more.
	maxProposal = 4 << 20
)

// Controller is one voter of the metadata quorum. Its methods may be called
// from any goroutine, but not from a function given to Watch.
type Controller struct {
	cfg     Config
	machine machine
	single  bool // the only voter
	image   atomic.Pointer[metadata.Image]

	mailbox chan *request
	inbox   chan *raftpb.Message
	watches chan watch
	active  atomic.Bool
	ready   chan struct{} // closed when this voter was first ready to lead
	broken  chan struct{} // closed when it has failed
	stop    chan struct{}
	stopped chan struct{} // closed when the goroutine is gone
	closing sync.Once
	closed  error

	// The rest belongs to the goroutine.
	node     *raft.RawNode
	store    *store
	watchers []*watcher
	lead     leadership
	applied  uint64 // index of the last entry in the image
	failed   error  // what ended this voter; it answers, but does no more
}

type watcher struct {
	fn func(*metadata.Image, *metadata.Delta)
}

// watch asks the goroutine to add a watcher, or to remove it.
type watch struct {
	*watcher
	remove bool
	done   chan struct{}
}

// Open opens the metadata log and starts the voter. A single voter is elected
// and has registered its brokers when Open returns; one of several has only
// started. The error names the file where the log is damaged.
func Open(ctx context.Context, cfg Config) (*Controller, error) {
	if err := cfg.fill(); err != nil {
		return nil, err
	}
	c := &Controller{
		cfg: cfg, single: len(cfg.Voters) == 1,
		machine: newMachine(cfg),
		mailbox: make(chan *request, mailboxSize),
		inbox:   make(chan *raftpb.Message, 1024),
		watches: make(chan watch),
		ready:   make(chan struct{}),
		broken:  make(chan struct{}),
		stop:    make(chan struct{}),
		stopped: make(chan struct{}),
	}
	if err := c.load(); err != nil {
		return nil, fmt.Errorf("open the metadata log: %w", err)
	}
	go c.run()
	if !c.single {
		return c, nil
	}
	select {
	case <-c.ready:
		return c, nil
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), c.Close())
	case <-c.broken:
		return nil, fmt.Errorf("open the metadata log: %w", c.Close())
	}
}

func (cfg *Config) fill() error {
	if cfg.ID < 1 || !slices.Contains(cfg.Voters, cfg.ID) {
		return fmt.Errorf("controller %d is not one of the voters %v", cfg.ID, cfg.Voters)
	}
	if len(cfg.Voters) > 1 && cfg.Peers == nil {
		return errors.New("several voters need Peers")
	}
	if cfg.FS == nil || cfg.Hub == nil || cfg.Logger == nil {
		return errors.New("a controller needs a file system, an event hub and a logger")
	}
	if err := metadata.ValidateStaticConfig(cfg.StaticDefaults); err != nil {
		return err
	}
	cfg.Dir = cmp.Or(cfg.Dir, defaultDir)
	cfg.TickInterval = cmp.Or(cfg.TickInterval, defaultTick)
	cfg.MaxReplicationFactor = cmp.Or(cfg.MaxReplicationFactor, 1)
	cfg.SnapshotBytes = cmp.Or(cfg.SnapshotBytes, defaultSnapshotBytes)
	if cfg.NewID == nil {
		cfg.NewID = metadata.NewUUID
	}
	return nil
}

// load reads the log and starts raft over it.
func (c *Controller) load() error {
	voters := make([]uint64, len(c.cfg.Voters))
	for i, v := range c.cfg.Voters {
		voters[i] = uint64(v)
	}
	slices.Sort(voters)
	st, cut, err := openStore(c.cfg.FS, c.cfg.Dir, voters)
	if err != nil {
		return err
	}
	if cut > 0 {
		c.cfg.Logger.Warn("cut a torn tail from the metadata log", "bytes", cut)
	}
	img := metadata.NewImage(c.cfg.StaticDefaults)
	snap, err := st.Snapshot()
	if err == nil && !raft.IsEmptySnap(snap) {
		img, err = metadata.ReadImage(snap.GetData(), c.cfg.StaticDefaults)
	}
	if err != nil {
		return errors.Join(err, st.close())
	}
	c.store, c.applied = st, snap.GetMetadata().GetIndex()
	c.image.Store(img)
	c.node, err = raft.NewRawNode(&raft.Config{
		ID: uint64(c.cfg.ID), ElectionTick: electionTicks, HeartbeatTick: heartbeatTicks,
		Storage: st, Applied: c.applied,
		MaxSizePerMsg: 1 << 20, MaxCommittedSizePerReady: math.MaxUint64, MaxInflightMsgs: 64,
		CheckQuorum: !c.single, PreVote: !c.single, DisableProposalForwarding: true,
		Logger: raftLogger{c.cfg.Logger.With("controller", c.cfg.ID)},
	})
	if err != nil {
		return errors.Join(err, st.close())
	}
	return nil
}

// Image returns the newest image. It costs one atomic load.
func (c *Controller) Image() *metadata.Image { return c.image.Load() }

// Active says whether this voter is the active controller and takes requests.
func (c *Controller) Active() bool { return c.active.Load() }

// Watch calls fn for each change of the image, in order, after the change is
// committed and before its requester gets the answer; first, before Watch
// returns, with the present image and a delta of everything. fn runs on the
// controller's goroutine: it must be quick and must not call the controller.
// When stop returns, fn runs no more.
func (c *Controller) Watch(fn func(*metadata.Image, *metadata.Delta)) (stop func()) {
	w := &watcher{fn}
	if !c.ask(watch{w, false, make(chan struct{})}) {
		fn(c.Image(), c.Image().Full())
	}
	return func() { c.ask(watch{w, true, make(chan struct{})}) }
}

// ask has the goroutine do w; false if it is gone.
func (c *Controller) ask(w watch) bool {
	select {
	case c.watches <- w:
		<-w.done
		return true
	case <-c.stopped:
		return false
	}
}

func (c *Controller) watch(w watch) {
	defer close(w.done)
	if w.remove {
		c.watchers = slices.DeleteFunc(c.watchers, func(o *watcher) bool { return o == w.watcher })
		return
	}
	c.watchers = append(c.watchers, w.watcher)
	w.fn(c.Image(), c.Image().Full())
}

// Receive takes a message that another voter sent. It never waits: raft sends
// again what is lost.
func (c *Controller) Receive(message []byte) error {
	m, err := decodeMessage(message)
	if err != nil {
		return err
	}
	select {
	case c.inbox <- m:
	default:
		return errors.New("the controller's inbox is full")
	}
	return nil
}

// receive gives raft a message. Raft refuses one that no voter would send;
// that harms nobody.
func (c *Controller) receive(m *raftpb.Message) {
	if err := c.node.Step(m); err != nil {
		c.cfg.Logger.Debug("dropped a message", "from", m.GetFrom(), "type", m.GetType().String(), "error", err)
	}
}

// Close ends the voter. Requests that wait are answered with NOT_CONTROLLER.
// It returns what had ended the voter before, if anything had.
func (c *Controller) Close() error {
	c.closing.Do(func() {
		close(c.stop)
		<-c.stopped
		c.closed = errors.Join(c.failed, c.store.close())
	})
	return c.closed
}

// run is the voter's goroutine.
func (c *Controller) run() {
	defer close(c.stopped)
	defer c.drain()
	var ticks <-chan time.Time
	if !c.single {
		t := time.NewTicker(c.cfg.TickInterval)
		defer t.Stop()
		ticks = t.C
	} else {
		c.step(c.node.Campaign)
	}
	for {
		mailbox := c.mailbox
		if c.lead.elected && !c.lead.ready && c.failed == nil {
			mailbox = nil // answers need the image of all that came before
		}
		select {
		case <-c.stop:
			return
		case r := <-mailbox:
			c.serve(r)
		case m := <-c.inbox:
			c.step(func() error { c.receive(m); return nil })
		case <-ticks:
			c.step(func() error { c.node.Tick(); return nil })
		case w := <-c.watches:
			c.watch(w)
		}
	}
}

// drain answers whoever still waits.
func (c *Controller) drain() {
	c.abandon(notController())
	for {
		select {
		case r := <-c.mailbox:
			r.finish(notController())
		default:
			return
		}
	}
}

func notController() error {
	return metadata.Refuse(kerr.NotController, "This broker is not the active controller.")
}

// fail ends this voter: a disk that failed once is not trusted again, and a
// log that does not fit its image must not be acted on.
func (c *Controller) fail(err error) {
	if c.failed != nil {
		return
	}
	c.failed = err
	close(c.broken)
	c.cfg.Logger.Error("the controller has failed and takes no more changes", "controller", c.cfg.ID, "error", err)
	c.cfg.Hub.Emit(event.State{Kind: event.BrokerFailed, Broker: c.cfg.ID, Partition: -1, Text: "metadata log: " + err.Error()})
	c.abandon(c.unavailable())
}

func (c *Controller) unavailable() error {
	return metadata.Refuse(kerr.KafkaStorageError, "The metadata log of this controller has failed: %v", c.failed)
}

// raftLogger gives raft's words to the program's logger. Panics are raft's way
// to report damage; step turns them into failures of this voter.
type raftLogger struct{ log *slog.Logger }

type raftPanic string

func (l raftLogger) Debug(v ...any)                 { l.log.Debug(fmt.Sprint(v...)) }
func (l raftLogger) Debugf(format string, v ...any) { l.log.Debug(fmt.Sprintf(format, v...)) }
func (l raftLogger) Info(v ...any)                  { l.log.Debug(fmt.Sprint(v...)) }
func (l raftLogger) Infof(format string, v ...any)  { l.log.Debug(fmt.Sprintf(format, v...)) }
func (l raftLogger) Warning(v ...any)               { l.log.Warn(fmt.Sprint(v...)) }
func (l raftLogger) Warningf(f string, v ...any)    { l.log.Warn(fmt.Sprintf(f, v...)) }
func (l raftLogger) Error(v ...any)                 { l.log.Error(fmt.Sprint(v...)) }
func (l raftLogger) Errorf(format string, v ...any) { l.log.Error(fmt.Sprintf(format, v...)) }
func (l raftLogger) Fatal(v ...any)                 { panic(raftPanic(fmt.Sprint(v...))) }
func (l raftLogger) Fatalf(format string, v ...any) { panic(raftPanic(fmt.Sprintf(format, v...))) }
func (l raftLogger) Panic(v ...any)                 { panic(raftPanic(fmt.Sprint(v...))) }
func (l raftLogger) Panicf(format string, v ...any) { panic(raftPanic(fmt.Sprintf(format, v...))) }
