package netx

import (
	"time"
)

// lane is the queue of what was posted on one direction of a link that is or
// was slow. While it has messages, later ones queue behind them, so that the
// order stays.
type lane struct {
	queue   []posted
	running bool // a timer is set, or its function runs
}

// posted is a message under way.
type posted struct {
	at      time.Time // when it arrives
	falls   uint64    // linkState.fallsOf when it was sent
	deliver func()
}

// Post sends a message that needs no answer: deliver runs when it arrives, in
// the order of the calls for the same from and to. It never blocks: on a
// healthy link deliver runs at once, so it must be quick and must not block. A
// message is lost without a word if the link is cut or an end is down or
// paused, now or when it arrives.
func (l *Links) Post(from, to int32, deliver func()) {
	s := l.state.Load()
	if s.healthy && l.queued.Load() == 0 {
		deliver()
		return
	}
	w := way{from, to}
	if s.loses(w) {
		return
	}
	if !l.enqueue(s, w, deliver) {
		deliver()
	}
}

func (s *linkState) loses(w way) bool { return s.ways[w].cut || s.anyDown(w) || s.anyPaused(w) }

// enqueue puts a message into its lane; false if nothing there is in its way
// and it takes no time.
func (l *Links) enqueue(s *linkState, w way, deliver func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.lanes[w]
	delay := s.ways[w].delay
	if delay == 0 && (q == nil || !q.running) {
		return false
	}
	if q == nil {
		q = &lane{}
		l.lanes[w] = q
	}
	at := time.Now().Add(delay)
	if n := len(q.queue); n > 0 && at.Before(q.queue[n-1].at) { // the link has become faster
		at = q.queue[n-1].at
	}
	q.queue = append(q.queue, posted{at, s.fallsOf(w), deliver})
	l.queued.Add(1)
	if !q.running {
		q.running = true
		time.AfterFunc(time.Until(at), func() { l.arrive(w, q) })
	}
	return true
}

// arrive delivers what has arrived, and sets the timer for the next message.
func (l *Links) arrive(w way, q *lane) {
	for {
		l.mu.Lock()
		if len(q.queue) == 0 {
			q.running = false
			q.queue = nil
			l.mu.Unlock()
			return
		}
		next := q.queue[0]
		if wait := time.Until(next.at); wait > 0 {
			time.AfterFunc(wait, func() { l.arrive(w, q) })
			l.mu.Unlock()
			return
		}
		q.queue[0] = posted{}
		q.queue = q.queue[1:]
		l.mu.Unlock()
		if s := l.state.Load(); !s.loses(w) && s.fallsOf(w) == next.falls {
			next.deliver()
		}
		l.queued.Add(-1)
	}
}
