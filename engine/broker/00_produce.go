package broker

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/batch"
	"github.com/logarium/logarium/engine/event"
	"github.com/logarium/logarium/engine/metadata"
	"github.com/logarium/logarium/engine/replica"
	"github.com/logarium/logarium/engine/storage"
)

// handleProduce appends on the connection's reader and, for acks=all, waits for
// the high watermarks on its writer, so that the next Produce of the connection
// is appended meanwhile.
//
//	v3  record batches of format 2 (earlier formats were removed in Kafka 4.0)
//	v5  log start offset
//	v7  zstd
//	v8  error message (KIP-467)
//	v10 current leader after NOT_LEADER_OR_FOLLOWER (KIP-951)
//	v13 topic ids
//
// Transactions are not supported: a batch that is part of one is refused.
func handleProduce(b *Broker, r *request) reply {
	p := newProduce(b, r)
	for i := range p.req.Topics {
		t := &p.req.Topics[i]
		for j := range t.Partitions {
			p.partition(t, &t.Partitions[j], &p.resp.Topics[i].Partitions[j])
		}
	}
	switch {
	case p.req.Acks == 0 && p.failed != nil:
		return hangUp(badFrame(fmt.Sprintf("a Produce with acks=0 that failed: %v", p.failed)))
	case p.req.Acks == 0:
		return noAnswer()
	case p.left.Add(-1) == 0:
		return answer(p.answer(b))
	}
	return park(func(context.Context) kmsg.Response {
		p.wait()
		return p.answer(b)
	})
}

// produce is one Produce request on its way.
type produce struct {
	r      *request
	req    *kmsg.ProduceRequest
	resp   *kmsg.ProduceResponse
	failed error         // of any partition
	left   atomic.Int32  // commits to wait for, and 1 for the reader
	done   chan struct{} // closed when nothing is left
	waits  []*commit     // one for each partition that was appended to
}

// commit is the wait of one partition.
type commit struct {
	topic   *kmsg.ProduceRequestTopic
	part    *kmsg.ProduceResponseTopicPartition
	settled atomic.Bool
	err     error // valid once settled
}

func newProduce(b *Broker, r *request) *produce {
	p := &produce{r: r, req: r.body.(*kmsg.ProduceRequest), done: make(chan struct{})}
	p.resp = p.req.ResponseKind().(*kmsg.ProduceResponse)
	p.left.Store(1)
	p.resp.Topics = make([]kmsg.ProduceResponseTopic, len(p.req.Topics))
	for i := range p.req.Topics {
		t := &p.resp.Topics[i]
		t.Topic, t.TopicID = p.req.Topics[i].Topic, p.req.Topics[i].TopicID
		t.Partitions = make([]kmsg.ProduceResponseTopicPartition, len(p.req.Topics[i].Partitions))
	}
	return p
}

// partition appends what was sent for one partition.
func (p *produce) partition(t *kmsg.ProduceRequestTopic, in *kmsg.ProduceRequestTopicPartition, out *kmsg.ProduceResponseTopicPartition) {
	out.Default()
	out.Partition, out.BaseOffset, out.LogStartOffset = in.Partition, -1, -1
	target, a, err := p.append(t, in)
	if err != nil {
		p.fail(t, out, err)
		return
	}
	out.BaseOffset, out.LogAppendTime, out.LogStartOffset = a.First, a.LogAppendTime, a.LogStart
	if !a.Duplicate {
		p.r.count(event.Produce, target, int64(a.Records), int64(a.Bytes))
	}
	if p.req.Acks != -1 {
		return
	}
	c := &commit{topic: t, part: out}
	p.waits = append(p.waits, c)
	p.left.Add(1)
	target.NotifyAcks(a.Last, func(err error) {
		c.err = err
		c.settled.Store(true)
		if p.left.Add(-1) == 0 {
			close(p.done)
		}
	})
}

func (p *produce) append(t *kmsg.ProduceRequestTopic, in *kmsg.ProduceRequestTopicPartition) (target *replica.Partition, a storage.Appended, err error) {
	if p.req.Acks < -1 || p.req.Acks > 1 {
		return nil, a, kerr.InvalidRequiredAcks
	}
	replicas := p.r.conn.b.replicas
	if p.r.version >= 13 {
		target, err = replicas.ByID(t.TopicID, in.Partition)
	} else {
		target, err = replicas.Partition(t.Topic, in.Partition)
	}
	if err != nil {
		return nil, a, err
	}
	if metadata.IsInternalTopic(target.Topic()) {
		return target, a, fmt.Errorf("%w: %s is written by brokers alone", kerr.InvalidTopicException, target.Topic())
	}
	if err := target.Serves(); err != nil {
		return target, a, err
	}
	records, err := p.check(target, in.Records)
	if err != nil {
		return target, a, err
	}
	a, err = target.Append(records, storage.FromClient, p.req.Acks)
	return target, a, err
}

// check validates what was sent, exactly one whole batch, and returns it with the
// compression that the topic wants.
func (p *produce) check(target *replica.Partition, records []byte) ([]byte, error) {
	if len(records) == 0 {
		return nil, fmt.Errorf("%w: no record batch was sent", kerr.InvalidRecord)
	}
	config := target.Config()
	limits := config.Limits(p.r.received)
	h, err := batch.Validate(records, limits)
	switch {
	case err != nil:
		return nil, err
	case h.Size() != len(records):
		return nil, fmt.Errorf("%w: %d bytes follow the one batch that a partition may have in a request", kerr.InvalidRecord, len(records)-h.Size())
	case h.Codec() == batch.Zstd && p.r.version < 7:
		return nil, fmt.Errorf("%w: zstd needs Produce version 7", kerr.UnsupportedCompressionType)
	case !config.Compression.Convert:
		return records, nil
	}
	return p.r.conn.b.recompressor.Recompress(records, config.Compression, limits)
}

// fail answers one partition with an error, and with who leads it if that is
// another broker.
func (p *produce) fail(t *kmsg.ProduceRequestTopic, out *kmsg.ProduceResponseTopicPartition, err error) {
	b := p.r.conn.b
	p.failed = err
	out.BaseOffset, out.LogAppendTime, out.LogStartOffset = -1, -1, -1
	out.ErrorCode, out.ErrorMessage = b.codeOf(err)
	if out.ErrorCode != kerr.NotLeaderForPartition.Code {
		return
	}
	leader, epoch := b.leaderOf(t.TopicID, t.Topic, out.Partition)
	out.CurrentLeader.LeaderID, out.CurrentLeader.LeaderEpoch = leader, epoch
	if slices.ContainsFunc(p.resp.Brokers, func(n kmsg.ProduceResponseBroker) bool { return n.NodeID == leader }) {
		return
	}
	for _, n := range b.endpoints(p.r, map[int32]bool{leader: true}) {
		m := kmsg.NewProduceResponseBroker()
		m.NodeID, m.Host, m.Port, m.Rack = n.id, n.host, n.port, n.rack
		p.resp.Brokers = append(p.resp.Brokers, m)
	}
}

// wait waits until all commits are settled, the client's time is up, or the
// connection is cut.
func (p *produce) wait() {
	timeout := time.NewTimer(time.Duration(max(p.req.TimeoutMillis, 0)) * time.Millisecond)
	defer timeout.Stop()
	select {
	case <-p.done:
	case <-timeout.C:
	case <-p.r.conn.open.Done():
	}
}

// answer turns what is settled into the answer.
func (p *produce) answer(b *Broker) kmsg.Response {
	for _, c := range p.waits {
		switch {
		case !c.settled.Load():
			p.fail(c.topic, c.part, fmt.Errorf("%w: the records are written and not yet committed", kerr.RequestTimedOut))
		case c.err != nil:
			p.fail(c.topic, c.part, c.err)
		}
	}
	b.hub.Latency[event.StageProduce].Record(time.Since(p.r.received))
	return p.resp
}
