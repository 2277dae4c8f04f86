package controller

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/metadata"
)

// call carries out a command on the active controller, wherever that is, and
// waits until this controller's own image has what the answer speaks of.
// failed makes an answer of an error.
func call[R any](ctx context.Context, c *Controller, cmd command[R], failed func(error) R) R {
	return callFunc(ctx, c, func(ctx context.Context, leader *Controller) (R, outcome) {
		return submit(ctx, leader, cmd)
	}, failed, true)
}

// callSoon is call for a broker's own business, whose answer says it all: it
// does not wait for the image.
func callSoon[R any](ctx context.Context, c *Controller, cmd command[R], failed func(error) R) R {
	return callFunc(ctx, c, func(ctx context.Context, leader *Controller) (R, outcome) {
		return submit(ctx, leader, cmd)
	}, failed, false)
}

// callFunc tries until there is an answer or ctx ends. What was proposed to a
// controller that lost its leadership meanwhile is not done twice: the next
// controller's first record tells whether it was decided.
func callFunc[R any](ctx context.Context, c *Controller, do func(context.Context, *Controller) (R, outcome), failed func(error) R, wait bool) R {
	for {
		if err := c.resumed(ctx); err != nil {
			return failed(timedOut())
		}
		v := c.view.Load()
		answer, out := attempt(ctx, c, v, do)
		broken := v.leader == c.cfg.ID && errors.Is(out.err, kerr.KafkaStorageError)
		if out.err != nil && out.seq > 0 && !broken && c.decided(ctx, out) {
			out.err = nil
		}
		switch {
		case out.err == nil:
			if wait {
				c.reached(ctx, out.offset)
			}
			return answer
		case ctx.Err() != nil:
			return failed(timedOut())
		case broken, !retriable(out.err):
			return failed(out.err)
		}
		if !c.waitForLeader(ctx, v) {
			if ctx.Err() != nil {
				return failed(timedOut())
			}
			return failed(notController())
		}
	}
}

// retriable says whether another controller, or the same one later, may answer.
func retriable(err error) bool {
	return errors.Is(err, kerr.NotController) || errors.Is(err, kerr.KafkaStorageError) || errors.Is(err, errUnreached) ||
		errors.Is(err, kerr.RequestTimedOut) // by a deadline of this attempt
}

// errUnreached is the outcome of an attempt that did not reach the leader, or
// whose answer did not come back.
var errUnreached = errors.New("the active controller was not reached")

// attempt has the leader of v do it.
func attempt[R any](ctx context.Context, c *Controller, v *view, do func(context.Context, *Controller) (R, outcome)) (answer R, out outcome) {
	if v.leader == nobody {
		return answer, outcome{err: errUnreached}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	over := make(chan struct{})
	defer close(over)
	go func() { // whoever is not the leader any more need not answer
		select {
		case <-v.changed:
			cancel()
		case <-over:
		}
	}()
	if v.leader == c.cfg.ID {
		return do(ctx, c)
	}
	err := c.cfg.Peers.Ask(ctx, v.leader, func(leader *Controller) error {
		answer, out = do(ctx, leader)
		return nil
	})
	if err != nil {
		out.err = errors.Join(errUnreached, err)
	}
	return answer, out
}

// waitForLeader waits for a newer view of who leads; while v is the newest and
// has a leader, for a tick. False if ctx or this controller ends first.
func (c *Controller) waitForLeader(ctx context.Context, v *view) bool {
	if c.alone && v.leader == nobody {
		return false
	}
	var tick <-chan time.Time
	if v.leader != nobody {
		t := time.NewTimer(c.cfg.TickInterval)
		defer t.Stop()
		tick = t.C
	}
	select {
	case <-v.changed:
	case <-tick:
	case <-ctx.Done():
		return false
	case <-c.stopped:
		return false
	}
	select {
	case <-c.stopped:
		return false
	default:
		return true
	}
}

// progress is how far this controller's image is, for those who wait for it.
type progress struct {
	told atomic.Int64 // offset of the image that the watchers were told of

	mu      sync.Mutex
	changed chan struct{} // nil: nobody waits
	settled [8]settled    // of the newest terms, in no order
}

// settled says up to which proposal of a term the image has them. Later ones
// of that term never come once a later term has begun.
type settled struct{ term, seq uint64 }

// wait returns a channel that is closed at the next change.
func (p *progress) wait() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.changed == nil {
		p.changed = make(chan struct{})
	}
	return p.changed
}

// moved tells those who wait that the watchers know the image of an offset.
func (p *progress) moved(offset int64) {
	p.told.Store(offset)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
}

// settle notes that a proposal is in the image.
func (p *progress) settle(term, seq uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	oldest := 0
	for i, s := range p.settled {
		if s.term == term {
			p.settled[i].seq = max(s.seq, seq)
			return
		}
		if s.term < p.settled[oldest].term {
			oldest = i
		}
	}
	if term > p.settled[oldest].term {
		p.settled[oldest] = settled{term, seq}
	}
}

// has says whether a proposal is known to be in the image.
func (p *progress) has(term, seq uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.settled {
		if s.term == term {
			return s.seq >= seq
		}
	}
	return false
}

// until waits until done says so, ctx or the controller ends.
func (c *Controller) until(ctx context.Context, done func() bool) error {
	for {
		changed := c.progress.wait()
		if done() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-c.stopped:
			return notController()
		}
	}
}

// reached waits until the watchers of this controller know the image of an
// offset. If ctx ends first the change holds all the same.
func (c *Controller) reached(ctx context.Context, offset int64) {
	// An error says that nobody waits any more.
	_ = c.until(ctx, func() bool { return c.progress.told.Load() >= offset })
}

// decided finds out whether a proposal was agreed on, which is known once it
// is in the image, or a controller of a later term has begun without it.
func (c *Controller) decided(ctx context.Context, out outcome) bool {
	err := c.until(ctx, func() bool {
		return c.progress.has(out.term, out.seq) || uint64(c.Image().ControllerEpoch()) > out.term
	})
	return err == nil && c.progress.has(out.term, out.seq)
}

// Await returns when done says so of this controller's image, at once or after
// a change, or the error of ctx, or NOT_CONTROLLER if the controller is closed.
func (c *Controller) Await(ctx context.Context, done func(*metadata.Image) bool) error {
	return c.until(ctx, func() bool { return done(c.Image()) })
}
