package kafka

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// sizesAge is how old sizes on disk may be: asking for them makes a broker walk
// its logs.
const sizesAge = 2 * time.Second

// sizeIndex is what every broker has on disk.
type sizeIndex struct {
	replicas map[int32]map[TopicPartition]int64 // bytes by broker
	dirs     map[int32][]LogDir
	failed   map[int32]error
}

// LogDir is one folder in which a broker keeps its logs.
type LogDir struct {
	Path          string
	Err           error // it cannot be used
	Replicas      int
	Bytes         int64
	Total, Usable int64 // bytes of the volume, −1: not told
}

// Sizes is what the brokers have on disk.
type Sizes struct {
	index sizeIndex
	why   string
}

// Topic returns the bytes of all replicas of a topic that a broker could tell.
func (s Sizes) Topic(t Topic) Figure {
	sum := Figure{Why: "No broker reported a replica."}
	for _, p := range t.Partitions {
		sum = sum.and(s.Partition(t.Name, p))
	}
	return sum
}

// Partition returns the bytes of all replicas of a partition that a broker
// could tell: those on brokers that are away are not among them.
func (s Sizes) Partition(topic string, p Partition) Figure {
	sum := Figure{Why: "No broker reported a replica."}
	for _, broker := range p.Replicas {
		sum = sum.and(s.Replica(broker, TopicPartition{topic, p.ID}))
	}
	return sum
}

// and adds what is known.
func (f Figure) and(other Figure) Figure {
	switch {
	case !other.Known() && !f.Known():
		return other
	case !other.Known():
		return f
	}
	return Figure{N: f.N + other.N}
}

// Replica returns the bytes of one replica.
func (s Sizes) Replica(broker int32, p TopicPartition) Figure {
	if s.why != "" {
		return Figure{Why: s.why}
	}
	if err := s.index.failed[broker]; err != nil {
		return Figure{Why: err.Error()}
	}
	of, answered := s.index.replicas[broker]
	n, ok := of[p]
	switch {
	case !answered:
		return Figure{Why: "The broker is not there."}
	case !ok:
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
	of, answered := s.index.replicas[broker]
	if !answered {
		return Figure{Why: "The broker is not there."}
	}
	var sum Figure
	for _, n := range of {
		sum.N += n
	}
	return sum
}

// Dirs returns the folders of a broker's logs, or why they are not known.
func (s Sizes) Dirs(broker int32) ([]LogDir, error) {
	if s.why != "" {
		return nil, &Error{Text: s.why}
	}
	return s.index.dirs[broker], s.index.failed[broker]
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
	index := sizeIndex{
		replicas: make(map[int32]map[TopicPartition]int64), dirs: make(map[int32][]LogDir), failed: make(map[int32]error),
	}
	m, err := c.metadata(ctx, []string{})
	if err != nil {
		return index, err
	}
	ctx, cancel := context.WithTimeout(ctx, onePatience)
	defer cancel()
	var (
		wg sync.WaitGroup
		mu sync.Mutex
	)
	for _, b := range m.Brokers {
		wg.Go(func() {
			resp, err := within(ctx, func(ctx context.Context) (*kmsg.DescribeLogDirsResponse, error) {
				return kmsg.NewPtrDescribeLogDirsRequest().RequestWith(ctx, c.client.Broker(int(b.ID)))
			})
			if err == nil {
				err = refused(resp.ErrorCode, nil)
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				index.failed[b.ID] = explain(err)
				return
			}
			index.take(b.ID, resp)
		})
	}
	wg.Wait()
	return index, nil
}

// take notes what a broker answered.
func (x *sizeIndex) take(broker int32, resp *kmsg.DescribeLogDirsResponse) {
	replicas := make(map[TopicPartition]int64)
	for _, d := range resp.Dirs {
		dir := LogDir{Path: d.Dir, Err: refused(d.ErrorCode, nil), Total: d.TotalBytes, Usable: d.UsableBytes}
		for _, t := range d.Topics {
			for _, p := range t.Partitions {
				replicas[TopicPartition{t.Topic, p.Partition}] += p.Size
				dir.Bytes += p.Size
				dir.Replicas++
			}
		}
		x.dirs[broker] = append(x.dirs[broker], dir)
	}
	x.replicas[broker] = replicas
}
