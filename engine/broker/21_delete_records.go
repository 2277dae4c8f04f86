package broker

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/metadata"
	"github.com/logarium/logarium/engine/replica"
)

// handleDeleteRecords moves log starts (KIP-107). The new start is on disk, and
// every replica that is up has it, before the answer; so it runs on the writer.
func handleDeleteRecords(b *Broker, r *request) reply {
	return park(func(ctx context.Context) kmsg.Response {
		req := r.body.(*kmsg.DeleteRecordsRequest)
		ctx, cancel := context.WithTimeout(ctx, time.Duration(max(req.TimeoutMillis, 0))*time.Millisecond)
		defer cancel()
		waits := map[*kmsg.DeleteRecordsResponseTopicPartition]deletion{}
		resp := req.ResponseKind().(*kmsg.DeleteRecordsResponse)
		resp.Topics = make([]kmsg.DeleteRecordsResponseTopic, 0, len(req.Topics))
		for _, t := range req.Topics {
			out := kmsg.NewDeleteRecordsResponseTopic()
			out.Topic = t.Topic
			out.Partitions = make([]kmsg.DeleteRecordsResponseTopicPartition, 0, len(t.Partitions))
			for _, in := range t.Partitions {
				p := kmsg.NewDeleteRecordsResponseTopicPartition()
				p.Partition, p.LowWatermark = in.Partition, -1
				d, err := b.deleteRecords(t.Topic, in.Partition, in.Offset)
				p.ErrorCode, _ = b.codeOf(err)
				out.Partitions = append(out.Partitions, p)
				if err == nil {
					waits[&out.Partitions[len(out.Partitions)-1]] = d
				}
			}
			resp.Topics = append(resp.Topics, out)
		}
		for p, d := range waits { // all of them wait until the same time
			low, err := d.log.WaitDeleted(ctx, d.before)
			p.ErrorCode, _ = b.codeOf(err)
			if err == nil {
				p.LowWatermark = low
			}
		}
		return resp
	})
}

// deletion is a log start that was moved on the leader.
type deletion struct {
	log    *replica.Partition
	before int64
}

// deleteRecords deletes what is before offset in one partition on its leader.
func (b *Broker) deleteRecords(topic string, index int32, offset int64) (d deletion, err error) {
	p, err := b.replicas.Partition(topic, index)
	if err != nil {
		return d, err
	}
	if metadata.IsInternalTopic(topic) {
		return d, fmt.Errorf("%w: records of %s cannot be deleted", kerr.InvalidTopicException, topic)
	}
	if !p.Config().CleanupDelete {
		return d, fmt.Errorf("%w: the topic's cleanup.policy has no delete", kerr.PolicyViolation)
	}
	before, err := p.DeleteRecords(offset)
	return deletion{p, before}, err
}
