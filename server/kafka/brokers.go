package kafka

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Controller returns the id of the active controller. A KRaft cluster names any
// broker in its metadata, so its quorum is asked where it can be.
func (c *Cluster) Controller(ctx context.Context, m Metadata) int32 {
	caps, err := c.Capabilities(ctx)
	if err != nil {
		return m.Controller
	}
	if _, offered := caps.max[int16(kmsg.DescribeQuorum)]; !offered {
		return m.Controller
	}
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	req := kmsg.NewPtrDescribeQuorumRequest()
	rt := kmsg.NewDescribeQuorumRequestTopic()
	rt.Topic = "__cluster_metadata"
	rt.Partitions = append(rt.Partitions, kmsg.NewDescribeQuorumRequestTopicPartition())
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(ctx, c.client)
	if err != nil || resp.ErrorCode != 0 {
		return m.Controller
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if p.ErrorCode == 0 {
				return p.LeaderID
			}
		}
	}
	return m.Controller
}
