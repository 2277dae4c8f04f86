package broker

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/controller"
	"github.com/logarium/logarium/engine/metadata"
)

// handleDescribeQuorum answers DescribeQuorum 0 to 2 (KIP-595) for the one
// partition of the metadata log; the active controller is asked. Version 1 added
// times (KIP-836), version 2 words for errors and nodes (KIP-853): a controller
// here is reached through its broker, so that it has no listeners of its own.
func handleDescribeQuorum(b *Broker, r *request) reply {
	req := r.body.(*kmsg.DescribeQuorumRequest)
	for _, t := range req.Topics {
		for _, p := range t.Partitions {
			if len(req.Topics) != 1 || len(t.Partitions) != 1 || t.Topic != metadata.ClusterMetadataTopic || p.Partition != 0 {
				return answer(refuseQuorum(req))
			}
		}
	}
	return park(func(ctx context.Context) kmsg.Response {
		ctx, cancel := within(ctx, quorumTimeout)
		defer cancel()
		resp := kmsg.NewPtrDescribeQuorumResponse()
		resp.ErrorMessage = new(string)
		info, err := b.meta.Quorum(ctx)
		if err != nil {
			resp.ErrorCode, resp.ErrorMessage = b.codeOf(err)
			return resp
		}
		p := kmsg.NewDescribeQuorumResponseTopicPartition()
		p.ErrorMessage = new(string)
		p.LeaderID, p.LeaderEpoch, p.HighWatermark = info.Leader, info.Epoch, info.HighWatermark
		p.CurrentVoters, p.Observers = quorumReplicas(info.Voters), quorumReplicas(info.Observers)
		t := kmsg.NewDescribeQuorumResponseTopic()
		t.Topic = metadata.ClusterMetadataTopic
		t.Partitions = []kmsg.DescribeQuorumResponseTopicPartition{p}
		resp.Topics = []kmsg.DescribeQuorumResponseTopic{t}
		for _, v := range info.Voters {
			n := kmsg.NewDescribeQuorumResponseNode()
			n.NodeID = v.ID
			resp.Nodes = append(resp.Nodes, n)
		}
		return resp
	})
}

// quorumTimeout is how long the active controller may be looked for, in
// milliseconds.
const quorumTimeout = 5000

// refuseQuorum answers a request for partitions that no quorum has.
func refuseQuorum(req *kmsg.DescribeQuorumRequest) kmsg.Response {
	resp := kmsg.NewPtrDescribeQuorumResponse()
	resp.ErrorMessage = new(string)
	for _, asked := range req.Topics {
		t := kmsg.NewDescribeQuorumResponseTopic()
		t.Topic = asked.Topic
		for _, p := range asked.Partitions {
			out := kmsg.NewDescribeQuorumResponseTopicPartition()
			out.Partition, out.ErrorCode = p.Partition, kerr.UnknownTopicOrPartition.Code
			out.ErrorMessage = kmsg.StringPtr(kerr.UnknownTopicOrPartition.Description)
			t.Partitions = append(t.Partitions, out)
		}
		resp.Topics = append(resp.Topics, t)
	}
	return resp
}

func quorumReplicas(from []controller.QuorumReplica) []kmsg.DescribeQuorumResponseTopicPartitionReplicaState {
	out := make([]kmsg.DescribeQuorumResponseTopicPartitionReplicaState, 0, len(from))
	for _, r := range from {
		s := kmsg.NewDescribeQuorumResponseTopicPartitionReplicaState()
		s.ReplicaID, s.LogEndOffset = r.ID, r.LogEnd
		s.LastFetchTimestamp, s.LastCaughtUpTimestamp = millisOrNone(r.LastFetch), millisOrNone(r.LastCaughtUp)
		out = append(out, s)
	}
	return out
}

// millisOrNone is a time in milliseconds since 1970, -1 for none.
func millisOrNone(t time.Time) int64 {
	if t.IsZero() {
		return -1
	}
	return t.UnixMilli()
}
