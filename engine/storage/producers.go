package storage

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/batch"
)

// producerBatches is how many of a producer's batches are remembered: as many
// as an idempotent producer may have in flight.
const producerBatches = 5

// producers is what a log remembers of its idempotent producers, by the rules
// of Kafka's ProducerStateManager (KIP-98, KIP-360). It is guarded by the log's
// lock.
type producers struct {
	byID       map[int64]*producer
	txns       txns
	expiration time.Duration
	most       int
}

// producer is one producer's state.
type producer struct {
	epoch   int16
	count   int8 // of batches
	next    int8 // where in the ring the next goes
	batches [producerBatches]producerBatch
	// coordinator is the epoch of the coordinator that wrote the last marker,
	// -1: none yet.
	coordinator int32
	txnFirst    int64 // where its open transaction begins, -1: none
	seen        int64 // by the broker's clock, ms since 1970
}

// producerBatch is a batch that the producer appended.
type producerBatch struct {
	firstSequence, lastSequence int32
	lastOffset                  int64
	offsetDelta                 int32
	timestamp                   int64
}

func (b producerBatch) first() int64 { return b.lastOffset - int64(b.offsetDelta) }

func newProducers(expiration time.Duration, most int) *producers {
	s := &producers{expiration: expiration, most: most}
	s.txns.reset(nil)
	return s
}

// last returns the newest batch, nil if there is none.
func (p *producer) last() *producerBatch {
	if p.count == 0 {
		return nil
	}
	return &p.batches[(p.next+producerBatches-1)%producerBatches]
}

// add remembers a batch, and forgets the sixth.
func (p *producer) add(b producerBatch) {
	p.batches[p.next] = b
	p.next = (p.next + 1) % producerBatches
	p.count = min(p.count+1, producerBatches)
}

// each calls f for the remembered batches, oldest first.
func (p *producer) each(f func(*producerBatch)) {
	for i := range p.count {
		f(&p.batches[(p.next+producerBatches-p.count+i)%producerBatches])
	}
}

// duplicate finds a batch that the producer appended before.
func (s *producers) duplicate(h *batch.Header) (was producerBatch, ok bool) {
	p := s.byID[h.ProducerID]
	if p == nil || p.epoch != h.ProducerEpoch {
		return was, false
	}
	last := h.LastSequence()
	for i := range p.count {
		b := &p.batches[i]
		if b.firstSequence == h.BaseSequence && b.lastSequence == last {
			return *b, true
		}
	}
	return was, false
}

// check decides whether a batch may follow what its producer appended. before
// is the producer's batch earlier in the same append, nil if there is none;
// marker is that of a control batch that ends a transaction.
//
// As in Kafka 4, a producer of which nothing is remembered, since it expired or
// its records were deleted, may start at any sequence.
func (s *producers) check(h, before *batch.Header, marker *batch.Marker, origin Origin) error {
	epoch, last, known := int16(0), int32(-1), false
	if p := s.byID[h.ProducerID]; p != nil {
		if err := p.checkTxn(h, marker); err != nil {
			return err
		}
		epoch, known = p.epoch, true
		if b := p.last(); b != nil {
			last = b.lastSequence
		}
	}
	if before != nil {
		epoch, last, known = before.ProducerEpoch, before.LastSequence(), true
	}
	if !known {
		return nil
	}
	if h.ProducerEpoch < epoch {
		return fmt.Errorf("%w: producer %d has the epoch %d, a newer one has %d", kerr.InvalidProducerEpoch, h.ProducerID, h.ProducerEpoch, epoch)
	}
	if origin != FromClient || h.IsControl() {
		return nil
	}
	if h.ProducerEpoch > epoch {
		if h.BaseSequence != 0 {
			return fmt.Errorf("%w: producer %d starts epoch %d with the sequence %d, not 0", kerr.OutOfOrderSequenceNumber, h.ProducerID, h.ProducerEpoch, h.BaseSequence)
		}
		return nil
	}
	if h.BaseSequence == last+1 && last >= 0 || last == math.MaxInt32 && h.BaseSequence == 0 || last < 0 && h.BaseSequence == 0 {
		return nil
	}
	return fmt.Errorf("%w: producer %d sent the sequence %d after %d", kerr.OutOfOrderSequenceNumber, h.ProducerID, h.BaseSequence, last)
}

// checkTxn holds a batch against its producer's transaction: markers come from
// one coordinator after the other, and nothing that is not of the transaction
// comes between.
func (p *producer) checkTxn(h *batch.Header, marker *batch.Marker) error {
	switch {
	case h.ProducerEpoch < p.epoch: // which is the worse fault
	case marker != nil && marker.CoordinatorEpoch < p.coordinator:
		return fmt.Errorf("%w: a marker of the coordinator epoch %d for producer %d, a newer one was of %d", kerr.TransactionCoordinatorFenced, marker.CoordinatorEpoch, h.ProducerID, p.coordinator)
	case p.txnFirst >= 0 && !h.IsTransactional():
		return fmt.Errorf("%w: producer %d has a transaction open since offset %d, the batch is not part of it", kerr.InvalidTxnState, h.ProducerID, p.txnFirst)
	}
	return nil
}

// update takes an appended batch into the state, with the marker that it has
// or nil. It returns the transaction that was aborted by it, if one was.
func (s *producers) update(h *batch.Header, marker *batch.Marker, now time.Time) (a AbortedTxn, aborted bool) {
	if h.ProducerID < 0 {
		return a, false
	}
	p := s.byID[h.ProducerID]
	if p == nil {
		s.makeRoom()
		p = &producer{epoch: h.ProducerEpoch, coordinator: -1, txnFirst: -1}
		s.byID[h.ProducerID] = p
	}
	if p.epoch != h.ProducerEpoch {
		*p = producer{epoch: h.ProducerEpoch, coordinator: p.coordinator, txnFirst: p.txnFirst}
	}
	p.seen = now.UnixMilli()
	switch {
	case marker != nil:
		p.coordinator = marker.CoordinatorEpoch
		if p.txnFirst >= 0 {
			a = AbortedTxn{ProducerID: h.ProducerID, First: p.txnFirst, Last: h.LastOffset()}
			a.LastStable = s.txns.end(h.ProducerID, a.Last)
			p.txnFirst, aborted = -1, !marker.Commit
		}
	case h.IsTransactional() && !h.IsControl() && p.txnFirst < 0:
		p.txnFirst = h.BaseOffset
		s.txns.begin(h.ProducerID, h.BaseOffset)
	}
	if h.IsControl() || h.BaseSequence < 0 {
		return a, aborted
	}
	p.add(producerBatch{
		firstSequence: h.BaseSequence, lastSequence: h.LastSequence(),
		lastOffset: h.LastOffset(), offsetDelta: h.LastOffsetDelta, timestamp: h.MaxTimestamp,
	})
	return a, aborted
}

// replace puts others in the place of all producers.
func (s *producers) replace(byID map[int64]*producer) {
	s.byID = byID
	var open []txn
	for id, p := range byID {
		if p.txnFirst >= 0 {
			open = append(open, txn{producer: id, first: p.txnFirst})
		}
	}
	s.txns.reset(open)
}

// makeRoom forgets the tenth of the producers that were idle the longest and
// have no transaction open, if there are as many as there may be.
func (s *producers) makeRoom() {
	if s.byID == nil {
		s.byID = make(map[int64]*producer)
	}
	if len(s.byID) < s.most {
		return
	}
	type idle struct{ id, seen int64 }
	all := make([]idle, 0, len(s.byID))
	for id, p := range s.byID {
		if p.txnFirst < 0 {
			all = append(all, idle{id, p.seen})
		}
	}
	slices.SortFunc(all, func(a, b idle) int { return cmp.Compare(a.seen, b.seen) })
	for _, i := range all[:min(len(all)/10+1, len(all))] {
		delete(s.byID, i.id)
	}
}

// expire forgets who appended nothing for too long and has no transaction open.
func (s *producers) expire(now time.Time) {
	limit := now.Add(-s.expiration).UnixMilli()
	for id, p := range s.byID {
		if p.seen <= limit && p.txnFirst < 0 {
			delete(s.byID, id)
		}
	}
}

// list describes all producers.
func (s *producers) list() []ProducerInfo {
	infos := make([]ProducerInfo, 0, len(s.byID))
	for id, p := range s.byID {
		info := ProducerInfo{
			ID: id, Epoch: p.epoch, LastSequence: -1, LastTimestamp: -1, LastSeen: time.UnixMilli(p.seen),
			CoordinatorEpoch: p.coordinator, TxnFirst: p.txnFirst,
		}
		if b := p.last(); b != nil {
			info.LastSequence, info.LastTimestamp = b.lastSequence, b.timestamp
		}
		infos = append(infos, info)
	}
	return infos
}
