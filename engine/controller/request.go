package controller

import (
	"context"
	"encoding/binary"
	"errors"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"go.etcd.io/raft/v3"

	"github.com/logarium/logarium/engine/metadata"
)

// request is a command on its way through the active controller.
type request struct {
	// run computes the command. It is called once at most, by the goroutine.
	run func(m *machine, img *metadata.Image, now time.Time) []metadata.Record
	// done gets the outcome; once.
	done func(outcome)
	// state says who has the request: nobody yet, the goroutine, or nobody any
	// more since its sender has gone.
	state atomic.Int32
	// placed is closed by the goroutine when at is set.
	placed chan struct{}
	at     outcome // without err: where the answer is decided
}

const (
	waiting int32 = iota
	taken
	gone
)

// outcome is what became of a request.
type outcome struct {
	err error // nil: the answer holds
	// term and seq name the proposal that the answer depends on. With an error
	// and a seq above 0 it may be decided or not.
	term, seq uint64
	offset    int64 // of the image that the answer holds for
}

func newRequest(run func(m *machine, img *metadata.Image, now time.Time) []metadata.Record, done func(outcome)) *request {
	return &request{run: run, done: done, placed: make(chan struct{})}
}

// place says where the answer is decided.
func (r *request) place(term, seq uint64, offset int64) {
	r.at = outcome{term: term, seq: seq, offset: offset}
	close(r.placed)
}

// finish gives the answer, or err in its place.
func (r *request) finish(err error) {
	out := r.at
	out.err = err
	r.done(out)
}

// refuse answers a request that was not computed, or without effect.
func (r *request) refuse(err error) { r.done(outcome{err: err}) }

// submit sends a command to the goroutine of this controller and waits for its
// answer.
func submit[R any](ctx context.Context, c *Controller, cmd command[R]) (R, outcome) {
	var answer R
	done := make(chan outcome, 1)
	r := newRequest(func(m *machine, img *metadata.Image, now time.Time) (recs []metadata.Record) {
		recs, answer = cmd.run(m, img, now)
		return recs
	}, func(out outcome) { done <- out })
	select {
	case <-c.stop:
		return answer, outcome{err: notController()}
	default:
	}
	select {
	case c.mailbox <- r:
	case <-ctx.Done():
		return answer, outcome{err: timedOut()}
	case <-c.stopped:
		return answer, outcome{err: notController()}
	}
	select {
	case out := <-done:
		return answer, out
	case <-ctx.Done():
		return leave(r, &answer, done, timedOut())
	case <-c.stopped:
		return leave(r, &answer, done, notController())
	}
}

// leave goes away from a request: it is never computed, or its outcome says
// where it is decided.
func leave[R any](r *request, answer *R, done <-chan outcome, err error) (R, outcome) {
	if r.state.CompareAndSwap(waiting, gone) {
		var none R
		return none, outcome{err: err}
	}
	select {
	case out := <-done:
		return *answer, out
	case <-r.placed: // soon: the goroutine is computing it
		out := r.at
		out.err = err
		return *answer, out
	}
}

func timedOut() error {
	return metadata.Refuse(kerr.RequestTimedOut, "The controller did not answer in time.")
}

// leadership is what a voter knows while it leads, or its zero value.
type leadership struct {
	elected bool
	term    uint64
	// ready: the records that a controller begins with are applied. Until then
	// requests wait.
	ready   bool
	pending *metadata.Image // the image as of the last record appended
	parked  []parked        // proposals not yet applied, in order
	seq     uint64
}

// parked is a proposal and those who wait for it.
type parked struct {
	seq     uint64
	waiting []*request
}

// serve computes r and whatever else waits, and proposes their records as one
// entry.
func (c *Controller) serve(r *request) {
	var batch []*request
	var records []byte
	var offsets []int64
	img := c.lead.pending
	now := time.Now()
	for ok := true; ok; r, ok = c.another(len(records)) {
		if !r.state.CompareAndSwap(waiting, taken) {
			continue
		}
		if err := c.refusal(); err != nil {
			r.refuse(err)
			continue
		}
		recs := r.run(&c.machine, img, now)
		next, _, err := img.Apply(recs...)
		if err != nil {
			// The machine made records that do not fit its own image. Nothing
			// was proposed of them; tell this requester, keep the others.
			c.cfg.Logger.Error("a request led to records that cannot be applied", "error", err)
			r.refuse(metadata.Refuse(kerr.UnknownServerError, "The controller could not carry out the request: %v", err))
			continue
		}
		img = next
		records = metadata.AppendRecords(records, recs...)
		batch, offsets = append(batch, r), append(offsets, img.Offset())
	}
	if len(batch) > 0 {
		c.step(func() error { return c.propose(batch, offsets, records, img) })
	}
}

// another returns a waiting request, unless there are records enough.
func (c *Controller) another(size int) (*request, bool) {
	if size >= maxProposal {
		return nil, false
	}
	select {
	case r := <-c.mailbox:
		return r, true
	default:
		return nil, false
	}
}

// decide carries out a command of the controller's own.
func (c *Controller) decide(cmd command[error]) {
	var failed error
	c.serve(newRequest(func(m *machine, img *metadata.Image, now time.Time) (recs []metadata.Record) {
		recs, failed = cmd.run(m, img, now)
		return recs
	}, func(out outcome) {
		if err := errors.Join(failed, out.err); err != nil {
			c.cfg.Logger.Warn("the controller could not carry out its own decision", "error", err)
		}
	}))
}

// refusal says why this controller takes no requests.
func (c *Controller) refusal() error {
	switch {
	case c.failed != nil:
		return c.unavailable()
	case !c.lead.ready:
		return notController()
	}
	return nil
}

// propose appends records to the log and parks those who wait for them. A
// batch without records waits for what its answers were computed from.
func (c *Controller) propose(batch []*request, offsets []int64, records []byte, after *metadata.Image) error {
	l := &c.lead
	if len(records) == 0 {
		n := len(l.parked)
		for i, r := range batch {
			if n == 0 {
				r.place(l.term, 0, offsets[i])
				r.finish(nil)
				continue
			}
			r.place(l.term, l.parked[n-1].seq, offsets[i])
			l.parked[n-1].waiting = append(l.parked[n-1].waiting, r)
		}
		return nil
	}
	data := append(binary.AppendUvarint(nil, l.seq+1), records...)
	if err := c.node.Propose(data); err != nil {
		for _, r := range batch {
			r.refuse(notController())
		}
		if errors.Is(err, raft.ErrProposalDropped) {
			return nil
		}
		return err
	}
	l.seq++
	l.pending = after
	for i, r := range batch {
		r.place(l.term, l.seq, offsets[i])
	}
	l.parked = append(l.parked, parked{l.seq, batch})
	return nil
}

func finish(batch []*request, err error) {
	for _, r := range batch {
		r.finish(err)
	}
}

// abandon ends the leadership of this voter for those who wait.
func (c *Controller) abandon(err error) {
	l := c.lead
	c.lead = leadership{}
	c.active.Store(false)
	c.sessions.end()
	c.judge.clear()
	c.balance.clear()
	for _, p := range l.parked {
		finish(p.waiting, err)
	}
}
