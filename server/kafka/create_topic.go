package kafka

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// NewTopic is a topic to create.
type NewTopic struct {
	Name              string
	Partitions        int32 // −1: the cluster's default
	ReplicationFactor int16 // −1: the cluster's default
	Settings          map[string]string
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
	c.await(ctx, func(ctx context.Context) bool {
		topic, _, err := c.Topic(ctx, t.Name)
		return err == nil && topic.Leaderless() == 0
	})
	return nil
}

// await asks until done is true or settle is over. Brokers learn of a change
// some moments after the controller has made it.
func (c *Cluster) await(ctx context.Context, done func(context.Context) bool) {
	ctx, cancel := context.WithTimeout(ctx, settle)
	defer cancel()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for !done(ctx) {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
