package replica

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/batch"
	"github.com/logarium/logarium/engine/event"
	"github.com/logarium/logarium/engine/metadata"
	"github.com/logarium/logarium/engine/netx"
	"github.com/logarium/logarium/engine/storage"
	"github.com/logarium/logarium/engine/vfs"
)

// rig is several brokers' Sets, the links between them, and a controller that
// does what the test says.
type rig struct {
	t      testing.TB
	links  *netx.Links
	cfg    Config
	sets   map[int32]*Set
	disks  map[int32]*vfs.Faulty
	hub    *event.Hub
	ruling lock // over the image, and over handing it to the Sets
	world  *world
	asked  atomic.Int64  // AlterPartitions calls
	answer func() error  // of AlterPartitions before it does anything; nil: none
	delay  time.Duration // of AlterPartitions
	asks   atomic.Int64  // fetches of followers
	refuse bool          // AlterPartitions does
	deaf   bool          // ReplicaFailed fails
	failed []PartitionID // that ReplicaFailed told of
	broken bool          // a log has failed for good: no clean end is expected
}

// newRig starts brokers 1 to n.
func newRig(t testing.TB, n int32, cfg Config) *rig {
	r := &rig{t: t, links: netx.NewLinks(), cfg: cfg, sets: map[int32]*Set{}, disks: map[int32]*vfs.Faulty{}, hub: event.New(), ruling: newLock(), world: newWorld(t, "c")}
	for id := int32(1); id <= n; id++ {
		r.world.apply(metadata.BrokerRegistrationRecord{ID: id, Epoch: int64(id)})
		r.disks[id] = vfs.NewFaulty(vfs.NewMem(), uint64(id))
	}
	for id := int32(1); id <= n; id++ {
		r.start(id)
	}
	return r
}

func (r *rig) start(id int32) {
	c := r.cfg
	c.BrokerID, c.FS, c.Hub = id, r.disks[id], r.hub
	c.Peers, c.Cluster = rigPeer{r, id}, rigCluster{r, id}
	s, err := Open(c)
	must(r.t, err)
	r.ruling.lock()
	defer r.ruling.unlock()
	r.sets[id] = s
	must(r.t, s.Apply(r.world.img, r.world.img.Full()))
	r.links.SetDown(id, false)
}

// stop ends a broker, cleanly or not.
func (r *rig) stop(id int32, clean bool) {
	r.links.SetDown(id, true)
	r.ruling.lock()
	s := r.sets[id]
	delete(r.sets, id)
	r.ruling.unlock()
	if err := s.Close(clean); err != nil && !r.broken {
		r.t.Fatal(err)
	}
}

func (r *rig) close() {
	r.links.HealAll()
	for id := range r.disks {
		r.disks[id].Heal()
		if r.sets[id] != nil {
			r.stop(id, true)
		}
	}
}

// apply changes the metadata and tells every broker.
func (r *rig) apply(recs ...metadata.Record) {
	r.t.Helper()
	r.ruling.lock()
	defer r.ruling.unlock()
	r.applyLocked(recs...)
}

func (r *rig) applyLocked(recs ...metadata.Record) {
	d := r.world.apply(recs...)
	for id := range r.disks {
		if s := r.sets[id]; s != nil {
			must(r.t, s.Apply(r.world.img, d))
		}
	}
}

// topic makes a topic of one partition on the brokers named, the first of which
// leads, and returns its change record to build upon.
func (r *rig) topic(name string, settings map[string]string, replicas ...int32) metadata.PartitionChangeRecord {
	r.t.Helper()
	id := metadata.NewUUID()
	recs := []metadata.Record{metadata.TopicRecord{ID: id, Name: name},
		metadata.PartitionRecord{TopicID: id, Leader: replicas[0], Replicas: replicas, ISR: replicas}}
	for k, v := range settings {
		recs = append(recs, metadata.ConfigRecord{Resource: metadata.Resource{Type: metadata.ResourceTopic, Name: name}, Name: k, Value: &v})
	}
	r.apply(recs...)
	return metadata.PartitionChangeRecord{TopicID: id, Leader: metadata.LeaderUnchanged}
}

// lead makes a broker the leader, with an ISR.
func (r *rig) lead(change metadata.PartitionChangeRecord, leader int32, isr ...int32) {
	r.t.Helper()
	change.Leader, change.ISR = leader, isr
	r.apply(change)
}

func (r *rig) fence(id int32, fenced bool) {
	r.apply(metadata.BrokerChangeRecord{ID: id, Fenced: fenced})
}

func (r *rig) at(broker int32, topic string) *Partition {
	r.t.Helper()
	p, err := r.sets[broker].Partition(topic, 0)
	must(r.t, err)
	return p
}

// rule changes what the controller does.
func (r *rig) rule(fn func()) {
	r.ruling.lock()
	defer r.ruling.unlock()
	fn()
}

// leader is that of partition 0 of a topic.
func (r *rig) leader(topic string) int32 {
	r.ruling.lock()
	defer r.ruling.unlock()
	return r.world.img.Topic(topic).Partitions[0].Leader
}

// isr is that of partition 0 of a topic as the controller has it.
func (r *rig) isr(topic string) []int32 {
	r.ruling.lock()
	defer r.ruling.unlock()
	return slices.Sorted(slices.Values(r.world.img.Topic(topic).Partitions[0].ISR))
}

// put appends n records and waits until they are committed.
func (r *rig) put(p *Partition, n int) {
	r.t.Helper()
	a, err := add(p, n)
	must(r.t, err)
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	if err := p.WaitCommitted(ctx, a.Last); err != nil {
		r.t.Fatalf("%s: %d records up to %d are not committed: %v", p.dir(), n, a.Last, err)
	}
}

// content is all that a log has, up to an offset.
func content(t testing.TB, p *Partition, upTo int64) []byte {
	t.Helper()
	var out []byte
	for next := p.log.Start(); next < upTo; {
		before := len(out)
		var err error
		out, err = p.log.Read(out, next, upTo, 1<<20, true)
		must(t, err)
		for b := range batch.Split(out[before:]) {
			_, last, _, _ := batch.Extent(b)
			next = max(next, last+1)
		}
		if len(out) == before {
			break
		}
	}
	return out
}

// same fails unless the logs of a topic are equal on the brokers.
func (r *rig) same(topic string, brokers ...int32) {
	r.t.Helper()
	first := r.at(brokers[0], topic)
	want := content(r.t, first, first.End())
	for _, id := range brokers[1:] {
		p := r.at(id, topic)
		if got := content(r.t, p, p.End()); p.End() != first.End() || p.Start() != first.Start() || !bytes.Equal(got, want) {
			r.t.Fatalf("%s on broker %d has %d to %d, %d bytes; on broker %d %d to %d, %d bytes", topic, id, p.Start(), p.End(), len(got), brokers[0], first.Start(), first.End(), len(want))
		}
	}
}

// caughtUp waits until the brokers have what the first of them has.
func (r *rig) caughtUp(topic string, brokers ...int32) {
	r.t.Helper()
	time.Sleep(2 * time.Second)
	synctest.Wait()
	r.same(topic, brokers...)
}

// force appends a record in an epoch as if a leader had done so, whoever leads.
func force(t testing.TB, p *Partition, epoch int32, n int) {
	t.Helper()
	must(t, p.log.SetEpoch(epoch, p.log.End()))
	for range n {
		b := batch.NewBuilder(batch.BuilderOptions{})
		b.Append(int64(epoch), []byte("k"), fmt.Appendf(nil, "epoch %d at %d", epoch, p.log.End()), nil)
		_, err := p.log.Append(b.Build(), storage.AppendOptions{LeaderEpoch: epoch, Now: time.Now(), Origin: storage.FromCoordinator})
		must(t, err)
	}
}

// rigPeer is what broker from sees of the others.
type rigPeer struct {
	r    *rig
	from int32
}

func (p rigPeer) Fetch(ctx context.Context, leader int32, req *FetchRequest) (*FetchResponse, error) {
	p.r.asks.Add(1)
	if err := p.r.links.Trip(ctx, p.from, leader); err != nil {
		return nil, err
	}
	p.r.ruling.lock()
	s := p.r.sets[leader]
	p.r.ruling.unlock()
	if s == nil {
		return nil, netx.ErrDown
	}
	resp, err := s.ServeFetch(ctx, req)
	if err != nil {
		return nil, err
	}
	return resp, p.r.links.Trip(ctx, leader, p.from)
}

// rigCluster is what broker from sees of the controller.
type rigCluster struct {
	r    *rig
	from int32
}

func (c rigCluster) AlterPartitions(ctx context.Context, epoch int64, proposals []Proposal) ([]Outcome, error) {
	r := c.r
	r.ruling.lock()
	delay := r.delay
	r.ruling.unlock()
	if delay > 0 && !sleep(ctx, delay) {
		return nil, ctx.Err()
	}
	r.ruling.lock()
	defer r.ruling.unlock()
	r.asked.Add(1)
	if r.answer != nil {
		if err := r.answer(); err != nil {
			return nil, err
		}
	}
	out := make([]Outcome, len(proposals))
	for i, p := range proposals {
		t := r.world.img.TopicByID(p.Topic)
		if t == nil {
			out[i].Err = kerr.UnknownTopicID
			continue
		}
		now := &t.Partitions[p.Index]
		switch {
		case r.refuse:
			out[i].Err = kerr.IneligibleReplica
		case now.LeaderEpoch != p.LeaderEpoch || now.Leader != c.from:
			out[i].Err = kerr.FencedLeaderEpoch
		case now.PartitionEpoch != p.PartitionEpoch:
			out[i].Err = kerr.InvalidUpdateVersion
		default:
			r.applyLocked(metadata.PartitionChangeRecord{TopicID: p.Topic, Partition: p.Index, Leader: metadata.LeaderUnchanged, ISR: p.ISR})
			out[i].Partition = r.world.img.TopicByID(p.Topic).Partitions[p.Index]
		}
	}
	return out, nil
}

func (c rigCluster) ReplicaFailed(_ context.Context, parts []PartitionID) error {
	r := c.r
	r.ruling.lock()
	defer r.ruling.unlock()
	if r.deaf {
		return errors.New("no controller")
	}
	r.failed = append(r.failed, parts...)
	for _, id := range parts {
		now := &r.world.img.TopicByID(id.Topic).Partitions[id.Index]
		isr := slices.DeleteFunc(slices.Clone(now.ISR), func(b int32) bool { return b == c.from })
		if len(isr) == 0 {
			continue
		}
		rec := metadata.PartitionChangeRecord{TopicID: id.Topic, Partition: id.Index, Leader: metadata.LeaderUnchanged, ISR: isr}
		if now.Leader == c.from {
			rec.Leader = isr[0]
		}
		r.applyLocked(rec)
	}
	return nil
}

// inRig runs a test in a bubble on a rig of n brokers.
func inRig(t *testing.T, n int32, cfg Config, fn func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, n, cfg)
		defer r.close()
		fn(t, r)
	})
}
