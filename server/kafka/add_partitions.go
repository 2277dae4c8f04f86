package kafka

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// AddPartitions raises the number of a topic's partitions to total and waits
// until all of them have leaders.
func (c *Cluster) AddPartitions(ctx context.Context, topic string, total int32) error {
	ctx, cancel := context.WithTimeout(ctx, changeDeadline)
	defer cancel()
	rt := kmsg.NewCreatePartitionsRequestTopic()
	rt.Topic, rt.Count = topic, total
	req := kmsg.NewPtrCreatePartitionsRequest()
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
	c.await(ctx, topic, func(t Topic, err error) bool {
		return err == nil && len(t.Partitions) >= int(total) && t.Leaderless() == 0
	})
	return nil
}
