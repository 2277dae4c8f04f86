package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/metadata"
)

// offsetsByID is the version of OffsetCommit and OffsetFetch that names topics
// by id (KIP-848).
const offsetsByID = 10

// handleOffsetCommit answers OffsetCommit 2 to 10. Topics and partitions that
// do not exist are refused one by one, as Kafka does; the rest is the group's
// coordinator's.
//
// Version 10: topic ids.
func handleOffsetCommit(b *Broker, r *request) reply {
	req := r.body.(*kmsg.OffsetCommitRequest)
	img := b.meta.Image()
	resp := req.ResponseKind().(*kmsg.OffsetCommitResponse)
	ask := *req
	ask.Topics = nil
	var at []int // where in resp the topics of ask are
	for i, t := range req.Topics {
		topic, missing := committedTopic(img, r.version, t.Topic, t.TopicID)
		out := kmsg.NewOffsetCommitResponseTopic()
		out.Topic, out.TopicID = t.Topic, t.TopicID
		known := kmsg.NewOffsetCommitRequestTopic()
		for _, p := range t.Partitions {
			if topic != nil && p.Partition >= 0 && int(p.Partition) < len(topic.Partitions) {
				known.Partitions = append(known.Partitions, p)
				continue
			}
			one := kmsg.NewOffsetCommitResponseTopicPartition()
			one.Partition, one.ErrorCode = p.Partition, missing.Code
			out.Partitions = append(out.Partitions, one)
		}
		resp.Topics = append(resp.Topics, out)
		if len(known.Partitions) > 0 {
			known.Topic, known.TopicID = topic.Name, topic.ID
			ask.Topics = append(ask.Topics, known)
			at = append(at, i)
		}
	}
	if len(ask.Topics) == 0 {
		return answer(resp)
	}
	return park(func(ctx context.Context) kmsg.Response {
		for i, t := range b.groups.OffsetCommit(ctx, &ask).Topics {
			out := &resp.Topics[at[i]]
			out.Partitions = append(out.Partitions, t.Partitions...)
		}
		return resp
	})
}

// committedTopic finds the topic of an OffsetCommit or OffsetFetch, nil if
// there is none, and what is to be said of what is missing.
func committedTopic(img *metadata.Image, version int16, name string, id [16]byte) (*metadata.Topic, *kerr.Error) {
	if version < offsetsByID {
		return img.Topic(name), kerr.UnknownTopicOrPartition
	}
	if t := img.TopicByID(id); t != nil {
		return t, kerr.UnknownTopicOrPartition
	}
	return nil, kerr.UnknownTopicID
}
