package broker

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/controller"
	"github.com/logarium/logarium/engine/metadata"
)

// handleCreateTopics answers CreateTopics 2 to 7.
//
// Every topic is made or refused for itself; all that are made become durable
// with one sync. -1 partitions or replicas (KIP-464, version 4) mean the
// broker's defaults. From version 5 on the answer holds the settings of the
// new topic, never null: Java reads them as a list (KIP-525). A name that the
// request has twice is answered once.
func handleCreateTopics(b *Broker, r *request) reply {
	req := r.body.(*kmsg.CreateTopicsRequest)
	topics := make([]controller.NewTopic, 0, len(req.Topics))
	for i := range req.Topics {
		topics = append(topics, newTopic(&req.Topics[i]))
	}
	return park(func(ctx context.Context) kmsg.Response {
		ctx, cancel := within(ctx, req.TimeoutMillis)
		defer cancel()
		results := b.meta.CreateTopics(ctx, topics, req.ValidateOnly)
		b.settle(ctx)
		img := b.meta.Image()
		resp := kmsg.NewPtrCreateTopicsResponse()
		resp.Topics = make([]kmsg.CreateTopicsResponseTopic, 0, len(results))
		seen := make(map[string]bool, len(results))
		for _, res := range results {
			if !seen[res.Name] {
				seen[res.Name] = true
				resp.Topics = append(resp.Topics, b.createdTopic(img, res, req.ValidateOnly))
			}
		}
		return resp
	})
}

func newTopic(t *kmsg.CreateTopicsRequestTopic) controller.NewTopic {
	n := controller.NewTopic{Name: t.Topic, Partitions: t.NumPartitions, ReplicationFactor: t.ReplicationFactor}
	for _, a := range t.ReplicaAssignment {
		n.Assignment = append(n.Assignment, controller.Assignment{Partition: a.Partition, Replicas: a.Replicas})
	}
	for _, c := range t.Configs {
		n.Configs = append(n.Configs, controller.ConfigOp{Op: controller.Set, Name: c.Name, Value: c.Value})
	}
	return n
}

func (b *Broker) createdTopic(img *metadata.Image, res controller.TopicResult, validateOnly bool) kmsg.CreateTopicsResponseTopic {
	t := kmsg.NewCreateTopicsResponseTopic()
	t.Topic = res.Name
	t.Configs = []kmsg.CreateTopicsResponseTopicConfig{}
	t.ErrorCode, t.ErrorMessage = b.codeOf(res.Err)
	if res.Err != nil {
		return t
	}
	if !validateOnly {
		t.TopicID = res.ID
	}
	t.NumPartitions, t.ReplicationFactor = res.Partitions, res.ReplicationFactor
	for _, v := range img.DescribeTopic(res.Config, b.id) {
		c := kmsg.NewCreateTopicsResponseTopicConfig()
		c.Name, c.Value, c.Source, c.ReadOnly = v.Name, v.Value.Value, int8(v.Source), v.ReadOnly
		t.Configs = append(t.Configs, c)
	}
	return t
}

// within bounds ctx by a timeout that a client asked for: from 1 s, since a
// client that asks for none still wants its answer, to 5 min.
func within(ctx context.Context, millis int32) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, min(max(time.Duration(millis)*time.Millisecond, time.Second), 5*time.Minute))
}
