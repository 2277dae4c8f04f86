package broker

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestDescribeLogDirs_SizesOfWhatIsAskedFor(t *testing.T) {
	n := startNode(t, nodeOptions{})
	written := n.createTopic("logs", 2)
	n.createTopic("other", 1)
	n.write(written, 1, 3, 100)
	r := n.dial()
	for version := int16(1); version <= 5; version++ {
		all := kmsg.NewPtrDescribeLogDirsRequest()
		all.Version = version
		dirs := r.ask(all).(*kmsg.DescribeLogDirsResponse).Dirs
		if len(dirs) != 1 || dirs[0].ErrorCode != 0 || dirs[0].Dir == "" || len(dirs[0].Topics) != 2 {
			t.Fatalf("version %d: %+v", version, dirs)
		}
		logs := dirs[0].Topics[0]
		if logs.Topic != "logs" || len(logs.Partitions) != 2 || logs.Partitions[0].Size != 0 || logs.Partitions[1].Size == 0 {
			t.Fatalf("version %d: %+v", version, logs)
		}
		some := kmsg.NewPtrDescribeLogDirsRequest()
		some.Version = version
		some.Topics = []kmsg.DescribeLogDirsRequestTopic{{Topic: "logs", Partitions: []int32{1, 7, 1}}, {Topic: "none", Partitions: []int32{0}}}
		topics := r.ask(some).(*kmsg.DescribeLogDirsResponse).Dirs[0].Topics
		if len(topics) != 1 || len(topics[0].Partitions) != 1 || topics[0].Partitions[0].Partition != 1 {
			t.Fatalf("version %d: %+v", version, topics)
		}
	}
}
