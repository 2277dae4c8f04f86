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
	expiration time.Duration
	most       int
}

// producer is one producer's state.
type producer struct {
	epoch   int16
	count   int8 // of batches
	next    int8 // where in the ring the next goes
	batches [producerBatches]producerBatch
	seen    int64 // by the broker's clock, ms since 1970
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
	return &producers{expiration: expiration, most: most}
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
// is the producer's batch earlier in the same append, nil if there is none.
//
// As in Kafka 4, a producer of which nothing is remembered, since it expired or
// its records were deleted, may start at any sequence.
func (s *producers) check(h, before *batch.Header, origin Origin) error {
	epoch, last, known := int16(0), int32(-1), false
	if p := s.byID[h.ProducerID]; p != nil {
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

// update takes an appended batch into the state.
func (s *producers) update(h *batch.Header, now time.Time) {
	if h.ProducerID < 0 {
		return
	}
	p := s.byID[h.ProducerID]
	if p == nil {
		s.makeRoom()
		p = &producer{epoch: h.ProducerEpoch}
		s.byID[h.ProducerID] = p
	}
	if p.epoch != h.ProducerEpoch {
		*p = producer{epoch: h.ProducerEpoch}
	}
	p.seen = now.UnixMilli()
	if h.IsControl() || h.BaseSequence < 0 {
		return
	}
	p.add(producerBatch{
		firstSequence: h.BaseSequence, lastSequence: h.LastSequence(),
		lastOffset: h.LastOffset(), offsetDelta: h.LastOffsetDelta, timestamp: h.MaxTimestamp,
	})
}

// makeRoom forgets the tenth of the producers that were idle the longest, if
// there are as many as there may be.
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
		all = append(all, idle{id, p.seen})
	}
	slices.SortFunc(all, func(a, b idle) int { return cmp.Compare(a.seen, b.seen) })
	for _, i := range all[:len(all)/10+1] {
		delete(s.byID, i.id)
	}
}

// expire forgets who appended nothing for too long.
func (s *producers) expire(now time.Time) {
	limit := now.Add(-s.expiration).UnixMilli()
	for id, p := range s.byID {
		if p.seen <= limit {
			delete(s.byID, id)
		}
	}
}

// list describes all producers.
func (s *producers) list() []ProducerInfo {
	infos := make([]ProducerInfo, 0, len(s.byID))
	for id, p := range s.byID {
		info := ProducerInfo{ID: id, Epoch: p.epoch, LastSequence: -1, LastTimestamp: -1, LastSeen: time.UnixMilli(p.seen)}
		if b := p.last(); b != nil {
			info.LastSequence, info.LastTimestamp = b.lastSequence, b.timestamp
		}
		infos = append(infos, info)
	}
	return infos
}
