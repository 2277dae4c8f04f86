package broker

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// handleOffsetForLeaderEpoch tells where leader epochs end, by which clients
// find out that a log was truncated under them (KIP-320).
//
//	v2 the client's leader epoch is checked
//	v3 replica id; clients have -1 or -2
func handleOffsetForLeaderEpoch(b *Broker, r *request) reply {
	req := r.body.(*kmsg.OffsetForLeaderEpochRequest)
	resp := req.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
	resp.Topics = make([]kmsg.OffsetForLeaderEpochResponseTopic, 0, len(req.Topics))
	for i := range req.Topics {
		t := &req.Topics[i]
		out := kmsg.NewOffsetForLeaderEpochResponseTopic()
		out.Topic = t.Topic
		out.Partitions = make([]kmsg.OffsetForLeaderEpochResponseTopicPartition, 0, len(t.Partitions))
		for j := range t.Partitions {
			p := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
			p.Partition = t.Partitions[j].Partition
			if err := b.epochEnd(req, t.Topic, &t.Partitions[j], &p); err != nil {
				p.LeaderEpoch, p.EndOffset = -1, -1
				p.ErrorCode, _ = b.codeOf(err)
			}
			out.Partitions = append(out.Partitions, p)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return answer(resp)
}

// epochEnd answers for one partition.
func (b *Broker) epochEnd(req *kmsg.OffsetForLeaderEpochRequest, topic string, in *kmsg.OffsetForLeaderEpochRequestTopicPartition, out *kmsg.OffsetForLeaderEpochResponseTopicPartition) error {
	if req.Version >= 3 && req.ReplicaID >= 0 {
		return kerr.ClusterAuthorizationFailed // clients are no replicas
	}
	p, err := b.replicas.Partition(topic, in.Partition)
	if err != nil {
		return err
	}
	log, err := p.Log()
	if err != nil {
		return err
	}
	if err := p.CheckEpoch(in.CurrentLeaderEpoch); err != nil {
		return err
	}
	out.LeaderEpoch, out.EndOffset = log.EpochEnd(in.LeaderEpoch)
	return nil
}
