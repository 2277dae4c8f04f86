package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/metadata"
)

// Versions of OffsetFetch from which something is different.
const (
	fetchHasTopLevelError = 2 // and null topics for all
	fetchManyGroups       = 8
)

// handleOffsetFetch answers OffsetFetch 1 to 10.
//
// Version 2: null topics mean all, an error of the group stands at the top.
// Version 5: leader epochs. Version 7: require stable (every answer is).
// Version 8: many groups. Version 10: topic ids.
func handleOffsetFetch(b *Broker, r *request) reply {
	req := r.body.(*kmsg.OffsetFetchRequest)
	img := b.meta.Image()
	ask := &kmsg.OffsetFetchRequest{Version: req.Version, RequireStable: req.RequireStable, Groups: req.Groups}
	if r.version < fetchManyGroups {
		ask.Groups = []kmsg.OffsetFetchRequestGroup{oneGroup(req)}
	}
	unknown := make([][]kmsg.OffsetFetchResponseGroupTopic, len(ask.Groups))
	for i := range ask.Groups {
		g := &ask.Groups[i]
		if g.Topics == nil {
			continue
		}
		known := make([]kmsg.OffsetFetchRequestGroupTopic, 0, len(g.Topics))
		for _, t := range g.Topics {
			topic, missing := committedTopic(img, r.version, t.Topic, t.TopicID)
			switch {
			case topic != nil:
				t.Topic, t.TopicID = topic.Name, topic.ID
				known = append(known, t)
			case r.version >= offsetsByID:
				unknown[i] = append(unknown[i], refuseFetch(t, missing))
			default:
				// By name: what was deleted may still have offsets, as in Kafka.
				known = append(known, t)
			}
		}
		g.Topics = known
	}
	return park(func(ctx context.Context) kmsg.Response {
		resp := b.groups.OffsetFetch(ctx, ask)
		for i := range resp.Groups {
			g := &resp.Groups[i]
			if r.version >= offsetsByID {
				g.Topics = identify(b.meta.Image(), g.Topics)
			}
			if g.ErrorCode == 0 {
				g.Topics = append(g.Topics, unknown[i]...)
			}
		}
		if r.version < fetchManyGroups {
			narrow(resp, ask.Groups[0])
		}
		return resp
	})
}

// oneGroup gives a request of before version 8 the shape of later ones.
func oneGroup(req *kmsg.OffsetFetchRequest) kmsg.OffsetFetchRequestGroup {
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group = req.Group
	if req.Topics == nil && req.Version >= fetchHasTopLevelError {
		return g
	}
	g.Topics = make([]kmsg.OffsetFetchRequestGroupTopic, 0, len(req.Topics))
	for _, t := range req.Topics {
		g.Topics = append(g.Topics, kmsg.OffsetFetchRequestGroupTopic{Topic: t.Topic, Partitions: t.Partitions})
	}
	return g
}

func refuseFetch(t kmsg.OffsetFetchRequestGroupTopic, err *kerr.Error) kmsg.OffsetFetchResponseGroupTopic {
	out := kmsg.NewOffsetFetchResponseGroupTopic()
	out.Topic, out.TopicID = t.Topic, t.TopicID
	for _, p := range t.Partitions {
		one := kmsg.NewOffsetFetchResponseGroupTopicPartition()
		one.Partition, one.Offset, one.Metadata, one.ErrorCode = p, -1, new(string), err.Code
		out.Partitions = append(out.Partitions, one)
	}
	return out
}

// identify gives topics their ids; one that is no more cannot be named.
func identify(img *metadata.Image, topics []kmsg.OffsetFetchResponseGroupTopic) []kmsg.OffsetFetchResponseGroupTopic {
	out := topics[:0]
	for _, t := range topics {
		if topic := img.Topic(t.Topic); topic != nil {
			t.TopicID = topic.ID
			out = append(out, t)
		}
	}
	return out
}

// narrow gives the answer the shape of before version 8. Version 1 has no
// place for an error of the group: it stands with each partition.
func narrow(resp *kmsg.OffsetFetchResponse, asked kmsg.OffsetFetchRequestGroup) {
	g := resp.Groups[0]
	resp.Groups = nil
	resp.ErrorCode = g.ErrorCode
	if g.ErrorCode != 0 && resp.Version < fetchHasTopLevelError {
		for _, t := range asked.Topics {
			g.Topics = append(g.Topics, refuseFetch(t, kerr.TypedErrorForCode(g.ErrorCode)))
		}
	}
	for _, t := range g.Topics {
		topic := kmsg.NewOffsetFetchResponseTopic()
		topic.Topic = t.Topic
		for _, p := range t.Partitions {
			topic.Partitions = append(topic.Partitions, kmsg.OffsetFetchResponseTopicPartition{
				Partition: p.Partition, Offset: p.Offset, LeaderEpoch: p.LeaderEpoch, Metadata: p.Metadata, ErrorCode: p.ErrorCode,
			})
		}
		resp.Topics = append(resp.Topics, topic)
	}
}
