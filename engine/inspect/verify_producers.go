package inspect

import (
	"fmt"
	"slices"

	"github.com/logarium/logarium/engine/batch"
	"github.com/logarium/logarium/engine/storage"
)

// producerBatches is how many of a producer's batches are remembered.
const producerBatches = 5

// replay is what the batches scanned so far say of their producers.
type replay struct {
	producers map[int64]*storage.ProducerState
	open      []int64 // first offsets of the transactions that are open, rising
}

// add takes a batch in, by the rules of docs/format/producer-snapshot.md. It
// returns the transaction that was aborted by it, if one was. b is nil for a
// batch that is too large to be opened.
func (r *replay) add(h *batch.Header, b []byte) (a storage.AbortedTxn, aborted bool) {
	if h.ProducerID < 0 {
		return a, false
	}
	p := r.producers[h.ProducerID]
	if p == nil {
		p = &storage.ProducerState{ID: h.ProducerID, Epoch: h.ProducerEpoch, CoordinatorEpoch: -1, TxnFirst: -1}
		r.producers[h.ProducerID] = p
	}
	if p.Epoch != h.ProducerEpoch {
		p.Epoch, p.Batches = h.ProducerEpoch, nil
	}
	if m, ok, err := batch.ReadMarker(b); err == nil && ok {
		p.CoordinatorEpoch = m.CoordinatorEpoch
		if p.TxnFirst >= 0 {
			a = storage.AbortedTxn{ProducerID: h.ProducerID, First: p.TxnFirst, Last: h.LastOffset(), LastStable: h.LastOffset() + 1}
			r.open = slices.DeleteFunc(r.open, func(first int64) bool { return first == p.TxnFirst })
			if len(r.open) > 0 {
				a.LastStable = r.open[0]
			}
			p.TxnFirst, aborted = -1, !m.Commit
		}
	} else if h.IsTransactional() && !h.IsControl() && p.TxnFirst < 0 {
		p.TxnFirst = h.BaseOffset
		r.open = append(r.open, h.BaseOffset)
	}
	if h.IsControl() || h.BaseSequence < 0 {
		return a, aborted
	}
	p.Batches = append(p.Batches, storage.ProducerBatch{
		FirstSequence: h.BaseSequence, LastSequence: h.LastSequence(), First: h.BaseOffset, Last: h.LastOffset(), Timestamp: h.MaxTimestamp,
	})
	if len(p.Batches) > producerBatches {
		p.Batches = slices.Delete(p.Batches, 0, 1)
	}
	return a, aborted
}

// reached holds the snapshots up to an offset against the replay, before the
// batch at that offset is taken in.
func (c *logCheck) reached(offset int64) {
	for len(c.snapshots) > 0 && c.snapshots[0].Offset <= offset {
		c.snapshot(c.snapshots[0])
		c.snapshots = c.snapshots[1:]
	}
}

func (c *logCheck) snapshot(file storage.LogFile) {
	sev := Problem
	if file.Offset > c.point || c.o.Live {
		sev = c.harsh(c.log.broker)
	}
	at, states, err := storage.ReadProducers(c.fs, c.log.dir, file)
	if err == nil && at != file.Offset {
		c.finding(sev, CheckProducers, file.Name, "the snapshot is of offset %d", at)
		return
	}
	if err != nil {
		c.finding(sev, CheckProducers, file.Name, "%v", err)
		return
	}
	if c.quarantined {
		return // batches that it remembers may be gone
	}
	for i := range states {
		if fault := c.compare(&states[i]); fault != "" {
			c.finding(sev, CheckProducers, file.Name, "producer %d: %s", states[i].ID, fault)
		}
	}
}

// compare says how a producer differs from what the batches that are still
// there say. Producers whose batches are all gone, and those that were
// forgotten for their silence, cannot be told.
func (c *logCheck) compare(s *storage.ProducerState) string {
	if len(s.Batches) == 0 || s.Batches[len(s.Batches)-1].Last < c.first {
		return ""
	}
	r := c.producers.producers[s.ID]
	switch {
	case r == nil:
		return "no batch is of it"
	case r.Epoch != s.Epoch:
		return "its epoch is not that of its last batch"
	case !c.compacted && r.TxnFirst != s.TxnFirst && (s.TxnFirst >= c.first || s.TxnFirst < 0):
		return fmt.Sprintf("its transaction is open since %d, by the batches since %d", s.TxnFirst, r.TxnFirst)
	case len(r.Batches) == 0 || r.Batches[len(r.Batches)-1] != s.Batches[len(s.Batches)-1]:
		return "its last batch is another"
	}
	for _, b := range s.Batches {
		if b.First >= c.first && !c.compacted && !slices.Contains(r.Batches, b) {
			return "a batch that it remembers is not there"
		}
	}
	return ""
}

// transactions holds the transaction index of a segment against the markers in
// it. Transactions that began in a segment that is gone cannot be told.
func (s *segmentCheck) transactions() {
	sev := (&indexCheck{segmentCheck: s}).severity()
	if !s.hasTxns {
		if len(s.aborted) > 0 && !(s.last && sev == Note) {
			s.finding(sev, CheckTxns, s.file.Name, "the segment has markers of aborted transactions, but no index of them")
		}
		return
	}
	listed, err := storage.ReadTxnIndex(s.fs, s.log.dir, s.txns)
	if err != nil {
		s.finding(sev, CheckTxns, s.txns.Name, "%v", err)
		return
	}
	if s.compacted || s.last && sev == Note && len(listed) < len(s.aborted) {
		return // batches may be gone, or have come since
	}
	listed = slices.DeleteFunc(listed, func(a storage.AbortedTxn) bool { return a.First < s.first })
	// What is stable depends on transactions that may have begun before.
	same := func(a, b storage.AbortedTxn) bool {
		return a.ProducerID == b.ProducerID && a.First == b.First && a.Last == b.Last && a.LastStable <= b.LastStable
	}
	if !slices.EqualFunc(listed, s.aborted, same) {
		s.finding(sev, CheckTxns, s.txns.Name, "it lists %v, a replay gives %v", listed, s.aborted)
	}
}
