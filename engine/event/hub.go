package event

import (
	"sync"
	"sync/atomic"
	"time"
)

// RingSize is how many state events a Hub remembers.
const RingSize = 10_000

// Hub collects what the engine tells. The zero value is not usable; see New.
// All methods may be called from any goroutine; none blocks for longer than a
// short critical section.
type Hub struct {
	mu      sync.Mutex
	ring    []State // ring[(seq-1)%RingSize] holds the event with that seq
	last    uint64
	changed chan struct{}

	partitions registry[PartitionKey, *Partition]
	links      registry[LinkKey, *Link]
	groups     registry[GroupKey, *GroupPartition]

	// Latency holds one histogram for each stage.
	Latency [StageCount]Histogram
	// Connections is the number of open client connections by broker id.
	connections sync.Map // int32 -> *atomic.Int64
}

// New returns an empty hub.
func New() *Hub {
	h := &Hub{ring: make([]State, 0, 64), changed: make(chan struct{})}
	h.partitions.init(0)
	h.links.init(MaxLinks)
	h.groups.init(0)
	return h
}

// Emit records s, giving it the next sequence number and, where At is zero,
// the time. It returns the sequence number.
func (h *Hub) Emit(s State) uint64 {
	if s.At.IsZero() {
		s.At = time.Now()
	}
	h.mu.Lock()
	h.last++
	s.Seq = h.last
	if len(h.ring) < RingSize {
		h.ring = append(h.ring, s)
	} else {
		h.ring[(s.Seq-1)%RingSize] = s
	}
	woken := h.changed
	h.changed = make(chan struct{})
	h.mu.Unlock()
	close(woken)
	return s.Seq
}

// Since returns up to limit events after seq, oldest first. lost is how many
// events after seq the ring no longer holds.
func (h *Hub) Since(seq uint64, limit int) (events []State, lost uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	first := h.last - uint64(len(h.ring)) + 1
	from := seq + 1
	if from < first {
		lost = first - from
		from = first
	}
	for s := from; s <= h.last && len(events) < limit; s++ {
		events = append(events, h.ring[(s-1)%RingSize])
	}
	return events, lost
}

// Last returns the sequence number of the newest event, 0 if there is none.
func (h *Hub) Last() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last
}

// Changed returns a channel that is closed at the next Emit. Take it before
// Since, so that no event falls between the two.
func (h *Hub) Changed() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.changed
}

// Connections returns the gauge of open client connections of a broker.
func (h *Hub) Connections(broker int32) *atomic.Int64 {
	v, _ := h.connections.LoadOrStore(broker, new(atomic.Int64))
	return v.(*atomic.Int64)
}
