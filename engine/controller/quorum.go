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
	heartbeatTicks       = 2
	inboxSize            = 1024 // messages; more are lost
	// mailboxSize bounds the requests that wait; more of them wait at the door.
	mailboxSize = 256
	// maxProposal is the size of records after which no further request joins
	// a proposal. One request alone may need more.
	maxProposal = 4 << 20
)

// Controller is one member of the metadata quorum: a voter, or a learner. Its
// methods may be called from any goroutine, but not from a function given to
// Watch.
type Controller struct {
	cfg     Config
	machine machine
	alone   bool // the only member
	voter   bool
	image   atomic.Pointer[metadata.Image]

	mailbox  chan *request
	inbox    chan *raftpb.Message
	tasks    chan func() // run on the goroutine
	links    links
	held     atomic.Pointer[pause]
	view     atomic.Pointer[view]
	active   atomic.Bool
	progress progress
	sessions sessions
	ready    chan struct{} // closed when this voter was first ready to lead
	broken   chan struct{} // closed when it has failed
	stop     chan struct{}
	stopped  chan struct{} // closed when the goroutine is gone
	closing  sync.Once
	closed   error

	// The rest belongs to the goroutine.
	node     *raft.RawNode
	store    *store
	watchers []*watcher
	lead     leadership
	followed map[uint64]followed // while leading: when others were heard of
	applied  uint64              // index of the last entry in the image
	failed   error               // what ended this member; it answers, but does no more
	lost     map[int32]bool      // as last seen
	campaign alarm               // when to stand for election, while there is no leader
	judge    alarm               // when to look at the sessions
	balance  alarm               // when to look at the preferred leaders
}

type watcher struct {
	fn func(*metadata.Image, *metadata.Delta)
}

// alarm is a timer of the goroutine. Its zero value never rings.
type alarm struct {
	timer *time.Timer
	at    time.Time // zero: not set
}

func (a *alarm) set(at time.Time) {
	a.at = at
	if a.timer == nil {
		a.timer = time.NewTimer(time.Until(at))
		return
	}
	a.timer.Reset(time.Until(at))
}

func (a *alarm) clear() {
	if a.timer != nil {
		a.timer.Stop()
	}
	a.at = time.Time{}
}

func (a *alarm) rings() <-chan time.Time {
	if a.timer == nil {
		return nil
	}
	return a.timer.C
}

// Open opens the metadata log and starts the controller. One that is alone is
// elected and has registered its brokers when Open returns; one of several has
// only started. The error names the file where the log is damaged.
func Open(ctx context.Context, cfg Config) (*Controller, error) {
	if err := cfg.fill(); err != nil {
		return nil, err
	}
	c := &Controller{
		cfg: cfg, alone: len(cfg.Voters)+len(cfg.Learners) == 1, voter: slices.Contains(cfg.Voters, cfg.ID),
		machine:  newMachine(cfg),
		mailbox:  make(chan *request, mailboxSize),
		inbox:    make(chan *raftpb.Message, inboxSize),
		tasks:    make(chan func()),
		links:    newLinks(),
		followed: make(map[uint64]followed),
		ready:    make(chan struct{}),
		broken:   make(chan struct{}),
		stop:     make(chan struct{}),
		stopped:  make(chan struct{}),
	}
	c.view.Store(newView(nobody, 0))
	if err := c.load(); err != nil {
		return nil, fmt.Errorf("open the metadata log: %w", err)
	}
	go c.run()
	if !c.alone {
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
	members := slices.Concat(cfg.Voters, cfg.Learners)
	switch {
	case cfg.ID < 1 || !slices.Contains(members, cfg.ID):
		return fmt.Errorf("controller %d is neither one of the voters %v nor of the learners %v", cfg.ID, cfg.Voters, cfg.Learners)
	case len(cfg.Voters) == 0 || !isSubset(members, members):
		return fmt.Errorf("the voters %v and the learners %v: there must be a voter, and each may be named once", cfg.Voters, cfg.Learners)
	case len(members) > 1 && cfg.Peers == nil:
		return errors.New("several controllers need Peers")
	case cfg.FS == nil || cfg.Hub == nil || cfg.Logger == nil:
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
	cfg.Brokers = slices.Clone(cfg.Brokers)
	for i := range cfg.Brokers {
		switch b := &cfg.Brokers[i]; {
		case !b.Incarnation.IsZero():
		case len(members) > 1:
			return fmt.Errorf("broker %d has no incarnation, by which several controllers know the runs of a broker apart", b.ID)
		default:
			b.Incarnation = metadata.NewUUID()
		}
	}
	return nil
}

// load reads the log and starts raft over it.
func (c *Controller) load() error {
	st, cut, err := openStore(c.cfg.FS, c.cfg.Dir, confState(c.cfg.Voters, c.cfg.Learners))
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
	c.progress.told.Store(img.Offset())
	c.node, err = raft.NewRawNode(&raft.Config{
		ID: uint64(c.cfg.ID), ElectionTick: electionTicks, HeartbeatTick: heartbeatTicks,
		Storage: st, Applied: c.applied,
		MaxSizePerMsg: 1 << 20, MaxCommittedSizePerReady: math.MaxUint64, MaxInflightMsgs: 64,
		CheckQuorum: len(c.cfg.Voters) > 1, PreVote: len(c.cfg.Voters) > 1, DisableProposalForwarding: true,
		Logger: raftLogger{c.cfg.Logger.With("controller", c.cfg.ID)},
	})
	if err != nil {
		return errors.Join(err, st.close())
	}
	return nil
}

// Image returns the newest image. It costs one atomic load.
func (c *Controller) Image() *metadata.Image { return c.image.Load() }

// Broken is closed when this controller has failed and takes part no more, as
// when its disk cannot be written.
func (c *Controller) Broken() <-chan struct{} { return c.broken }

// Failure says why it is broken, nil if it is not.
func (c *Controller) Failure() error {
	select {
	case <-c.broken:
		return c.failed
	default:
		return nil
	}
}

// Active says whether this voter is the active controller and takes requests.
func (c *Controller) Active() bool { return c.active.Load() }

// Watch calls fn for each change of the image, in order, after the change is
// committed and before its requester gets the answer; first, before Watch
// returns, with the present image and a delta of everything. fn runs on the
// controller's goroutine: it must be quick and must not call the controller.
// When stop returns, fn runs no more, and the controller has forgotten it.
func (c *Controller) Watch(fn func(*metadata.Image, *metadata.Delta)) (stop func()) {
	w := &watcher{fn}
	there := c.do(func() {
		c.watchers = append(c.watchers, w)
		fn(c.Image(), c.Image().Full())
	})
	if !there {
		fn(c.Image(), c.Image().Full())
	}
	return func() {
		c.do(func() {
			c.watchers = slices.DeleteFunc(c.watchers, func(o *watcher) bool { return o == w })
		})
	}
}

// do runs fn on the goroutine and waits for it; false if the goroutine is gone.
func (c *Controller) do(fn func()) bool {
	done := make(chan struct{})
	select {
	case c.tasks <- func() { defer close(done); fn() }:
	case <-c.stopped:
		return false
	}
	select {
	case <-done:
		return true
	case <-c.stopped: // while it was paused, perhaps
		select {
		case <-done:
			return true
		default:
			return false
		}
	}
}

// Receive takes a message that another member sent. It never waits: raft sends
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

// receive gives raft a message and all others that wait, so that they share a
// sync. Raft refuses one that no member would send; that harms nobody.
func (c *Controller) receive(m *raftpb.Message) {
	for {
		if err := c.node.Step(m); err != nil {
			c.cfg.Logger.Debug("dropped a message", "from", m.GetFrom(), "type", m.GetType().String(), "error", err)
		}
		c.heard(m)
		select {
		case m = <-c.inbox:
		default:
			return
		}
	}
}

// Close ends the controller, also while it is paused. Requests that wait are
// answered with NOT_CONTROLLER. It returns what had ended the controller
// before, if anything had.
func (c *Controller) Close() error {
	c.closing.Do(func() {
		close(c.stop)
		<-c.stopped
		c.closed = errors.Join(c.failed, c.store.close())
	})
	return c.closed
}

// run is the controller's goroutine.
func (c *Controller) run() {
	defer close(c.stopped)
	defer c.drain()
	var ticks <-chan time.Time
	if c.voter && !c.alone {
		t := time.NewTicker(c.cfg.TickInterval)
		defer t.Stop()
		ticks = t.C
	}
	c.greet(slices.Concat(c.cfg.Voters, c.cfg.Learners)...)
	if c.voter && (c.cfg.Campaign || len(c.cfg.Voters) == 1) {
		c.stand()
	}
	for c.turn(ticks) {
	}
}

// turn waits for one thing to do, and does it; false at the end.
func (c *Controller) turn(ticks <-chan time.Time) bool {
	mailbox := c.mailbox
	if c.lead.elected && !c.lead.ready && c.failed == nil {
		mailbox = nil // answers need the image of all that came before
	}
	var do func()
	select {
	case <-c.stop:
		return false
	case r := <-mailbox:
		do = func() { c.serve(r) }
	case m := <-c.inbox:
		do = func() { c.step(func() error { c.receive(m); return nil }) }
	case <-ticks:
		do = func() { c.step(func() error { c.node.Tick(); return nil }) }
	case fn := <-c.tasks:
		do = fn
	case <-c.links.changed:
		do = c.linksChanged
	case <-c.campaign.rings():
		do = c.stand
	case <-c.judge.rings():
		do = c.judgeSessions
	case <-c.balance.rings():
		do = c.balanceLeaders
	}
	if !c.hold() {
		return false
	}
	do()
	return true
}

// drain answers whoever still waits.
func (c *Controller) drain() {
	for _, a := range []*alarm{&c.campaign, &c.judge, &c.balance} {
		a.clear()
	}
	c.abandon(notController())
	c.follow(nobody, 0)
	for {
		select {
		case r := <-c.mailbox:
			r.refuse(notController())
		default:
			return
		}
	}
}

func notController() error {
	return metadata.Refuse(kerr.NotController, "This broker is not the active controller.")
}

// fail ends this member: a disk that failed once is not trusted again, and a
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
	c.giveWay()
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
