package storage

import (
	"slices"
	"sync"
	"sync/atomic"
)

// doneKept is how many ended transactions are remembered apart until the high
// watermark has passed their markers.
const doneKept = 4096

// AbortedTxn is a transaction that was aborted (KIP-98): a reader of committed
// records leaves out those of the producer from First up to its marker at Last.
type AbortedTxn struct {
	ProducerID  int64
	First, Last int64
	// LastStable is the last stable offset once it was aborted: transactions
	// that are aborted later begin there or above.
	LastStable int64
}

// txns is the transactions of a log that a reader of committed records must
// not pass: those that are open, and those whose marker the high watermark has
// not passed. Changes come under the log's lock; its own is never held over
// anything that waits.
type txns struct {
	mu   sync.Mutex
	open []txn // by first offset
	done []txn // by last offset, that of the marker
	// first is the lowest first offset of them all, maxOffset if there are none.
	first atomic.Int64
}

// txn is a transaction.
type txn struct{ producer, first, last int64 }

// begin notes a producer's transaction.
func (t *txns) begin(producer, first int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open = append(t.open, txn{producer: producer, first: first})
	t.settle()
}

// end notes that a transaction ended with a marker, and returns the last stable
// offset as it is once the marker is committed.
func (t *txns) end(producer, last int64) (lastStable int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.IndexFunc(t.open, func(x txn) bool { return x.producer == producer })
	if i < 0 {
		return last + 1
	}
	t.done = append(t.done, txn{producer, t.open[i].first, last})
	t.open = slices.Delete(t.open, i, i+1)
	if len(t.done) > doneKept {
		// Two become one: some records are shown later, none too early.
		t.done[1].first = min(t.done[0].first, t.done[1].first)
		t.done = slices.Delete(t.done, 0, 1)
	}
	t.settle()
	if len(t.open) > 0 {
		return t.open[0].first
	}
	return last + 1
}

// reset replaces the transactions by those that are open.
func (t *txns) reset(open []txn) {
	slices.SortFunc(open, func(a, b txn) int { return int(min(max(a.first-b.first, -1), 1)) })
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open, t.done = open, nil
	t.settle()
}

// settle finds the lowest first offset; the lock is held.
func (t *txns) settle() {
	first := int64(maxOffset)
	if len(t.open) > 0 {
		first = t.open[0].first
	}
	for i := range t.done {
		first = min(first, t.done[i].first)
	}
	t.first.Store(first)
}

// lastStable is the offset below which no transaction is open, of what is below
// a high watermark.
func (t *txns) lastStable(hw int64) int64 {
	if t.first.Load() >= hw {
		return hw
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for n < len(t.done) && t.done[n].last < hw {
		n++
	}
	if n > 0 {
		t.done = slices.Delete(t.done, 0, n)
		t.settle()
	}
	return min(t.first.Load(), hw)
}

// LastStable is the offset below which no transaction is open, given the high
// watermark, which must not be above the end: how far readers of committed
// records may read (KIP-98). Without transactions it takes no lock.
func (l *Log) LastStable(hw int64) int64 {
	stable := l.producers.txns.lastStable(hw)
	if stable == hw {
		return hw
	}
	return min(max(stable, l.start.Load()), hw)
}

// Aborted returns the aborted transactions that concern a reader of the records
// from an offset up to, not including, another one, which must not be above the
// last stable offset. They come in the order of their markers. It takes no lock.
func (l *Log) Aborted(from, upTo int64) ([]AbortedTxn, error) {
	var out []AbortedTxn
	err := l.stable(func(v *view) (err error) {
		out, err = l.aborted(v, from, upTo)
		return err
	})
	return out, err
}

func (l *Log) aborted(v *view, from, upTo int64) (out []AbortedTxn, err error) {
	if len(v.segments) == 0 || from >= upTo {
		return nil, nil
	}
	for _, s := range v.segments[v.find(from):] {
		if s.aborted.Load() == 0 {
			continue
		}
		entries, err := l.abortedOf(v, s)
		if err != nil {
			return nil, readError(s, err)
		}
		for _, a := range entries.view() {
			if a.Last >= from && a.First < upTo {
				out = append(out, a)
			}
			if a.LastStable >= upTo {
				return out, nil
			}
		}
	}
	return out, nil
}
