package broker

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The timestamps of ListOffsets that are none.
const (
	latestOffset        int64 = -1 // the high watermark, or the last stable offset
	earliestOffset      int64 = -2 // the log start
	maxTimestamp        int64 = -3 // v7: the record with the largest timestamp (KIP-734)
	earliestLocal       int64 = -4 // v8: the log start on this disk (KIP-405)
	latestTiered        int64 = -5 // v9: nothing is tiered
	earliestPendingTier int64 = -6 // v11: nothing is tiered
)

// specialSince holds the first version that knows each.
var specialSince = map[int64]int16{
	latestOffset: 0, earliestOffset: 0, maxTimestamp: 7, earliestLocal: 8, latestTiered: 9, earliestPendingTier: 11,
}

// handleListOffsets finds offsets by time.
//
//	v2 isolation level
//	v4 leader epochs
//
// Clients see what is committed: an offset above the high watermark is none.
func handleListOffsets(b *Broker, r *request) reply {
	req := r.body.(*kmsg.ListOffsetsRequest)
	resp := req.ResponseKind().(*kmsg.ListOffsetsResponse)
	resp.Topics = make([]kmsg.ListOffsetsResponseTopic, 0, len(req.Topics))
	for i := range req.Topics {
		t := &req.Topics[i]
		out := kmsg.NewListOffsetsResponseTopic()
		out.Topic = t.Topic
		out.Partitions = make([]kmsg.ListOffsetsResponseTopicPartition, 0, len(t.Partitions))
		for j := range t.Partitions {
			p := kmsg.NewListOffsetsResponseTopicPartition()
			p.Partition = t.Partitions[j].Partition
			if err := b.listOffset(req, t.Topic, &t.Partitions[j], &p); err != nil {
				p.Offset, p.Timestamp, p.LeaderEpoch = -1, -1, -1
				p.ErrorCode, _ = b.codeOf(err)
			}
			out.Partitions = append(out.Partitions, p)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return answer(resp)
}

// listOffset answers for one partition.
func (b *Broker) listOffset(req *kmsg.ListOffsetsRequest, topic string, in *kmsg.ListOffsetsRequestTopicPartition, out *kmsg.ListOffsetsResponseTopicPartition) error {
	out.Offset, out.Timestamp, out.LeaderEpoch = -1, -1, -1
	if req.ReplicaID >= 0 {
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
	if since, ok := specialSince[in.Timestamp]; in.Timestamp < 0 && (!ok || req.Version < since) {
		return fmt.Errorf("%w: timestamp %d", kerr.UnsupportedVersion, in.Timestamp)
	}
	end := p.HighWatermark()
	switch in.Timestamp {
	case latestOffset:
		if err := p.Settled(); err != nil {
			if req.Version < 5 {
				return kerr.LeaderNotAvailable // what there was before KIP-207
			}
			return err
		}
		if req.IsolationLevel == 1 {
			end = p.LastStable()
		}
		_, epoch := p.Leader()
		out.Offset, out.LeaderEpoch = end, epoch
		return nil
	case earliestOffset, earliestLocal:
		out.Offset = log.Start()
		out.LeaderEpoch = log.EpochAt(out.Offset)
		return nil
	case latestTiered, earliestPendingTier:
		return nil
	}
	var offset, ts int64
	var epoch int32
	if in.Timestamp == maxTimestamp {
		offset, ts, epoch, err = log.MaxTimestamp()
	} else {
		offset, ts, epoch, err = log.OffsetForTime(in.Timestamp)
	}
	if err == nil && offset >= 0 && offset < end {
		out.Offset, out.Timestamp, out.LeaderEpoch = offset, ts, epoch
	}
	return err
}
