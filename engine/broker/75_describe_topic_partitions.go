package broker

import (
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/metadata"
)

// handleDescribeTopicPartitions answers DescribeTopicPartitions 0 (KIP-966):
// topics by name, no more partitions than the client and the setting
// max.request.partition.size.limit allow but at least one, and a cursor where
// there are more. No topics in the request mean all. The lists of eligible and
// last known replicas are empty, never null: Java reads them as lists.
func handleDescribeTopicPartitions(b *Broker, r *request) reply {
	req := r.body.(*kmsg.DescribeTopicPartitionsRequest)
	img := b.meta.Image()
	p := pager{
		img:  img,
		left: int(max(1, min(int64(req.ResponsePartitionLimit), img.BrokerInt("max.request.partition.size.limit")))),
		resp: kmsg.NewPtrDescribeTopicPartitionsResponse(),
	}
	p.resp.Topics = []kmsg.DescribeTopicPartitionsResponseTopic{}
	names, ok := namesFrom(img, req)
	if !ok {
		return answer(refuseTopics(req))
	}
	for _, name := range names {
		from := int32(0)
		if req.Cursor != nil && req.Cursor.Topic == name {
			from = req.Cursor.Partition
		}
		if !p.add(name, from) {
			break
		}
	}
	return answer(p.resp)
}

// namesFrom returns the topics to tell, sorted, from the cursor on; false if
// the cursor can not be.
func namesFrom(img *metadata.Image, req *kmsg.DescribeTopicPartitionsRequest) ([]string, bool) {
	wanted := make(map[string]bool, len(req.Topics))
	for _, t := range req.Topics {
		wanted[t.Topic] = true
	}
	names := slices.Sorted(maps.Keys(wanted))
	if len(wanted) == 0 {
		for _, t := range img.Topics() {
			names = append(names, t.Name)
		}
	}
	c := req.Cursor
	if c == nil {
		return names, true
	}
	if c.Partition < 0 || len(wanted) > 0 && !wanted[c.Topic] {
		return nil, false
	}
	at, _ := slices.BinarySearch(names, c.Topic)
	return names[at:], true
}

// refuseTopics answers a request whose cursor can not be.
func refuseTopics(req *kmsg.DescribeTopicPartitionsRequest) *kmsg.DescribeTopicPartitionsResponse {
	resp := kmsg.NewPtrDescribeTopicPartitionsResponse()
	resp.Topics = []kmsg.DescribeTopicPartitionsResponseTopic{}
	for _, t := range req.Topics {
		out := kmsg.NewDescribeTopicPartitionsResponseTopic()
		out.Topic, out.ErrorCode = kmsg.StringPtr(t.Topic), kerr.InvalidRequest.Code
		out.Partitions = []kmsg.DescribeTopicPartitionsResponseTopicPartition{}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

// pager fills an answer until its partitions are used up.
type pager struct {
	img  *metadata.Image
	left int // partitions
	resp *kmsg.DescribeTopicPartitionsResponse
}

// add tells a topic from a partition on; false when the answer is full.
func (p *pager) add(name string, from int32) bool {
	t := p.img.Topic(name)
	if t != nil && p.left == 0 {
		p.next(name, from)
		return false
	}
	out := kmsg.NewDescribeTopicPartitionsResponseTopic()
	out.Topic, out.AuthorizedOperations = kmsg.StringPtr(name), topicOperations
	out.Partitions = []kmsg.DescribeTopicPartitionsResponseTopicPartition{}
	if t == nil {
		out.ErrorCode = kerr.UnknownTopicOrPartition.Code
		if metadata.ValidateTopicName(name) != nil {
			out.ErrorCode = kerr.InvalidTopicException.Code
		}
		p.resp.Topics = append(p.resp.Topics, out)
		return true
	}
	out.TopicID, out.IsInternal = t.ID, t.Internal
	n := from
	for ; int(n) < len(t.Partitions) && p.left > 0; n++ {
		out.Partitions = append(out.Partitions, p.partition(&t.Partitions[n], n))
		p.left--
	}
	p.resp.Topics = append(p.resp.Topics, out)
	if int(n) < len(t.Partitions) {
		p.next(name, n)
		return false
	}
	return true
}

func (p *pager) next(topic string, partition int32) {
	c := kmsg.NewDescribeTopicPartitionsResponseNextCursor()
	c.Topic, c.Partition = topic, partition
	p.resp.NextCursor = &c
}

func (p *pager) partition(part *metadata.Partition, n int32) kmsg.DescribeTopicPartitionsResponseTopicPartition {
	out := kmsg.NewDescribeTopicPartitionsResponseTopicPartition()
	out.Partition, out.LeaderID, out.LeaderEpoch = n, part.Leader, part.LeaderEpoch
	out.Replicas, out.ISR = part.Replicas, part.ISR
	out.EligibleLeaderReplicas, out.LastKnownELR, out.OfflineReplicas = append([]int32{}, part.ELR...), append([]int32{}, part.LastKnownELR...), []int32{}
	for _, id := range part.Replicas {
		if broker, ok := p.img.Broker(id); !ok || broker.Fenced {
			out.OfflineReplicas = append(out.OfflineReplicas, id)
		}
	}
	return out
}
