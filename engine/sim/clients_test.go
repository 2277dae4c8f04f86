package sim_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/sim/check"
)

// maxInFlight is how many records a producer has under way before it waits:
// what it sends while nobody answers says nothing new.
const maxInFlight = 200

// franz returns a franz-go client on a host of its own name, which never gives
// up and asks again soon.
func (r *run) franz(name string, opts ...kgo.Opt) *kgo.Client {
	c, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(r.c.Addresses()...), kgo.Dialer(r.w.Dialer(name)), kgo.DialTimeout(2 * time.Second), kgo.ClientID(name),
		kgo.RequestTimeoutOverhead(3 * time.Second), kgo.MetadataMinAge(50 * time.Millisecond), kgo.MetadataMaxAge(10 * time.Second),
		kgo.AlwaysRetryEOF(), // a broker that stops closes connections that it has just accepted
		kgo.RetryBackoffFn(func(int) time.Duration { return 100 * time.Millisecond }),
	}, opts...)...)
	if err != nil {
		panic(err) // an option is wrong
	}
	return c
}

// producer is a franz-go producer that sends to all partitions of a topic.
type producer struct {
	run    *run
	name   string
	topic  string
	all    bool // idempotent, with acks=all; else acks=1
	client *kgo.Client
	seqs   []int64 // by partition
	flying atomic.Int64
}

func (r *run) newProducer(name, topic string, partitions int32, all bool) *producer {
	p := &producer{run: r, name: name, topic: topic, all: all, seqs: make([]int64, partitions)}
	// Not zstd, whose decoder the garbage collector closes outside of the bubble; nor lz4 and gzip,
	// which take megabytes for each batch when there is a race detector.
	codecs := []kgo.CompressionCodec{kgo.NoCompression(), kgo.SnappyCompression()}
	opts := []kgo.Opt{
		kgo.DefaultProduceTopic(topic), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.UnknownTopicRetries(-1),
		kgo.ProducerBatchCompression(codecs[r.w.Rand("codec of "+name).IntN(len(codecs))]),
		kgo.ProduceRequestTimeout(3 * time.Second), kgo.ProducerLinger(0),
	}
	if all {
		opts = append(opts, kgo.ProducerOnDataLossDetected(func(topic string, partition int32) {
			r.w.Ledger.Break(check.Duplicate, "%s-%d: the broker does not know %s's last sequence number", topic, partition, name)
		}))
	} else {
		opts = append(opts, kgo.DisableIdempotentWrite(), kgo.RequiredAcks(kgo.LeaderAck()), kgo.RecordRetries(20))
	}
	p.client = r.franz(name, opts...)
	return p
}

// send sends until ctx ends: bursts of a few records and pauses between them.
func (p *producer) send(ctx context.Context) {
	rng := p.run.w.Rand("producer " + p.name)
	for ctx.Err() == nil {
		if p.flying.Load() < maxInFlight {
			partition := rng.IntN(len(p.seqs))
			for range 1 + rng.IntN(4) {
				p.one(int32(partition), rng)
			}
		}
		wait(ctx, rng, 60*time.Millisecond)
	}
}

func (p *producer) one(partition int32, rng *rand.Rand) {
	seq := p.seqs[partition]
	p.seqs[partition]++
	value := fmt.Sprintf("%s/%d/%d/%s", p.name, partition, seq, strings.Repeat("x", rng.IntN(100)))
	sent := p.run.w.Ledger.Send(check.Write{
		Part: check.Part{Topic: p.topic, Index: partition}, Producer: p.name, Seq: seq, Value: value, All: p.all, Idempotent: p.all,
	})
	p.flying.Add(1)
	p.client.Produce(context.Background(), &kgo.Record{Partition: partition, Value: []byte(value)}, func(rec *kgo.Record, err error) {
		p.flying.Add(-1)
		if err == nil {
			sent.Acked(rec.Offset)
			return
		}
		sent.Failed()
		if p.all && !errors.Is(err, kgo.ErrClientClosed) {
			p.run.w.Ledger.Break(check.Failed, "%s-%d: record %d of %s: %v", p.topic, partition, seq, p.name, err)
		}
	})
}

// wait sleeps for up to twice a time, or until ctx ends.
func wait(ctx context.Context, rng *rand.Rand, about time.Duration) {
	timer := time.NewTimer(time.Duration(rng.Int64N(int64(2*about))) + time.Microsecond)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// group is a consumer group whose members come and go.
type group struct {
	run   *run
	name  string
	topic string
	count int // members so far

	mu      sync.Mutex
	read    map[string]bool
	members []*member
	all     sync.WaitGroup
}

// member is one of them.
type member struct {
	name   string
	client *kgo.Client
	stop   context.CancelFunc
}

func (r *run) newGroup(name, topic string) *group {
	return &group{run: r, name: name, topic: topic, read: map[string]bool{}}
}

// join adds a member.
func (g *group) join(ctx context.Context) {
	g.count++
	m := &member{name: fmt.Sprintf("%s-%d", g.name, g.count)}
	seek := func(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
		for topic, indexes := range parts {
			for _, i := range indexes {
				g.run.w.Ledger.Seek(m.name, check.Part{Topic: topic, Index: i})
			}
		}
	}
	m.client = g.run.franz(m.name,
		kgo.ConsumerGroup(g.name), kgo.ConsumeTopics(g.topic), kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(500*time.Millisecond),
		kgo.SessionTimeout(8*time.Second), kgo.HeartbeatInterval(time.Second), kgo.RebalanceTimeout(8*time.Second),
		kgo.OnPartitionsAssigned(seek), kgo.OnPartitionsRevoked(seek), kgo.OnPartitionsLost(seek))
	ctx, m.stop = context.WithCancel(ctx)
	g.mu.Lock()
	g.members = append(g.members, m)
	g.mu.Unlock()
	g.all.Go(func() { g.consume(ctx, m) })
}

// consume polls and commits until ctx ends, and leaves the group.
func (g *group) consume(ctx context.Context, m *member) {
	rng := g.run.w.Rand("member " + m.name)
	for ctx.Err() == nil {
		fetches := m.client.PollFetches(ctx)
		g.take(m, fetches)
		if rng.IntN(3) == 0 {
			g.commit(ctx, m)
		}
		m.client.AllowRebalance()
		wait(ctx, rng, 100*time.Millisecond)
	}
	m.client.CloseAllowingRebalance()
}

func (g *group) take(m *member, fetches kgo.Fetches) {
	fetches.EachError(func(topic string, partition int32, err error) {
		var loss *kgo.ErrDataLoss
		if errors.As(err, &loss) {
			g.run.w.Ledger.Break(check.ReadLost, "%s-%d: %s is told that it lost data: %v", topic, partition, m.name, err)
		}
	})
	fetches.EachPartition(func(f kgo.FetchTopicPartition) {
		records := make([]check.Record, 0, len(f.Records))
		for _, rec := range f.Records {
			records = append(records, check.Record{Offset: rec.Offset, Value: string(rec.Value)})
		}
		g.run.w.Ledger.Poll(m.name, check.Part{Topic: f.Topic, Index: f.Partition}, records)
		g.mu.Lock()
		for _, rec := range records {
			g.read[rec.Value] = true
		}
		g.mu.Unlock()
	})
}

// commit commits what the member has polled.
func (g *group) commit(ctx context.Context, m *member) {
	offsets := m.client.UncommittedOffsets()
	acked := map[check.Part]func(){}
	for topic, parts := range offsets {
		for i, at := range parts {
			p := check.Part{Topic: topic, Index: i}
			acked[p] = g.run.w.Ledger.Commit(g.name, p, at.Offset)
		}
	}
	if len(acked) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	m.client.CommitOffsetsSync(ctx, offsets, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
		if err != nil {
			return
		}
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				if kerr.ErrorForCode(p.ErrorCode) == nil {
					acked[check.Part{Topic: t.Topic, Index: p.Partition}]()
				}
			}
		}
	})
}

// leave ends the oldest member; with vanish it loses its network first, so
// that the coordinator has to find out.
func (g *group) leave(vanish bool) {
	g.mu.Lock()
	if len(g.members) == 0 {
		g.mu.Unlock()
		return
	}
	m := g.members[0]
	g.members = g.members[1:]
	g.mu.Unlock()
	if vanish {
		g.run.cutClient(m.name)
	}
	m.stop()
}

// missing returns the records that were acknowledged and that no member read.
func (g *group) missing() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []string
	for _, value := range g.run.w.Ledger.Acknowledged(g.topic) {
		if !g.read[value] {
			out = append(out, value)
		}
	}
	return out
}

// end stops all members.
func (g *group) end() {
	g.mu.Lock()
	for _, m := range g.members {
		m.stop()
	}
	g.members = nil
	g.mu.Unlock()
	g.all.Wait()
}
