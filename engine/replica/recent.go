package replica

import (
	"sync/atomic"
	"time"

	"github.com/logarium/logarium/engine/event"
)

// maxRecent is how many appends are remembered until they are committed and
// delivered; older ones are not timed.
const maxRecent = 256

// recent remembers when the newest batches were appended, to time their commit
// and their first delivery. It takes memory only once there is an append. The
// partition's lock guards it, but for delivered.
type recent struct {
	ring      []stamp
	next      uint64 // number of the next stamp; stamp n is at n % len(ring)
	toCommit  uint64 // number of the first one that is not committed
	toDeliver uint64
	delivered atomic.Int64 // all below was sent to a client
}

// stamp is the time of an append.
type stamp struct {
	last int64
	at   time.Time
}

func (r *recent) add(last int64, now time.Time) {
	switch n := uint64(len(r.ring)); {
	case n == 0:
		r.ring = make([]stamp, 8)
	case r.next-min(r.toCommit, r.toDeliver) >= n && n < maxRecent:
		grown := make([]stamp, 2*n)
		for i := r.next - n; i < r.next; i++ {
			grown[i%(2*n)] = r.ring[i%n]
		}
		r.ring = grown
	}
	n := uint64(len(r.ring))
	r.ring[r.next%n] = stamp{last, now}
	r.next++
	if r.next > n {
		r.toCommit = max(r.toCommit, r.next-n)
		r.toDeliver = max(r.toDeliver, r.next-n)
	}
}

// commit times the appends whose last record is below offset.
func (r *recent) commit(offset int64, h *event.Histogram) {
	if r.toCommit < r.next { // not so where this replica follows
		r.toCommit = r.until(r.toCommit, offset, time.Now(), h)
	}
}

// deliver times the appends whose last record is below offset.
func (r *recent) deliver(offset int64, now time.Time, h *event.Histogram) {
	r.toDeliver = r.until(r.toDeliver, offset, now, h)
	r.delivered.Store(max(r.delivered.Load(), offset))
}

func (r *recent) until(from uint64, offset int64, now time.Time, h *event.Histogram) uint64 {
	for ; from < r.next; from++ {
		s := r.ring[from%uint64(len(r.ring))]
		if s.last >= offset {
			break
		}
		h.Record(now.Sub(s.at))
	}
	return from
}
