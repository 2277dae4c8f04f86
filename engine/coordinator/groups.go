package coordinator

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/coordinator/group"
)

// Log is the leader's log of one partition of __consumer_offsets.
type Log interface {
	// Append appends one record batch and returns the offset of its last
	// record. It takes the bytes over and may change them.
	Append(batch []byte) (last int64, err error)
	// Notify calls fn once: with nil when the high watermark has passed offset,
	// with an error when it never will. fn does not block; it may be called
	// before Notify returns.
	Notify(offset int64, fn func(error))
	// Read appends whole committed batches to dst, the first of them the one
	// that holds offset from or comes after it, up to about maxBytes but at
	// least one batch.
	Read(dst []byte, from int64, maxBytes int) ([]byte, error)
	// Start and End are the log's first offset and the one after its last.
	Start() int64
	End() int64
}

// Client is who sent a request.
type Client struct {
	ID       string // client.id
	Host     string // address without port, as Kafka writes it: "/127.0.0.1"
	Software string // name and version from ApiVersions, "" if never said
}

// Groups are the group coordinators of one broker. All methods may be called
// from any goroutine.
type Groups struct {
	partitions atomic.Int32
	ends       sync.WaitGroup // shards and tasks

	mu     sync.RWMutex // for what follows
	cfg    Config
	shards map[int32]*shard
	closed bool
}

// NewGroups returns coordinators that lead no partition yet; see Elected.
func NewGroups(cfg Config) *Groups {
	g := &Groups{cfg: cfg.withDefaults(), shards: make(map[int32]*shard)}
	g.partitions.Store(g.cfg.Partitions)
	return g
}

// Configure changes settings for the shards that are elected from now on.
func (g *Groups) Configure(change func(*Config)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change(&g.cfg)
}

// SetPartitions says how many partitions __consumer_offsets really has.
func (g *Groups) SetPartitions(n int32) { g.partitions.Store(n) }

// Partitions returns how many partitions __consumer_offsets has, or will have
// when it is made.
func (g *Groups) Partitions() int32 { return g.partitions.Load() }

// Elected makes this broker the coordinator of the groups of one partition of
// __consumer_offsets from leader epoch epoch on. It returns at once; the groups
// answer COORDINATOR_LOAD_IN_PROGRESS until the log is replayed. A call with
// an epoch that is not newer is ignored, unless Resigned came between.
func (g *Groups) Elected(partition, epoch int32, log Log) {
	g.mu.Lock()
	defer g.mu.Unlock()
	before := g.shards[partition]
	if g.closed || before != nil && !before.ended() && before.epoch >= epoch {
		return
	}
	if before != nil {
		before.end()
	}
	s := newShard(g.cfg, partition, epoch, log)
	g.shards[partition] = s
	g.ends.Go(func() { s.run(before) })
}

// Resigned ends what Elected began: waiting requests are answered with
// NOT_COORDINATOR, and the groups' state is forgotten.
func (g *Groups) Resigned(partition int32) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s := g.shards[partition]; s != nil {
		s.end() // it stays: should it be elected again, its last append comes first
	}
}

// ForgetTopics removes the offsets committed for topics that gone says are no
// more, in the groups coordinated here. id is zero where a commit did not tell
// it. It returns at once; gone is called from the groups' own goroutines.
func (g *Groups) ForgetTopics(gone func(topic string, id [16]byte) bool) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.closed {
		return
	}
	for _, s := range g.shards {
		g.ends.Go(func() {
			select {
			case s.mail <- &call{task: func(m *group.Machine) { m.ForgetTopics(gone) }}:
			case <-s.dead:
			}
		})
	}
}

// Close resigns everything and waits until all goroutines have ended.
func (g *Groups) Close() {
	g.mu.Lock()
	g.closed = true
	for _, s := range g.shards {
		s.end()
	}
	g.mu.Unlock()
	g.ends.Wait()
}

// shardOf returns the shard that coordinates a group.
func (g *Groups) shardOf(id string) (*shard, *kerr.Error) {
	n := g.partitions.Load()
	if n <= 0 {
		return nil, kerr.CoordinatorNotAvailable
	}
	return g.shard(PartitionFor(id, n))
}

func (g *Groups) shard(partition int32) (*shard, *kerr.Error) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if s := g.shards[partition]; s != nil {
		return s, nil
	}
	return nil, kerr.NotCoordinator
}

// ask sends a call to the shard of a group and waits for the answer.
func (g *Groups) ask(ctx context.Context, id string, c *call) (result, *kerr.Error) {
	s, err := g.shardOf(id)
	if err != nil {
		return result{}, err
	}
	c.done = make(chan result, 1)
	if err := s.post(ctx, c); err != nil {
		return result{}, err
	}
	resp, err := s.wait(ctx, c)
	return result{resp, err}, err
}
