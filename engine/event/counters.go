package event

import (
	"sync"
	"sync/atomic"
)

// MaxLinks bounds the links that a Hub counts apart; what comes after that is
// counted under the client id OtherClients.
const MaxLinks = 10_000

// OtherClients is the client id of a link that stands for all the clients
// beyond MaxLinks.
const OtherClients = "(others)"

// PartitionKey names one replica: a partition on a broker.
type PartitionKey struct {
	Broker    int32
	Topic     string
	Partition int32
}

// Partition holds the counters of one replica. Counters only grow while the
// replica lives; gauges hold the newest value. Its owner is the replica.
type Partition struct {
	PartitionKey
	_ [64]byte

	RecordsIn, BytesIn   atomic.Int64 // appended by clients
	RecordsOut, BytesOut atomic.Int64 // fetched by clients
	// Appended from the leader while this replica follows: the flow of the link
	// leader to follower.
	RecordsReplicated, BytesReplicated atomic.Int64

	LogStart      atomic.Int64 // gauge: log start offset
	HighWatermark atomic.Int64 // gauge: high watermark
	LogEnd        atomic.Int64 // gauge: log end offset
	SizeBytes     atomic.Int64 // gauge: bytes of all segments
	Segments      atomic.Int64 // gauge: segments
	Leader        atomic.Bool  // gauge: this replica leads the partition
	LeaderEpoch   atomic.Int32 // gauge
	InSync        atomic.Bool  // gauge: this replica is in the ISR
	Offline       atomic.Bool  // gauge: the broker is down, or the log cannot be used
	_             [64]byte
}

// Direction of a link between a client and a partition.
type Direction uint8

// The directions.
const (
	Produce Direction = iota // client to partition
	Fetch                    // partition to client
)

// LinkKey names the flow between one client id and one partition.
type LinkKey struct {
	Direction Direction
	ClientID  string
	Topic     string
	Partition int32
}

// Link counts the flow between one client id and one partition.
type Link struct {
	LinkKey
	_              [64]byte
	Records, Bytes atomic.Int64
	// Software is the client's software name and version, empty if it never said.
	Software atomic.Pointer[string]
	_        [64]byte
}

// GroupKey names the offset that a consumer group committed for a partition.
type GroupKey struct {
	Group     string
	Topic     string
	Partition int32
}

// GroupPartition holds a group's committed offset. Its owner is the group
// coordinator.
type GroupPartition struct {
	GroupKey
	Committed atomic.Int64 // gauge: committed offset, -1 before the first
	Commits   atomic.Int64 // counter: commits
	// ClientID and Member are of the member that the partition is assigned to,
	// nil if there is none.
	Member   atomic.Pointer[string]
	ClientID atomic.Pointer[string]
}

// Partition returns the counters of a replica, made at the first call.
func (h *Hub) Partition(key PartitionKey) *Partition {
	return h.partitions.get(key, func() *Partition { return &Partition{PartitionKey: key} })
}

// DropPartition forgets a replica that was deleted.
func (h *Hub) DropPartition(key PartitionKey) { h.partitions.drop(key) }

// Partitions returns all replicas. The slice is shared: do not change it.
func (h *Hub) Partitions() []*Partition { return h.partitions.all() }

// Link returns the counters of a link, made at the first call. Callers on a
// hot path keep the pointer.
func (h *Hub) Link(key LinkKey) *Link {
	mk := func() *Link { return &Link{LinkKey: key} }
	if l := h.links.get(key, mk); l != nil {
		return l
	}
	key.ClientID = OtherClients
	return h.links.force(key, mk)
}

// DropLinks forgets the links of a deleted topic.
func (h *Hub) DropLinks(topic string) {
	h.links.dropIf(func(k LinkKey) bool { return k.Topic == topic })
}

// Links returns all links. The slice is shared: do not change it.
func (h *Hub) Links() []*Link { return h.links.all() }

// Group returns the gauge of a group's committed offset, made at the first call.
func (h *Hub) Group(key GroupKey) *GroupPartition {
	return h.groups.get(key, func() *GroupPartition {
		g := &GroupPartition{GroupKey: key}
		g.Committed.Store(-1)
		return g
	})
}

// DropGroup forgets one committed offset that was deleted or has expired.
func (h *Hub) DropGroup(key GroupKey) { h.groups.drop(key) }

// Groups returns all committed offsets. The slice is shared: do not change it.
func (h *Hub) Groups() []*GroupPartition { return h.groups.all() }

// registry is a set of counters by key, with a lock-free list of all.
type registry[K comparable, V any] struct {
	mu   sync.RWMutex
	m    map[K]V
	max  int // 0: unbounded
	list atomic.Pointer[[]V]
}

func (r *registry[K, V]) init(limit int) {
	r.m = make(map[K]V)
	r.max = limit
}

// get returns the value of key, made by mk if there is none; the zero value
// if the registry is full.
func (r *registry[K, V]) get(key K, mk func() V) V {
	r.mu.RLock()
	v, ok := r.m[key]
	full := r.max > 0 && len(r.m) >= r.max
	r.mu.RUnlock()
	if ok || full {
		return v
	}
	return r.force(key, mk)
}

func (r *registry[K, V]) force(key K, mk func() V) V {
	r.mu.Lock()
	defer r.mu.Unlock()
	if v, ok := r.m[key]; ok {
		return v
	}
	v := mk()
	r.m[key] = v
	r.list.Store(nil)
	return v
}

func (r *registry[K, V]) drop(key K) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.m, key)
	r.list.Store(nil)
}

func (r *registry[K, V]) dropIf(match func(K) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for k := range r.m {
		if match(k) {
			delete(r.m, k)
		}
	}
	r.list.Store(nil)
}

func (r *registry[K, V]) all() []V {
	if l := r.list.Load(); l != nil {
		return *l
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]V, 0, len(r.m))
	for _, v := range r.m {
		out = append(out, v)
	}
	r.list.Store(&out)
	return out
}
