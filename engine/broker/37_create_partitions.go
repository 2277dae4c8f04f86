package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/controller"
)

// handleCreatePartitions answers CreatePartitions 0 to 3. Count is the number
// of partitions that the topic is to have, not the number to add.
func handleCreatePartitions(b *Broker, r *request) reply {
	req := r.body.(*kmsg.CreatePartitionsRequest)
	topics := make([]controller.NewPartitions, 0, len(req.Topics))
	for _, t := range req.Topics {
		n := controller.NewPartitions{Topic: t.Topic, Count: t.Count}
		for _, a := range t.Assignment {
			n.Assignment = append(n.Assignment, a.Replicas)
		}
		topics = append(topics, n)
	}
	return park(func(ctx context.Context) kmsg.Response {
		ctx, cancel := within(ctx, req.TimeoutMillis)
		defer cancel()
		resp := kmsg.NewPtrCreatePartitionsResponse()
		resp.Topics = make([]kmsg.CreatePartitionsResponseTopic, 0, len(topics))
		seen := make(map[string]bool, len(topics))
		for _, res := range b.meta.CreatePartitions(ctx, topics, req.ValidateOnly) {
			if seen[res.Name] {
				continue
			}
			seen[res.Name] = true
			t := kmsg.NewCreatePartitionsResponseTopic()
			t.Topic = res.Name
			t.ErrorCode, t.ErrorMessage = b.codeOf(res.Err)
			resp.Topics = append(resp.Topics, t)
		}
		b.settle(ctx)
		return resp
	})
}
