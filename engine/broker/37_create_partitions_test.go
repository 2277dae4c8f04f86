package broker

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestCreatePartitions_EveryVersion(t *testing.T) {
	n := startNode(t, nodeOptions{})
	n.createTopic("t", 1)
	r := n.dial()
	for version := int16(0); version <= 3; version++ {
		req := kmsg.NewPtrCreatePartitionsRequest()
		req.Version = version
		for _, count := range []int32{int32(version) + 2, 1} {
			topic := kmsg.NewCreatePartitionsRequestTopic()
			topic.Topic, topic.Count = "t", count
			req.Topics = []kmsg.CreatePartitionsRequestTopic{topic}
			got := r.ask(req).(*kmsg.CreatePartitionsResponse).Topics[0]
			want := int16(0)
			if count == 1 {
				want = kerr.InvalidPartitions.Code
			}
			if got.ErrorCode != want || got.Topic != "t" || want != 0 && got.ErrorMessage == nil {
				t.Errorf("version %d, count %d: %+v", version, count, got)
			}
		}
		if have := len(n.controller.Image().Topic("t").Partitions); have != int(version)+2 {
			t.Errorf("version %d: %d partitions", version, have)
		}
	}
}
