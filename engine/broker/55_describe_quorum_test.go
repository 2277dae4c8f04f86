package broker

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestDescribeQuorum_EveryVersion(t *testing.T) {
	n := startNode(t, nodeOptions{})
	r := n.dial()
	for version := int16(0); version <= 2; version++ {
		ask := func(topic string, partition int32) *kmsg.DescribeQuorumResponse {
			req := kmsg.NewPtrDescribeQuorumRequest()
			req.Version = version
			req.Topics = []kmsg.DescribeQuorumRequestTopic{{Topic: topic, Partitions: []kmsg.DescribeQuorumRequestTopicPartition{{Partition: partition}}}}
			return r.ask(req).(*kmsg.DescribeQuorumResponse)
		}
		got := ask("__cluster_metadata", 0)
		if got.ErrorCode != 0 || len(got.Topics) != 1 || len(got.Topics[0].Partitions) != 1 {
			t.Fatalf("version %d: %+v", version, got)
		}
		p := got.Topics[0].Partitions[0]
		if p.ErrorCode != 0 || p.LeaderID != 1 || p.LeaderEpoch != n.controller.Image().ControllerEpoch() || len(p.CurrentVoters) != 1 || len(p.Observers) != 0 {
			t.Errorf("version %d: %+v", version, p)
		}
		if v := p.CurrentVoters[0]; v.ReplicaID != 1 || v.LogEndOffset < p.HighWatermark || p.HighWatermark == 0 || version >= 1 && v.LastFetchTimestamp <= 0 {
			t.Errorf("version %d: %+v, high watermark %d", version, v, p.HighWatermark)
		}
		if version >= 2 && (len(got.Nodes) != 1 || got.Nodes[0].NodeID != 1) {
			t.Errorf("nodes: %+v", got.Nodes)
		}
		for topic, partition := range map[string]int32{"__cluster_metadata": 1, "other": 0} {
			if got := ask(topic, partition); got.ErrorCode != 0 || got.Topics[0].Partitions[0].ErrorCode != 3 {
				t.Errorf("version %d: %s-%d: %+v", version, topic, partition, got)
			}
		}
	}
}
