package controller

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"go.etcd.io/raft/v3"

	"github.com/logarium/logarium/engine/metadata"
)

// request is a command on its way: run computes it, finish gives the answer,
// or err in its place. Each is called once, by the goroutine.
type request struct {
	run    func(m *machine, img *metadata.Image, now time.Time) []metadata.Record
	finish func(err error)
}

// call sends a command to the goroutine and waits for its answer. failed makes
// an answer of an error.
func call[R any](ctx context.Context, c *Controller, cmd command[R], failed func(error) R) R {
	var answer R
	done := make(chan R, 1)
	r := &request{
		run: func(m *machine, img *metadata.Image, now time.Time) (recs []metadata.Record) {
			recs, answer = cmd.run(m, img, now)
			return recs
		},
		finish: func(err error) {
			if err != nil {
				answer = failed(err)
			}
			done <- answer
		},
	}
	select {
	case <-c.stop:
		return failed(notController())
	default:
	}
	select {
	case c.mailbox <- r:
	case <-ctx.Done():
		return failed(timedOut())
	case <-c.stopped:
		return failed(notController())
	}
	select {
	case a := <-done:
		return a
	case <-ctx.Done():
		return failed(timedOut())
	case <-c.stopped:
		select {
		case a := <-done:
			return a
		default:
			return failed(notController())
		}
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
	if err := c.refusal(); err != nil {
		r.finish(err)
		return
	}
	batch := []*request{r}
	var records []byte
	img := c.lead.pending
	now := time.Now()
	for {
		last := batch[len(batch)-1]
		recs := last.run(&c.machine, img, now)
		next, _, err := img.Apply(recs...)
		if err != nil {
			// The machine made records that do not fit its own image. Nothing
			// was proposed of them; tell this requester, keep the others.
			c.cfg.Logger.Error("a request led to records that cannot be applied", "error", err)
			last.finish(metadata.Refuse(kerr.UnknownServerError, "The controller could not carry out the request: %v", err))
			batch = batch[:len(batch)-1]
		} else {
			img = next
			records = metadata.AppendRecords(records, recs...)
		}
		if len(records) >= maxProposal || !c.another(&batch) {
			break
		}
	}
	c.step(func() error { return c.propose(batch, records, img) })
}

// another adds a waiting request to the batch.
func (c *Controller) another(batch *[]*request) bool {
	select {
	case r := <-c.mailbox:
		*batch = append(*batch, r)
		return true
	default:
		return false
	}
}

// refusal says why this voter takes no requests.
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
func (c *Controller) propose(batch []*request, records []byte, after *metadata.Image) error {
	l := &c.lead
	if len(records) == 0 {
		if n := len(l.parked); n > 0 {
			l.parked[n-1].waiting = append(l.parked[n-1].waiting, batch...)
			return nil
		}
		finish(batch, nil)
		return nil
	}
	l.seq++
	data := append(binary.AppendUvarint(nil, l.seq), records...)
	if err := c.node.Propose(data); err != nil {
		finish(batch, notController())
		if errors.Is(err, raft.ErrProposalDropped) {
			return nil
		}
		return err
	}
	l.pending = after
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
	for _, p := range c.lead.parked {
		finish(p.waiting, err)
	}
	c.lead = leadership{}
	c.active.Store(false)
}
