package broker

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestAlterReplicaLogDirs_EveryVersion(t *testing.T) {
	n := startNode(t, nodeOptions{others: 1})
	n.createTopic("here", 2) // one partition on each broker
	r := n.dial()
	mine := int32(0)
	if n.controller.Image().Topic("here").Partitions[0].Replicas[0] != 1 {
		mine = 1
	}
	for version := int16(1); version <= 2; version++ {
		for dir, want := range map[string]string{"memory": "0 9 3 3", "/elsewhere": "57 57 57 57"} {
			req := kmsg.NewPtrAlterReplicaLogDirsRequest()
			req.Version = version
			req.Dirs = []kmsg.AlterReplicaLogDirsRequestDir{{Dir: dir, Topics: []kmsg.AlterReplicaLogDirsRequestDirTopic{
				{Topic: "here", Partitions: []int32{mine, 1 - mine, 9}}, {Topic: "none", Partitions: []int32{0}},
			}}}
			got := r.ask(req).(*kmsg.AlterReplicaLogDirsResponse)
			if len(got.Topics) != 2 || len(got.Topics[0].Partitions) != 3 {
				t.Fatalf("version %d: %+v", version, got)
			}
			p := got.Topics[0].Partitions
			if codes := fmt.Sprint(p[0].ErrorCode, p[1].ErrorCode, p[2].ErrorCode, got.Topics[1].Partitions[0].ErrorCode); codes != want {
				t.Errorf("version %d, %s: %s, want %s", version, dir, codes, want)
			}
		}
	}
}
