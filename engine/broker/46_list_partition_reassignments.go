package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/metadata"
)

// handleListPartitionReassignments answers ListPartitionReassignments 0
// (KIP-455) from the image: the partitions whose replicas are being moved. Null
// topics mean all; what is asked for and not being moved is left out.
func handleListPartitionReassignments(b *Broker, r *request) reply {
	req := r.body.(*kmsg.ListPartitionReassignmentsRequest)
	img := b.meta.Image()
	resp := kmsg.NewPtrListPartitionReassignmentsResponse()
	if req.Topics == nil {
		for _, t := range img.Topics() {
			all := make([]int32, len(t.Partitions))
			for i := range all {
				all[i] = int32(i)
			}
			addMoves(resp, t, all)
		}
		return answer(resp)
	}
	for _, asked := range req.Topics {
		if t := img.Topic(asked.Topic); t != nil {
			addMoves(resp, t, asked.Partitions)
		}
	}
	return answer(resp)
}

// addMoves adds those of a topic's partitions that are being moved.
func addMoves(resp *kmsg.ListPartitionReassignmentsResponse, t *metadata.Topic, indexes []int32) {
	out := kmsg.NewListPartitionReassignmentsResponseTopic()
	out.Topic = t.Name
	for _, index := range indexes {
		if index < 0 || int(index) >= len(t.Partitions) {
			continue
		}
		p := &t.Partitions[index]
		if len(p.Adding) == 0 && len(p.Removing) == 0 {
			continue
		}
		moved := kmsg.NewListPartitionReassignmentsResponseTopicPartition()
		moved.Partition, moved.Replicas, moved.AddingReplicas, moved.RemovingReplicas = index, p.Replicas, p.Adding, p.Removing
		out.Partitions = append(out.Partitions, moved)
	}
	if len(out.Partitions) > 0 {
		resp.Topics = append(resp.Topics, out)
	}
}
