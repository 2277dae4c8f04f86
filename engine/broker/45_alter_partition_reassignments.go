package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/controller"
)

// handleAlterPartitionReassignments answers AlterPartitionReassignments 0 and
// 1 (KIP-455): each partition is moved, refused or, with null replicas, its move
// given up for itself. In version 1 a client can forbid that the number of
// replicas changes (KIP-860).
func handleAlterPartitionReassignments(b *Broker, r *request) reply {
	req := r.body.(*kmsg.AlterPartitionAssignmentsRequest)
	changeFactor := r.version == 0 || req.AllowReplicationFactorChange
	var moves []controller.Reassignment
	for _, t := range req.Topics {
		for _, p := range t.Partitions {
			moves = append(moves, controller.Reassignment{
				TopicPartition: controller.TopicPartition{Topic: t.Topic, Partition: p.Partition}, Replicas: p.Replicas,
			})
		}
	}
	return park(func(ctx context.Context) kmsg.Response {
		ctx, cancel := within(ctx, req.TimeoutMillis)
		defer cancel()
		resp := kmsg.NewPtrAlterPartitionAssignmentsResponse()
		resp.AllowReplicationFactorChange = changeFactor
		for _, res := range b.meta.AlterReassignments(ctx, moves, changeFactor) {
			if n := len(resp.Topics); n == 0 || resp.Topics[n-1].Topic != res.Topic {
				t := kmsg.NewAlterPartitionAssignmentsResponseTopic()
				t.Topic = res.Topic
				resp.Topics = append(resp.Topics, t)
			}
			p := kmsg.NewAlterPartitionAssignmentsResponseTopicPartition()
			p.Partition = res.Partition
			p.ErrorCode, p.ErrorMessage = b.codeOf(res.Err)
			t := &resp.Topics[len(resp.Topics)-1]
			t.Partitions = append(t.Partitions, p)
		}
		b.settle(ctx)
		return resp
	})
}
