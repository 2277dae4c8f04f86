package live

import (
	"errors"
	"sync"
	"time"

	"github.com/logarium/logarium/engine/event"
)

const (
	maxQueuedEvents  = 512 // beyond, the reader gets a fresh model and a count
	maxQueuedRecords = 200
	replayLimit      = 500 // state events for a reader that comes back
	joinEvents       = 30  // state events for a reader that is new
	searchEvents     = 500 // among so many
)

// ErrClosed is what Subscribe returns after Close.
var ErrClosed = errors.New("the live picture is closed")

// message is one event of a stream, ready to be sent.
type message struct {
	event string
	id    uint64 // of the newest state event that it tells of; 0: none
	data  []byte
}

// Subscriber is the mailbox of one reader: what it has not been sent yet. It
// never blocks who fills it, and it never holds more than a bounded amount:
// frames are merged into one, patches into one, events beyond the bound become
// a fresh model.
type Subscriber struct {
	live *Live
	view *view
	wake chan struct{} // cap 1: there is something to take

	mu      sync.Mutex
	hello   *Model
	patch   *Model
	frame   *Frame
	events  []message
	missed  uint64 // events that did not fit
	resync  bool   // take must fetch a fresh model
	records RecordBatch
	merged  uint64 // frames that were folded into another
}

// Subscribe adds a reader to the named view. after is the newest state event
// that it has seen, 0 if it is new.
func (l *Live) Subscribe(viewName string, after uint64) (*Subscriber, error) {
	sc, err := parseView(viewName)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, ErrClosed
	}
	l.refreshLocked(now)
	v := l.views[viewName]
	if v == nil {
		v = newView(viewName, sc, l.world, now)
		l.views[viewName] = v
	}
	s := &Subscriber{live: l, view: v, wake: make(chan struct{}, 1)}
	s.hello = v.hello(l.world, l.opt.Build, now)
	s.hello.Seq = l.replay(s, after)
	v.subs[s] = struct{}{}
	l.watched++
	l.kick()
	s.ring()
	return s, nil
}

// replay queues the state events that a reader has not seen, up to those that
// the sampler has passed on, and returns the sequence number of the last one
// before them. A reader that comes from another process gets what a new one
// gets.
func (l *Live) replay(s *Subscriber, after uint64) uint64 {
	last := l.world.seq
	reach, limit := uint64(replayLimit), replayLimit
	if after == 0 || after > last {
		after, reach, limit = 0, searchEvents, joinEvents
	}
	from := after
	if last > reach {
		from = max(from, last-reach)
	}
	events, lost := l.hub.Since(from, int(last-from))
	if after > 0 {
		s.missed = from - after + lost
	}
	events = l.world.visible(events)
	if over := len(events) - limit; over > 0 {
		events = events[over:]
	}
	if len(events) == 0 {
		return last
	}
	for i := range events {
		s.events = append(s.events, message{event: "state", id: events[i].Seq, data: mustJSON(stateEvent(&events[i]))})
	}
	return events[0].Seq - 1
}

// refreshLocked samples a world that no sampler keeps fresh.
func (l *Live) refreshLocked(now time.Time) {
	if l.started {
		return
	}
	for {
		events, lost := l.hub.Since(l.world.seq, event.RingSize)
		if len(events) == 0 {
			break
		}
		l.world.apply(events, lost)
	}
	l.world.sample(now)
}

// Snapshot returns the whole picture of a view as it is now.
func (l *Live) Snapshot(viewName string) (*Model, error) {
	sc, err := parseView(viewName)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refreshLocked(now)
	return newView(viewName, sc, l.world, now).hello(l.world, l.opt.Build, now), nil
}

// Events returns up to limit of the newest state events, newest first.
func (l *Live) Events(limit int) []StateEvent {
	last := l.hub.Last()
	from := uint64(0)
	if last > searchEvents {
		from = last - searchEvents
	}
	events, _ := l.hub.Since(from, searchEvents)
	events = l.world.visible(events) // which clients are hidden never changes
	out := make([]StateEvent, 0, min(max(limit, 0), len(events)))
	for i := len(events) - 1; i >= 0 && len(out) < limit; i-- {
		out = append(out, stateEvent(&events[i]))
	}
	return out
}

// Close takes the reader off its view.
func (s *Subscriber) Close() {
	l := s.live
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := s.view.subs[s]; !ok {
		return
	}
	delete(s.view.subs, s)
	if len(s.view.subs) == 0 {
		delete(l.views, s.view.name)
	}
	l.watched--
	l.kick()
}

func (s *Subscriber) ring() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *Subscriber) offer(patch *Model, f *Frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if patch != nil {
		switch {
		case s.hello != nil:
			seq := s.hello.Seq // the events after it are still to come
			s.hello.merge(patch)
			s.hello.Seq = seq
		case s.patch != nil:
			merged := *s.patch
			drop := *s.patch.Drop
			merged.Drop = &drop
			merged.merge(patch)
			s.patch = &merged
		default:
			s.patch = patch
		}
	}
	if s.frame == nil {
		s.frame = f
	} else {
		s.frame = s.frame.Merge(f)
		s.merged++
	}
	s.ring()
}

func (s *Subscriber) offerEvent(m message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.events) >= maxQueuedEvents {
		s.missed += uint64(len(s.events)) + 1
		s.events = s.events[:0:0]
		s.resync = true
	} else if s.resync {
		s.missed++
	} else {
		s.events = append(s.events, m)
	}
	s.ring()
}

// next returns what is to be sent next; ok is false if there is nothing.
// State events go before frames, since a frame can wait and be merged.
func (s *Subscriber) next() (m message, ok bool) {
	s.mu.Lock()
	resync := s.resync
	s.mu.Unlock()
	if resync {
		s.startOver()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.hello != nil:
		m, s.hello = message{event: "hello", id: s.hello.Seq, data: mustJSON(s.hello)}, nil
	case s.missed > 0:
		m, s.missed = message{event: "burst", data: mustJSON(Burst{Count: s.missed, Time: time.Now().UnixMilli()})}, 0
	case len(s.events) > 0:
		m, s.events = s.events[0], s.events[1:]
	case s.patch != nil:
		m, s.patch = message{event: "patch", data: mustJSON(s.patch)}, nil
	case s.frame != nil:
		m, s.frame = message{event: "frame", data: s.frame.Bytes()}, nil
	case len(s.records.Records) > 0 || s.records.Hidden > 0 || s.records.Error != "":
		m, s.records = message{event: "record", data: mustJSON(&s.records)}, RecordBatch{}
	default:
		return m, false
	}
	return m, true
}

// startOver puts a fresh model in the place of everything that waits.
func (s *Subscriber) startOver() {
	l := s.live
	l.mu.Lock()
	defer l.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hello = s.view.hello(l.world, l.opt.Build, time.Now())
	s.patch, s.frame, s.resync = nil, nil, false
}
