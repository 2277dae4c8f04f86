package broker

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/batch"
)

// listOffset asks for one offset.
func (r *raw) listOffset(version int16, topic string, partition int32, at int64, epoch int32) kmsg.ListOffsetsResponseTopicPartition {
	r.t.Helper()
	req := kmsg.NewPtrListOffsetsRequest()
	req.Version, req.ReplicaID = version, -1
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Partition, p.Timestamp, p.CurrentLeaderEpoch = partition, at, epoch
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic, t.Partitions = topic, []kmsg.ListOffsetsRequestTopicPartition{p}
	req.Topics = []kmsg.ListOffsetsRequestTopic{t}
	return r.ask(req).(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0]
}

func TestListOffsets(t *testing.T) {
	n := startNode(t, nodeOptions{})
	topic := n.createTopic("t", 1)
	r := n.dial()
	now := time.Now().UnixMilli()
	for _, ts := range []int64{now - 1000, now, now - 500} { // offsets 0, 1 and 2
		b := batch.NewBuilder(batch.BuilderOptions{})
		b.Append(ts, nil, []byte("x"), nil)
		must(t, kerr.ErrorForCode(r.produce(produceRequest(9, topic, 0, -1, b.Build())).ErrorCode))
	}
	for name, c := range map[string]struct {
		from   int16 // first version that knows it
		at     int64
		offset int64
		ts     int64
	}{
		"latest":                 {1, -1, 3, -1},
		"earliest":               {1, -2, 0, -1},
		"largest timestamp":      {7, -3, 1, now},
		"earliest local":         {8, -4, 0, -1},
		"latest tiered":          {9, -5, -1, -1},
		"earliest to tier":       {11, -6, -1, -1},
		"at a time":              {1, now - 600, 1, now},
		"at the first one":       {1, now - 1000, 0, now - 1000},
		"before all":             {1, 0, 0, now - 1000},
		"after all":              {1, now + 1, -1, -1},
		"a timestamp unheard of": {99, -7, -1, -1},
	} {
		for version := int16(1); version <= 11; version++ {
			got := r.listOffset(version, "t", 0, c.at, -1)
			if version < c.from {
				if got.ErrorCode != kerr.UnsupportedVersion.Code || got.Offset != -1 {
					t.Errorf("%s, version %d: %+v, which does not know it", name, version, got)
				}
				continue
			}
			if got.ErrorCode != 0 || got.Offset != c.offset || got.Timestamp != c.ts {
				t.Errorf("%s, version %d: %+v, want offset %d at %d", name, version, got, c.offset, c.ts)
			}
			if epoch := int32(0); version >= 4 && c.offset >= 0 && got.LeaderEpoch != epoch {
				t.Errorf("%s, version %d: leader epoch %d", name, version, got.LeaderEpoch)
			}
		}
	}
	for name, c := range map[string]struct {
		topic string
		part  int32
		epoch int32
		want  *kerr.Error
	}{
		"a missing topic":             {"missing", 0, -1, kerr.UnknownTopicOrPartition},
		"a missing partition":         {"t", 1, -1, kerr.UnknownTopicOrPartition},
		"an epoch that is to come":    {"t", 0, 5, kerr.UnknownLeaderEpoch},
		"the right epoch is no error": {"t", 0, 0, nil},
	} {
		got := r.listOffset(11, c.topic, c.part, -1, c.epoch)
		if err := kerr.ErrorForCode(got.ErrorCode); c.want == nil && err != nil || c.want != nil && err != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOffsetForLeaderEpoch(t *testing.T) {
	n := startNode(t, nodeOptions{})
	topic := n.createTopic("t", 1)
	n.write(topic, 0, 3, 10)
	for version := int16(2); version <= 4; version++ {
		for name, c := range map[string]struct {
			current, asked int32
			epoch          int32
			end            int64
			want           *kerr.Error
		}{
			"the latest":        {0, 0, 0, 3, nil},
			"without a current": {-1, 0, 0, 3, nil},
			"one to come":       {0, 7, -1, -1, nil},
			"a current to come": {3, 0, -1, -1, kerr.UnknownLeaderEpoch},
		} {
			req := kmsg.NewPtrOffsetForLeaderEpochRequest()
			req.Version, req.ReplicaID = version, -2
			p := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
			p.CurrentLeaderEpoch, p.LeaderEpoch = c.current, c.asked
			rt := kmsg.NewOffsetForLeaderEpochRequestTopic()
			rt.Topic, rt.Partitions = "t", []kmsg.OffsetForLeaderEpochRequestTopicPartition{p}
			req.Topics = []kmsg.OffsetForLeaderEpochRequestTopic{rt}
			got := n.dial().ask(req).(*kmsg.OffsetForLeaderEpochResponse).Topics[0].Partitions[0]
			err := kerr.ErrorForCode(got.ErrorCode)
			if (c.want == nil) != (err == nil) || c.want != nil && err != c.want || got.LeaderEpoch != c.epoch || got.EndOffset != c.end {
				t.Errorf("%s, version %d: %+v", name, version, got)
			}
		}
	}
}

func TestDeleteRecords(t *testing.T) {
	n := startNode(t, nodeOptions{})
	topic := n.createTopic("t", 1)
	n.createTopic("compacted", 1, "cleanup.policy", "compact")
	n.createTopic("both", 1, "cleanup.policy", "compact,delete")
	n.createTopic("__consumer_offsets", 1)
	n.write(topic, 0, 10, 10)
	ask := func(version int16, topic string, partition int32, offset int64) kmsg.DeleteRecordsResponseTopicPartition {
		req := kmsg.NewPtrDeleteRecordsRequest()
		req.Version = version
		p := kmsg.NewDeleteRecordsRequestTopicPartition()
		p.Partition, p.Offset = partition, offset
		rt := kmsg.NewDeleteRecordsRequestTopic()
		rt.Topic, rt.Partitions = topic, []kmsg.DeleteRecordsRequestTopicPartition{p}
		req.Topics = []kmsg.DeleteRecordsRequestTopic{rt}
		return n.dial().ask(req).(*kmsg.DeleteRecordsResponse).Topics[0].Partitions[0]
	}
	for _, c := range []struct {
		name      string
		topic     string
		partition int32
		offset    int64
		low       int64
		want      *kerr.Error
	}{
		{"some", "t", 0, 4, 4, nil},
		{"fewer than before", "t", 0, 2, 4, nil},
		{"more than there are", "t", 0, 11, -1, kerr.OffsetOutOfRange},
		{"a negative offset", "t", 0, -2, -1, kerr.OffsetOutOfRange},
		{"all", "t", 0, -1, 10, nil},
		{"a missing partition", "t", 7, 1, -1, kerr.UnknownTopicOrPartition},
		{"a compacted topic", "compacted", 0, 0, -1, kerr.PolicyViolation},
		{"a topic that is compacted and deleted", "both", 0, 0, 0, nil},
		{"an internal topic", "__consumer_offsets", 0, 0, -1, kerr.InvalidTopicException},
	} {
		for version := int16(0); version <= 2; version++ {
			got := ask(version, c.topic, c.partition, c.offset)
			err := kerr.ErrorForCode(got.ErrorCode)
			if (c.want == nil) != (err == nil) || c.want != nil && err != c.want || got.LowWatermark != c.low {
				t.Errorf("%s, version %d: %v, low watermark %d, want %v, %d", c.name, version, err, got.LowWatermark, c.want, c.low)
			}
		}
	}
	if got := n.dial().listOffset(9, "t", 0, -2, -1); got.Offset != 10 {
		t.Fatalf("the log starts at %d", got.Offset)
	}
}
