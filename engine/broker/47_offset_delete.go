package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// handleOffsetDelete answers OffsetDelete 0. Topics and partitions that do not
// exist are refused one by one (UNKNOWN_TOPIC_OR_PARTITION).
func handleOffsetDelete(b *Broker, r *request) reply {
	req := r.body.(*kmsg.OffsetDeleteRequest)
	img := b.meta.Image()
	ask := *req
	ask.Topics = nil
	var unknown []kmsg.OffsetDeleteResponseTopic
	for _, t := range req.Topics {
		topic := img.Topic(t.Topic)
		known := t
		known.Partitions = nil
		out := kmsg.NewOffsetDeleteResponseTopic()
		out.Topic = t.Topic
		for _, p := range t.Partitions {
			if topic != nil && p.Partition >= 0 && int(p.Partition) < len(topic.Partitions) {
				known.Partitions = append(known.Partitions, p)
				continue
			}
			one := kmsg.NewOffsetDeleteResponseTopicPartition()
			one.Partition, one.ErrorCode = p.Partition, kerr.UnknownTopicOrPartition.Code
			out.Partitions = append(out.Partitions, one)
		}
		if len(known.Partitions) > 0 {
			ask.Topics = append(ask.Topics, known)
		}
		if len(out.Partitions) > 0 {
			unknown = append(unknown, out)
		}
	}
	return park(func(ctx context.Context) kmsg.Response {
		resp := b.groups.OffsetDelete(ctx, &ask)
		if resp.ErrorCode == 0 {
			resp.Topics = joinDeleted(resp.Topics, unknown)
		}
		return resp
	})
}

// joinDeleted puts the partitions of a topic together that were answered apart.
func joinDeleted(topics, more []kmsg.OffsetDeleteResponseTopic) []kmsg.OffsetDeleteResponseTopic {
	for _, m := range more {
		found := false
		for i := range topics {
			if topics[i].Topic == m.Topic {
				topics[i].Partitions = append(topics[i].Partitions, m.Partitions...)
				found = true
				break
			}
		}
		if !found {
			topics = append(topics, m)
		}
	}
	return topics
}
