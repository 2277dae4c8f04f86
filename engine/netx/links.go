package netx

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// ErrDown is the answer of a link one of whose ends is down, as a reset
// connection would be.
var ErrDown = errors.New("the broker at the other end is down")

// Links are the ways between the brokers of one process. Brokers call each
// other directly; before and after, the call makes a Trip over the link, and
// what needs no answer goes by Post. Each direction of each link can be slowed
// and cut, and a broker as a whole can be down (its connections are reset) or
// paused (nothing goes in or out, and nobody is told).
//
// A healthy link costs one atomic load: no lock and no allocation. All methods
// may be called from any goroutine. Nothing waits but Trip.
type Links struct {
	state  atomic.Pointer[linkState]
	queued atomic.Int64 // messages in lanes

	mu       sync.Mutex // of writers of state, of lanes and watchers; nobody waits while holding it
	lanes    map[way]*lane
	watchers map[*linkWatcher]struct{}
}

// way is one direction of a link.
type way struct{ from, to int32 }

// fault is what is wrong with one direction.
type fault struct {
	delay time.Duration
	cut   bool
}

// linkState is what is wrong anywhere. It does not change: a change makes a new one.
type linkState struct {
	healthy bool // nothing is
	ways    map[way]fault
	down    map[int32]bool
	paused  map[int32]bool
	falls   map[int32]uint64 // how many times a broker went down
	changed chan struct{}    // closed when there is a newer state
}

func (s *linkState) clone() *linkState {
	return &linkState{
		ways: maps.Clone(s.ways), down: maps.Clone(s.down), paused: maps.Clone(s.paused), falls: maps.Clone(s.falls),
		changed: make(chan struct{}),
	}
}

func (s *linkState) anyDown(w way) bool   { return s.down[w.from] || s.down[w.to] }
func (s *linkState) anyPaused(w way) bool { return s.paused[w.from] || s.paused[w.to] }

// fallsOf changes whenever an end of the way goes down.
func (s *linkState) fallsOf(w way) uint64 { return s.falls[w.from] + s.falls[w.to] }

// linkWatcher is one call of Watch.
type linkWatcher struct{ fn func(id int32, down bool) }

// NewLinks returns healthy links between any brokers.
func NewLinks() *Links {
	l := &Links{lanes: map[way]*lane{}, watchers: map[*linkWatcher]struct{}{}}
	l.state.Store(&linkState{
		healthy: true, ways: map[way]fault{}, down: map[int32]bool{}, paused: map[int32]bool{}, falls: map[int32]uint64{},
		changed: make(chan struct{}),
	})
	return l
}

// change makes a new state and wakes who waits on the old one.
func (l *Links) change(edit func(*linkState)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.state.Load()
	s := old.clone()
	edit(s)
	s.healthy = len(s.ways) == 0 && len(s.down) == 0 && len(s.paused) == 0
	l.state.Store(s)
	close(old.changed)
}

// Trip is one way of a message: it returns nil at once on a healthy link and
// after the delay on a slow one, and waits while the link is cut or an end is
// paused. It returns ErrDown as soon as an end is down, or ctx's error when
// that ends.
func (l *Links) Trip(ctx context.Context, from, to int32) error {
	if l.state.Load().healthy {
		return nil
	}
	return l.trip(ctx, way{from, to})
}

func (l *Links) trip(ctx context.Context, w way) error {
	s := l.state.Load()
	falls := s.fallsOf(w)
	var arrives time.Time
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if s.anyDown(w) || s.fallsOf(w) != falls {
			return ErrDown
		}
		f := s.ways[w]
		switch {
		case f.cut: // what was under way is sent again afterwards
			arrives = time.Time{}
		case arrives.IsZero():
			arrives = time.Now().Add(f.delay)
		}
		held := f.cut || s.anyPaused(w)
		wait := time.Until(arrives)
		if !held && wait <= 0 {
			return nil
		}
		if held {
			wait = -1
		}
		waitFor(ctx, wait, s.changed)
		s = l.state.Load()
	}
}

// waitFor returns after d, when changed is closed or ctx ends. A negative d is
// for ever.
func waitFor(ctx context.Context, d time.Duration, changed <-chan struct{}) {
	var after <-chan time.Time
	if d >= 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		after = timer.C
	}
	select {
	case <-after:
	case <-changed:
	case <-ctx.Done():
	}
}

// SetDelay sets how long one direction takes; 0 or less is no time.
func (l *Links) SetDelay(from, to int32, d time.Duration) {
	l.setWay(way{from, to}, func(f *fault) { f.delay = max(d, 0) })
}

// Cut stops one direction until it is healed.
func (l *Links) Cut(from, to int32) { l.setWay(way{from, to}, func(f *fault) { f.cut = true }) }

// Heal makes one direction healthy: neither cut nor slow.
func (l *Links) Heal(from, to int32) { l.setWay(way{from, to}, func(f *fault) { *f = fault{} }) }

// HealAll makes all links healthy. Brokers that are down or paused stay so.
func (l *Links) HealAll() { l.change(func(s *linkState) { clear(s.ways) }) }

func (l *Links) setWay(w way, edit func(*fault)) {
	l.change(func(s *linkState) {
		f := s.ways[w]
		edit(&f)
		if s.ways[w] = f; f == (fault{}) {
			delete(s.ways, w)
		}
	})
}

// SetDown resets all that is under way to and from a broker, and refuses all
// further messages until it is up again. If that is a change, every watcher is
// called before SetDown returns.
func (l *Links) SetDown(id int32, down bool) {
	changed := false
	l.change(func(s *linkState) {
		if changed = s.down[id] != down; !changed {
			return
		}
		if down {
			s.down[id] = true
			s.falls[id]++
		} else {
			delete(s.down, id)
		}
	})
	if !changed {
		return
	}
	l.mu.Lock()
	told := slices.Collect(maps.Keys(l.watchers))
	l.mu.Unlock()
	for _, w := range told {
		w.fn(id, down)
	}
}

// SetPaused holds all that goes to and from a broker, as if its process did not run.
func (l *Links) SetPaused(id int32, paused bool) {
	l.change(func(s *linkState) {
		if delete(s.paused, id); paused {
			s.paused[id] = true
		}
	})
}

// Down says whether a broker is down.
func (l *Links) Down(id int32) bool { return l.state.Load().down[id] }

// Paused says whether a broker is paused.
func (l *Links) Paused(id int32) bool { return l.state.Load().paused[id] }

// Watch calls fn whenever a broker goes down or is up again; of cuts, delays
// and pauses nobody is told. fn must be quick and must not block; it runs on
// the goroutine that made the change. It may still run once while stop does.
func (l *Links) Watch(fn func(id int32, down bool)) (stop func()) {
	w := &linkWatcher{fn}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watchers[w] = struct{}{}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.watchers, w)
	}
}
