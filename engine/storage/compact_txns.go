package storage

import (
	"cmp"
	"slices"

	"github.com/logarium/logarium/engine/batch"
)

// txnsRead follows the transactions through batches that are read in order, as
// KIP-534 needs it: records of an aborted transaction go at once, its marker, and
// that of a committed one, only when no batch of the transaction is left.
type txnsRead struct {
	waiting   []AbortedTxn // not met yet, by first offset
	aborted   map[int64]*abortedRead
	committed map[int64]bool // producers that have a batch in the transaction at hand
}

// abortedRead is an aborted transaction whose marker is still to come.
type abortedRead struct {
	AbortedTxn
	left bool // a batch of it is
}

func newTxnsRead(aborted []AbortedTxn) *txnsRead {
	waiting := slices.Clone(aborted)
	slices.SortFunc(waiting, func(a, b AbortedTxn) int { return cmp.Compare(a.First, b.First) })
	return &txnsRead{waiting: waiting, aborted: map[int64]*abortedRead{}, committed: map[int64]bool{}}
}

// meet makes the transactions current that begin up to an offset.
func (t *txnsRead) meet(offset int64) {
	for len(t.waiting) > 0 && t.waiting[0].First <= offset {
		t.aborted[t.waiting[0].ProducerID] = &abortedRead{AbortedTxn: t.waiting[0]}
		t.waiting = t.waiting[1:]
	}
}

// data takes a batch of records, and reports whether its transaction was aborted.
func (t *txnsRead) data(h *batch.Header) bool {
	t.meet(h.LastOffset())
	if !h.IsTransactional() {
		return false
	}
	if a := t.aborted[h.ProducerID]; a != nil {
		a.left = true
		return true
	}
	t.committed[h.ProducerID] = true
	return false
}

// marker takes the end of a transaction. It reports whether no batch of it is
// left, and which aborted transaction must stay in the index, if one must.
func (t *txnsRead) marker(h *batch.Header, m batch.Marker) (empty bool, keep *AbortedTxn) {
	t.meet(h.LastOffset())
	if m.Commit {
		empty = !t.committed[h.ProducerID]
		delete(t.committed, h.ProducerID)
		return empty, nil
	}
	a := t.aborted[h.ProducerID]
	delete(t.aborted, h.ProducerID)
	if a == nil || !a.left {
		return true, nil
	}
	return false, &a.AbortedTxn
}

// activeProducer is what a compaction must leave of a producer that is
// remembered.
type activeProducer struct {
	epoch    int16
	lastData int64 // the last offset of its newest batch of this epoch, -1: none
}

// activeProducers are those that are remembered; the log's lock is held.
func (s *producers) activeProducers() map[int64]activeProducer {
	active := make(map[int64]activeProducer, len(s.byID))
	for id, p := range s.byID {
		a := activeProducer{p.epoch, -1}
		if b := p.last(); b != nil {
			a.lastData = b.lastOffset
		}
		active[id] = a
	}
	return active
}

// isLast reports whether a batch must stay, if empty, so that its producer's
// last sequence or epoch is found in the log: it is the last of a producer that
// is remembered, or the last that is compacted, since those behind it may be
// lost in a crash.
func (c *compaction) isLast(h *batch.Header) bool {
	p, ok := c.active[h.ProducerID]
	if !ok {
		return false
	}
	switch {
	case h.IsControl() && p.lastData < 0 && h.ProducerEpoch == p.epoch:
		return true // the marker alone has the newest epoch
	case h.IsControl():
		return p.lastData >= c.through && c.last[h.ProducerID].marker == h.LastOffset()
	case h.BaseSequence < 0:
		return false
	case p.lastData >= 0 && p.lastData < c.through:
		return h.LastOffset() == p.lastData
	}
	last, met := c.last[h.ProducerID]
	return !met || last.data == h.LastOffset()
}

// lastOffsets are those of a producer's last batch of records and last marker.
type lastOffsets struct{ data, marker int64 }

// noteLast takes a batch of the dirty segments into what isLast knows.
func (c *compaction) noteLast(h *batch.Header) {
	if _, ok := c.active[h.ProducerID]; !ok {
		return
	}
	last, met := c.last[h.ProducerID]
	if !met {
		last = lastOffsets{-1, -1}
	}
	switch {
	case h.IsControl():
		last.marker = h.LastOffset()
	case h.BaseSequence >= 0:
		last.data = h.LastOffset()
	}
	c.last[h.ProducerID] = last
}

// filterMarker appends what compaction leaves of a control batch: the marker of
// a transaction of which nothing is left is given a time (delete.retention.ms),
// and goes when that has passed.
func (c *compaction) filterMarker(w *rewriter, h *batch.Header, b []byte, end int64) ([]byte, error) {
	m, ok, err := batch.ReadMarker(b)
	if err != nil {
		return w.pending, err
	}
	if !ok && h.NumRecords > 0 {
		c.out.Kept += int64(h.NumRecords)
		return append(w.pending, b...), nil
	}
	empty := true
	if ok {
		var keep *AbortedTxn
		if empty, keep = c.txns.marker(h, m); keep != nil {
			w.segment.noteAborted(*keep)
		}
	}
	gone := empty && h.HasDeleteHorizon() && c.now.UnixMilli() >= h.BaseTimestamp
	out, kept, err := batch.Filter(w.pending, b, &c.dec, batch.FilterOptions{
		Keep:      func(*batch.Record) bool { return !gone },
		KeepEmpty: h.LastOffset()+1 >= end || c.isLast(h),
		Horizon:   c.horizon(),
		Expire:    empty,
	})
	c.out.Kept += int64(kept)
	return out, err
}

// horizon is when what could go now will go.
func (c *compaction) horizon() int64 {
	return c.now.UnixMilli() + c.config.DeleteRetention.Milliseconds()
}

// abortedIn returns the aborted transactions that concern segments.
func (c *compaction) abortedIn(segments []*segment) (*txnsRead, error) {
	first, last := segments[0], segments[len(segments)-1]
	aborted, err := c.log.Aborted(first.base, last.end.Load())
	if err != nil {
		return nil, err
	}
	return newTxnsRead(aborted), nil
}
