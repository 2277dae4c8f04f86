package broker

import (
	"cmp"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/replica"
)

// handleDescribeLogDirs answers DescribeLogDirs 1 to 5: the one log directory
// of this broker and the size of each of its logs. A null list of topics asks
// for all. What is asked for and not here is left out, as in Kafka. The size of
// the volume (v4, KIP-827) is not known to a broker here and said to be -1.
func handleDescribeLogDirs(b *Broker, r *request) reply {
	req := r.body.(*kmsg.DescribeLogDirsRequest)
	dir := kmsg.NewDescribeLogDirsResponseDir()
	dir.Dir = b.logDir
	dir.Topics = []kmsg.DescribeLogDirsResponseDirTopic{}
	logs := b.replicas.Partitions()
	if req.Topics != nil {
		logs = asked(b.replicas, req.Topics)
	}
	slices.SortFunc(logs, func(x, y *replica.Partition) int {
		return cmp.Or(cmp.Compare(x.Topic(), y.Topic()), cmp.Compare(x.Index(), y.Index()))
	})
	for i, p := range logs {
		if i > 0 && p == logs[i-1] {
			continue // asked for twice
		}
		last := len(dir.Topics) - 1
		if last < 0 || dir.Topics[last].Topic != p.Topic() {
			t := kmsg.NewDescribeLogDirsResponseDirTopic()
			t.Topic = p.Topic()
			dir.Topics = append(dir.Topics, t)
			last++
		}
		d := kmsg.NewDescribeLogDirsResponseDirTopicPartition()
		d.Partition, d.Size = p.Index(), p.Counters().SizeBytes.Load()
		d.OffsetLag = max(p.HighWatermark()-p.End(), 0)
		dir.Topics[last].Partitions = append(dir.Topics[last].Partitions, d)
	}
	resp := kmsg.NewPtrDescribeLogDirsResponse()
	resp.Dirs = []kmsg.DescribeLogDirsResponseDir{dir}
	return answer(resp)
}

// asked returns the replicas here that topics name.
func asked(replicas *replica.Set, topics []kmsg.DescribeLogDirsRequestTopic) []*replica.Partition {
	var out []*replica.Partition
	for _, t := range topics {
		for _, index := range t.Partitions {
			if p, err := replicas.Partition(t.Topic, index); err == nil {
				out = append(out, p)
			}
		}
	}
	return out
}
