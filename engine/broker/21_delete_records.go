package broker

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/metadata"
)

// handleDeleteRecords moves log starts (KIP-107). The new start is on disk
// before the answer, so it runs on the writer.
func handleDeleteRecords(b *Broker, r *request) reply {
	return park(func(context.Context) kmsg.Response {
		req := r.body.(*kmsg.DeleteRecordsRequest)
		resp := req.ResponseKind().(*kmsg.DeleteRecordsResponse)
		resp.Topics = make([]kmsg.DeleteRecordsResponseTopic, 0, len(req.Topics))
		for _, t := range req.Topics {
			out := kmsg.NewDeleteRecordsResponseTopic()
			out.Topic = t.Topic
			out.Partitions = make([]kmsg.DeleteRecordsResponseTopicPartition, 0, len(t.Partitions))
			for _, in := range t.Partitions {
				p := kmsg.NewDeleteRecordsResponseTopicPartition()
				p.Partition = in.Partition
				low, err := b.deleteRecords(t.Topic, in.Partition, in.Offset)
				if err != nil {
					low = -1
				}
				p.LowWatermark = low
				p.ErrorCode, _ = b.codeOf(err)
				out.Partitions = append(out.Partitions, p)
			}
			resp.Topics = append(resp.Topics, out)
		}
		return resp
	})
}

// deleteRecords deletes what is before offset in one partition.
func (b *Broker) deleteRecords(topic string, index int32, offset int64) (low int64, err error) {
	p, err := b.replicas.Partition(topic, index)
	if err != nil {
		return -1, err
	}
	if metadata.IsInternalTopic(topic) {
		return -1, fmt.Errorf("%w: records of %s cannot be deleted", kerr.InvalidTopicException, topic)
	}
	if !p.Config().CleanupDelete {
		return -1, fmt.Errorf("%w: the topic's cleanup.policy has no delete", kerr.PolicyViolation)
	}
	return p.DeleteRecords(offset)
}
