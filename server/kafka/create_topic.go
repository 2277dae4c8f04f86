package kafka

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// NewTopic is a topic to create.
type NewTopic struct {
	Name              string
	Partitions        int32 // −1: the cluster's default
	ReplicationFactor int16 // −1: the cluster's default
	Settings          map[string]string
	Plan              Plan // where the partitions go; nil: the cluster decides
}

// settle is how long a change of topics may take to show in the metadata
// before the console goes on without seeing it.
const settle = 3 * time.Second

// CreateTopic creates a topic and waits until its partitions have leaders.
func (c *Cluster) CreateTopic(ctx context.Context, t NewTopic) error {
	ctx, cancel := context.WithTimeout(ctx, changeDeadline)
	defer cancel()
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = t.Name, t.Partitions, t.ReplicationFactor
	if t.Plan != nil {
		rt.NumPartitions, rt.ReplicationFactor = -1, -1 // the plan has them
	}
	for p, replicas := range t.Plan {
		a := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
		a.Partition, a.Replicas = int32(p), replicas
		rt.ReplicaAssignment = append(rt.ReplicaAssignment, a)
	}
	for _, name := range sortedKeys(t.Settings) {
		cfg := kmsg.NewCreateTopicsRequestTopicConfig()
		cfg.Name, cfg.Value = name, kmsg.StringPtr(t.Settings[name])
		rt.Configs = append(rt.Configs, cfg)
	}
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = int32(changeDeadline.Milliseconds())
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(ctx, c.client)
	if err != nil {
		return explain(err)
	}
	for _, t := range resp.Topics {
		if err := refused(t.ErrorCode, t.ErrorMessage); err != nil {
			return err
		}
	}
	c.await(ctx, t.Name, func(topic Topic, err error) bool { return err == nil && topic.Leaderless() == 0 })
	return nil
}

// await asks every broker for a topic until all of them answer as they should,
// or settle is over. Each broker learns of a change on its own, some moments
// after the controller has made it, and the next page may ask any of them.
func (c *Cluster) await(ctx context.Context, name string, done func(Topic, error) bool) {
	ctx, cancel := context.WithTimeout(ctx, settle)
	defer cancel()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for !c.agreed(ctx, name, done) {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// agreed tells whether every broker that answers does so as it should.
func (c *Cluster) agreed(ctx context.Context, name string, done func(Topic, error) bool) bool {
	for _, broker := range c.client.DiscoveredBrokers() {
		one, cancel := context.WithTimeout(ctx, patience)
		m, err := metadataFrom(one, broker, []string{name})
		cancel()
		var told *Error
		if errors.As(err, &told) && told.Code == 0 { // it is away: no page will ask it
			continue
		}
		var topic Topic
		if len(m.Topics) == 1 {
			topic = m.Topics[0]
		}
		if !done(topic, err) {
			return false
		}
	}
	return true
}
