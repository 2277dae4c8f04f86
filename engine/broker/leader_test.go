package broker

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/batch"
)

// Who asks the wrong broker is told the right one, and its address (KIP-951).
func TestNotLeader_TellsTheLeader(t *testing.T) {
	n := startNode(t, nodeOptions{others: 1})
	topic := n.createTopic("t", 4)
	theirs := int32(-1)
	for i, p := range topic.Partitions {
		if p.Leader == 2 {
			theirs = int32(i)
		}
	}
	if theirs < 0 {
		t.Fatalf("the other broker leads nothing: %+v", topic.Partitions)
	}
	code := kerr.NotLeaderForPartition.Code
	for _, version := range []int16{9, 10, 13} {
		req := produceRequest(version, topic, theirs, -1, records(batch.BuilderOptions{}, 1, 1))
		req.Topics[0].Partitions = append(req.Topics[0].Partitions, req.Topics[0].Partitions[0])
		got := n.dial().ask(req).(*kmsg.ProduceResponse)
		for _, p := range got.Topics[0].Partitions {
			if p.ErrorCode != code || version >= 10 && (p.CurrentLeader.LeaderID != 2 || p.CurrentLeader.LeaderEpoch != 0) {
				t.Fatalf("Produce %d: %+v", version, p)
			}
		}
		if version >= 10 && (len(got.Brokers) != 1 || got.Brokers[0].NodeID != 2 || got.Brokers[0].Host != "other.example" || *got.Brokers[0].Rack != "far") {
			t.Fatalf("Produce %d: nodes %+v", version, got.Brokers)
		}
	}
	for _, version := range []int16{11, 12, 16, 18} {
		got := n.dial().fetch(fetchRequest(version, want{topic: topic, partition: theirs}))
		p := got.Topics[0].Partitions[0]
		if p.ErrorCode != code || version >= 12 && p.CurrentLeader.LeaderID != 2 {
			t.Fatalf("Fetch %d: %+v", version, p)
		}
		if version >= 16 && (len(got.Brokers) != 1 || got.Brokers[0].NodeID != 2 || got.Brokers[0].Port != 1) {
			t.Fatalf("Fetch %d: nodes %+v", version, got.Brokers)
		}
	}
	if got := n.dial().listOffset(9, "t", theirs, -1, -1); got.ErrorCode != code {
		t.Errorf("ListOffsets: %v", kerr.ErrorForCode(got.ErrorCode))
	}
}
