package kafka

import (
	"context"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TopicPartition names a partition.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// Offset is the answer for one partition.
type Offset struct {
	Offset int64 // −1: there is none
	Err    error
}

// Offsets holds an answer for each partition that was asked for.
type Offsets map[TopicPartition]Offset

// Special timestamps of ListOffsets.
const (
	endTimestamp   = -1
	startTimestamp = -2
)

// StartOffsets returns the first offset of each partition.
func (c *Cluster) StartOffsets(ctx context.Context, topics ...Topic) Offsets {
	return c.offsets(ctx, startTimestamp, topics)
}

// EndOffsets returns the offset after the last readable one of each partition.
func (c *Cluster) EndOffsets(ctx context.Context, topics ...Topic) Offsets {
	return c.offsets(ctx, endTimestamp, topics)
}

// Ends returns the first offset of each partition and the one after the last,
// asked for at the same time.
func (c *Cluster) Ends(ctx context.Context, topics ...Topic) (start, end Offsets) {
	var wg sync.WaitGroup
	wg.Go(func() { start = c.StartOffsets(ctx, topics...) })
	end = c.EndOffsets(ctx, topics...)
	wg.Wait()
	return start, end
}

// OffsetsAt returns the first offset whose timestamp is at or after ms
// milliseconds since 1970, −1 where all are before.
func (c *Cluster) OffsetsAt(ctx context.Context, ms int64, topics ...Topic) Offsets {
	return c.offsets(ctx, max(ms, 0), topics)
}

// offsets asks the leaders. A partition whose leader did not answer carries the
// reason.
func (c *Cluster) offsets(ctx context.Context, timestamp int64, topics []Topic) Offsets {
	ctx, cancel := context.WithTimeout(ctx, onePatience)
	defer cancel()
	out := make(Offsets)
	byLeader := make(map[int32]*kmsg.ListOffsetsRequest)
	for _, t := range topics {
		for _, p := range t.Partitions {
			if p.Leader < 0 {
				out[TopicPartition{t.Name, p.ID}] = Offset{Offset: -1, Err: &Error{Text: "the partition has no leader"}}
				continue
			}
			req := byLeader[p.Leader]
			if req == nil {
				req = kmsg.NewPtrListOffsetsRequest()
				req.ReplicaID = -1
				byLeader[p.Leader] = req
			}
			if n := len(req.Topics); n == 0 || req.Topics[n-1].Topic != t.Name {
				rt := kmsg.NewListOffsetsRequestTopic()
				rt.Topic = t.Name
				req.Topics = append(req.Topics, rt)
			}
			rp := kmsg.NewListOffsetsRequestTopicPartition()
			rp.Partition, rp.Timestamp = p.ID, timestamp
			rt := &req.Topics[len(req.Topics)-1]
			rt.Partitions = append(rt.Partitions, rp)
		}
	}
	var (
		wg sync.WaitGroup
		mu sync.Mutex
	)
	for leader, req := range byLeader {
		wg.Go(func() {
			resp, err := within(ctx, func(ctx context.Context) (*kmsg.ListOffsetsResponse, error) {
				return req.RequestWith(ctx, retrying{c.client.Broker(int(leader))})
			})
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				out.fail(req, explain(err))
				return
			}
			for _, t := range resp.Topics {
				for _, p := range t.Partitions {
					out[TopicPartition{t.Topic, p.Partition}] = Offset{Offset: p.Offset, Err: refused(p.ErrorCode, nil)}
				}
			}
		})
	}
	wg.Wait()
	return out
}

// retrying asks one broker anew where the connection broke.
type retrying struct{ *kgo.Broker }

func (b retrying) Request(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	return b.RetriableRequest(ctx, req)
}

func (o Offsets) fail(req *kmsg.ListOffsetsRequest, err error) {
	for _, t := range req.Topics {
		for _, p := range t.Partitions {
			o[TopicPartition{t.Topic, p.Partition}] = Offset{Offset: -1, Err: err}
		}
	}
}

// Figure is a number that may be unknown.
type Figure struct {
	N   int64
	Why string // the reason for which it is unknown, "" if it is known
}

// Known tells whether N counts.
func (f Figure) Known() bool { return f.Why == "" }

// Messages returns the sum of the offsets between start and end over a topic's
// partitions: an upper bound, since compaction and transactions leave gaps.
func Messages(t Topic, start, end Offsets) Figure {
	var sum Figure
	for _, p := range t.Partitions {
		key := TopicPartition{t.Name, p.ID}
		f := between(start[key], end[key])
		if !f.Known() {
			return f
		}
		sum.N += f.N
	}
	return sum
}

func between(start, end Offset) Figure {
	switch {
	case start.Err != nil:
		return Figure{Why: start.Err.Error()}
	case end.Err != nil:
		return Figure{Why: end.Err.Error()}
	}
	return Figure{N: max(0, end.Offset-start.Offset)}
}
