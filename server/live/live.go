package live

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/logarium/logarium/engine/event"
)

// Schema is the version of everything that goes over the stream. A page whose
// script knows another one reloads itself.
const Schema = 2

// The sampler's pace: fast while somebody watches, slow to keep history.
const (
	fastTick = 100 * time.Millisecond
	slowTick = time.Second
)

// Options are the settings of a Live. The zero value is usable.
type Options struct {
	// Build names the running program; a tab that sees it change reloads.
	Build string
	// HiddenClients are the client ids that are left out of the picture, and
	// whose reading is not counted as consumption. Default: logarium-console.
	HiddenClients []string
	// MaxStreams bounds the streams that are open at once. Default 500.
	MaxStreams int
	// WriteTimeout is how long one write to a tab may take before the tab is
	// dropped. Default 2 s.
	WriteTimeout time.Duration
	// Heartbeat is the pause after which an idle stream gets a sign of life.
	// Default 15 s.
	Heartbeat time.Duration
	// Logger gets what goes wrong. Default: slog.Default().
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.HiddenClients == nil {
		o.HiddenClients = []string{"logarium-console"}
	}
	if o.MaxStreams == 0 {
		o.MaxStreams = 500
	}
	if o.WriteTimeout == 0 {
		o.WriteTimeout = 2 * time.Second
	}
	if o.Heartbeat == 0 {
		o.Heartbeat = 15 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// Live is the living picture of the embedded cluster. See New.
type Live struct {
	hub *event.Hub
	opt Options

	mu      sync.Mutex // guards everything down to the blank line
	world   *world
	views   map[string]*view
	hist    history
	events  eventFeed
	watched int // subscribers in all views
	started bool
	closed  bool
	records RecordSource

	streams streams
	latest  latest
	wake    chan struct{} // cap 1: the sampler's pace may have changed
	stop    context.CancelFunc
	running sync.WaitGroup
}

// New returns a Live over hub that does nothing yet: see Start. Snapshot and
// Overview work before Start; they sample when they are called.
func New(hub *event.Hub, o Options) *Live {
	l := &Live{
		hub:   hub,
		opt:   o.withDefaults(),
		views: make(map[string]*view),
		wake:  make(chan struct{}, 1),
	}
	l.world = newWorld(hub, l.opt.HiddenClients)
	l.streams.init()
	l.latest.init()
	return l
}

// Start starts the sampler. It returns at once.
func (l *Live) Start() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.started || l.closed {
		return
	}
	l.started = true
	ctx, cancel := context.WithCancel(context.Background())
	l.stop = cancel
	l.sampleLocked(time.Now())
	l.running.Go(func() { l.run(ctx) })
	l.running.Go(func() { l.readLatest(ctx) })
}

// Close ends every stream and the sampler, and waits for them. Open requests
// on Stream return.
func (l *Live) Close() {
	l.mu.Lock()
	l.closed = true
	stop := l.stop
	l.mu.Unlock()
	l.streams.close()
	if stop != nil {
		stop()
	}
	l.running.Wait()
}

// ReadRecordsFrom gives the source of the messages that the overview and the
// topic pages show. Without one, they show none.
func (l *Live) ReadRecordsFrom(src RecordSource) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = src
}

func (l *Live) recordSource() RecordSource {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.records
}

// run is the sampler: one goroutine that looks at the counters at the pace of
// the hour, and passes state events on as they come.
func (l *Live) run(ctx context.Context) {
	pace := slowTick
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for {
		changed := l.hub.Changed()
		l.pushEvents(time.Now())
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case now := <-tick.C:
			l.sample(now)
		case <-l.wake:
		}
		if p := l.pace(); p != pace {
			pace = p
			tick.Reset(pace)
		}
	}
}

func (l *Live) pace() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.watched > 0 {
		return fastTick
	}
	return slowTick
}

func (l *Live) sample(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sampleLocked(now)
}

// sampleLocked reads the counters and hands every view its frame.
func (l *Live) sampleLocked(now time.Time) {
	l.world.sample(now)
	row, second := l.hist.add(l.world, now)
	for _, v := range l.views {
		v.publish(l.world, now, row, second)
	}
	l.events.flush(now, l.views)
}

// pushEvents applies the state events that happened since the last call and
// hands them to every subscriber.
func (l *Live) pushEvents(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		events, lost := l.hub.Since(l.world.seq, 512)
		if len(events) == 0 {
			return
		}
		l.world.apply(events, lost)
		if lost > 0 {
			l.events.lose(lost, events[0].Seq)
		}
		l.events.push(now, l.world.visible(events), l.views)
	}
}

func (l *Live) kick() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}
