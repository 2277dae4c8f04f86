package controller

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/logarium/logarium/engine/metadata"
)

// sessions is what the active controller remembers of the heartbeats of
// brokers. They begin anew with every election. A heartbeat touches its session
// on the goroutine of its sender, so that none waits behind other work when the
// sessions are judged.
type sessions struct {
	mu   sync.Mutex
	on   bool
	byID map[int32]*session
}

type session struct {
	epoch   int64
	last    time.Time
	offset  int64 // of the broker's image, −1: not told yet
	drained int64 // as in heartbeat
}

// begin gives every broker that is not fenced a new session.
func (s *sessions) begin(img *metadata.Image, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.on, s.byID = true, make(map[int32]*session)
	for _, b := range img.Brokers() {
		if !b.Fenced {
			s.byID[b.ID] = &session{epoch: b.Epoch, last: now, offset: -1, drained: -1}
		}
	}
}

func (s *sessions) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.on, s.byID = false, nil
}

// touch notes a heartbeat and returns it with what is known of the others.
func (s *sessions) touch(img *metadata.Image, h Heartbeat, now time.Time) heartbeat {
	out := heartbeat{Heartbeat: h, drained: -1, others: noOthers}
	b, ok := img.Broker(h.Broker)
	if !ok || b.Epoch != h.Epoch {
		return out
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.on {
		return out
	}
	own := s.byID[h.Broker]
	if own == nil || own.epoch != h.Epoch {
		own = &session{epoch: h.Epoch, drained: -1}
		s.byID[h.Broker] = own
	}
	own.last, own.offset = now, h.Offset
	if !b.Draining {
		own.drained = -1
		return out
	}
	if own.drained < 0 {
		own.drained = img.Offset()
	}
	out.drained = own.drained
	for _, other := range img.Brokers() {
		if other.ID == h.Broker || !other.Active() {
			continue
		}
		if o := s.byID[other.ID]; o != nil {
			out.others = min(out.others, o.offset)
		}
	}
	return out
}

// drain notes from which offset on the others must know of a controlled
// shutdown.
func (s *sessions) drain(id int32, epoch, offset int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if own := s.byID[id]; own != nil && own.epoch == epoch {
		own.drained = offset
	}
}

// oldest returns the time of the oldest heartbeat of a broker that is not
// fenced; false if there is none.
func (s *sessions) oldest(img *metadata.Image) (at time.Time, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range img.Brokers() {
		if own := s.byID[b.ID]; own != nil && !b.Fenced && own.epoch == b.Epoch && (!ok || own.last.Before(at)) {
			at, ok = own.last, true
		}
	}
	return at, ok
}

// expired returns the epochs of the brokers whose last heartbeat was at or
// before a time.
func (s *sessions) expired(img *metadata.Image, by time.Time) map[int32]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[int32]int64)
	for _, b := range img.Brokers() {
		if own := s.byID[b.ID]; own != nil && !b.Fenced && own.epoch == b.Epoch && !own.last.After(by) {
			out[b.ID] = b.Epoch
		}
	}
	return out
}

// forgive has no session be older than at.
func (s *sessions) forgive(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, own := range s.byID {
		if own.last.Before(at) {
			own.last = at
		}
	}
}

// sessionTimeout returns how long a session lasts; 0: for ever.
func (c *Controller) sessionTimeout() time.Duration {
	switch t := c.cfg.SessionTimeout; {
	case t > 0:
		return t
	case t < 0:
		return 0
	}
	return time.Duration(c.Image().BrokerInt("broker.session.timeout.ms")) * time.Millisecond
}

// nextJudgement sets the alarm for the next session that may end. It rings a
// little early, and again at the end: whoever was merely waiting for its turn
// has had it in between.
func (c *Controller) nextJudgement() {
	timeout := c.sessionTimeout()
	oldest, ok := c.sessions.oldest(c.Image())
	if timeout == 0 || !ok || !c.lead.ready {
		c.judge.clear()
		return
	}
	early := oldest.Add(timeout - timeout/8)
	if now := time.Now(); !early.After(now) {
		early = oldest.Add(timeout)
		if early.Before(now) {
			early = now
		}
	}
	c.judge.set(early)
}

// judgeSessions fences the brokers whose sessions have ended. If it was called
// late, the process itself did not run, and nobody is to blame: all sessions
// get more time.
func (c *Controller) judgeSessions() {
	due, now, timeout := c.judge.at, time.Now(), c.sessionTimeout()
	c.judge.clear()
	if !c.lead.ready || timeout == 0 {
		return
	}
	if late := now.Sub(due); late > timeout/8 {
		c.cfg.Logger.Warn("the process did not run for a while; the sessions of brokers are prolonged", "late", late)
		c.sessions.forgive(now.Add(-timeout / 2))
	} else if epochs := c.sessions.expired(c.Image(), now.Add(-timeout)); len(epochs) > 0 {
		c.cfg.Logger.Warn("fencing brokers whose sessions have timed out", "brokers", slices.Sorted(maps.Keys(epochs)))
		c.decide(fenceBrokers{epochs, metadata.CauseSession})
		c.judge.set(now.Add(timeout / 8)) // until a quorum has agreed the sessions stay ended
		return
	}
	c.nextJudgement()
}

// Heartbeat says that a broker lives, and tells it what the controller makes of
// it: STALE_BROKER_EPOCH after a newer registration, BROKER_ID_NOT_REGISTERED
// without one. It costs nothing where nothing changes.
func (c *Controller) Heartbeat(ctx context.Context, h Heartbeat) (HeartbeatResult, error) {
	r := callFunc(ctx, c, func(ctx context.Context, leader *Controller) (heartbeatResult, outcome) {
		return leader.heartbeat(ctx, h)
	}, func(err error) heartbeatResult { return heartbeatResult{err: err} }, false)
	return r.HeartbeatResult, r.err
}

// heartbeat takes a heartbeat on the active controller.
func (c *Controller) heartbeat(ctx context.Context, h Heartbeat) (heartbeatResult, outcome) {
	if err := c.resumed(ctx); err != nil {
		return heartbeatResult{}, outcome{err: err}
	}
	img := c.Image()
	hb := c.sessions.touch(img, h, time.Now())
	if r, ok := hb.quiet(img); ok && c.Active() {
		return r, outcome{}
	}
	r, out := submit(ctx, c, command[heartbeatResult](hb))
	if out.err == nil && r.err == nil && r.drained >= 0 && hb.drained < 0 {
		c.sessions.drain(h.Broker, h.Epoch, r.drained)
	}
	return r, out
}
