package kafka

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// sizesAge is how old sizes on disk may be: asking for them makes a broker walk
// its logs.
const sizesAge = 2 * time.Second

// sizeIndex is what every broker has on disk.
type sizeIndex struct {
	replicas map[int32]map[TopicPartition]int64 // bytes by broker
	failed   map[int32]error
}

// Sizes is what the brokers have on disk.
type Sizes struct {
	index sizeIndex
	why   string
}

// Topic returns the bytes of all replicas of a topic.
func (s Sizes) Topic(t Topic) Figure {
	var sum Figure
	for _, p := range t.Partitions {
		f := s.Partition(t.Name, p)
		if !f.Known() {
			return f
		}
		sum.N += f.N
	}
	return sum
}

// Partition returns the bytes of all replicas of a partition.
func (s Sizes) Partition(topic string, p Partition) Figure {
	var sum Figure
	for _, broker := range p.Replicas {
		f := s.Replica(broker, TopicPartition{topic, p.ID})
		if !f.Known() {
			return f
		}
		sum.N += f.N
	}
	return sum
}

// Replica returns the bytes of one replica.
func (s Sizes) Replica(broker int32, p TopicPartition) Figure {
	if s.why != "" {
		return Figure{Why: s.why}
	}
	if err := s.index.failed[broker]; err != nil {
		return Figure{Why: err.Error()}
	}
	n, ok := s.index.replicas[broker][p]
	if !ok {
		return Figure{Why: "The broker did not report this replica."}
	}
	return Figure{N: n}
}

// Broker returns the bytes of all replicas on a broker.
func (s Sizes) Broker(broker int32) Figure {
	if s.why != "" {
		return Figure{Why: s.why}
	}
	if err := s.index.failed[broker]; err != nil {
		return Figure{Why: err.Error()}
	}
	var sum Figure
	for _, n := range s.index.replicas[broker] {
		sum.N += n
	}
	return sum
}

// Sizes asks every broker for the sizes of its logs. If the cluster cannot tell
// them, every figure carries the reason.
func (c *Cluster) Sizes(ctx context.Context) Sizes {
	caps, err := c.Capabilities(ctx)
	if err != nil {
		return Sizes{why: err.Error()}
	}
	if why := caps.Why(FeatureSizes); why != "" {
		return Sizes{why: why}
	}
	index, err := c.sizes.get(ctx, sizesAge, c.readSizes)
	if err != nil {
		return Sizes{why: err.Error()}
	}
	return Sizes{index: index}
}

func (c *Cluster) readSizes(ctx context.Context) (sizeIndex, error) {
	index := sizeIndex{replicas: make(map[int32]map[TopicPartition]int64), failed: make(map[int32]error)}
	for _, shard := range c.client.RequestSharded(ctx, kmsg.NewPtrDescribeLogDirsRequest()) {
		broker := shard.Meta.NodeID
		resp, ok := shard.Resp.(*kmsg.DescribeLogDirsResponse)
		if shard.Err != nil || !ok {
			index.failed[broker] = explain(shard.Err)
			continue
		}
		if err := refused(resp.ErrorCode, nil); err != nil {
			index.failed[broker] = err
			continue
		}
		replicas := make(map[TopicPartition]int64)
		for _, dir := range resp.Dirs {
			for _, t := range dir.Topics {
				for _, p := range t.Partitions {
					replicas[TopicPartition{t.Topic, p.Partition}] += p.Size
				}
			}
		}
		index.replicas[broker] = replicas
	}
	return index, nil
}
