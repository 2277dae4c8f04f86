package broker

import (
	"context"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// handleInitProducerID answers InitProducerId 0 to 5 for idempotent producers.
// Every answer is a new id with epoch 0, also for a producer that names an
// older one (KIP-360 without a transactional id).
//
// Transactions are not served: a transactional id is answered with
// TRANSACTIONAL_ID_AUTHORIZATION_FAILED, the one error that every client takes
// for final; the answer has no place for words. An empty one is
// INVALID_REQUEST, as in Kafka.
func handleInitProducerID(b *Broker, r *request) reply {
	req := r.body.(*kmsg.InitProducerIDRequest)
	resp := kmsg.NewPtrInitProducerIDResponse()
	resp.ProducerID, resp.ProducerEpoch = -1, -1
	if req.TransactionalID != nil {
		resp.ErrorCode = kerr.TransactionalIDAuthorizationFailed.Code
		if *req.TransactionalID == "" {
			resp.ErrorCode = kerr.InvalidRequest.Code
		}
		return answer(resp)
	}
	if id, ok := b.producerIDs.try(); ok {
		resp.ProducerID, resp.ProducerEpoch = id, 0
		return answer(resp)
	}
	return park(func(ctx context.Context) kmsg.Response {
		ctx, cancel := within(ctx, defaultAdminMillis)
		defer cancel()
		id, err := b.producerIDs.take(ctx, func(ctx context.Context) (int64, int32, error) {
			return b.meta.AllocateProducerIDs(ctx, b.id)
		})
		if err != nil {
			resp.ErrorCode, _ = b.codeOf(err)
			return resp
		}
		resp.ProducerID, resp.ProducerEpoch = id, 0
		return resp
	})
}

// producerIDs gives out the producer ids of the block that the controller gave
// this broker, and asks for the next one when it is used up. What is left of a
// block is lost when the broker stops, so that no id is ever given twice.
type producerIDs struct {
	mu        sync.Mutex // never held while waiting
	next, end int64
	asking    chan struct{} // closed when the request for a block is answered; nil: none is under way
}

// try returns an id of the block in hand.
func (p *producerIDs) try() (int64, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next >= p.end {
		return 0, false
	}
	p.next++
	return p.next - 1, true
}

// take returns an id, asking for a block if it must. One caller asks, the
// others wait for it.
func (p *producerIDs) take(ctx context.Context, allocate func(context.Context) (first int64, count int32, err error)) (int64, error) {
	for {
		p.mu.Lock()
		if p.next < p.end {
			p.next++
			id := p.next - 1
			p.mu.Unlock()
			return id, nil
		}
		wait := p.asking
		if wait == nil {
			p.asking = make(chan struct{})
			p.mu.Unlock()
			if err := p.refill(ctx, allocate); err != nil {
				return 0, err
			}
			continue
		}
		p.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

func (p *producerIDs) refill(ctx context.Context, allocate func(context.Context) (int64, int32, error)) error {
	first, count, err := allocate(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		p.next, p.end = first, first+int64(count)
	}
	close(p.asking)
	p.asking = nil
	return err
}
