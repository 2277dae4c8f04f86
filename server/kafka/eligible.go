package kafka

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Eligible is which replicas may lead a partition though they are not in sync
// (KIP-966): none of what was committed is missing on them.
type Eligible struct {
	ELR       []int32
	LastKnown []int32 // the last members of the ELR before it became empty
}

// Eligible asks for the eligible leader replicas of a topic, by partition.
// Clusters older than Apache Kafka 3.8 cannot tell; then the map is nil.
func (c *Cluster) Eligible(ctx context.Context, topic string) (map[int32]Eligible, error) {
	caps, err := c.Capabilities(ctx)
	if err != nil {
		return nil, err
	}
	if caps.Why(FeatureEligible) != "" {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, onePatience) // without a quorum nobody may answer
	defer cancel()
	out := make(map[int32]Eligible)
	var cursor *kmsg.DescribeTopicPartitionsRequestCursor
	for {
		resp, err := c.anyOf(ctx, func() kmsg.Request {
			req := kmsg.NewPtrDescribeTopicPartitionsRequest()
			rt := kmsg.NewDescribeTopicPartitionsRequestTopic()
			rt.Topic = topic
			req.Topics, req.Cursor = append(req.Topics, rt), cursor
			return req
		})
		if err != nil {
			return nil, err
		}
		answer := resp.(*kmsg.DescribeTopicPartitionsResponse)
		for _, t := range answer.Topics {
			if err := refused(t.ErrorCode, nil); err != nil {
				return nil, err
			}
			for _, p := range t.Partitions {
				out[p.Partition] = Eligible{ELR: p.EligibleLeaderReplicas, LastKnown: p.LastKnownELR}
			}
		}
		next := answer.NextCursor
		if next == nil || cursor != nil && next.Topic == cursor.Topic && next.Partition <= cursor.Partition {
			return out, nil
		}
		cursor = &kmsg.DescribeTopicPartitionsRequestCursor{Topic: next.Topic, Partition: next.Partition}
	}
}
