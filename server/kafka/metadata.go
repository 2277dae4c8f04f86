package kafka

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Addr returns the address that the broker advertises.
func (b Broker) Addr() string { return fmt.Sprintf("%s:%d", b.Host, b.Port) }

// Partition is one partition of a topic.
type Partition struct {
	ID          int32
	Leader      int32 // −1: none
	LeaderEpoch int32
	Replicas    []int32
	ISR         []int32
	Offline     []int32
	Err         error
}

// Topic is a topic as the cluster's metadata has it.
type Topic struct {
	Name       string
	ID         [16]byte // zero if the cluster has no topic ids
	Internal   bool
	Partitions []Partition // in the order of their ids
}

// ReplicationFactor returns the number of copies of the topic's first partition.
func (t Topic) ReplicationFactor() int {
	if len(t.Partitions) == 0 {
		return 0
	}
	return len(t.Partitions[0].Replicas)
}

// Replicas returns how many replicas the topic has and how many are in sync.
func (t Topic) Replicas() (inSync, all int) {
	for _, p := range t.Partitions {
		inSync += len(p.ISR)
		all += len(p.Replicas)
	}
	return inSync, all
}

// Leaderless returns how many partitions have no leader.
func (t Topic) Leaderless() int {
	n := 0
	for _, p := range t.Partitions {
		if p.Leader < 0 {
			n++
		}
	}
	return n
}

// UnderReplicated returns how many partitions lack replicas that are in sync.
func (t Topic) UnderReplicated() int {
	n := 0
	for _, p := range t.Partitions {
		if len(p.ISR) < len(p.Replicas) {
			n++
		}
	}
	return n
}

// NotPreferred returns how many partitions are led by another replica than
// their first one.
func (t Topic) NotPreferred() int {
	n := 0
	for _, p := range t.Partitions {
		if p.Leader >= 0 && len(p.Replicas) > 0 && p.Leader != p.Replicas[0] {
			n++
		}
	}
	return n
}

// Metadata is the cluster's picture of itself.
type Metadata struct {
	ClusterID  string
	Controller int32 // −1: unknown
	Brokers    []Broker
	Topics     []Topic // sorted by name

	away   []Broker // known to the console and not among Brokers
	places []int32  // ids of all brokers that the console knows of, in order
}

// Metadata asks for the brokers and all topics.
func (c *Cluster) Metadata(ctx context.Context) (Metadata, error) {
	return c.metadata(ctx, nil)
}

// Topic asks for one topic and the brokers. The error is ErrUnknown if there is
// no such topic.
func (c *Cluster) Topic(ctx context.Context, name string) (Topic, Metadata, error) {
	m, err := c.metadata(ctx, []string{name})
	if err != nil {
		return Topic{}, m, err
	}
	if len(m.Topics) == 0 {
		return Topic{}, m, fmt.Errorf("topic %q: %w", name, ErrUnknown)
	}
	return m.Topics[0], m, nil
}

// metadata asks any broker for some topics, nil for all of them.
func (c *Cluster) metadata(ctx context.Context, names []string) (Metadata, error) {
	resp, err := c.anyOf(ctx, func() kmsg.Request { return metadataRequest(names) })
	if err != nil {
		return Metadata{}, err
	}
	m, err := metadataOf(resp.(*kmsg.MetadataResponse), len(names) == 1)
	c.met.complete(&m)
	return m, err
}

// metadataFrom asks one broker.
func metadataFrom(ctx context.Context, from kmsg.Requestor, names []string) (Metadata, error) {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	resp, err := within(ctx, func(ctx context.Context) (*kmsg.MetadataResponse, error) {
		return metadataRequest(names).RequestWith(ctx, from)
	})
	if err != nil {
		return Metadata{}, explain(err)
	}
	return metadataOf(resp, len(names) == 1)
}

func metadataRequest(names []string) *kmsg.MetadataRequest {
	req := kmsg.NewPtrMetadataRequest()
	if names != nil {
		req.Topics = []kmsg.MetadataRequestTopic{}
	}
	for _, name := range names {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = kmsg.StringPtr(name)
		req.Topics = append(req.Topics, t)
	}
	return req
}

// metadataOf reads an answer; where one topic was asked for, its error is the
// answer's.
func metadataOf(resp *kmsg.MetadataResponse, one bool) (Metadata, error) {
	m := Metadata{Controller: resp.ControllerID}
	if resp.ClusterID != nil {
		m.ClusterID = *resp.ClusterID
	}
	for _, b := range resp.Brokers {
		m.Brokers = append(m.Brokers, Broker{ID: b.NodeID, Host: b.Host, Port: b.Port, Rack: text(b.Rack)})
	}
	slices.SortFunc(m.Brokers, func(a, b Broker) int { return cmp.Compare(a.ID, b.ID) })
	for _, t := range resp.Topics {
		topic, err := topicOf(t)
		if err == nil {
			m.Topics = append(m.Topics, topic)
		} else if one {
			return m, err
		}
	}
	slices.SortFunc(m.Topics, func(a, b Topic) int { return cmp.Compare(a.Name, b.Name) })
	return m, nil
}

func topicOf(t kmsg.MetadataResponseTopic) (Topic, error) {
	if err := refused(t.ErrorCode, nil); err != nil {
		return Topic{}, err
	}
	topic := Topic{ID: t.TopicID, Internal: t.IsInternal}
	if t.Topic != nil {
		topic.Name = *t.Topic
	}
	for _, p := range t.Partitions {
		topic.Partitions = append(topic.Partitions, Partition{
			ID: p.Partition, Leader: p.Leader, LeaderEpoch: p.LeaderEpoch,
			Replicas: p.Replicas, ISR: p.ISR, Offline: p.OfflineReplicas, Err: refused(p.ErrorCode, nil),
		})
	}
	slices.SortFunc(topic.Partitions, func(a, b Partition) int { return cmp.Compare(a.ID, b.ID) })
	return topic, nil
}
